"""The converter of embedded values, with what JSON has no kind of its own for."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import ipaddress as ip
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ForwardRef, Literal, get_args, get_origin
from uuid import UUID

import attrs

from uow.mapping.dict_hooks import (
    abstract_reader,
    abstract_writer,
    dict_reader,
    dict_writer,
    has_odd_keys,
    is_abstract,
    is_dict,
)
from uow.mapping.json_unions import is_union, union_reader
from uow.values import PathError
from uow.values.class_fields import class_fields, has_fields, is_model, is_named_tuple
from uow.values.models import dump_model, in_order, model_problem_of, read_model

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["converter", "problem_of", "reading_problem"]


@lru_cache(maxsize=2)
def converter(*, is_detailed: bool = False) -> Converter:
    """The converter, made on first use: importing cattrs takes its time.

    Args:
        is_detailed: it says where something does not fit, and is slower.
    """
    from cattrs import Converter

    made = Converter(detailed_validation=is_detailed)
    for kind, write, read in _SCALARS:
        made.register_unstructure_hook(kind, write)
        made.register_structure_hook(kind, _reader(kind, read))
    made.register_unstructure_hook_factory(_is_object, _object_writer(made))
    made.register_structure_hook_factory(_is_object, _object_reader(made))
    made.register_unstructure_hook_func(_is_set, _write_set(made))
    made.register_unstructure_hook_func(is_model, dump_model)
    made.register_structure_hook_func(is_model, lambda value, kind: read_model(kind, value))
    made.register_unstructure_hook_factory(is_dict, dict_writer(made))
    made.register_structure_hook_factory(has_odd_keys, dict_reader(made))
    made.register_unstructure_hook_func(_is_tuple, _write_items(made))
    made.register_unstructure_hook_func(is_named_tuple, _write_items(made))
    made.register_structure_hook_factory(is_named_tuple, _named_tuple_reader(made))
    made.register_unstructure_hook_func(_is_deque, _write_items(made))
    made.register_structure_hook_factory(_is_deque, _deque_reader(made))
    made.register_unstructure_hook_factory(is_abstract, abstract_writer(made))
    made.register_structure_hook_factory(is_abstract, abstract_reader(made))
    made.register_structure_hook_factory(is_union, partial(union_reader, made))
    return made


def reading_problem(value: Any, hint: Any) -> ValueError:
    """Say what in plain JSON does not fit a type hint."""
    try:
        converter(is_detailed=True).structure(value, hint)
    except Exception as exc:  # noqa: BLE001 - constructors of the user's classes may raise anything
        return problem_of(exc)
    return PathError("it does not fit")


def problem_of(error: Exception) -> ValueError:
    """Say what does not fit, of what a detailed converter raised."""
    from cattrs import transform_error

    first = transform_error(error, path="", format_exception=_told)[0]
    problem, _, path = first.rpartition(" @ ")
    return PathError(problem, *([path] if path else []))


def _told(exc: BaseException, kind: type[Any] | None) -> str:
    """What is wrong, without the value."""
    found = model_problem_of(exc)
    if found is not None:
        return found[0]
    if isinstance(exc, KeyError):
        return "a required field is missing"
    name = getattr(kind, "__name__", None)
    return f"expected {name}" if name else "it does not fit"


def _reader(kind: type, read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: value if isinstance(value, kind) else read(value)


def _read_interval(value: int) -> dt.timedelta:
    return dt.timedelta(microseconds=value)


def _write_interval(value: dt.timedelta) -> int:
    return value // dt.timedelta(microseconds=1)


_read_bytes: Callable[[str], bytes] = base64.b64decode

_SCALARS: tuple[tuple[type, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    (dt.time, dt.time.isoformat, dt.time.fromisoformat),
    (dt.timedelta, _write_interval, _read_interval),
    (UUID, str, UUID),
    (Decimal, str, Decimal),
    (bytes, lambda value: base64.b64encode(value).decode(), base64.b64decode),
    (
        bytearray,
        lambda value: base64.b64encode(value).decode(),
        lambda v: bytearray(_read_bytes(v)),
    ),
    (ip.IPv4Address, str, ip.IPv4Address),
    (ip.IPv6Address, str, ip.IPv6Address),
    (ip.IPv4Interface, str, ip.IPv4Interface),
    (ip.IPv6Interface, str, ip.IPv6Interface),
    (ip.IPv4Network, str, ip.IPv4Network),
    (ip.IPv6Network, str, ip.IPv6Network),
)


# -- objects of attrs classes and dataclasses


def _is_object(kind: Any) -> bool:
    return has_fields(kind) and not is_model(get_origin(kind) or kind)


def _object_writer(made: Converter) -> Callable[[Any], Callable[[Any], Any]]:
    from cattrs.gen import make_dict_unstructure_fn

    def writer(kind: Any) -> Callable[[Any], Any]:
        overrides = _prepared(kind, made)
        return make_dict_unstructure_fn(kind, made, _cattrs_include_init_false=True, **overrides)

    return writer


def _object_reader(made: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    from cattrs.gen import make_dict_structure_fn

    def reader(kind: Any) -> Callable[[Any, Any], Any]:
        overrides = _prepared(kind, made)
        # What a frozen class sets by itself it sets again.
        read: Callable[[Any, Any], Any] = make_dict_structure_fn(
            kind, made, _cattrs_include_init_false=not _is_frozen(kind), **overrides
        )

        def checked(value: Any, kind: Any) -> Any:
            if not hasattr(value, "keys"):  # which a class without required fields would take
                raise TypeError("an object was expected")
            return read(value, kind)

        return checked

    return reader


def _is_frozen(kind: Any) -> bool:
    class_: Any = get_origin(kind) or kind
    parameters = getattr(class_, "__dataclass_params__", None)
    return bool(getattr(parameters, "frozen", False)) or (
        class_.__setattr__.__name__ == "_frozen_setattrs"
    )


def _prepared(kind: Any, made: Converter) -> Mapping[str, Any]:
    """Resolve the hints of a class; for those that cattrs would not see through, say how."""
    from cattrs import override

    class_: Any = get_origin(kind) or kind
    if attrs.has(class_):
        declared = {field.name: field.type for field in attrs.fields(class_)}
        if any(isinstance(hint, str) for hint in declared.values()):
            attrs.resolve_types(class_)
            return {}
    else:
        declared = {field.name: field.type for field in dataclasses.fields(class_)}
    hidden = [name for name, hint in declared.items() if _hides_a_name(hint)]
    hints = class_fields(kind) if hidden else {}
    return {
        name: override(
            unstruct_hook=_writing(made, hints[name]), struct_hook=_reading(made, hints[name])
        )
        for name in hidden
    }


def _hides_a_name(hint: Any) -> bool:
    """Whether a name that stands for a class is inside of a hint: `list["Part"]`."""
    arguments = () if get_origin(hint) is Literal else get_args(hint)
    return any(isinstance(each, (str, ForwardRef)) or _hides_a_name(each) for each in arguments)


def _writing(made: Converter, hint: Any) -> Callable[[Any], Any]:
    write: Callable[[Any], Any] | None = None

    def written(value: Any) -> Any:  # the hook is looked up late, since the hint may be circular
        nonlocal write
        if write is None:
            write = made.get_unstructure_hook(hint)
        return write(value)

    return written


def _reading(made: Converter, hint: Any) -> Callable[[Any, Any], Any]:
    read: Callable[[Any, Any], Any] | None = None

    def structured(value: Any, _: Any) -> Any:
        nonlocal read
        if read is None:
            read = made.get_structure_hook(hint)
        return read(value, hint)

    return structured


# -- sets, tuples and deques


def _is_set(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (set, frozenset)


def _is_deque(kind: Any) -> bool:
    return (get_origin(kind) or kind) is deque


def _is_tuple(kind: Any) -> bool:
    return (isinstance(kind, type) and kind is tuple) or get_origin(kind) is tuple


def _deque_reader(made: Converter) -> Callable[[Any], Callable[[Any, Any], deque[Any]]]:
    def reader(kind: Any) -> Callable[[Any, Any], deque[Any]]:
        item: Any = (*get_args(kind), Any)[0]
        return lambda value, _: deque([made.structure(each, item) for each in value])

    return reader


def _named_tuple_reader(made: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def reader(kind: Any) -> Callable[[Any, Any], Any]:
        reads = [_reading(made, hint) for hint in class_fields(kind).values()]
        return lambda value, _: kind._make(
            [read(item, None) for read, item in zip(reads, value, strict=True)]
        )

    return reader


def _write_set(made: Converter) -> Callable[[Any], list[Any]]:
    def write(value: Any) -> list[Any]:
        return in_order([made.unstructure(item) for item in [*value]])

    return write


def _write_items(made: Converter) -> Callable[[Any], list[Any]]:
    # Listed first, since other threads may put something in meanwhile.
    return lambda value: [made.unstructure(item) for item in [*value]]
