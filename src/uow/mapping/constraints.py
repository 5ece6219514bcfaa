"""Indexes, unique and check constraints and foreign keys of a class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from uow.errors import MappingError
from uow.mapping.columns import ColumnSpec
from uow.mapping.fields import Field
from uow.mapping.foreign_keys import ForeignKey, normalize_action
from uow.mapping.mapper import Check, Index, MappedColumn, Mapper, Unique
from uow.mapping.settings import Settings, check_identifier

__all__ = ["add_constraints"]


def add_constraints(mapper: Mapper, fields: Mapping[str, Field], settings: Settings) -> None:
    """Give a mapper what its columns and its settings declare beside types.

    Raises:
        MappingError: a declaration names no field, or contradicts another.
    """
    found = _Found(mapper)
    for column in mapper.columns:
        found.add_column(column, fields[column.attribute].spec)
    for entry in settings.indexes:
        found.add_index(entry)
    for entry in settings.constraints:
        found.add_constraint(entry)
    names = [index.name for index in found.indexes]
    for name in names:
        if names.count(name) > 1:
            raise MappingError(f"{mapper.name}.Settings.indexes: two indexes are called {name!r}")
    for foreign_key in found.foreign_keys:
        foreign_key.mapper = mapper
    mapper.indexes, mapper.uniques = tuple(found.indexes), tuple(found.uniques)
    mapper.checks, mapper.foreign_keys = tuple(found.checks), tuple(found.foreign_keys)


class _Found:
    """What has been declared so far."""

    __slots__ = ("_mapper", "checks", "foreign_keys", "indexes", "uniques")

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self.indexes: list[Index] = []
        self.uniques: list[Unique] = []
        self.checks: list[Check] = []
        self.foreign_keys: list[ForeignKey] = []

    def add_column(self, column: MappedColumn, spec: ColumnSpec) -> None:
        if column.unique:
            self.uniques.append(Unique((column,)))
        if column.index:
            name = f"ix_{self._mapper.table_name}_{column.name}"
            self.indexes.append(Index(name, (column,)))
        if column.check is not None:
            self.checks.append(Check(column.check, column=column))
        if spec.foreign_key is not None:
            column.foreign_key = _foreign_key(
                str(column), (column,), (spec.foreign_key,), _options(spec)
            )
            self.foreign_keys.append(column.foreign_key)

    def add_index(self, entry: Mapping[str, Any]) -> None:
        mapper = self._mapper
        columns = _columns(mapper, "indexes", entry["fields"])
        parts = ["ix", mapper.table_name, *(column.name for column in columns)]
        name = check_identifier(
            entry.get("name") or "_".join(parts), f"{mapper.name}.Settings.indexes: 'name'"
        )
        self.indexes.append(Index(name, columns, entry.get("unique", False), entry.get("where")))

    def add_constraint(self, entry: Mapping[str, Any]) -> None:
        mapper = self._mapper
        name = entry.get("name")
        if name is not None:
            check_identifier(name, f"{mapper.name}.Settings.constraints: 'name'")
        if "unique" in entry:
            self.uniques.append(Unique(_columns(mapper, "constraints", entry["unique"]), name))
        elif "check" in entry:
            self.checks.append(Check(entry["check"], name))
        else:
            self.foreign_keys.append(_composite_foreign_key(mapper, entry))


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
        deferrable=bool(options.get("deferrable")),
    )


def _options(spec: ColumnSpec) -> dict[str, Any]:
    names = ("on_delete", "on_update", "deferrable")
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
        column = mapper.by_attribute[name]
        if column in found:
            raise MappingError(f"{mapper.name}.Settings.{setting} names {name!r} twice")
        found.append(column)
    return tuple(found)
