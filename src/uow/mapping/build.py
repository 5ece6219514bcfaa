"""Make columns and a `Mapper` of the fields and settings of a class, and refuse bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import cast

from uow.errors import MappingError
from uow.mapping.columns import MISSING, ColumnSpec, Sequence
from uow.mapping.constraints import add_constraints
from uow.mapping.defaults import known_function
from uow.mapping.document_parts import add_collection_indexes
from uow.mapping.fields import Field
from uow.mapping.inheritance import Inheritance, join_hierarchy, own_attributes
from uow.mapping.mapper import MappedColumn, Mapper, Unresolved
from uow.mapping.resolution import Resolver, settle_type
from uow.mapping.settings import Settings, check_identifier

__all__ = ["build_mapper"]


def build_mapper(
    class_name: str,
    fields: Mapping[str, Field],
    settings: Settings,
    parent: Mapper | None = None,
) -> Mapper:
    """Make the mapper of a class that does not exist yet.

    Args:
        class_name: its name.
        fields: what becomes columns.
        settings: its settings.
        parent: the mapped class above it.

    Raises:
        MappingError: the class cannot be mapped as it is written.
    """
    shares_rows = (
        parent is not None
        and parent.hierarchy is not None
        and (parent.hierarchy.kind is not Inheritance.CONCRETE)
    )
    if shares_rows and parent is not None:
        key_names = tuple([column.attribute for column in parent.key])
    else:
        key_names = _key_names(class_name, fields, settings)
    columns = tuple(
        _make_column(class_name, field, position, key_names)
        for position, field in enumerate(fields.values())
    )
    by_attribute = {column.attribute: column for column in columns}
    by_name = _by_name(class_name, columns, folds=settings.document is None)
    key = tuple(by_attribute[name] for name in key_names)
    mapper = Mapper(
        name=class_name,
        table_name=settings.name,
        schema=settings.schema,
        comment=settings.comment,
        registry=settings.registry,
        columns=columns,
        by_attribute=by_attribute,
        by_name=by_name,
        key=key,
        version=_version(class_name, columns),
        generated_on_insert=tuple(c for c in columns if c.is_made_by_store),
        resolver=Resolver(fields),
        document=settings.document,
    )
    mapper.identity = attrgetter(*key_names)
    mapper.fields, mapper.parent = fields, parent
    if parent is not None:
        mapper.hierarchy = parent.hierarchy
    if shares_rows and parent is not None:
        mapper.root = parent.root
    for column in columns:
        column.mapper, column.stored = mapper, column
        column.is_discriminator = column.attribute == settings.discriminator
    _check_key(mapper)
    constraints = None
    if settings.document is None:
        own = own_attributes(mapper) if shares_rows else [*by_attribute]
        constraints = add_constraints(mapper, fields, settings, own)
    else:
        add_collection_indexes(mapper, fields, settings)
    for column in columns:
        field = fields[column.attribute]
        if field.hint is not None:
            settle_type(column, field.hint, field)
    mapper.lazy_columns = tuple(c for c in columns if c.is_lazy)
    if shares_rows and constraints is not None:
        join_hierarchy(mapper, constraints, settings)
    return mapper


def _key_names(class_name: str, fields: Mapping[str, Field], settings: Settings) -> tuple[str, ...]:
    marked = tuple(field.name for field in fields.values() if field.spec.primary_key)
    names = settings.primary_key or marked
    for name in names:
        if name not in fields:
            raise MappingError(f"{class_name}.Settings.primary_key: there is no field {name!r}")
    if len(set(names)) != len(names):
        raise MappingError(f"{class_name}.Settings.primary_key names a field twice")
    if marked and set(marked) != set(names):
        raise MappingError(
            f"{class_name}.Settings.primary_key and the columns with primary_key=True differ"
        )
    if not names:
        raise MappingError(
            f"{class_name} has no primary key: give one of its fields Column(primary_key=True), "
            "or Settings.abstract = True if it is only a base of others"
        )
    return names


def _make_column(
    class_name: str, field: Field, position: int, key_names: tuple[str, ...]
) -> MappedColumn:
    spec = field.spec
    is_key = field.name in key_names
    where = f"{class_name}.{field.name}"
    _check_arguments(where, spec)
    default, factory = spec.default, spec.default_factory
    if callable(default):
        default, factory = MISSING, cast("Callable[[], object]", default)
    server_default = spec.server_default
    if server_default is not None:
        server_default = known_function(server_default) or server_default
    is_apart = spec.identity is not None and not is_key and not spec.auto_increment
    return MappedColumn(
        position=position,
        attribute=field.name,
        name=check_identifier(field.name if spec.name is None else spec.name, f"{where}: name="),
        type=Unresolved(str(field.raw_hint)),
        nullable=bool(spec.nullable),
        primary_key=is_key,
        auto_increment=_is_numbered(spec, key_names == (field.name,)) and not is_apart,
        numbered=is_apart,
        sql_type=spec.sql_type,
        unique=spec.unique,
        index=spec.index,
        default=default,
        default_factory=factory,
        server_default=server_default,
        server_default_known=server_default is not None
        and known_function(server_default) is not None,
        identity_always=spec.identity == "always",
        sequence=_sequence(where, spec),
        generated=spec.generated,
        virtual=spec.virtual,
        check=spec.check,
        version=spec.version,
        comment=spec.comment,
        hint=field.raw_hint,
        holds_rest=spec.holds_rest,
    )


def _is_numbered(spec: ColumnSpec, is_whole_key: bool) -> bool:
    """Whether the store numbers the rows by this column."""
    if spec.auto_increment or spec.identity is not None:
        return True
    # `id: int | None = None` asks for the same as auto_increment=True.
    has_none = spec.default is None and spec.foreign_key is None
    return is_whole_key and (has_none or spec.sequence is not None)


_KINDS: Mapping[str, type] = {
    "primary_key": bool,
    "auto_increment": bool,
    "unique": bool,
    "index": bool,
    "deferrable": bool,
    "virtual": bool,
    "version": bool,
    "discriminator": bool,
    "nullable": bool,
    "timezone": bool,
    "max_length": int,
    "precision": int,
    "scale": int,
    "server_default": str,
    "generated": str,
    "check": str,
    "comment": str,
    "collation": str,
    "sql_type": str,
    "name": str,
    "on_delete": str,
    "on_update": str,
    "initially": str,
    "identity": str,
}

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "identity": ("always", "by default"),
    "initially": ("deferred", "immediate"),
}


def _check_arguments(where: str, spec: ColumnSpec) -> None:
    if spec.unknown:
        raise MappingError(f"{where}: Column has no argument {spec.unknown[0]!r}")
    for name, kind in _KINDS.items():
        value = getattr(spec, name)
        if value is not None and type(value) is not kind:
            raise MappingError(
                f"{where}: {name}= must be {kind.__name__}, got {type(value).__name__}"
            )
    if spec.default_factory is not None and not callable(spec.default_factory):
        raise MappingError(f"{where}: default_factory= must be callable")
    for name in ("server_default", "generated", "check", "collation", "sql_type"):
        text = getattr(spec, name)
        if text is not None and not text.strip():
            raise MappingError(f"{where}: {name}= is empty")
    for name, choices in _CHOICES.items():
        if getattr(spec, name) not in (None, *choices):
            raise MappingError(f"{where}: {name}= is one of {', '.join(map(repr, choices))}")
    _check_sizes(where, spec)
    _check_combinations(where, spec)


def _check_sizes(where: str, spec: ColumnSpec) -> None:
    for name, least in (("max_length", 1), ("precision", 1), ("scale", 0)):
        value = getattr(spec, name)
        if value is not None and value < least:
            raise MappingError(f"{where}: {name}= must be at least {least}")
    if spec.scale is not None:
        if spec.precision is None:
            raise MappingError(f"{where}: scale= needs precision=")
        if spec.scale > spec.precision:
            raise MappingError(f"{where}: scale= must not be over precision=")


def _check_combinations(where: str, spec: ColumnSpec) -> None:
    has_default = spec.default is not MISSING
    if has_default and spec.default_factory is not None:
        raise MappingError(f"{where}: default= and default_factory= exclude each other")
    if spec.generated is not None and (has_default or spec.default_factory or spec.server_default):
        raise MappingError(f"{where}: a generated column has no default")
    if spec.virtual and spec.generated is None:
        raise MappingError(f"{where}: virtual= needs generated=")
    if spec.foreign_key is None:
        for name in ("on_delete", "on_update"):
            if getattr(spec, name):
                raise MappingError(f"{where}: {name}= needs foreign_key=")
    if spec.deferrable and spec.foreign_key is None and not spec.unique:
        raise MappingError(f"{where}: deferrable= needs foreign_key= or unique=")
    if spec.initially is not None and not spec.deferrable:
        raise MappingError(f"{where}: initially= needs deferrable=")


def _sequence(where: str, spec: ColumnSpec) -> Sequence | None:
    """The sequence a column is numbered from, checked."""
    if spec.sequence is None:
        return None
    sequence = Sequence(spec.sequence) if isinstance(spec.sequence, str) else spec.sequence
    if not isinstance(sequence, Sequence):
        raise MappingError(
            f"{where}: sequence= takes a name or a Sequence, got {type(sequence).__name__}"
        )
    for name in (sequence.name, sequence.schema):
        if name is not None:
            check_identifier(name, f"{where}: sequence=")
    if type(sequence.start) is not int or type(sequence.increment) is not int:
        raise MappingError(f"{where}: a sequence starts at and goes by an int")
    if sequence.increment == 0:
        raise MappingError(f"{where}: a sequence does not stand still (increment=0)")
    has_default = spec.default is not MISSING and spec.default is not None
    others = (spec.default_factory, spec.server_default, spec.generated)
    if spec.identity is not None or has_default or any(other is not None for other in others):
        raise MappingError(f"{where}: sequence= excludes identity=, generated= and a default")
    return sequence


def _by_name(
    class_name: str, columns: Iterable[MappedColumn], *, folds: bool
) -> dict[str, MappedColumn]:
    by_name: dict[str, MappedColumn] = {}
    folded: dict[str, MappedColumn] = {}
    for column in columns:
        # SQL stores fold the case of column names, each in its own way.
        other = folded.setdefault(column.name.casefold() if folds else column.name, column)
        if other is not column:
            raise MappingError(
                f"{class_name}.{column.attribute} and {class_name}.{other.attribute} "
                f"are both stored as {column.name!r}"
            )
        by_name[column.name] = column
    return by_name


def _version(class_name: str, columns: Iterable[MappedColumn]) -> MappedColumn | None:
    found = [column for column in columns if column.version]
    if len(found) > 1:
        names = ", ".join(column.attribute for column in found)
        raise MappingError(f"{class_name} has more than one version column: {names}")
    for column in found:
        if column.primary_key or column.generated is not None:
            raise MappingError(f"{class_name}.{column.attribute}: a version is a column of its own")
    return found[0] if found else None


def _check_key(mapper: Mapper) -> None:
    numbered = [column for column in mapper.columns if column.auto_increment]
    for column in numbered:
        if not column.primary_key or len(mapper.key) > 1:
            raise MappingError(f"{column}: auto_increment= is for a single primary key column")
        if column.default_factory is not None or column.default not in (MISSING, None):
            raise MappingError(f"{column}: auto_increment= excludes a default")
    for column in mapper.key:
        if column.nullable and mapper.document is None:
            raise MappingError(f"{column}: a primary key cannot be nullable")
        if column.generated is not None:
            raise MappingError(f"{column}: a generated column cannot be a primary key")
