"""How a class body becomes a mapped class, or an abstract one."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any

import attrs

from uow.errors import MappingError
from uow.mapping.build import build_mapper
from uow.mapping.document_classes import in_one_collection, join_union, with_class_id
from uow.mapping.document_parts import document_fields
from uow.mapping.document_settings import KNOWN, read_document_settings
from uow.mapping.embedded import EmbeddedField, expand_embedded
from uow.mapping.fields import Field, collect_fields, own_fields
from uow.mapping.hints import Scope, annotations_of
from uow.mapping.inheritance import (
    all_or_nothing,
    enter_hierarchy,
    inherited_settings,
    told_by_column,
    with_discriminator,
)
from uow.mapping.lazy import LazyField
from uow.mapping.link_fields import BackLinkField, make_back_links, take_back_links
from uow.mapping.mapper import Mapper
from uow.mapping.partial import make_partial
from uow.mapping.pydantic_model import checked_construction
from uow.mapping.pydantic_parts import REST, PrivateField, config_of, keeps_rest, take_privates
from uow.mapping.pydantic_rules import add_rules, rest_field
from uow.mapping.relate import inherit_relations, make_relations, take_relations
from uow.mapping.relation import RelationField
from uow.mapping.settings import Settings, raw_settings, read_settings
from uow.mapping.storage import ModelStorage, make_storage

__all__ = ["ClassBody", "define"]


@attrs.frozen(eq=False)
class ClassBody:
    """What a class statement gives a metaclass."""

    metaclass: type[ABCMeta]
    name: str
    bases: tuple[type, ...]
    namespace: dict[str, Any]
    keywords: dict[str, Any]

    def make(self, *first: type) -> Any:
        """Make the class, with further bases; those of a parent go before them."""
        bases = (*first, *self.bases)
        if any(vars(base).get("_uow_mapper") for one in self.bases for base in one.__mro__):
            bases = (*self.bases, *first)
        return ABCMeta.__new__(self.metaclass, self.name, bases, self.namespace, **self.keywords)


def define(body: ClassBody, frame: FrameType | None) -> Any:
    """Make a mapped class, or an abstract one.

    Args:
        body: the class statement; its namespace is changed.
        frame: the frame of the metaclass, from which that of the class statement is found.

    Raises:
        MappingError: it cannot be mapped as it is written.
    """
    parent, abstract_bases = _check_bases(body)
    name, namespace = body.name, body.namespace
    is_document = any(getattr(base, "_uow_is_document", False) for base in body.bases)
    if is_document:
        settings = _document_settings(body, parent, abstract_bases)
    else:
        settings = read_settings(
            name, namespace, abstract_bases, None if parent is None else parent.class_
        )
    scope = Scope(_caller(frame), namespace)
    if settings.abstract:
        return _define_abstract(body, scope, KNOWN if is_document else None)
    with all_or_nothing(parent):
        return _define_mapped(body, settings, parent, scope)


def _document_settings(
    body: ClassBody, parent: Mapper | None, abstract_bases: list[type]
) -> Settings:
    is_view, is_union = _is_one(body, "_uow_is_view"), _is_one(body, "_uow_is_union")
    if parent is not None and (is_view or is_union):
        raise MappingError(f"{body.name}: {parent.name} is no base of other classes")
    settings = read_document_settings(
        body.name, body.namespace, abstract_bases, parent, is_view=is_view, is_union=is_union
    )
    if settings.abstract or is_view:
        return settings
    return in_one_collection(body.name, settings, parent, is_union=is_union)


def _is_one(body: ClassBody, name: str) -> bool:
    return any(getattr(base, name, False) for base in body.bases)


def _define_mapped(body: ClassBody, settings: Settings, parent: Mapper | None, scope: Scope) -> Any:
    name, namespace = body.name, body.namespace
    is_document = settings.document is not None
    if not is_document:
        settings = inherited_settings(name, settings, parent)
    fields = collect_fields(name, namespace, body.bases, scope, is_document=is_document)
    privates = _take_document_parts(body, fields, scope) if is_document else {}
    related = take_relations(fields)
    linked = take_back_links(fields)
    if settings.document is not None:
        if related:
            raise MappingError(
                f"{name}.{next(iter(related))}: relations are for tables; a document has links, "
                "Link[T] and BackLink[T]"
            )
        fields = document_fields(name, fields, settings, scope)
        fields, settings = with_class_id(name, fields, settings, scope)
    fields, embedded = expand_embedded(name, fields)
    _check_names(body, [*fields, *embedded, *related, *linked])
    if settings.document is None:
        settings = told_by_column(name, fields, settings, parent)
        fields = with_discriminator(name, fields, settings, scope)
    mapper = build_mapper(name, fields, settings, parent)
    mapper.embedded = embedded if parent is None else {**parent.embedded, **embedded}
    mapper.relations = inherit_relations(mapper, make_relations(mapper, related))
    if is_document:
        _give_rules(body, mapper, privates)
    mapper.fields = {**mapper.fields, **linked}
    back_links = make_back_links(mapper, linked)
    mapper.links.update(back_links)
    mapper.storage = make_storage(mapper, body.bases, namespace)
    for field in fields:
        namespace.pop(field, None)
    for field, value in embedded.items():
        namespace[field] = EmbeddedField(value)
    for column in mapper.columns:
        column.bind(mapper.storage)
        if column.may_be_lazy:
            namespace[column.attribute] = LazyField(column)
        elif parent is not None and _is_hidden(body, column.attribute):
            namespace[column.attribute] = column.get_slot.__self__  # type: ignore[attr-defined]
    _bind_relations(body, mapper, back_links)
    own = namespace.get("Settings")
    namespace.update(__slots__=(), _uow_mapper=mapper, _uow_expressions={}, _uow_settings_class=own)
    class_ = body.make(mapper.storage)
    mapper.class_ = class_
    mapper.partial = make_partial(mapper)
    mapper.initial_state = type.__getattribute__(class_, "_initial_state")
    mapper.keeper = type.__getattribute__(class_, "_keeper")
    for table in mapper.tables:
        if table.owner is mapper:
            table.class_, table.storage, table.partial = class_, mapper.storage, mapper.partial
            table.keeper = mapper.keeper
    join_union(mapper)
    enter_hierarchy(mapper, settings)
    mapper.relation_queries = type.__getattribute__(class_, "_relation_queries")
    mapper.registry.register(mapper)
    return class_


def _give_rules(body: ClassBody, mapper: Mapper, privates: dict[str, PrivateField]) -> None:
    mapper.privates = privates
    mapper.wrap_construction = checked_construction
    add_rules(body.namespace, body.bases, mapper)


def _bind_relations(body: ClassBody, mapper: Mapper, back_links: Mapping[str, Any]) -> None:
    for link in back_links.values():
        link.bind(mapper.storage)
        body.namespace[link.name] = BackLinkField(link)
    for relation in mapper.relations.values():
        if relation.mapper is mapper:
            relation.bind(mapper.storage)
            body.namespace[relation.name] = RelationField(relation, _inherited(body, "_linker"))


def _take_document_parts(
    body: ClassBody, fields: dict[str, Field], scope: Scope
) -> dict[str, PrivateField]:
    """Take the private attributes; give the field that keeps what no other is there for."""
    privates = take_privates(body.namespace, annotations_of(body.namespace), body.bases)
    body.namespace.update(privates)
    if keeps_rest(config_of(body.name, body.namespace, body.bases)):
        fields[REST] = rest_field(body.name, scope)
    return privates


def _inherited(body: ClassBody, name: str) -> Any:
    return next(vars(c)[name] for b in body.bases for c in b.__mro__ if name in vars(c))


def _is_hidden(body: ClassBody, name: str) -> bool:
    """Whether a mixin has an attribute that would be found before the slot, which is a parent's."""
    classes: list[type[object]] = [class_ for base in body.bases for class_ in base.__mro__]
    return any(name in vars(one) for one in classes if not issubclass(one, ModelStorage))


def _caller(frame: FrameType | None) -> FrameType | None:
    """The frame of the class statement; metaclasses of others may stand between."""
    while frame is not None and frame.f_code.co_name == "__new__":
        frame = frame.f_back
    return frame


def _check_bases(body: ClassBody) -> tuple[Mapper | None, list[type]]:
    """Give the mapped parent, and the abstract bases between, nearest first."""
    abstract: dict[type, None] = {}
    mapped: dict[type, Mapper] = {}
    for base in body.bases:
        for class_ in base.__mro__:
            attributes = vars(class_)
            mapper = attributes.get("_uow_mapper")
            if mapper is not None:
                mapped.setdefault(class_, mapper)
            elif "_uow_settings" in attributes:
                abstract.setdefault(class_)
    if not mapped:
        return None, list(abstract)
    nearest = [
        one for one in mapped if not any(o is not one and issubclass(o, one) for o in mapped)
    ]
    if len(nearest) > 1:
        parents = " and ".join(class_.__name__ for class_ in nearest)
        raise MappingError(f"{body.name} has two mapped parents, {parents}; a class is one table's")
    (parent,) = nearest
    # What is abstract above the parent has said what it has to say to the parent.
    return mapped[parent], [one for one in abstract if not issubclass(parent, one)]


def _define_abstract(body: ClassBody, scope: Scope, known: frozenset[str] | None) -> Any:
    namespace = body.namespace
    fields = own_fields(body.name, namespace, scope, is_document=known is not None)
    if known is not None:
        namespace.update(take_privates(namespace, annotations_of(namespace), body.bases))
    _check_names(body, fields)
    if all(field.hint is not None for field in fields.values()):
        scope.release()
    for field in fields:
        namespace.pop(field, None)
    namespace.setdefault("__slots__", ())
    namespace.update(
        _uow_fields=fields,
        _uow_settings=raw_settings(body.name, namespace, *(() if known is None else (known,))),
        _uow_mapper=None,
        _uow_expressions=None,
        __init__=_construct_below,
    )
    return body.make()


def _is_of_user(class_: type) -> bool:
    """Whether a class, or the one it is the private part of, was written by a user."""
    attributes = vars(class_)
    is_mapped = attributes.get("_uow_mapper") is not None or "__attrs_attrs__" in attributes
    return is_mapped or "_uow_fields" in attributes


def _construct_below(self: object, *args: object, **values: object) -> None:
    """The constructor of an abstract class: that of the class below, if the object is of one."""
    class_ = type(self)
    mapper: Mapper | None = type.__getattribute__(class_, "_uow_mapper")
    if mapper is None:
        raise MappingError(f"{class_.__name__} is abstract (Settings.abstract) and has no objects")
    mapper.storage.__init__(self, *args, **values)


def _check_names(body: ClassBody, fields: Iterable[str]) -> None:
    """Refuse columns that would hide something of the library's, or be hidden by it."""
    if body.namespace.get("__slots__"):
        raise MappingError(f"{body.name}: a mapped class must not have __slots__ of its own")
    # The verbs of documents are in parts of their classes that are no mapped classes by themselves.
    # A view may have fields of these names, and many have a `count`: it is read by `find` alone.
    keeps_verbs = not _is_one(body, "_uow_is_view")
    ours = {
        part
        for base in body.bases
        for class_ in base.__mro__
        if issubclass(class_, ModelStorage) and not _is_of_user(class_)
        for part in (class_.__mro__ if keeps_verbs else (class_,))
    }
    taken = {attribute for class_ in ours for attribute in vars(class_)}
    for field in fields:
        if field in taken or field in ("Settings", "self"):
            raise MappingError(
                f"{body.name}.{field}: the name is taken by the library; use another attribute, "
                f'and Column(name="{field}") to keep the name in the store'
            )
        if field.startswith(("_uow", "__")) or field.endswith("__raw"):
            raise MappingError(f"{body.name}.{field}: the library keeps such names for itself")
