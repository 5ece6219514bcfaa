"""Make columns and a `Mapper` of the fields and settings of a class, and refuse bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import cast

from uow.errors import MappingError
from uow.mapping.columns import MISSING, ColumnSpec
from uow.mapping.constraints import add_constraints
from uow.mapping.defaults import known_function
from uow.mapping.fields import Field
from uow.mapping.mapper import MappedColumn, Mapper, Unresolved
from uow.mapping.resolution import Resolver, settle_type
from uow.mapping.settings import Settings, check_identifier

__all__ = ["build_mapper"]


def build_mapper(class_name: str, fields: Mapping[str, Field], settings: Settings) -> Mapper:
    """Make the mapper of a class that does not exist yet.

    Raises:
        MappingError: the class cannot be mapped as it is written.
    """
    key_names = _key_names(class_name, fields, settings)
    columns = tuple(
        _make_column(class_name, field, position, key_names)
        for position, field in enumerate(fields.values())
    )
    by_attribute = {column.attribute: column for column in columns}
    by_name = _by_name(class_name, columns)
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
    )
    mapper.identity = attrgetter(*key_names)
    for column in columns:
        column.mapper = mapper
    _check_key(mapper)
    add_constraints(mapper, fields, settings)
    for column in columns:
        field = fields[column.attribute]
        if field.hint is not None:
            settle_type(column, field.hint, field)
    mapper.lazy_columns = tuple(c for c in columns if c.is_lazy)
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
    # `id: int | None = None` asks for the same as auto_increment=True.
    is_numbered = key_names == (field.name,) and spec.default is None and spec.foreign_key is None
    where = f"{class_name}.{field.name}"
    _check_arguments(where, spec)
    default, factory = spec.default, spec.default_factory
    if callable(default):
        default, factory = MISSING, cast("Callable[[], object]", default)
    server_default = spec.server_default
    if server_default is not None:
        server_default = known_function(server_default) or server_default
    return MappedColumn(
        position=position,
        attribute=field.name,
        name=check_identifier(field.name if spec.name is None else spec.name, f"{where}: name="),
        type=Unresolved(str(field.raw_hint)),
        nullable=bool(spec.nullable),
        primary_key=is_key,
        auto_increment=spec.auto_increment or is_numbered,
        unique=spec.unique,
        index=spec.index,
        default=default,
        default_factory=factory,
        server_default=server_default,
        server_default_known=server_default is not None
        and known_function(server_default) is not None,
        generated=spec.generated,
        check=spec.check,
        version=spec.version,
        comment=spec.comment,
        hint=field.raw_hint,
    )


_KINDS: Mapping[str, type] = {
    "primary_key": bool,
    "auto_increment": bool,
    "unique": bool,
    "index": bool,
    "deferrable": bool,
    "version": bool,
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
    "name": str,
    "on_delete": str,
    "on_update": str,
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
    for name in ("server_default", "generated", "check"):
        text = getattr(spec, name)
        if text is not None and not text.strip():
            raise MappingError(f"{where}: {name}= is empty")
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
    if spec.foreign_key is None:
        for name in ("on_delete", "on_update", "deferrable"):
            if getattr(spec, name):
                raise MappingError(f"{where}: {name}= needs foreign_key=")


def _by_name(class_name: str, columns: Iterable[MappedColumn]) -> dict[str, MappedColumn]:
    by_name: dict[str, MappedColumn] = {}
    folded: dict[str, MappedColumn] = {}
    for column in columns:
        # Stores fold the case of column names, each in its own way.
        other = folded.setdefault(column.name.casefold(), column)
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
        if column.nullable:
            raise MappingError(f"{column}: a primary key cannot be nullable")
        if column.generated is not None:
            raise MappingError(f"{column}: a generated column cannot be a primary key")
