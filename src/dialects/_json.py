"""JSON text as every store keeps it: exact, deterministic, and refused where a store would bend it.

orjson writes and reads what it can do exactly. It writes NaN as `null` and reads integers over
64 bits as floats, so those two are looked for and handled by the standard library.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, cast

import orjson

from uow.values import PathError, check_text, kind_of

__all__ = ["canonical", "dumps", "dumps_checked", "dumps_for_decimals", "dumps_for_mysql", "loads"]

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
    return _dumps(value, is_sorted=False)


def dumps_checked(value: object) -> str:
    """Write what holds finite numbers and checked text only; much quicker for many short rows."""
    try:
        return orjson.dumps(value, _as_dict, _PLAIN).decode()
    except orjson.JSONEncodeError:
        return dumps(value)


def dumps_for_decimals(value: object) -> str:
    """Write a document for a store that keeps objects without order and numbers as decimals.

    With keys in order equal documents have equal text. Numbers have no powers of ten: `1e22` would
    come back as a whole number of 23 digits, and no float. Zero has no sign, as no decimal has.

    >>> dumps_for_decimals({"b": "1e3", "a": [1e22, -0.0]})
    '{"a":[10000000000000000000000.0,0.0],"b":"1e3"}'

    Raises:
        ValueError: as `dumps`.
    """
    text = _dumps(value, is_sorted=True)
    if _MAY_BE_ODD.search(text) is None:
        return text
    return _STRING_OR_ODD.sub(_as_decimal, text)


def dumps_for_mysql(value: object) -> str:
    """Write a document for MySQL's own type, which keeps objects without order.

    Whole numbers of more than 64 bits would come back as floats ("The JSON Data Type", MySQL
    Reference Manual, 13.5), and more than 100 levels are refused there.

    >>> dumps_for_mysql({"b": "18446744073709551616", "a": 18446744073709551615})
    '{"a":18446744073709551615,"b":"18446744073709551616"}'

    Raises:
        ValueError: as `dumps`, and for what MySQL would bend or refuse.
    """
    text = _dumps(value, is_sorted=True)
    if _LONG_INTEGER.search(text) is not None:
        for found in _STRING_OR_LONG.finditer(text):
            digits = found.group()
            if not digits.startswith('"') and not -(2**63) <= int(digits) < 2**64:
                _find(value, _problem_to_mysql)
    if text.count("[") + text.count("{") > _DEEPEST_OF_MYSQL and _depth(text) > _DEEPEST_OF_MYSQL:
        raise ValueError(f"MySQL keeps no JSON of more than {_DEEPEST_OF_MYSQL} levels")
    return text


_DEEPEST_OF_MYSQL: Final = 100
_STRING_OR_LONG: Final = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\d.eE+])-?\d{19,}(?![\d.eE])')
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def _depth(text: str) -> int:
    """How many levels a document has, a value in the innermost brackets counted."""
    depth = deepest = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found.group(), 0)
        deepest = max(deepest, depth)
    return deepest + 1


def _dumps(value: object, *, is_sorted: bool) -> str:
    try:
        encoded = orjson.dumps(value, _as_dict, _PLAIN | orjson.OPT_SORT_KEYS * is_sorted)
    except (orjson.JSONEncodeError, RecursionError):
        _check(value)
        return _dumps_any(value, is_sorted=is_sorted)
    # NaN is written as null, and so is None: reading it again is the quickest way to tell.
    if b"\\u0000" in encoded or (b"null" in encoded and orjson.loads(encoded) != value):
        _check(value)
    return encoded.decode()


_MAY_BE_ODD: Final = re.compile(r"[0-9][eE]\+?[0-9]|-0\.0(?![0-9])")
_STRING_OR_ODD: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]+|-0\.0(?![0-9])'
)


def _as_decimal(found: re.Match[str]) -> str:
    number = found.group()
    if number.startswith('"'):
        return number
    if number == "-0.0":
        return "0.0"
    digits = format(Decimal(number), "f")
    return digits if "." in digits else f"{digits}.0"


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


def _dumps_any(value: object, *, is_sorted: bool) -> str:
    try:
        return json.dumps(
            value,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
            sort_keys=is_sorted,
            default=_as_dict,
        )
    except (TypeError, ValueError, RecursionError):
        raise ValueError("cannot be written as JSON") from None


def _as_dict(value: Any) -> dict[Any, Any]:
    """Give what is a mapping, though no `dict`, as one."""
    if not issubclass(type(value), Mapping):
        raise TypeError
    return dict(value)


def _check(value: object) -> None:
    _find(value, _problem_of)


def _find(value: object, problem_of: Callable[[object, int], str | None]) -> None:
    """Find what cannot be kept and name where it is, never what it is."""
    waiting: list[tuple[object, tuple[str, ...]]] = [(value, ())]
    while waiting:
        found, steps = waiting.pop()
        problem = problem_of(found, len(steps))
        if problem is not None:
            raise PathError(problem, *reversed(steps))
        waiting += [(item, (*steps, step)) for step, item in reversed([*_members(found)])]


def _members(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[object, object]", value).items():
            yield f".{key}", item
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("list[object]", value)):
            yield f"[{index}]", item


def _problem_of(value: object, depth: int) -> str | None:
    """What is wrong with one value, whatever it holds."""
    if depth > _DEEPEST:
        return f"JSON nests deeper than {_DEEPEST} levels"
    if isinstance(value, str):
        return _problem_of_text(value)
    if isinstance(value, int):
        return _problem_of_integer(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else "JSON holds no NaN and no infinity"
    if isinstance(value, Mapping):
        for key in cast("Mapping[object, object]", value):
            if not isinstance(key, str):
                return f"JSON keys are str, got {kind_of(key)}"
            problem = _problem_of_text(key)
            if problem is not None:
                return problem
        return None
    if value is None or isinstance(value, list | tuple):
        return None
    return f"JSON cannot hold a {kind_of(value)}"


def _problem_to_mysql(value: object, _: int) -> str | None:
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return "MySQL keeps no whole number of more than 64 bits in JSON"
    return None


def _problem_of_text(text: str) -> str | None:
    try:
        check_text(text)
    except ValueError as exc:
        return str(exc)
    return None


def _problem_of_integer(value: int) -> str | None:
    try:
        int.__repr__(value)
    except ValueError:  # `sys.set_int_max_str_digits`
        return "an int of more digits than Python writes"
    return None
