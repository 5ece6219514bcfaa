"""Generate constructors: one test over all arguments when they are right, all problems if not.

A constructor for `id`, `name: str` and `age: int | None` reads, with the prefix `_uow_` of all
that is not an argument left out,

    def __init__(self, /, *, id=None, name=MISSING, age=None, **unknown):
        if not (not unknown and (id is None or type(id) is int and ...) and type(name) is str ...):
            id, name, age = settle((id, name, age), unknown)
        set_class(self, storage)
        self.id = id
        self.name = name
        self.age = age
        self._uow_state = initial_state
        self.__class__ = public
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from uow.errors import UnknownFieldError, ValidationError
from uow.mapping.codegen import compile_function
from uow.mapping.columns import MISSING
from uow.mapping.mapper import set_class
from uow.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    Text,
    Time,
    Uuid,
)
from uow.values import checker_for

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["first_construction", "guard"]


def first_construction(mapper: Mapper) -> Callable[..., None]:
    """A constructor that generates the real one when it is first called, and takes its place.

    Until then hints may name classes that are not defined yet.
    """

    def __init__(self: Any, /, **values: Any) -> None:  # noqa: N807 - it becomes the method
        mapper.configure()
        initialize = _generate(mapper)
        initialize.__qualname__ = f"{mapper.class_.__qualname__}.__init__"
        mapper.storage.__init__ = initialize
        initialize(self, **values)

    return __init__


def guard(column: MappedColumn, variable: str, names: dict[str, Any]) -> str | None:
    """An expression that is true when a value surely fits; what it uses is put into `names`.

    When it is false the value may still fit, and the column's check decides. None means that
    there is no such expression and the check has to be called.
    """
    type_ = column.type
    python = _GUARDED.get(type(type_))
    if isinstance(type_, EnumType):
        python = type_.enum_class
    if python is None:
        return None
    name = f"_uow_{python.__name__}" if python in _GUARDED.values() else f"_uow_t{column.position}"
    names[name] = python
    test = f"_uow_type({variable}) is {name}"
    if isinstance(type_, Integer):
        limit = 1 << (type_.bits - 1)
        test += f" and {-limit} <= {variable} <= {limit - 1}"
    elif isinstance(type_, Text):
        names["_uow_is_text"] = _is_text
        test += (
            f" and '\\0' not in {variable} and ({variable}.isascii() or _uow_is_text({variable}))"
        )
    elif isinstance(type_, DateTime):
        names["_uow_utc"] = dt.UTC
        test += f" and {variable}.tzinfo is {'_uow_utc' if type_.timezone else 'None'}"
    elif isinstance(type_, Time):
        test += f" and {variable}.tzinfo is None"
    elif isinstance(type_, Interval):
        test += f" and -100_000_000 < {variable}.days < 100_000_000"
    if isinstance(type_, (Text, Binary)) and type_.max_length is not None:
        test += f" and _uow_len({variable}) <= {type_.max_length}"
    return test


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


_GUARDED: Mapping[type[ColumnType], type] = {
    Binary: bytes,
    Boolean: bool,
    Date: dt.date,
    DateTime: dt.datetime,
    Float: float,
    Integer: int,
    Interval: dt.timedelta,
    Text: str,
    Time: dt.time,
    Uuid: UUID,
}


def _generate(mapper: Mapper) -> Callable[..., None]:
    names: dict[str, Any] = {
        "_uow_initial_state": mapper.initial_state,
        "_uow_len": len,
        "_uow_missing": MISSING,
        "_uow_partial": mapper.partial,
        "_uow_public": mapper.class_,
        "_uow_set_class": set_class,
        "_uow_settle": _Settler(mapper),
        "_uow_storage": mapper.storage,
        "_uow_type": type,
    }
    parameters: list[str] = []
    before: list[str] = []
    tests = ["not _uow_unknown"]
    checks: list[str] = []
    stores: list[str] = []
    unset: list[str] = []
    for column in mapper.columns:
        name = column.attribute
        initial = column.initial
        names[f"_uow_d{column.position}"] = initial
        parameters.append(f"{name}=_uow_d{column.position}")
        if column.default_factory is not None:
            names[f"_uow_f{column.position}"] = column.default_factory
            before.append(f"if {name} is _uow_missing: {name} = _uow_f{column.position}()")
        allowed = [f"{name} is None"] if column.takes_none else []
        if column.may_be_unset:
            allowed.append(f"{name} is _uow_missing")
            unset.append(f"{name} is _uow_missing")
            stores.append(f"if {name} is not _uow_missing: _uow_self.{name} = {name}")
        else:
            stores.append(f"_uow_self.{name} = {name}")
        test = guard(column, name, names)
        if test is not None:
            tests.append(f"({' or '.join([*allowed, test])})")
        else:
            names[f"_uow_c{column.position}"] = checker_for(column.type)
            check = f"{name} = _uow_c{column.position}({name})"
            checks.append(f"if not ({' or '.join(allowed)}): {check}" if allowed else check)
    everything = ", ".join(column.attribute for column in mapper.columns) + ","
    settle = f"{everything} = _uow_settle(({everything}), _uow_unknown)"
    lines = [*before]
    if checks:
        lines += ["_uow_fits = False", "try:", f"    if {' and '.join(tests)}:"]
        lines += [f"        {check}" for check in checks]
        lines += ["        _uow_fits = True", "except ValueError:", "    pass"]
        lines += ["if not _uow_fits:", f"    {settle}"]
    else:
        lines += [f"if not ({' and '.join(tests)}):", f"    {settle}"]
    lines += ["_uow_set_class(_uow_self, _uow_storage)", *stores]
    lines.append("_uow_self._uow_state = _uow_initial_state")
    public = "_uow_public"
    if unset:
        public = f"_uow_partial if {' or '.join(unset)} else _uow_public"
    lines.append(f"_uow_self.__class__ = {public}")
    if hasattr(mapper.class_, "__attrs_post_init__"):
        lines.append("_uow_self.__attrs_post_init__()")
    head = f"def __init__(_uow_self, /, *, {', '.join(parameters)}, **_uow_unknown):\n"
    source = head + "".join(f"    {line}\n" for line in lines)
    mapper.sources["__init__"] = source
    return compile_function(source, "__init__", names, title=f"{mapper.name}.__init__")


class _Settler:
    """Looks at the arguments one by one: they are right after all, or all problems are told."""

    __slots__ = ("_mapper",)

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper

    def __call__(
        self, values: Sequence[object], unknown: Mapping[str, object]
    ) -> tuple[object, ...]:
        mapper = self._mapper
        unknown_fields = [self._unknown_field(name) for name in unknown]
        problems: list[str] = []
        settled: list[object] = []
        for column, value in zip(mapper.columns, values, strict=True):
            try:
                settled.append(self._settled(column, value))
            except ValueError as exc:
                problems.append(f"{column}: {exc}")
        if problems:
            raise ValidationError(problems=[*unknown_fields, *problems])
        if unknown_fields:
            raise UnknownFieldError(problems=unknown_fields)
        return tuple(settled)

    @staticmethod
    def _settled(column: MappedColumn, value: object) -> object:
        if value is not MISSING:
            return column.check_value(value)
        if not column.may_be_unset:
            raise ValueError("a value is required")
        return MISSING

    def _unknown_field(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._mapper.by_attribute, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"{self._mapper.name} has no field {name!r}{hint}"
