"""`ForeignKey`: columns that refer to the key, or to unique columns, of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import attrs

from uow.errors import MappingError
from uow.types import ColumnType, EnumType, Numeric, Text

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["ForeignKey", "normalize_action"]

_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"})


def normalize_action(action: str) -> str:
    """The SQL spelling of an ON DELETE or ON UPDATE action.

    >>> normalize_action("set_null")
    'SET NULL'

    Raises:
        ValueError: there is no such action.
    """
    normal = " ".join(action.replace("_", " ").upper().split())
    if normal not in _ACTIONS:
        known = ", ".join(sorted(name.lower() for name in _ACTIONS))
        raise ValueError(f"{action!r} is not one of {known}")
    return normal


@attrs.define(eq=False, repr=False, kw_only=True)
class ForeignKey:
    """A foreign key of one or more columns.

    Attributes:
        mapper: the mapper it belongs to.
        columns: the referring columns.
        references: for each of them what the user wrote: `"table.column"`, a class attribute
            or a callable that answers one of them.
        on_delete: the SQL action, or None.
        on_update: the SQL action, or None.
        deferrable: whether it is checked at commit, where the store can.
        initially_deferred: whether that is so without the transaction asking for it.
        name: the constraint's name, or None.
    """

    mapper: Mapper = attrs.field(init=False)
    columns: tuple[MappedColumn, ...]
    references: tuple[object, ...]
    on_delete: str | None = None
    on_update: str | None = None
    deferrable: bool = False
    initially_deferred: bool = True
    name: str | None = None
    _target_columns: tuple[MappedColumn, ...] | None = attrs.field(default=None, init=False)

    def __repr__(self) -> str:
        names = ", ".join(column.attribute for column in self.columns)
        return f"<ForeignKey {self.mapper.name}({names})>"

    @property
    def target_columns(self) -> tuple[MappedColumn, ...]:
        """The columns referred to, one for each of `columns`."""
        if self._target_columns is None:
            self.resolve()
        return cast("tuple[MappedColumn, ...]", self._target_columns)

    @property
    def target(self) -> Mapper:
        """The mapper of the table referred to."""
        return self.target_columns[0].mapper

    def point_at(self, columns: tuple[MappedColumn, ...]) -> None:
        """Say what the target is, where it is known."""
        self._target_columns = columns

    def forget(self) -> None:
        """Find the target anew on next use."""
        self._target_columns = None

    def resolve(self) -> None:
        """Find the columns referred to.

        Raises:
            MappingError: there are none, or they do not fit.
        """
        if self._target_columns is not None:
            return
        targets = tuple(
            self._find(column, reference).stored
            for column, reference in zip(self.columns, self.references, strict=True)
        )
        target = targets[0].mapper
        target.resolve_types()
        self.mapper.resolve_types()
        for column, other in zip(self.columns, targets, strict=True):
            if other.mapper is not target:
                raise MappingError(
                    f"{column}: one foreign key refers to two tables, "
                    f"{target.table_name!r} and {other.mapper.table_name!r}"
                )
            if _kind(column.type) != _kind(other.type):
                raise MappingError(
                    f"{column}: {_type_name(column.type)} cannot refer to {other}, "
                    f"which is {_type_name(other.type)}"
                )
        if not _is_unique(target, targets):
            names = ", ".join(other.attribute for other in targets)
            raise MappingError(
                f"{self.columns[0]}: {target.name}({names}) is neither the key of "
                f"{target.table_name!r} nor unique at all times; a foreign key cannot refer to it"
            )
        self._target_columns = targets

    def _find(self, column: MappedColumn, reference: object) -> MappedColumn:
        from uow.mapping.mapper import MappedColumn

        if callable(reference) and not hasattr(reference, "column"):
            reference = cast("Callable[[], object]", reference)()
        if isinstance(reference, str):
            return self._find_by_name(column, reference)
        found = getattr(reference, "column", None)
        if not isinstance(found, MappedColumn):
            raise MappingError(
                f"{column}: foreign_key= takes 'table.column', a column such as Author.id or a "
                f"callable that answers one of them, got {type(reference).__name__}"
            )
        return found

    def _find_by_name(self, column: MappedColumn, reference: str) -> MappedColumn:
        table, _, name = reference.rpartition(".")
        schema, _, table_name = table.rpartition(".")
        if not table_name or not name:
            raise MappingError(f"{column}: foreign_key={reference!r} is not 'table.column'")
        registry = self.mapper.registry
        # A plain name means the schema of the class itself first, then no schema.
        target = registry.find(table_name, schema or self.mapper.schema)
        if target is None and not schema:
            target = registry.find(table_name)
        if target is None:
            raise MappingError(
                f"{column}: foreign_key={reference!r} names the table {table!r}, "
                "which no class maps (is its module imported?)"
            )
        found = target.by_name.get(name) or target.by_attribute.get(name)
        for shared in target.shared_columns:
            if found is None and name in (shared.name, shared.attribute):
                found = shared
        if found is None or found.stored.mapper.table_name != table_name:
            raise MappingError(
                f"{column}: foreign_key={reference!r}, but {target.name} has no column {name!r}"
            )
        return found


def _is_unique(target: Mapper, columns: tuple[MappedColumn, ...]) -> bool:
    wanted = {column.attribute for column in columns}
    # Stores check a reference at once, so it cannot stand on what is checked later.
    sets = [target.key, *(unique.columns for unique in target.uniques if not unique.deferrable)]
    sets.extend(i.columns for i in target.indexes if i.unique and i.where is None)
    return any(wanted == {column.attribute for column in unique} for unique in sets)


def _kind(type_: ColumnType) -> object:
    # Lengths and precisions may differ; the kind of value may not.
    if isinstance(type_, (Text, Numeric)):
        return type(type_)
    if isinstance(type_, EnumType):
        return type_
    return type(type_)


def _type_name(type_: ColumnType) -> str:
    return type(type_).__name__
