"""Which member of a union stands in JSON.

JSON tells text, numbers, lists and objects apart. Among the members of one such kind it is told
by what they hold: objects by a field of literals that all of them have (a tag), else by the names
of their fields; texts by their form. Members that cannot be told apart are refused.
"""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress as ip
import types
import typing
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from uow.values import has_plain_keys, split_optional
from uow.values.class_fields import class_fields, has_fields
from uow.values.models import stored_names

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["is_union", "union_reader"]

Reader = Callable[[Any, Any], Any]


def is_union(hint: Any) -> bool:
    """Whether a hint is a union of more than one class and None."""
    return get_origin(split_optional(hint)[0]) in (Union, types.UnionType)


def union_reader(converter: Converter, hint: Any) -> Reader:
    """Give what reads the values of a union.

    Raises:
        ValueError: some of its members cannot be told apart in JSON.
    """
    bare, _ = split_optional(hint)
    members = list(get_args(bare))
    by_kind: dict[type, list[Any]] = {}
    for member in members:
        kinds = _json_kinds(member)
        if kinds is None:
            return lambda value, _: value  # anything is one of its values
        for kind in kinds:
            by_kind.setdefault(kind, []).append(member)
    readers: dict[type, Reader] = {}
    for kind, found in by_kind.items():
        readers[kind] = _CHOOSERS.get(kind, _only)(found, hint, converter)
    if float in readers:
        readers.setdefault(int, readers[float])  # stores write 1.0 as 1
    elif int in readers:
        readers[float] = _whole(readers[int])

    def read(value: Any, _: Any) -> Any:
        if value is None:
            return None
        reader = readers.get(_class_of(value))
        if reader is None:
            raise TypeError(f"no member of the union is a {type(value).__name__} in JSON")
        return reader(value, None)

    return read


def _whole(read: Reader) -> Reader:
    return lambda value, kind: read(int(value) if value.is_integer() else value, kind)


_TEXTS: Final = (
    dt.date, dt.datetime, dt.time, UUID, ip.IPv4Address, ip.IPv6Address, ip.IPv4Interface,
    ip.IPv6Interface, ip.IPv4Network, ip.IPv6Network, Decimal,
)  # fmt: skip
"""Classes with a form of text of their own, in the order in which they are tried."""

_LISTS: Final = (list, tuple, set, frozenset, deque)


def _json_kinds(member: Any) -> tuple[type, ...] | None:
    """What values of a hint are in JSON; None: anything."""
    bare, _ = split_optional(member)
    origin: Any = get_origin(bare) or bare
    if origin is Literal:
        return tuple({_class_of(_plain(choice)) for choice in get_args(bare)})
    if typing.is_typeddict(origin):
        return (dict,)
    if not isinstance(origin, type) or origin is object:
        return None
    if issubclass(origin, enum.Enum):
        return tuple({_class_of(each.value) for each in origin})
    if origin in (bool, int, float, str):
        return (origin,)
    if origin is dt.timedelta:
        return (int,)
    if origin in _TEXTS or issubclass(origin, (bytes, bytearray)):
        return (str,)
    if issubclass(origin, _LISTS):
        return (list,)
    return (dict,)


def _class_of(value: object) -> type:
    return type(value)


def _plain(choice: Any) -> Any:
    return choice.value if isinstance(choice, enum.Enum) else choice


def _refused(members: Iterable[Any], hint: Any, advice: str) -> ValueError:
    names = " and ".join(getattr(member, "__name__", str(member)) for member in members)
    text = str(hint).replace("typing.", "")
    return ValueError(f"{names} cannot be told apart in JSON, as members of {text}; {advice}")


def _hook(member: Any, converter: Converter) -> Reader:
    """What reads one member; looked up late, since a class may hold a union with itself."""
    bare, _ = split_optional(member)
    read: Reader | None = None

    def reader(value: Any, _: Any) -> Any:
        nonlocal read
        if read is None:
            read = converter.get_structure_hook(bare)
        return read(value, bare)

    return reader


def _only(members: list[Any], hint: Any, converter: Converter) -> Reader:
    """Of other kinds there can be one, or several that all are plain JSON."""
    if len(members) == 1:
        return _hook(members[0], converter)
    if all(_is_as_it_is(member) for member in members):
        return lambda value, _: value
    raise _refused(members, hint, "name one of them")


def _is_as_it_is(member: Any) -> bool:
    bare, _ = split_optional(member)
    origin: Any = get_origin(bare) or bare
    if origin is Literal:
        return all(_plain(choice) is choice for choice in get_args(bare))
    if origin in (Union, types.UnionType):
        return all(_is_as_it_is(inner) for inner in get_args(bare))
    if origin is dict and not has_plain_keys(bare):
        return False
    if origin in (list, dict):
        return all(_is_as_it_is(inner) for inner in get_args(bare)[-1:])
    return origin in (str, int, bool, types.NoneType, Any, object)


def _choose_scalar(members: list[Any], hint: Any, converter: Converter) -> Reader:
    """Numbers or texts: by the values of enumerations, then by their form."""
    if len(members) == 1:
        return _hook(members[0], converter)
    enums: dict[Any, Any] = {}
    forms: list[tuple[Any, Reader]] = []
    plain = [member for member in members if _is_as_it_is(member)]
    for member in members:
        bare, _ = split_optional(member)
        if member in plain:
            continue
        if get_origin(bare) is Literal:
            values = {_plain(choice): choice for choice in get_args(bare)}
        elif isinstance(bare, type) and issubclass(bare, enum.Enum):
            values = {each.value: each for each in bare}
        else:
            forms.append((cast("Any", bare), _hook(member, converter)))
            continue
        # Equal to their values, it does not matter which of the two is read.
        odd = plain and not all(value == choice for value, choice in values.items())
        if odd or enums.keys() & values.keys():
            raise _refused(members, hint, "name one of them")
        enums |= values
    for bare, _ in forms:
        if plain or bare not in _TEXTS or (enums and bare is Decimal):
            raise _refused(members, hint, "name one of them")
    forms.sort(key=lambda form: _TEXTS.index(form[0]))

    def read(value: Any, _: Any) -> Any:
        if value in enums:
            return enums[value]
        for _form, reader in forms:
            try:
                return reader(value, None)
            except (ArithmeticError, ValueError):
                continue
        if plain:
            return value
        raise ValueError("no member of the union has such a form")

    return read


def _choose_object(members: list[Any], hint: Any, converter: Converter) -> Reader:
    """Objects: by a tag, else by the names of their fields."""
    if len(members) == 1 or all(_is_as_it_is(member) for member in members):
        return _only(members, hint, converter)
    fields: list[Mapping[str, Any]] = []
    for member in members:
        bare, _ = split_optional(member)
        if not has_fields(bare) and not typing.is_typeddict(get_origin(bare) or bare):
            raise _refused(members, hint, "name one of them")
        fields.append(_stored_fields(bare))
    readers = [_hook(member, converter) for member in members]
    tag, places = _tag_of(fields)
    names = [frozenset(each) for each in fields]
    if tag is None and len(set(names)) < len(names):
        raise _refused(members, hint, "give each a field of its own Literal, as a tag")

    def by_names(value: Any, _: Any) -> Any:
        keys = value.keys()
        best = max(range(len(names)), key=lambda n: _likeness(names[n], keys))
        return readers[best](value, None)

    if tag is None:
        return by_names
    tagged = {value: readers[place] for value, place in places.items()}

    def read_tagged(value: Any, _: Any) -> Any:
        reader = tagged.get(value.get(tag))
        return by_names(value, None) if reader is None else reader(value, None)

    return read_tagged


def _likeness(names: frozenset[str], keys: Iterable[str]) -> tuple[int, int]:
    """How well fields fit: few that are missing or unknown, then many in common."""
    found = {*keys}
    return -len(names ^ found), len(names & found)


def _stored_fields(bare: Any) -> Mapping[str, Any]:
    """The hints of the fields, by the name that is written."""
    origin: Any = get_origin(bare) or bare
    if typing.is_typeddict(origin):
        return typing.get_type_hints(origin)
    hints = class_fields(bare)
    names = stored_names(origin)
    return {names.get(name, name): hint for name, hint in hints.items()}


def _tag_of(fields: list[Mapping[str, Any]]) -> tuple[str | None, dict[Any, int]]:
    """A field of literals that all have and no two share a value of, and whose each value is."""
    for name in fields[0]:
        places: dict[Any, int] = {}
        for place, each in enumerate(fields):
            bare, _ = split_optional(each.get(name))
            choices = get_args(bare) if get_origin(bare) is Literal else ()
            values = {_plain(choice) for choice in choices}
            if not values or places.keys() & values:
                break
            places |= dict.fromkeys(values, place)
        else:
            return name, places
    return None, {}


_CHOOSERS: Final[dict[type, Callable[[list[Any], Any, Converter], Reader]]] = {
    dict: _choose_object,
    int: _choose_scalar,
    str: _choose_scalar,
}
