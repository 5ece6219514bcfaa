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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard
from uuid import UUID

from uow.errors import MappingError, UnknownFieldError, ValidationError
from uow.mapping.codegen import compile_function
from uow.mapping.columns import MISSING
from uow.mapping.link_fields import put_back
from uow.mapping.mapper import set_class
from uow.mapping.relation import UNTOUCHED
from uow.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    DocumentValue,
    EnumType,
    Float,
    Integer,
    Interval,
    ObjectIdType,
    Text,
    Time,
    UnsignedInteger,
    Uuid,
    changes_in_place,
)
from uow.values import Checker, JsonChecker, Known, described
from uow.values.coercion import as_object_id, coerced

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["first_construction", "guard"]


def first_construction(mapper: Mapper) -> Callable[..., None]:
    """A constructor that generates the real one when it is first called, and takes its place.

    Until then hints may name classes that are not defined yet.
    """

    def __init__(self: Any, /, **values: Any) -> None:  # noqa: N807 - it becomes the method
        mapper.configure()
        _configure_owners(mapper)
        initialize = generate_construction(mapper)
        initialize.__qualname__ = f"{mapper.class_.__qualname__}.__init__"
        mapper.storage.__init__ = initialize
        initialize(self, **values)

    return __init__


def generate_construction(mapper: Mapper) -> Callable[..., None]:
    """Make the constructor of a class: the generated one, behind the checks that it asks for."""
    found = plain_construction(mapper)
    wrap: Callable[[Mapper, Any], Any] | None = mapper.wrap_construction
    return found if wrap is None else wrap(mapper, found) or found


def plain_construction(mapper: Mapper) -> Callable[..., None]:
    """Give the generated constructor, which takes what fits."""
    found: Callable[..., None] | None = mapper.kept.get(plain_construction)
    if found is None:
        mapper.configure()
        _configure_owners(mapper)
        found = mapper.kept[plain_construction] = _generate(mapper)
    return found


def _configure_owners(mapper: Mapper) -> None:
    """Find the relations of other classes that give objects of this one their foreign keys."""
    for other in mapper.registry.mappers():
        if other.relations and not other.is_configured:
            try:
                other.configure()
            except MappingError:
                continue  # it is told to who uses that class


def guard(column: MappedColumn, variable: str, names: dict[str, Any]) -> str | None:
    """An expression that is true when a value surely fits; what it uses is put into `names`.

    When it is false the value may still fit, and the column's check decides. None means that
    there is no such expression and the check has to be called.
    """
    type_ = column.type
    python = None if changes_in_place(type_) else _GUARDED.get(type(type_))
    if isinstance(type_, EnumType):
        python = type_.enum_class
    if python is None:
        return None
    name = f"_uow_{python.__name__}" if python in _GUARDED.values() else f"_uow_t{column.position}"
    names[name] = python
    test = f"_uow_type({variable}) is {name}"
    if isinstance(type_, Integer):
        test += f" and {type_.least} <= {variable} <= {type_.most}"
    elif isinstance(type_, Text):
        names["_uow_is_text"] = _is_text
        test += (
            f" and '\\0' not in {variable} and ({variable}.isascii() or _uow_is_text({variable}))"
        )
    elif isinstance(type_, DateTime):
        names["_uow_utc"] = dt.UTC
        test += f" and {variable}.tzinfo is {'_uow_utc' if type_.timezone else 'None'}"
        if type_.digits < 6:
            test += f" and not {variable}.microsecond % {10 ** (6 - type_.digits)}"
    elif isinstance(type_, Time):
        test += f" and {variable}.tzinfo is None"
    elif isinstance(type_, Interval):
        test += f" and -100_000_000 < {variable}.days < 100_000_000"
    if isinstance(type_, (Text, Binary)) and type_.max_length is not None:
        test += f" and _uow_len({variable}) <= {type_.max_length}"
    if column.choices:
        names[f"_uow_k{column.position}"] = frozenset(column.choices)
        test += f" and {variable} in _uow_k{column.position}"
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
    UnsignedInteger: int,
    Interval: dt.timedelta,
    Text: str,
    Time: dt.time,
    Uuid: UUID,
}


def _generate(mapper: Mapper) -> Callable[..., None]:  # noqa: PLR0915 - one text, top to bottom
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
    puts: list[MappedColumn] = []
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
        if column.is_lazy:
            puts.append(column)
        else:
            stores.append(_store(column))
        test = guard(column, name, names)
        if column.is_discriminator:
            test = f"{name} == _uow_d{column.position}"
        if test is not None:
            tests.append(f"({' or '.join([*allowed, test])})")
        else:
            check = _check(column, names)
            checks.append(f"if not ({' or '.join(allowed)}): {check}" if allowed else check)
    everything = "".join(f"{column.attribute}, " for column in mapper.columns)
    settle = f"{everything} = _uow_settle(({everything}), _uow_unknown)"
    parameters += [f"{name}=_uow_missing" for name in mapper.embedded]
    lines = [*before, *_take_apart(mapper, names)]
    if checks:
        lines += ["_uow_known = {}", "_uow_fits = False", "try:", f"    if {' and '.join(tests)}:"]
        lines += [f"        {check}" for check in checks]
        lines += ["        _uow_fits = True", "except ValueError:", "    pass"]
        lines += ["if not _uow_fits:", f"    {settle}"]
    else:
        lines += [f"if not ({' and '.join(tests)}):", f"    {settle}"]
    relating: list[str] = []
    for number, relation in enumerate(mapper.relations.values()):
        names["_uow_untouched"] = UNTOUCHED
        names[f"_uow_r{number}"] = relation
        parameters.append(f"{relation.name}=_uow_missing")
        stores.append(f"_uow_self.{relation.name} = _uow_untouched")
        relating.append(
            f"if {relation.name} is not _uow_missing: "
            f"_uow_linker.write(_uow_self, _uow_r{number}, {relation.name})"
        )
    for number, link in enumerate(one for one in mapper.links.values() if one.is_back):
        names["_uow_put_back"] = put_back
        names[f"_uow_l{number}"] = link
        parameters.append(f"{link.name}=_uow_missing")
        relating.append(
            f"if {link.name} is not _uow_missing: "
            f"_uow_put_back(_uow_self, _uow_l{number}, {link.name})"
        )
    lines += ["_uow_set_class(_uow_self, _uow_storage)", *stores]
    lines += ["_uow_self._uow_state = _uow_initial_state", *_put(puts, mapper, names)]
    public = f"_uow_partial if {' or '.join(unset)} else _uow_public" if unset else "_uow_public"
    lines.append(f"_uow_self.__class__ = {public}")
    if mapper.relations:
        names["_uow_linker"] = type.__getattribute__(mapper.class_, "_linker")
    lines += relating
    if hasattr(mapper.class_, "__attrs_post_init__"):
        lines.append("_uow_self.__attrs_post_init__()")
    head = f"def __init__(_uow_self, /, *, {', '.join(parameters)}, **_uow_unknown):\n"
    source = head + "".join(f"    {line}\n" for line in lines)
    mapper.sources["__init__"] = source
    return compile_function(source, "__init__", names, title=f"{mapper.name}.__init__")


def _check(column: MappedColumn, names: dict[str, Any]) -> str:
    """The statement that checks an argument, and gives it the form in which it is kept."""
    checker = column.checker
    if _leaves_copying(checker, column):
        names[f"_uow_c{column.position}"] = checker.within
        return f"{column.attribute} = _uow_c{column.position}({column.attribute}, _uow_known)"
    names[f"_uow_c{column.position}"] = checker
    return f"{column.attribute} = _uow_c{column.position}({column.attribute})"


def _leaves_copying(checker: Checker, column: MappedColumn) -> TypeGuard[JsonChecker]:
    """Whether a keeper copies what is put into a column, so that its check need not."""
    return isinstance(checker, JsonChecker) and column.mapper.keeper is not None


def _take_apart(mapper: Mapper, names: dict[str, Any]) -> Iterator[str]:
    """The statements that make several arguments of one value."""
    for number, (name, embedded) in enumerate(mapper.embedded.items()):
        names[f"_uow_e{number}"] = embedded.take_apart
        parts = ", ".join(embedded.attributes.values())
        yield f"if {name} is not _uow_missing: {parts}, = _uow_e{number}({name})"


def _store(column: MappedColumn) -> str:
    """The statement that puts an argument into its slot."""
    name = column.attribute
    store = f"_uow_self.{name} = {name}"
    return f"if {name} is not _uow_missing: {store}" if column.may_be_unset else store


def _put(columns: Sequence[MappedColumn], mapper: Mapper, names: dict[str, Any]) -> Iterator[str]:
    """The statement that puts arguments into lazy columns, where they may have parts in common."""
    if columns:
        names["_uow_lazy"] = tuple(columns)
        names["_uow_put_all"] = mapper.put_all if mapper.keeper is None else mapper.keeper.keep_all
        values = "".join(f"{column.attribute}, " for column in columns)
        yield f"_uow_put_all(_uow_self, _uow_lazy, ({values}))"


class _Settler:
    """Looks at the arguments one by one: they are right after all, or all problems are told."""

    __slots__ = ("_mapper",)

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper

    def __call__(
        self, values: Sequence[object], unknown: Mapping[str, object]
    ) -> tuple[object, ...]:
        mapper = self._mapper
        if mapper.document is not None and unknown:
            values, unknown = self._by_other_names(values, unknown)
        unknown_fields = [self._unknown_field(name) for name in unknown]
        problems: list[str] = []
        settled: list[object] = []
        known: Known = {}
        for column, value in zip(mapper.columns, values, strict=True):
            try:
                settled.append(self._taken(column, value, known))
            except ValueError as exc:
                problems.append(described(column, exc))
        if problems:
            raise ValidationError(problems=[*unknown_fields, *problems])
        if unknown_fields:
            raise UnknownFieldError(problems=unknown_fields)
        return tuple(settled)

    def _by_other_names(
        self, values: Sequence[object], unknown: Mapping[str, object]
    ) -> tuple[Sequence[object], Mapping[str, object]]:
        """Take values by the names of fields in the store, where no field is called so."""
        mapper, found, rest = self._mapper, list(values), dict(unknown)
        for name in unknown:
            column = mapper.by_name.get(name)
            if column is not None and found[column.position] is column.initial:
                found[column.position] = rest.pop(name)
        return found, rest

    def _taken(self, column: MappedColumn, value: object, known: Known) -> object:
        """Check a value; of a document it may stand for one, as the text of a number does."""
        try:
            return self._settled(column, value, known)
        except ValueError:
            if self._mapper.document is None or value is None or value is MISSING:
                raise
            meant: Any = value
            try:
                is_key = isinstance(column.type, ObjectIdType)  # which may have no hint
                meant = as_object_id(value) if is_key else coerced(column.hint, value)
            except ValueError as error:
                if isinstance(value, Mapping) and type(column.type) is DocumentValue:
                    # What is wrong in it tells more.
                    raise ValueError(str(error)) from None
            if meant is value:
                raise
        return self._settled(column, meant, known)

    @staticmethod
    def _settled(column: MappedColumn, value: object, known: Known) -> object:
        if value is not MISSING:
            checker = column.checker
            if value is not None and _leaves_copying(checker, column):
                return checker.within(value, known)
            return column.check_value(value)
        if not column.may_be_unset:
            raise ValueError("a value is required")
        return MISSING

    def _unknown_field(self, name: str) -> str:
        known = [*self._mapper.by_attribute, *self._mapper.relations, *self._mapper.links]
        near = difflib.get_close_matches(name, known, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"{self._mapper.name} has no field {name!r}{hint}"
