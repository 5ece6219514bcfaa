"""Documents of several classes in one collection, and classes whose documents nobody stores.

    is_root     the classes below keep their documents in the root's collection; `_class_id` tells
                them, as the path of their names from the root down ("Vehicle.Car.Bus")
    UnionDoc    a collection of classes that have nothing else in common
    View        what a pipeline of the store's gives; it is only read

The first two are hierarchies in one table, but that each class is a table of its own to a flush.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from uow.errors import MappingError
from uow.mapping.columns import ColumnSpec
from uow.mapping.fields import Field
from uow.mapping.hints import Hint, Scope
from uow.mapping.inheritance import Hierarchy, Inheritance
from uow.mapping.settings import Settings

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = [
    "CLASS_ID",
    "in_one_collection",
    "join_union",
    "refuse_view",
    "view_of",
    "with_class_id",
]

CLASS_ID: Final = "_class_id"
"""What the field is called that tells the class of a document, if nobody says otherwise."""


def in_one_collection(
    class_name: str, settings: Settings, parent: Mapper | None, *, is_union: bool
) -> Settings:
    """Complete the settings of a document class whose collection has documents of others.

    Raises:
        MappingError: settings contradict each other, or those of the classes above.
    """
    document = settings.document
    assert document is not None  # noqa: S101 - the caller's
    options = document.options
    union = options.get("union_doc")
    told_by = options.get("class_id") or CLASS_ID
    if parent is not None and parent.hierarchy is not None:
        if union is not None:
            raise MappingError(f"{class_name}.Settings.union_doc: {parent.name} has a collection")
        value = options.get("class_id_value") or f"{parent.discriminator_value}.{class_name}"
        return attrs.evolve(
            settings,
            name=parent.table_name,
            registry=parent.registry,
            inheritance="single",
            discriminator=parent.hierarchy.discriminator,
            discriminator_value=value,
        )
    if union is not None:
        mapper = _union_mapper(class_name, union)
        value = options.get("class_id_value") or options.get("name") or class_name
        return attrs.evolve(
            settings,
            name=mapper.table_name,
            registry=mapper.registry,
            inheritance="single",
            discriminator=told_by if mapper.hierarchy is None else mapper.hierarchy.discriminator,
            discriminator_value=value,
        )
    if is_union or options.get("is_root"):
        value = None if is_union else options.get("class_id_value") or class_name
        return attrs.evolve(
            settings, inheritance="single", discriminator=told_by, discriminator_value=value
        )
    return settings


def _union_mapper(class_name: str, union: Any) -> Mapper:
    mapper: Mapper | None = getattr(union, "_uow_mapper", None)
    if mapper is None or not getattr(union, "_uow_is_union", False):
        raise MappingError(f"{class_name}.Settings.union_doc must be a UnionDoc")
    return mapper


def with_class_id(
    class_name: str, fields: Mapping[str, Field], settings: Settings, scope: Scope
) -> tuple[dict[str, Field], Settings]:
    """Give a class the field that tells it, which the user may have declared.

    Raises:
        MappingError: the field has a default of its own.
    """
    told_by = settings.discriminator
    if told_by is None:
        return dict(fields), settings
    found = next((f for f in fields.values() if (f.spec.name or f.name) == told_by), None)
    if found is None:
        found = Field(told_by, class_name, str, ColumnSpec(name=told_by), scope, Hint(str))
    default = settings.discriminator_value
    spec = attrs.evolve(found.spec, default=default, default_factory=None, nullable=default is None)
    settings = attrs.evolve(settings, discriminator=found.name)
    return {**fields, found.name: attrs.evolve(found, spec=spec)}, settings


def join_union(mapper: Mapper) -> None:
    """Make a class one of those of its union.

    Raises:
        MappingError: another class of the union has its `_class_id`.
    """
    document = mapper.document
    union = None if document is None else document.options.get("union_doc")
    if union is None:
        return
    root: Mapper = union._uow_mapper
    if root.hierarchy is None:
        root.hierarchy = Hierarchy(Inheritance.SINGLE, root, CLASS_ID)
    mapper.parent, mapper.root, mapper.hierarchy = root, root, root.hierarchy


def refuse_view(mapper: Mapper) -> None:
    """Refuse to write what only a view holds, or what is of a union and of no class of it.

    Raises:
        MappingError: it is so.
    """
    document = mapper.document
    if document is not None and document.is_view:
        raise MappingError(f"{mapper.name} is a View, which is only read")
    if document is not None and document.is_union:
        raise MappingError(f"{mapper.name} is a UnionDoc: store documents of its classes")


def view_of(mapper: Mapper) -> tuple[str, list[Any]]:
    """Give what a view reads from, and how.

    Raises:
        MappingError: its settings do not say it.
    """
    options: Mapping[str, Any] = {} if mapper.document is None else mapper.document.options
    source, pipeline = options.get("source"), options.get("pipeline")
    if isinstance(source, type):
        above: Mapper | None = getattr(source, "_uow_mapper", None)
        source = None if above is None or above.document is None else above.table_name
    if not isinstance(source, str) or pipeline is None:
        raise MappingError(
            f"{mapper.name} is a View: its Settings say the source (a document class, or the name "
            "of a collection) and the pipeline"
        )
    return source, list(pipeline)
