"""How a class body becomes a mapped class, or an abstract one."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Mapping
from types import FrameType
from typing import Any, NoReturn

import attrs

from uow.errors import MappingError
from uow.mapping.build import build_mapper
from uow.mapping.fields import collect_fields, own_fields
from uow.mapping.hints import Scope
from uow.mapping.lazy import LazyField
from uow.mapping.partial import make_partial
from uow.mapping.settings import raw_settings, read_settings
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
        """Make the class, with further bases before its own."""
        return ABCMeta.__new__(
            self.metaclass, self.name, (*first, *self.bases), self.namespace, **self.keywords
        )


def define(body: ClassBody, frame: FrameType | None) -> Any:
    """Make a mapped class, or an abstract one.

    Args:
        body: the class statement; its namespace is changed.
        frame: the frame of the metaclass, from which that of the class statement is found.

    Raises:
        MappingError: it cannot be mapped as it is written.
    """
    abstract_bases = _check_bases(body)
    name, namespace = body.name, body.namespace
    settings = read_settings(name, namespace, abstract_bases)
    scope = Scope(_caller(frame), namespace)
    if settings.abstract:
        return _define_abstract(body, scope)
    fields = collect_fields(name, namespace, body.bases, scope)
    _check_names(body, fields)
    mapper = build_mapper(name, fields, settings)
    mapper.storage = make_storage(mapper, body.bases, namespace)
    for field in fields:
        namespace.pop(field, None)
    for column in mapper.columns:
        column.bind(mapper.storage)
        if column.may_be_lazy:
            namespace[column.attribute] = LazyField(column)
    namespace.update(__slots__=(), _uow_mapper=mapper, _uow_expressions={})
    class_ = body.make(mapper.storage)
    mapper.class_ = class_
    mapper.partial = make_partial(mapper)
    mapper.initial_state = type.__getattribute__(class_, "_initial_state")
    mapper.registry.register(mapper)
    return class_


def _caller(frame: FrameType | None) -> FrameType | None:
    """The frame of the class statement; metaclasses of others may stand between."""
    while frame is not None and frame.f_code.co_name == "__new__":
        frame = frame.f_back
    return frame


def _check_bases(body: ClassBody) -> list[type]:
    """Refuse mapped parents, and answer the abstract ones, nearest first."""
    abstract: dict[type, None] = {}
    mapped: dict[type, None] = {}
    for base in body.bases:
        for class_ in base.__mro__:
            attributes = vars(class_)
            if attributes.get("_uow_mapper") is not None:
                mapped.setdefault(class_)
            elif "_uow_settings" in attributes:
                abstract.setdefault(class_)
    parents = [class_.__name__ for class_ in mapped]
    if len(parents) > 1:
        raise MappingError(
            f"{body.name} has two mapped parents, {' and '.join(parents)}; a class is one table's"
        )
    if parents:
        raise MappingError(
            f"{body.name} is a subclass of the mapped class {parents[0]}, but inheritance between "
            "tables is not supported; share fields through a mixin or a base with "
            "Settings.abstract = True"
        )
    return list(abstract)


def _define_abstract(body: ClassBody, scope: Scope) -> Any:
    namespace = body.namespace
    fields = own_fields(body.name, namespace, scope)
    _check_names(body, fields)
    if all(field.hint is not None for field in fields.values()):
        scope.release()
    for field in fields:
        namespace.pop(field, None)
    namespace.setdefault("__slots__", ())
    namespace.update(
        _uow_fields=fields,
        _uow_settings=raw_settings(body.name, namespace),
        __init__=_refuse_abstract,
    )
    return body.make()


def _refuse_abstract(self: object, *_: object, **__: object) -> NoReturn:
    raise MappingError(f"{type(self).__name__} is abstract (Settings.abstract) and has no objects")


def _check_names(body: ClassBody, fields: Mapping[str, Any]) -> None:
    """Refuse columns that would hide something of the library's, or be hidden by it."""
    if body.namespace.get("__slots__"):
        raise MappingError(f"{body.name}: a mapped class must not have __slots__ of its own")
    taken = {
        attribute
        for base in body.bases
        for class_ in base.__mro__
        if issubclass(class_, ModelStorage) and "_uow_fields" not in vars(class_)
        for attribute in vars(class_)
    }
    for field in fields:
        if field in taken or field in ("Settings", "self"):
            raise MappingError(
                f"{body.name}.{field}: the name is taken by the library; use another attribute, "
                f'and Column(name="{field}") to keep the name in the store'
            )
        if field.startswith(("_uow", "__")) or field.endswith("__raw"):
            raise MappingError(f"{body.name}.{field}: the library keeps such names for itself")
