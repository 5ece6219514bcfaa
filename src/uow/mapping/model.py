"""`Model` and its metaclass: how a class body becomes a mapped class.

    ModelStorage          the slots every object has
      AuthorStorage       private: a slot a column, attrs' fields, no write hook
        Author            what the user wrote, with empty slots; reads are native slot reads
          Author          private: `__getattr__` for objects that miss columns

Code that must be fast makes an object of the storage class, stores into its slots natively, and
assigns `__class__`; that is possible because the layouts are equal. On the class itself the
metaclass answers column names with expressions.
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Mapping
from types import FrameType
from typing import Any, ClassVar, NoReturn, cast, dataclass_transform

import attr

from uow.errors import MappingError, NotLoadedError
from uow.mapping.build import build_mapper
from uow.mapping.columns import MISSING, Column
from uow.mapping.construction import first_construction
from uow.mapping.copying import copy_object, deepcopy_object, reduce_object
from uow.mapping.fields import collect_fields, own_fields
from uow.mapping.hints import Scope
from uow.mapping.lazy import LazyField
from uow.mapping.mapper import MappedColumn, Mapper, Unresolved
from uow.mapping.settings import raw_settings, read_settings

__all__ = ["Model", "ModelMeta", "ModelStorage"]

_column_names: set[str] = set()
"""The names of all columns of all classes: what is not in it needs no second look."""

_expressions: dict[str, Any] = {}


class ModelStorage:
    """The slots that every object of a mapped class has.

    `_uow_state` answers for the object; what is in it is not this package's business.
    """

    __slots__ = ("__weakref__", "_uow_state")

    _uow_state: Any


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(Column,))
class ModelMeta(ABCMeta):
    """Makes mapped classes; answers their column names with expressions."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        mapped: bool = True,
        **keywords: Any,
    ) -> Any:
        """Make the class: a plain one with `mapped=False`, else a mapped or an abstract one.

        Raises:
            MappingError: it cannot be mapped as it is written.
        """
        namespace = dict(namespace)
        if not mapped:
            namespace.setdefault("__slots__", ())
            return super().__new__(mcls, name, bases, namespace, **keywords)
        return _define(mcls, name, bases, namespace, inspect.currentframe(), keywords)

    def __init__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        **_: Any,
    ) -> None:
        super().__init__(name, bases, namespace)

    # Virtual subclasses of models are of no use, and ABCMeta's own checks take twice as long.
    __instancecheck__ = type.__instancecheck__
    __subclasscheck__ = type.__subclasscheck__

    def __getattribute__(cls, name: str) -> Any:
        if name in _column_names:
            expressions = type.__getattribute__(cls, "_uow_expressions")
            if expressions is not None:
                found = expressions.get(name)
                if found is not None:
                    return found
                mapper: Mapper = type.__getattribute__(cls, "_uow_mapper")
                if name in mapper.by_attribute:
                    return _make_expression(mapper, name, expressions)
        return type.__getattribute__(cls, name)

    def __setattr__(cls, name: str, value: object) -> None:
        if name in _column_names:
            mapper = type.__getattribute__(cls, "_uow_mapper")
            if mapper is not None and name in mapper.by_attribute:
                raise MappingError(
                    f"{mapper.name}.{name} is a column and cannot be replaced on the class"
                )
        super().__setattr__(name, value)

    def __delattr__(cls, name: str) -> None:
        mapper = type.__getattribute__(cls, "_uow_mapper")
        if mapper is not None and name in mapper.by_attribute:
            raise MappingError(f"{mapper.name}.{name} is a column and cannot be deleted")
        super().__delattr__(name)


def _make_expression(mapper: Mapper, name: str, expressions: dict[str, Any]) -> Any:
    # Imported here: a program that never builds a query needs no expressions.
    from uow.expressions import ColumnExpression

    expression = ColumnExpression[Any](mapper.by_attribute[name], mapper)
    expressions[name] = expression
    return expression


class Model(ModelStorage, metaclass=ModelMeta, mapped=False):
    """Base of everything that is mapped; knows no session and no store."""

    __slots__ = ()

    _initial_state: ClassVar[Any] = None
    _uow_mapper: ClassVar[Any] = None
    _uow_expressions: ClassVar[Any] = None
    _uow_settings: ClassVar[Mapping[str, Any]] = {}

    def __repr__(self) -> str:
        # Only the key: other values may be secret.
        mapper: Mapper | None = self._uow_mapper
        if mapper is None:
            return object.__repr__(self)
        key = ", ".join(
            f"{column.attribute}={column.get_slot(self)!r}"
            for column in mapper.key
            if column.is_loaded(self)
        )
        return f"<{mapper.name} {key}>"

    def __copy__(self) -> Any:
        return copy_object(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return deepcopy_object(self, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return reduce_object(self)


# -- definition


def _define(
    mcls: type[ModelMeta],
    name: str,
    bases: tuple[type, ...],
    namespace: dict[str, Any],
    frame: FrameType | None,
    keywords: dict[str, Any],
) -> Any:
    abstract_bases = _check_bases(name, bases)
    settings = read_settings(name, namespace, abstract_bases)
    scope = Scope(_caller(frame), namespace)
    if settings.abstract:
        return _define_abstract(mcls, name, bases, namespace, scope, keywords)
    fields = collect_fields(name, namespace, bases, scope)
    _check_names(name, fields, bases)
    mapper = build_mapper(name, fields, settings)
    storage = _make_storage(mapper, name, bases, namespace)
    for field in fields:
        namespace.pop(field, None)
    for column in mapper.columns:
        if _may_be_lazy(column):
            namespace[column.attribute] = LazyField(column)
    namespace["__slots__"] = ()
    namespace["_uow_mapper"] = mapper
    namespace["_uow_expressions"] = {}
    mapper.storage = storage
    for column in mapper.columns:
        column.bind(storage)
    _column_names.update(mapper.by_attribute)
    class_: Any = ABCMeta.__new__(mcls, name, (storage, *bases), namespace, **keywords)
    mapper.class_ = class_
    mapper.partial = _make_partial(mcls, mapper)
    mapper.initial_state = type.__getattribute__(class_, "_initial_state")
    mapper.registry.register(mapper)
    return class_


def _caller(frame: FrameType | None) -> FrameType | None:
    """The frame of the class statement; metaclasses of others may stand between."""
    while frame is not None and frame.f_code.co_name == "__new__":
        frame = frame.f_back
    return frame


def _check_bases(name: str, bases: tuple[type, ...]) -> list[type]:
    """Refuse mapped parents, and answer the abstract ones, nearest first."""
    abstract: dict[type, None] = {}
    mapped: list[type] = []
    for base in bases:
        for class_ in base.__mro__:
            if "_uow_mapper" in vars(class_) and vars(class_)["_uow_mapper"] is not None:
                mapped.append(class_)
            elif "_uow_settings" in vars(class_) and class_ is not Model:
                abstract.setdefault(class_)
    parents = list(dict.fromkeys(mapped))
    if len(parents) > 1:
        names = " and ".join(parent.__name__ for parent in parents)
        raise MappingError(f"{name} has two mapped parents, {names}; a class is one table's")
    if parents:
        raise MappingError(
            f"{name} is a subclass of the mapped class {parents[0].__name__}, but inheritance "
            "between tables is not supported; share fields through a mixin or a base with "
            "Settings.abstract = True"
        )
    return list(abstract)


def _define_abstract(
    mcls: type[ModelMeta],
    name: str,
    bases: tuple[type, ...],
    namespace: dict[str, Any],
    scope: Scope,
    keywords: dict[str, Any],
) -> Any:
    fields = own_fields(name, namespace, scope)
    _check_names(name, fields, bases)
    for field in fields:
        namespace.pop(field, None)
    namespace.setdefault("__slots__", ())
    namespace["_uow_fields"] = fields
    namespace["_uow_settings"] = raw_settings(name, namespace)
    namespace["__init__"] = _refuse_abstract
    return ABCMeta.__new__(mcls, name, bases, namespace, **keywords)


def _refuse_abstract(self: object, *_: object, **__: object) -> NoReturn:
    raise MappingError(f"{type(self).__name__} is abstract (Settings.abstract) and has no objects")


_RESERVED = frozenset({"Settings", "metadata_"})


def _check_names(name: str, fields: Mapping[str, Any], bases: tuple[type, ...]) -> None:
    """Refuse columns that would hide something of the library's, or be hidden by it."""
    taken = {
        attribute
        for base in bases
        for class_ in base.__mro__
        if isinstance(class_, ModelMeta) and "_uow_fields" not in vars(class_)
        for attribute in vars(class_)
    }
    for field in fields:
        if field in taken or field in _RESERVED:
            raise MappingError(
                f"{name}.{field}: the name is taken by the library; use another attribute, "
                f'and Column(name="{field}") to keep the name in the store'
            )
        if field.startswith(("_uow", "__")) or field.endswith("__raw"):
            raise MappingError(f"{name}.{field}: the library keeps such names for itself")


def _may_be_lazy(column: MappedColumn) -> bool:
    return column.is_lazy or isinstance(column.type, Unresolved)


def _make_storage(
    mapper: Mapper, name: str, bases: tuple[type, ...], namespace: Mapping[str, Any]
) -> type[Any]:
    slots = [column.attribute for column in mapper.columns]
    slots += [column.raw_attribute for column in mapper.columns if _may_be_lazy(column)]
    for base in bases:
        if not isinstance(base, ModelMeta) and _has_slots(base):
            raise MappingError(
                f"{name}: the mixin {base.__name__} must not have __slots__ of its own"
            )
    # A mixin without __slots__ gives objects a __dict__. The storage must have it too, or
    # `__class__` could not be assigned from one to the other.
    if any(base.__dictoffset__ for base in bases):
        slots.append("__dict__")
    storage: type[Any] = type(
        f"{name}Storage",
        (ModelStorage,),
        {
            "__slots__": tuple(slots),
            "__module__": namespace.get("__module__"),
            "__qualname__": f"{namespace.get('__qualname__', name)}Storage",
            "__doc__": None,
            "__init__": first_construction(mapper),
        },
    )
    these = {
        column.attribute: attr.ib(
            default=_attrs_default(column),
            kw_only=True,
            alias=column.attribute,
            type=cast("Any", column.hint),
        )
        for column in mapper.columns
    }
    return attr.s(these=these, slots=False, init=False, eq=False, repr=False, match_args=False)(
        storage
    )


def _has_slots(base: type) -> bool:
    plain = object.__basicsize__
    return base.__basicsize__ > plain + 16 or any(
        vars(class_).get("__slots__") not in (None, (), []) for class_ in base.__mro__
    )


def _attrs_default(column: MappedColumn) -> Any:
    if column.default_factory is not None:
        return attr.Factory(column.default_factory)
    if column.default is not MISSING:
        return column.default
    return attr.NOTHING if column.is_required else None


# -- objects that miss columns


def _make_partial(mcls: type[ModelMeta], mapper: Mapper) -> type[Any]:
    public = mapper.class_
    # Made on the storage and moved below the public class afterwards: a user's
    # `__init_subclass__` must not hear of it.
    partial: Any = type.__new__(
        mcls,
        public.__name__,
        (mapper.storage,),
        {
            "__slots__": (),
            "__module__": public.__module__,
            "__qualname__": public.__qualname__,
            "__doc__": public.__doc__,
            "__getattr__": _missing,
            "__new__": _new_complete,
            "__init__": _skip_init,
            "__attrs_attrs__": _attrs_of_partial(mapper),
        },
    )
    type.__setattr__(partial, "__bases__", (public,))
    return cast("type[Any]", partial)


def _missing(self: Any, name: str) -> NoReturn:
    mapper: Mapper = self._uow_mapper
    column = mapper.by_attribute.get(name)
    if column is None:
        raise AttributeError(
            f"{mapper.name!r} object has no attribute {name!r}", name=name, obj=self
        )
    if self._uow_state is mapper.initial_state and (column.is_made_by_store or column.version):
        raise NotLoadedError(
            f"{column} is made by the store and not known yet: await session.flush() first"
        )
    raise NotLoadedError(f"{column} is not loaded: await session.refresh(obj)")


def _new_complete(cls: type, /, *args: Any, **values: Any) -> Any:
    """`attrs.evolve` makes an object of the class it was given: answer one of the public class."""
    mapper: Mapper = type.__getattribute__(cls, "_uow_mapper")
    return mapper.class_(*args, **values)


def _skip_init(self: object, *_: object, **__: object) -> None:
    """The object comes initialised out of `__new__`."""


def _attrs_of_partial(mapper: Mapper) -> Any:
    """The fields of attrs, but what the store fills in is not asked of the object by `attrs.evolve`."""
    fields = attr.fields(mapper.storage)
    made = {
        column.attribute for column in mapper.columns if column.is_made_by_store or column.version
    }
    changed = [
        f.evolve(init=False) if f.name in made and f.name not in _key_names(mapper) else f
        for f in fields
    ]
    return type(fields)(changed)


def _key_names(mapper: Mapper) -> set[str]:
    return {column.attribute for column in mapper.key}
