"""Embedded values: attrs classes, dataclasses and pydantic models in JSON columns.

One cattrs converter for all of them (`json_converter.py`). `unstructurer` and `structurer` answer
None where a value already is plain JSON, which spares the conversion altogether.
"""

from __future__ import annotations

import pathlib
import re
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, Union, get_args, get_origin

from uow.mapping.json_converter import converter, reading_problem
from uow.mapping.known_hints import check_parts
from uow.values import has_plain_keys, split_optional
from uow.values.class_fields import UndefinedNameError

__all__ = ["check_document_hint", "check_hint", "structurer", "unstructurer"]

_PLAIN = frozenset({str, int, float, bool, types.NoneType})


def unstructurer(annotation: object) -> Callable[[Any], Any] | None:
    """What turns a value of that type hint into plain JSON, or None if it is that already.

    The callable must not be given None.

    Raises:
        ValueError: values of that type hint cannot be written.
    """
    bare, _ = split_optional(annotation)
    if is_plain(bare, reading=False):
        return None
    check_parts(bare, _is_known)
    write = converter().get_unstructure_hook(bare)

    def unstructure(value: Any) -> Any:
        try:
            return write(value)
        except (AttributeError, KeyError, RecursionError, TypeError) as exc:
            raise ValueError("does not fit its type hint, or holds itself") from exc

    return unstructure


def structurer(annotation: object) -> Callable[[Any], Any] | None:
    """What turns plain JSON into a value of that type hint, or None if it is that already.

    The callable must not be given None. It raises ValueError, with the path to what does not fit.

    Raises:
        ValueError: values of that type hint cannot be read.
    """
    bare, _ = split_optional(annotation)
    if is_plain(bare, reading=True):
        return None
    check_parts(bare, _is_known)
    read = converter().get_structure_hook(bare)

    def structure(value: Any) -> Any:
        try:
            return read(value, bare)
        except Exception as exc:
            raise reading_problem(value, bare) from exc

    return structure


def check_hint(annotation: object) -> None:
    """See whether values of a type hint can be read again.

    What the hint names may be defined later; then nothing is known yet.

    Raises:
        ValueError: they cannot, or cannot be told apart in JSON.
    """
    with suppress(NameError, UndefinedNameError):
        structurer(annotation)


def check_document_hint(annotation: object, encoded: tuple[type, ...] = ()) -> None:
    """See whether values of a type hint can be in a document.

    Args:
        annotation: the type hint.
        encoded: classes for whose values there are encoders.

    Raises:
        ValueError: they cannot.
    """

    def is_known(class_: type[Any]) -> bool:
        if issubclass(class_, (*encoded, pathlib.PurePath, re.Pattern)):
            return True
        known = ("bson.", "pydantic.", "pydantic_core.")  # its own scalars: secrets, addresses
        return class_.__module__.startswith(known) or _is_known(class_)

    with suppress(NameError, UndefinedNameError):
        check_parts(annotation, is_known)


def _is_known(class_: type[Any]) -> bool:
    from cattrs.errors import StructureHandlerNotFoundError

    try:
        converter().get_structure_hook(class_)
    except StructureHandlerNotFoundError:
        return False
    return True


def is_plain(hint: Any, *, reading: bool) -> bool:
    """Whether values look the same in Python and in JSON."""
    bare, _ = split_optional(hint)
    if bare is None or bare is Any or bare is object:
        return True
    origin: Any = get_origin(bare) or bare
    if origin in (Union, types.UnionType):
        return all(is_plain(member, reading=reading) for member in get_args(bare))
    if origin is Literal:
        return all(type(choice) in _PLAIN for choice in get_args(bare))
    if bare is float:
        return not reading  # stores write 1.0 as 1
    if bare in _PLAIN:
        return True
    if origin is dict and not has_plain_keys(bare):
        return False
    if origin in (list, dict):
        return all(is_plain(argument, reading=reading) for argument in get_args(bare)[-1:])
    return False
