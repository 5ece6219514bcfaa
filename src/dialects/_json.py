"""JSON text as every store keeps it: exact, deterministic, and refused where a store would bend it.

orjson writes and reads what it can do exactly. It writes NaN as `null` and reads integers over
64 bits as floats, so those two are looked for and handled by the standard library.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, cast

import orjson

__all__ = ["canonical", "dumps", "loads"]

_DEEPEST = 254
"""As orjson has it; the checks of the mapping allow less."""

_PLAIN = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_LONG_INTEGER = re.compile(r"(?<![\d.eE+])-?\d{19,}")


def dumps(value: object) -> str:
    """Write a document as JSON text.

    Raises:
        ValueError: it holds what JSON cannot (NaN, infinity, a key that is no text, a lone
            surrogate, NUL, an unknown kind of value). Names the path.
    """
    try:
        encoded = orjson.dumps(value, option=_PLAIN)
    except (orjson.JSONEncodeError, RecursionError):
        _check(value, "$", 0)
        return _dumps_any(value)
    if b"null" in encoded or b"\\u0000" in encoded:
        _check(value, "$", 0)
    return encoded.decode()


def loads(text: str | bytes) -> Any:
    """Read a document. Integers of any length stay exact.

    Raises:
        ValueError: the text is not JSON.
    """
    if isinstance(text, bytes):
        text = text.decode()
    if _LONG_INTEGER.search(text):
        return json.loads(text)
    return orjson.loads(text)


def canonical(value: object) -> str:
    """Write a document so that equal documents have equal text (keys in order, 1.0 as 1)."""
    return json.dumps(
        _normal(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _normal(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value)
        return {key: _normal(item) for key, item in items.items()}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in cast("list[object]", value)]
    return value


def _dumps_any(value: object) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("cannot be written as JSON") from None


def _check(value: object, path: str, depth: int) -> None:
    """Find what JSON cannot hold and name where it is, never what it is."""
    if depth > _DEEPEST:
        raise ValueError(f"JSON nests deeper than {_DEEPEST} levels")
    if isinstance(value, str):
        _check_text(value, path)
    elif value is None or isinstance(value, bool | int):
        return
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON cannot hold NaN or infinity (at {path})")
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[object, object]", value).items():
            if not isinstance(key, str):
                kind = type(key).__name__
                raise ValueError(f"JSON keys are text, not {kind} (at {path})")  # noqa: TRY004
            _check_text(key, path)
            _check(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("list[object]", value)):
            _check(item, f"{path}[{index}]", depth + 1)
    else:
        raise ValueError(f"JSON cannot hold a {type(value).__name__} (at {path})")


def _check_text(text: str, path: str) -> None:
    if "\0" in text:
        raise ValueError(f"JSON text with a NUL character cannot be stored (at {path})")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"JSON text with a lone surrogate cannot be stored (at {path})") from None
