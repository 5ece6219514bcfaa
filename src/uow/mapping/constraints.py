"""Indexes, foreign keys, and unique, check and exclusion constraints of a class."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, cast

import attrs

from uow.errors import MappingError
from uow.mapping.columns import ColumnSpec
from uow.mapping.fields import Field
from uow.mapping.foreign_keys import ForeignKey, normalize_action
from uow.mapping.mapper import (
    Check,
    Exclusion,
    Index,
    IndexPart,
    MappedColumn,
    Mapper,
    Unique,
)
from uow.mapping.settings import Settings, check_identifier

__all__ = ["Constraints", "add_constraints"]

C = TypeVar("C", bound=Unique | Index | Check | Exclusion | ForeignKey)


def add_constraints(
    mapper: Mapper, fields: Mapping[str, Field], settings: Settings, own: Iterable[str]
) -> Constraints:
    """Give a mapper what its columns and its settings declare beside types.

    Args:
        mapper: the class.
        fields: its fields.
        settings: its settings.
        own: the attributes whose columns declare something; of others the parent has it.

    Returns:
        What the class declares itself, without what it has from its parent.

    Raises:
        MappingError: a declaration names no field, or contradicts another.
    """
    found = Constraints(mapper)
    for name in own:
        found.add_column(mapper.by_attribute[name], fields[name].spec)
    for entry in settings.indexes:
        found.add_index(entry)
    for entry in settings.constraints:
        found.add_constraint(entry)
    names = [index.name for index in found.indexes]
    for name in names:
        if names.count(name) > 1:
            raise MappingError(f"{mapper.name}.Settings.indexes: two indexes are called {name!r}")
    if mapper.parent is not None and mapper.root is not mapper:
        Constraints.of(mapper.parent).hand(mapper, lambda c: mapper.by_attribute[c.attribute])
    found.hand(mapper, lambda column: column)
    return found


class Constraints:
    """What has been declared so far."""

    __slots__ = ("_mapper", "checks", "exclusions", "foreign_keys", "indexes", "uniques")

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self.indexes: list[Index] = []
        self.uniques: list[Unique] = []
        self.checks: list[Check] = []
        self.exclusions: list[Exclusion] = []
        self.foreign_keys: list[ForeignKey] = []

    @classmethod
    def of(cls, mapper: Mapper) -> Constraints:
        """All that a mapper has, without what its table has for other classes."""
        found = cls(mapper)
        own = set(mapper.columns)
        found.indexes = [
            one
            for one in mapper.indexes
            if own.issuperset([p.column for p in one.parts if p.column is not None])
        ]
        found.uniques = [one for one in mapper.uniques if own.issuperset(one.columns)]
        found.checks = [one for one in mapper.checks if one.column is None or one.column in own]
        found.exclusions = [one for one in mapper.exclusions if own.issuperset(one.columns)]
        found.foreign_keys = [one for one in mapper.foreign_keys if own.issuperset(one.columns)]
        return found

    def give(self, table: Mapper) -> None:
        """Give a table its own of each, over the columns it stores.

        Raises:
            MappingError: a column is kept in another table.
        """

        def stored(column: MappedColumn) -> MappedColumn:
            if column.stored.mapper is not table:
                raise MappingError(
                    f"{column} is kept in the table {column.stored.mapper.table_name!r}; an index "
                    f"or constraint of {self._mapper.name} is about {table.table_name!r}"
                )
            return column.stored

        self.hand(table, stored)

    def hand(self, mapper: Mapper, move: Callable[[MappedColumn], MappedColumn]) -> None:
        """Add all of it to what a mapper has, over other columns."""
        mapper.indexes += tuple(_moved(one, mapper, move) for one in self.indexes)
        mapper.uniques += tuple(_moved(one, mapper, move) for one in self.uniques)
        mapper.checks += tuple(_moved(one, mapper, move) for one in self.checks)
        mapper.exclusions += tuple(_moved(one, mapper, move) for one in self.exclusions)
        keys = [(key, _moved(key, mapper, move)) for key in self.foreign_keys]
        mapper.foreign_keys += tuple(moved for _, moved in keys)
        for key, moved in keys:
            for old, column in zip(key.columns, moved.columns, strict=True):
                if column.foreign_key is None or old.foreign_key is key:
                    column.foreign_key = moved

    def add_column(self, column: MappedColumn, spec: ColumnSpec) -> None:
        """Take what the arguments of a column declare."""
        options = _options(spec)
        if column.unique:
            # With a foreign key `deferrable=` is about that.
            deferral = _deferral({} if spec.foreign_key is not None else options)
            self.uniques.append(Unique((column,), **deferral))
        if column.index:
            name = f"ix_{self._mapper.table_name}_{column.name}"
            part = IndexPart(column=column)
            self.indexes.append(
                Index(mapper=self._mapper, name=name, is_named=False, parts=(part,))
            )
        if column.check is not None:
            self.checks.append(Check(column.check, column=column))
        if spec.foreign_key is not None:
            column.foreign_key = _foreign_key(str(column), (column,), (spec.foreign_key,), options)
            self.foreign_keys.append(column.foreign_key)

    def add_index(self, entry: Mapping[str, Any]) -> None:
        """Take an entry of `Settings.indexes`."""
        mapper = self._mapper
        where = f"{mapper.name}.Settings.indexes"
        parts = tuple([_index_part(mapper, part) for part in entry["fields"]])
        columns = [part.column for part in parts if part.column is not None]
        include = _columns(mapper, "indexes", entry["include"])
        _refuse_twice(where, [*columns, *include])
        name = "_".join(["ix", mapper.table_name, *(column.name for column in columns)])
        self.indexes.append(
            Index(
                mapper=mapper,
                name=check_identifier(entry.get("name") or name, f"{where}: 'name'"),
                is_named="name" in entry,
                parts=parts,
                unique=entry.get("unique", False),
                where=entry.get("where"),
                method=_word(where, "method", entry.get("method")),
                include=include,
                nulls_distinct=entry.get("nulls_distinct", True),
            )
        )

    def add_constraint(self, entry: Mapping[str, Any]) -> None:
        """Take an entry of `Settings.constraints`."""
        mapper = self._mapper
        name = entry.get("name")
        if name is not None:
            check_identifier(name, f"{mapper.name}.Settings.constraints: 'name'")
        if "unique" in entry:
            columns = _columns(mapper, "constraints", entry["unique"])
            distinct = entry.get("nulls_distinct", True)
            self.uniques.append(Unique(columns, name, nulls_distinct=distinct, **_deferral(entry)))
        elif "check" in entry:
            self.checks.append(Check(entry["check"], name))
        elif "exclude" in entry:
            self.exclusions.append(_exclusion(mapper, entry))
        else:
            self.foreign_keys.append(_composite_foreign_key(mapper, entry))


def _moved(one: C, mapper: Mapper, move: Callable[[MappedColumn], MappedColumn]) -> C:
    """The same over other columns, of another mapper."""
    made: Any
    if isinstance(one, Index):
        parts = [
            part if part.column is None else attrs.evolve(part, column=move(part.column))
            for part in one.parts
        ]
        include = tuple([move(column) for column in one.include])
        made = attrs.evolve(one, mapper=mapper, parts=tuple(parts), include=include)
    elif isinstance(one, Check):
        made = attrs.evolve(one, column=None if one.column is None else move(one.column))
    else:
        made = attrs.evolve(one, columns=tuple([move(column) for column in one.columns]))
    if isinstance(made, ForeignKey):
        made.mapper = mapper
    return cast("C", made)


def _index_part(mapper: Mapper, entry: Mapping[str, Any]) -> IndexPart:
    where = f"{mapper.name}.Settings.indexes"
    name, expression, nulls = entry.get("field"), entry.get("expression"), entry.get("nulls")
    if expression is not None and not expression.strip():
        raise MappingError(f"{where}: 'expression' is empty")
    return IndexPart(
        column=None if name is None else _columns(mapper, "indexes", (name,))[0],
        expression=expression,
        descending=entry.get("desc", False),
        nulls=None if nulls is None else nulls.upper(),
        opclass=_word(where, "opclass", entry.get("opclass")),
        collation=entry.get("collation"),
    )


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")


def _word(where: str, key: str, value: str | None) -> str | None:
    """Check a name that stands in SQL without quotes."""
    if value is not None and not _WORD.fullmatch(value):
        raise MappingError(f"{where}: {key!r} is one word, not {value!r}")
    return value


def _exclusion(mapper: Mapper, entry: Mapping[str, Any]) -> Exclusion:
    where = f"{mapper.name}.Settings.constraints"
    operators: Mapping[str, object] = entry["exclude"]
    for operator in operators.values():
        if not isinstance(operator, str) or not _OPERATOR.fullmatch(operator):
            raise MappingError(f"{where}: {operator!r} is no operator")
    return Exclusion(
        _columns(mapper, "constraints", operators),
        tuple([str(operator) for operator in operators.values()]),
        method=_word(where, "method", entry.get("method")) or "gist",
        where=entry.get("where"),
        name=entry.get("name"),
        **_deferral(entry),
    )


class _Deferral(TypedDict, total=False):
    """When a constraint is checked."""

    deferrable: bool
    initially_deferred: bool


def _deferral(options: Mapping[str, Any]) -> _Deferral:
    return {
        "deferrable": bool(options.get("deferrable")),
        "initially_deferred": options.get("initially") != "immediate",
    }


def _foreign_key(
    where: str,
    columns: tuple[MappedColumn, ...],
    references: tuple[object, ...],
    options: Mapping[str, Any],
) -> ForeignKey:
    actions: dict[str, str | None] = {"on_delete": None, "on_update": None}
    for action in actions:
        if options.get(action) is not None:
            try:
                actions[action] = normalize_action(options[action])
            except ValueError as exc:
                raise MappingError(f"{where}: {action}= {exc}") from None
    for reference in references:
        if isinstance(reference, str) and not reference.rpartition(".")[0]:
            raise MappingError(f"{where}: foreign_key={reference!r} is not 'table.column'")
        known = isinstance(reference, str) or callable(reference)
        if not known and getattr(reference, "column", None) is None:
            raise MappingError(
                f"{where}: foreign_key= takes 'table.column', a column such as Author.id "
                f"or a callable, got {type(reference).__name__}"
            )
    return ForeignKey(
        columns=columns,
        references=references,
        on_delete=actions["on_delete"],
        on_update=actions["on_update"],
        **_deferral(options),
    )


def _options(spec: ColumnSpec) -> dict[str, Any]:
    names = ("on_delete", "on_update", "deferrable", "initially")
    return {name: getattr(spec, name) for name in names}


def _composite_foreign_key(mapper: Mapper, entry: Mapping[str, Any]) -> ForeignKey:
    where = f"{mapper.name}.Settings.constraints"
    columns = _columns(mapper, "constraints", entry["foreign_key"])
    references = entry.get("references")
    references = (references,) if isinstance(references, str) else references
    if not isinstance(references, (list, tuple)) or len(cast("list[object]", references)) != len(
        columns
    ):
        raise MappingError(f"{where}: 'references' needs one column for each of 'foreign_key'")
    foreign_key = _foreign_key(where, columns, tuple(cast("list[object]", references)), entry)
    foreign_key.name = entry.get("name")
    for column in columns:
        if column.foreign_key is None:
            column.foreign_key = foreign_key
    return foreign_key


def _columns(mapper: Mapper, setting: str, names: Iterable[str]) -> tuple[MappedColumn, ...]:
    found: list[MappedColumn] = []
    for name in names:
        if name not in mapper.by_attribute:
            raise MappingError(f"{mapper.name}.Settings.{setting}: there is no field {name!r}")
        found.append(mapper.by_attribute[name])
    _refuse_twice(f"{mapper.name}.Settings.{setting}", found)
    return tuple(found)


def _refuse_twice(where: str, columns: Sequence[MappedColumn]) -> None:
    for column in columns:
        if columns.count(column) > 1:
            raise MappingError(f"{where} names {column.attribute!r} twice")
