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
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from uow.errors import MappingError
from uow.mapping.asked_by_fastapi import asks_for_a_body
from uow.mapping.columns import Column
from uow.mapping.copying import copy_object, deepcopy_object, reduce_object
from uow.mapping.definition import ClassBody, define
from uow.mapping.mapper import MappedColumn, Mapper
from uow.mapping.paths import LoadStep, RelationPath
from uow.mapping.related import related
from uow.mapping.storage import ModelStorage

__all__ = ["Model", "ModelMeta", "ModelStorage"]

_column_names: set[str] = set()
"""The names of all columns of all classes: what is not in it needs no second look."""


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(Column, related))
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
        body = ClassBody(mcls, name, bases, namespace, keywords)
        class_ = define(body, inspect.currentframe())
        mapper: Mapper | None = type.__getattribute__(class_, "_uow_mapper")
        if mapper is not None:
            _column_names.update(mapper.by_attribute)
            _column_names.update(mapper.relations)
            _column_names.update(mapper.links)
        return class_

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
                    return _make_expression(mapper, name, expressions, mapper.by_attribute[name])
                relation = mapper.relations.get(name)
                if relation is not None:
                    path = expressions[name] = RelationPath[Any]((LoadStep(relation),))
                    return path
                link = mapper.links.get(name)
                if link is not None:
                    return _make_expression(mapper, name, expressions, link.column)
        return type.__getattribute__(cls, name)

    @property
    def __dataclass_fields__(cls) -> dict[str, Any]:
        """What FastAPI asks for, by `dataclasses.is_dataclass`; all others are told the truth.

        Of parameters it takes pydantic's models for bodies, and dataclasses; a document is neither
        (pydantic has no virtual subclasses), and what it is as a body it tells pydantic itself.
        """
        mapper = type.__getattribute__(cls, "_uow_mapper")
        if mapper is not None and mapper.document is not None and asks_for_a_body(cls):
            return {}
        raise AttributeError("__dataclass_fields__")

    def __setattr__(cls, name: str, value: object) -> None:
        if name in _column_names:
            mapper = type.__getattribute__(cls, "_uow_mapper")
            if mapper is not None and name in mapper.by_attribute:
                raise MappingError(
                    f"{mapper.name}.{name} is a column and cannot be replaced on the class"
                )
            if mapper is not None and name in mapper.relations:
                raise MappingError(
                    f"{mapper.name}.{name} is a relation and cannot be replaced on the class"
                )
            if mapper is not None and name in mapper.links:
                raise MappingError(
                    f"{mapper.name}.{name} is a link and cannot be replaced on the class"
                )
        super().__setattr__(name, value)

    def __delattr__(cls, name: str) -> None:
        mapper = type.__getattribute__(cls, "_uow_mapper")
        if mapper is not None and name in mapper.by_attribute:
            raise MappingError(f"{mapper.name}.{name} is a column and cannot be deleted")
        super().__delattr__(name)


def _make_expression(
    mapper: Mapper, name: str, expressions: dict[str, Any], column: MappedColumn
) -> Any:
    # Imported here: a program that never builds a query needs no expressions.
    from uow.expressions import ColumnExpression

    expression = ColumnExpression[Any](column, mapper)
    expressions[name] = expression
    return expression


class Model(ModelStorage, metaclass=ModelMeta, mapped=False):
    """Base of everything that is mapped; knows no session and no store."""

    __slots__ = ()

    _initial_state: ClassVar[Any] = None
    _keeper: ClassVar[Any] = None
    _linker: ClassVar[Any] = None
    _relation_queries: ClassVar[Any] = None
    _uow_mapper: ClassVar[Any] = None
    _uow_expressions: ClassVar[Any] = None
    _uow_settings: ClassVar[Mapping[str, Any]] = {}
    _uow_is_document: ClassVar[bool] = False

    if TYPE_CHECKING:
        # For `attrs.asdict` and the like, and for constructors that call the generated one.
        __attrs_attrs__: ClassVar[Any]

        def __init__(self, **values: Any) -> None: ...

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
