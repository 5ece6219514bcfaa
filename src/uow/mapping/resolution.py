"""Find the type of each column and check what depends on it: arguments, default, role."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import Any, get_origin

import attrs

from uow.errors import MappingError
from uow.mapping.columns import MISSING, ColumnSpec
from uow.mapping.defaults import known_function
from uow.mapping.fields import Field
from uow.mapping.hints import Hint
from uow.mapping.json_values import check_document_hint, check_hint
from uow.mapping.link_fields import link_type
from uow.mapping.mapper import MappedColumn, Mapper
from uow.mapping.nested_hints import in_document
from uow.mapping.settings import check_identifier
from uow.types import (
    Array,
    Binary,
    ColumnType,
    Composite,
    DateTime,
    DocumentValue,
    EnumType,
    Integer,
    Json,
    Native,
    Numeric,
    ObjectIdType,
    Text,
    Uuid,
    changes_in_place,
    column_type,
)
from uow.values import (
    check_value,
    composite_fields,
    is_document_key,
    kind_of,
    split_optional,
    type_from_hint,
)

__all__ = ["Resolver", "settle_type"]


class Resolver:
    """Gives columns their types once the names in their hints are defined."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = {name: field for name, field in fields.items() if field.hint is None}
        if not self._fields:
            for field in fields.values():
                field.scope.release()

    def __call__(self, mapper: Mapper) -> None:
        """Give the columns that have none yet their types.

        Raises:
            MappingError: a name is still not defined, or the type does not fit.
        """
        for name, field in self._fields.items():
            column = mapper.by_attribute[name]
            if not field.resolve():
                raise MappingError(
                    f"{column}: the type hint {field.raw_hint!r} names nothing known"
                )
            hint = field.hint
            if hint is None or not hint.is_column or hint.specs:
                raise MappingError(
                    f"{column}: the type hint must be known where the class is defined, "
                    "since it says more than a type"
                )
            settle_type(column, hint, field)
            if not column.is_lazy:
                _make_eager(column)
        for field in self._fields.values():
            field.scope.release()
        mapper.lazy_columns = tuple(c for c in mapper.columns if c.is_lazy)
        self._fields = {}


def _make_eager(column: MappedColumn) -> None:
    """Take the descriptor away that the column would have needed, had its type been JSON."""
    type.__delattr__(column.mapper.class_, column.attribute)
    column.get_raw = column.set_raw = column.delete_raw = None


def settle_type(column: MappedColumn, hint: Hint, field: Field) -> None:
    """Give a column the type its hint and arguments mean.

    Raises:
        MappingError: there is none, or arguments, default or role do not go with it.
    """
    spec = field.spec
    hinted, nullable = _hinted_type(hint)
    linked = link_type(column, hint.type, field)
    if linked is not None:
        hinted, nullable = linked, split_optional(hint.type)[1]
    given = spec.type if spec.type is not None else field.given_type
    if given is not None:
        try:
            type_ = column_type(given)
        except TypeError as exc:
            raise MappingError(f"{column}: type= {exc}") from None
        type_ = _reconciled(column, type_, hinted, split_optional(hint.type)[0])
    elif hinted is not None:
        type_ = hinted
    elif column.mapper.document is not None and may_nest(hint.type):
        type_ = DocumentValue(split_optional(hint.type)[0])
    else:
        raise MappingError(
            f"{column}: {_hint_name(hint.type)} is no type a column can have; "
            "give it type=, or make it a ClassVar"
        )
    type_ = _with_arguments(column, type_, spec)
    column.type = type_ if column.mapper.document is None else in_document(type_)
    _check_own_type(column)
    column.hint = hint.type
    if spec.nullable is None and not column.primary_key:
        column.nullable = nullable
    _settle_default(column)
    _check_roles(column)


def may_nest(hint: Any) -> bool:
    """Whether a document may hold what no column of a table can: unions, literals, and the like."""
    return hint is not object and not hasattr(hint, "_uow_mapper")


def _hinted_type(hint: Hint) -> tuple[ColumnType | None, bool]:
    try:
        return type_from_hint(hint.type)
    except ValueError:
        return None, split_optional(hint.type)[1]


def _reconciled(
    column: MappedColumn, given: ColumnType, hinted: ColumnType | None, hint: object
) -> ColumnType:
    """The given type, if values of the hinted one fit it."""
    if isinstance(given, Json):
        return attrs.evolve(given, annotation=hint) if given.annotation is None else given
    if isinstance(given, Native):
        if given.python_type is not None or not isinstance(hint, type):
            return given
        return attrs.evolve(given, python_type=hint)
    if isinstance(given, Composite):
        if hint is not given.class_:
            raise MappingError(
                f"{column}: type=Composite({given.class_.__name__}) does not fit the type hint"
            )
        return given
    expected = Json if isinstance(given, Array) else type(given)
    if hinted is not None and not issubclass(expected, type(hinted)):
        raise MappingError(
            f"{column}: type={type(given).__name__} does not fit the type hint, "
            f"which says {type(hinted).__name__}"
        )
    return given


_ARGUMENT_TYPES: Mapping[str, tuple[type[ColumnType], ...]] = {
    "max_length": (Text, Binary),
    "collation": (Text,),
    "precision": (Numeric,),
    "scale": (Numeric,),
    "timezone": (DateTime,),
}


def _with_arguments(column: MappedColumn, type_: ColumnType, spec: ColumnSpec) -> ColumnType:
    for name, allowed in _ARGUMENT_TYPES.items():
        value = getattr(spec, name)
        if value is None:
            continue
        if not isinstance(type_, allowed):
            kinds = " or ".join(kind.__name__ for kind in allowed)
            raise MappingError(
                f"{column}: {name}= is for {kinds} columns, this one is {type(type_).__name__}"
            )
        type_ = attrs.evolve(type_, **{name: value})
    return type_


def _check_own_type(column: MappedColumn) -> None:
    """Check a type that the store makes for the class."""
    type_ = column.type
    while isinstance(type_, Array):
        type_ = type_.item
    if isinstance(type_, Composite):
        try:
            composite_fields(type_.class_)
        except ValueError as exc:
            raise MappingError(f"{column}: {exc}") from None
    elif isinstance(type_, Json):
        try:
            if isinstance(type_, DocumentValue):
                # Written by what values are, and read by what a store can tell apart.
                document = column.mapper.document
                check_document_hint(
                    type_.annotation, () if document is None else (*document.bson_encoders,)
                )
            else:
                check_hint(type_.annotation)
        except ValueError as exc:
            raise MappingError(f"{column}: {exc}") from None
        return
    elif not isinstance(type_, EnumType) or type_.native_name is None:
        return
    elif issubclass(type_.enum_class, enum.Flag):
        raise MappingError(f"{column}: a native type has no label for members of a Flag together")
    check_identifier(type_.native_name, f"{column}: the name of its type")
    if type_.schema is not None:
        check_identifier(type_.schema, f"{column}: schema=")


def _settle_default(column: MappedColumn) -> None:
    default = column.default
    if default is MISSING:
        return
    if default is None:
        # A foreign key may wait for the relation that gives it its value.
        if not (column.nullable or column.auto_increment or column.foreign_key is not None):
            raise MappingError(f"{column}: the default is None, but the column is not nullable")
        return
    is_document = column.mapper.document is not None
    if isinstance(default, str) and not _holds_text(column.type) and not is_document:
        _make_server_default(column, default)
        return
    kinds: tuple[type, ...] = (str, int, float, tuple, bytes)
    if changes_in_place(column.type) and not isinstance(default, kinds):
        if is_document:
            column.default, column.default_factory = MISSING, partial(deepcopy, default)
            return
        raise MappingError(
            f"{column}: the default, a {kind_of(default)}, would be shared by all objects; "
            "use default_factory="
        )
    if is_document and isinstance(column.type, DateTime):
        return  # whether it is to have a zone is known when the class is bound to a client
    try:
        column.default = check_value(column.type, column.default)
    except ValueError as exc:
        raise MappingError(f"{column}: the default does not fit: {exc}") from None
    if column.choices and column.default not in column.choices:
        raise MappingError(f"{column}: the default is none of what its Literal names")


def _holds_text(type_: ColumnType) -> bool:
    if isinstance(type_, Native):
        return type_.python_type is str
    return isinstance(type_, (Text, Json))


def _make_server_default(column: MappedColumn, default: str) -> None:
    function = known_function(default)
    if function is None or isinstance(column.type, EnumType):
        raise MappingError(
            f"{column}: the default is a str, the column is {type(column.type).__name__}; "
            "SQL for the store to evaluate is given as server_default="
        )
    if column.server_default is not None:
        raise MappingError(f"{column}: default= and server_default= are both SQL")
    column.default = MISSING
    column.server_default, column.server_default_known = function, True
    mapper = column.mapper
    mapper.generated_on_insert = tuple(c for c in mapper.columns if c.is_made_by_store)


def _check_roles(column: MappedColumn) -> None:
    if column.mapper.document is not None:
        _check_document_roles(column)
        return
    if column.auto_increment and not isinstance(column.type, Integer):
        if column.default is None:
            raise MappingError(f"{column}: the default is None, but a key cannot be None")
        raise MappingError(f"{column}: auto_increment= is for int columns")
    if column.numbered and not isinstance(column.type, Integer):
        raise MappingError(f"{column}: identity= is for int columns")
    if column.sequence is not None and not isinstance(column.type, Integer):
        raise MappingError(f"{column}: sequence= is for int columns")
    if column.version and not isinstance(column.type, Integer):
        raise MappingError(f"{column}: a version column is an int")
    if column.version and column.nullable:
        raise MappingError(f"{column}: a version column cannot be nullable")
    if column.primary_key and column.is_lazy:
        raise MappingError(f"{column}: {type(column.type).__name__} cannot be a primary key")
    foreign_key = column.foreign_key
    if foreign_key is not None and not column.nullable:
        for action in (foreign_key.on_delete, foreign_key.on_update):
            if action == "SET NULL":
                raise MappingError(f"{column}: 'set null' on a column that is not nullable")


def _check_document_roles(column: MappedColumn) -> None:
    if column.auto_increment and not isinstance(column.type, ObjectIdType):
        raise MappingError(
            f"{column}: a document store numbers nothing; give the key a default_factory, or let "
            "the objects bring it"
        )
    if column.version and not isinstance(column.type, (Integer, Uuid)):
        raise MappingError(f"{column}: a version is an int or a UUID")
    if not is_document_key(column.name):
        raise MappingError(
            f"{column}: {column.name!r} cannot be the name of a field: a document store takes a "
            "dot for a path and a leading dollar sign for an operator"
        )
    if column.primary_key and column.is_lazy:
        bare, _ = split_optional(column.hint)
        class_: Any = get_origin(bare) or bare
        if getattr(class_, "__hash__", None) is None:
            raise MappingError(
                f"{column}: a {class_.__name__} cannot be a key, since it has no hash; a class of "
                "your own is to be frozen"
            )


def _hint_name(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)
