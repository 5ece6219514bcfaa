"""Inheritance between mapped classes: which tables the objects of a class have a row in.

    single      one table for all; a class is a value in the column of the discriminator
    joined      a table a class, which holds what the class adds; its key is a foreign key to the
                parent's table
    concrete    a table a class, which holds everything; each class is a root of its own

A class of a hierarchy has a `Mapper` with all of its columns, its own copies. Where a row really is
(`Mapper.tables`, from the root down) is said by mappers too, of tables: that of the root for the
root and for single tables, one more for each joined child. `MappedColumn.stored` leads from the
column of a class to that of its table, and flush, foreign keys and definitions know tables only.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

from uow.errors import MappingError
from uow.mapping.columns import MISSING, ColumnSpec
from uow.mapping.fields import Field
from uow.mapping.foreign_keys import ForeignKey
from uow.mapping.hints import Hint, Scope
from uow.mapping.mapper import MappedColumn, Mapper
from uow.mapping.settings import snake_case

if TYPE_CHECKING:
    from uow.mapping.constraints import Constraints
    from uow.mapping.settings import Settings

__all__ = [
    "Hierarchy",
    "Inheritance",
    "all_or_nothing",
    "enter_hierarchy",
    "inherited_settings",
    "join_hierarchy",
    "own_attributes",
    "told_by_column",
    "with_discriminator",
]


class Inheritance(Enum):
    """How the classes of a hierarchy are kept."""

    SINGLE = "single"
    JOINED = "joined"
    CONCRETE = "concrete"


@attrs.define(eq=False, repr=False)
class Hierarchy:
    """The classes below one root, the root included.

    Attributes:
        kind: how they are kept.
        root: the class without a mapped parent.
        discriminator: the attribute whose value tells the class, or None.
        mappers: the classes, parents before their children.
    """

    kind: Inheritance
    root: Mapper
    discriminator: str | None
    mappers: list[Mapper] = attrs.Factory(list[Mapper])

    @property
    def is_told_by_value(self) -> bool:
        """Whether rows say of which class they are."""
        return self.discriminator is not None

    def add(self, mapper: Mapper) -> None:
        """Take a class in; one that is defined again takes the place of the older one.

        Raises:
            MappingError: another class has its discriminator value.
        """
        older = [one for one in self.mappers if _full_name(one) == _full_name(mapper)]
        for one in self.mappers:
            same_value = one.discriminator_value == mapper.discriminator_value
            if self.is_told_by_value and same_value and one not in older:
                told_by = "discriminator_value" if mapper.document is None else "class_id_value"
                raise MappingError(
                    f"{mapper.name}.Settings.{told_by} is that of {one.name} too; give one of them "
                    "another"
                )
        for one in older:
            self.mappers.remove(one)
            if one.parent is not None:
                one.parent.children = tuple(c for c in one.parent.children if c is not one)
        self.mappers.append(mapper)
        # What is kept of these tables may be of the classes that were known.
        self.root.kept.clear()
        if mapper.parent is not None:
            mapper.parent.children += (mapper,)
        for one in self.mappers:
            one.forget_family()


def _full_name(mapper: Mapper) -> str:
    return f"{mapper.class_.__module__}.{mapper.class_.__qualname__}"


def inherited_settings(name: str, settings: Settings, parent: Mapper | None) -> Settings:
    """Complete the settings of a class by those of its hierarchy.

    Raises:
        MappingError: a subclass of a mapped class whose inheritance nobody names, or that names
            another one; or a root that lacks what its kind needs.
    """
    if parent is None:
        return settings
    hierarchy = parent.hierarchy
    if hierarchy is None:
        if settings.inheritance is None:
            raise MappingError(
                f"{name} is a subclass of the mapped class {parent.name}, which names no "
                f"inheritance: say inheritance = 'joined', 'single' or 'concrete' in "
                f"{parent.name}.Settings; or share fields through a mixin or a base with "
                "Settings.abstract = True"
            )
        if settings.inheritance == "single" or settings.discriminator is not None:
            raise MappingError(
                f"{name}.Settings: the root of a hierarchy says the discriminator; say it, and the "
                f"inheritance, in {parent.name}.Settings"
            )
        hierarchy = Hierarchy(Inheritance(settings.inheritance), parent, None)
        hierarchy.add(parent)
        parent.hierarchy = hierarchy
    kind = hierarchy.kind.value
    if settings.inheritance not in (None, kind):
        raise MappingError(
            f"{name}.Settings.inheritance is {settings.inheritance!r}, that of {parent.name} is "
            f"{kind!r}; a hierarchy has one kind"
        )
    if hierarchy.discriminator is None and settings.discriminator_value is not None:
        raise MappingError(
            f"{name}.Settings.discriminator_value: {hierarchy.root.name} has no discriminator"
        )
    if settings.discriminator not in (None, hierarchy.discriminator):
        raise MappingError(f"{name}.Settings.discriminator is not that of {hierarchy.root.name}")
    return attrs.evolve(
        settings,
        name=parent.table_name if kind == "single" else settings.name,
        schema=parent.schema if kind == "single" or not settings.schema else settings.schema,
        registry=parent.registry,
        inheritance=kind,
        discriminator=hierarchy.discriminator,
    )


def told_by_column(
    name: str, fields: Mapping[str, Field], settings: Settings, parent: Mapper | None
) -> Settings:
    """Take the discriminator from the field that says it is one, if the settings do not.

    Raises:
        MappingError: the two contradict each other; or a class in one table has none.
    """
    named = [field.name for field in fields.values() if field.spec.discriminator]
    if named and (len(named) > 1 or settings.discriminator not in (None, *named)):
        raise MappingError(f"{name} has more than one discriminator")
    if named and parent is None:
        if settings.inheritance in (None, "concrete"):
            raise MappingError(
                f"{name}.{named[0]}: discriminator= needs Settings.inheritance = 'joined' or "
                "'single'"
            )
        settings = attrs.evolve(settings, discriminator=named[0])
    elif named and settings.discriminator is None:
        raise MappingError(f"{name}.{named[0]}: the root of a hierarchy says what tells the class")
    if settings.inheritance == "single" and settings.discriminator is None:
        raise MappingError(
            f"{name}.Settings.inheritance = 'single' needs a discriminator, which tells the class "
            "of a row"
        )
    return settings


def with_discriminator(
    name: str, fields: Mapping[str, Field], settings: Settings, scope: Scope
) -> dict[str, Field]:
    """Give the field that tells the class its value, and make it if it was not declared."""
    found = dict(fields)
    told_by = settings.discriminator
    if told_by is None:
        return found
    field = found.get(told_by) or Field(told_by, name, str, ColumnSpec(), scope, Hint(str))
    spec = attrs.evolve(
        field.spec, default=discriminator_value(name, settings), default_factory=None
    )
    found[told_by] = attrs.evolve(field, spec=spec)
    return found


def discriminator_value(name: str, settings: Settings) -> Any:
    """What the discriminator holds in rows of a class."""
    given = settings.discriminator_value
    if settings.document is not None:
        return given
    return snake_case(name) if given is None else given


def enter_hierarchy(mapper: Mapper, settings: Settings) -> None:
    """Make a class known to its hierarchy, which a root begins.

    Raises:
        MappingError: another class has its discriminator value.
    """
    if settings.inheritance is None:
        return
    if mapper.hierarchy is None:
        kind = Inheritance(settings.inheritance)
        mapper.hierarchy = Hierarchy(kind, mapper, settings.discriminator)
    if mapper.hierarchy.discriminator is not None:
        mapper.discriminator_value = discriminator_value(mapper.name, settings)
    mapper.hierarchy.add(mapper)


@contextmanager
def all_or_nothing(parent: Mapper | None) -> Generator[None]:
    """Inside the block a child is defined; if that fails, its parent's table is as it was."""
    if parent is None:
        yield
        return
    names = ("shared_columns", "indexes", "uniques", "checks", "exclusions", "foreign_keys")
    table, hierarchy = parent.tables[0], parent.hierarchy
    before = {name: getattr(table, name) for name in names}
    try:
        yield
    except BaseException:
        for name, value in before.items():
            setattr(table, name, value)
        parent.hierarchy = hierarchy
        raise


def own_attributes(mapper: Mapper) -> list[str]:
    """The attributes that a class adds to those of its mapped parent, or declares again."""
    parent = mapper.parent
    if parent is None:
        return list(mapper.by_attribute)
    hierarchy = parent.hierarchy
    fields, inherited = mapper.fields, parent.fields
    told_by = None if hierarchy is None else hierarchy.discriminator
    return [
        name
        for name in mapper.by_attribute
        if name != told_by and fields[name] is not inherited.get(name)
    ]


def join_hierarchy(mapper: Mapper, constraints: Constraints, settings: Settings) -> None:
    """Give a child its tables, in a hierarchy whose classes share rows.

    Args:
        mapper: the child, with its columns.
        constraints: what the child declares itself, of its own columns.
        settings: of the child.

    Raises:
        MappingError: what it declares cannot be kept together with what its parent does.
    """
    parent = mapper.parent
    if parent is None or parent.hierarchy is None:
        return
    own = own_attributes(mapper)
    for name in own:
        _refuse_own(mapper, parent, mapper.by_attribute[name])
    for column in mapper.columns:
        if column.attribute not in own:
            column.stored = parent.by_attribute[column.attribute].stored
    if parent.hierarchy.kind is Inheritance.JOINED:
        _add_table(mapper, parent, own, constraints, settings)
    else:
        _share_table(mapper, parent, own, constraints)


def _refuse_own(mapper: Mapper, parent: Mapper, column: MappedColumn) -> None:
    root = parent.root.name
    if column.primary_key or mapper.fields[column.attribute].spec.primary_key:
        raise MappingError(f"{column}: the key of {mapper.name} is that of {root}")
    if column.version:
        raise MappingError(
            f"{column}: the rows of {mapper.name} have the version of {root}; declare it there"
        )
    older = parent.by_attribute.get(column.attribute)
    if (
        older is not None
        and parent.hierarchy is not None
        and (parent.hierarchy.kind is Inheritance.SINGLE)
    ):
        raise MappingError(f"{column}: {older} is the same column of one table; leave it out")
    if older is not None and older.may_be_lazy != column.may_be_lazy:
        raise MappingError(f"{column} is of another type than {older}")


def _add_table(
    mapper: Mapper,
    parent: Mapper,
    own: Iterable[str],
    constraints: Constraints,
    settings: Settings,
) -> None:
    """Make the table of a joined child: its key, which is the parent's, and what it adds."""
    above = parent.tables[-1]
    names = [column.attribute for column in mapper.key] + list(own)
    columns = [
        _copied(mapper.by_attribute[name], position, nullable=None)
        for position, name in enumerate(names)
    ]
    key = tuple(columns[: len(mapper.key)])
    for column, referred in zip(key, above.key, strict=True):
        column.name = referred.name
        column.auto_increment = column.identity_always = column.numbered = False
        column.default, column.default_factory = MISSING, None
        column.server_default = column.sequence = column.check = column.comment = None
        column.unique = column.index = False
    by_name: dict[str, MappedColumn] = {}
    for column in columns:
        if by_name.setdefault(column.name, column) is not column:
            raise MappingError(f"{mapper.name}.{column.attribute} is stored as the key is")
    table = Mapper(
        name=mapper.name,
        table_name=settings.name,
        schema=settings.schema,
        comment=settings.comment,
        registry=mapper.registry,
        columns=tuple(columns),
        by_attribute={column.attribute: column for column in columns},
        by_name=by_name,
        key=key,
        version=None,
        resolver=_resolve_nothing,
    )
    for column in columns:
        column.mapper, column.stored = table, column
        column.owner = mapper.by_attribute[column.attribute]
        column.owner.stored = column
    table.identity = mapper.identity
    table.owner = mapper
    table.tables = (table,)
    table.root = mapper.root
    table.parent = above
    table.hierarchy = parent.hierarchy
    table.generated_on_insert = tuple(c for c in columns if c.is_made_by_store)
    constraints.give(table)
    up = ForeignKey(
        columns=key, references=tuple(f"{above.full_table_name}.{c.name}" for c in above.key)
    )
    up.mapper = table
    up.on_delete = "CASCADE"
    up.point_at(above.key)
    table.foreign_keys = (up, *table.foreign_keys)
    mapper.tables = (*parent.tables, table)


def _share_table(
    mapper: Mapper, parent: Mapper, own: Iterable[str], constraints: Constraints
) -> None:
    """Put what a child adds into the table of the root, where other rows have NULL there."""
    table = parent.tables[0]
    stored = {column.name.casefold(): column for column in table.table_columns}
    added: list[MappedColumn] = []
    for name in own:
        column = mapper.by_attribute[name]
        older = stored.get(column.name.casefold())
        if older is not None:
            if older.attribute != name or _kind(older) != _kind(column):
                raise MappingError(
                    f"{column} and {older} are both stored as {column.name!r} in "
                    f"{table.table_name!r}; give one of them another Column(name=...)"
                )
            column.stored = older
            continue
        copy = _copied(column, len(table.table_columns) + len(added), nullable=True)
        copy.mapper, copy.stored, copy.owner = table, copy, column
        column.stored = copy
        added.append(copy)
    table.shared_columns = (*table.shared_columns, *added)
    mapper.tables = (table,)
    constraints.give(table)


def _kind(column: MappedColumn) -> object:
    return column.hint


def _copied(column: MappedColumn, position: int, *, nullable: bool | None) -> MappedColumn:
    copy = attrs.evolve(column, position=position, foreign_key=None)
    if nullable is not None:
        copy.nullable = nullable
    return copy


def _resolve_nothing(_: Mapper) -> None:
    """The types of a table are those of its class."""
