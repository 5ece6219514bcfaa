"""Values of several columns: `Column(prefix=...)` on a field whose class is frozen.

Each field of the class is a column like any other, named with the prefix; they are written,
tracked and queried one by one. The attribute itself is made of them when it is read.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

import attrs

from uow.errors import MappingError, ValidationError
from uow.mapping.columns import MISSING, ColumnSpec
from uow.mapping.fields import Field
from uow.values import composite_fields, composite_reader, kind_of, split_optional

__all__ = ["Embedded", "EmbeddedColumns", "EmbeddedField", "expand_embedded"]


@attrs.frozen(eq=False)
class Embedded:
    """One value that is kept in several columns.

    Attributes:
        owner: the name of the class it stands in, for messages.
        name: the attribute.
        class_: what its values are.
        nullable: whether it may be None, which is NULL in all of the columns.
        attributes: of each column the attribute, by the name of the class's field.
        arguments: what the constructor of the class calls the fields.
    """

    owner: str
    name: str
    class_: type[Any]
    nullable: bool
    attributes: Mapping[str, str]
    arguments: tuple[str, ...]

    def take_apart(self, value: object) -> tuple[Any, ...]:
        """Give the values of the columns, in order.

        Raises:
            ValidationError: it is no value of the class.
        """
        if value is None and self.nullable:
            return (None,) * len(self.attributes)
        if not isinstance(value, self.class_):
            raise ValidationError(
                f"{self.owner}.{self.name}: expected {self.class_.__name__}, got {kind_of(value)}"
            )
        return tuple(composite_reader(self.class_)(value))


def expand_embedded(
    owner: str, fields: Mapping[str, Field]
) -> tuple[dict[str, Field], dict[str, Embedded]]:
    """Put the fields of their classes in place of fields with a prefix.

    Returns:
        The fields that are columns, and the values made of several of them.

    Raises:
        MappingError: a class cannot be kept in columns, or two columns have one name.
    """
    expanded: dict[str, Field] = {}
    embedded: dict[str, Embedded] = {}
    for name, field in fields.items():
        if field.spec.prefix is None:
            parts = {name: field}
        else:
            embedded[name], parts = _expand(owner, field, field.spec.prefix)
        for part in parts:
            if part in expanded or (part in fields and part not in parts) or part in embedded:
                raise MappingError(f"{owner}.{part} is there twice, once as a part of a value")
        expanded.update(parts)
    for name in embedded:
        if name in expanded:
            raise MappingError(f"{owner}.{name} is there twice, once as a part of a value")
    return expanded, embedded


def _expand(owner: str, field: Field, prefix: str) -> tuple[Embedded, dict[str, Field]]:
    where = f"{owner}.{field.name}"
    if field.hint is None:
        raise MappingError(f"{where}: a class that is kept in columns must be defined before")
    given = {
        each.name
        for each in attrs.fields(ColumnSpec)
        if each.name not in {"prefix", "default", "init"}
        and getattr(field.spec, each.name) != each.default
    }
    if given:
        raise MappingError(f"{where}: prefix= goes with no other argument than default=None")
    if type(prefix) is not str or not prefix.isidentifier():
        raise MappingError(f"{where}: prefix= begins names of attributes and columns")
    class_, nullable = split_optional(field.hint.type)
    try:
        found = composite_fields(class_)
    except ValueError as exc:
        raise MappingError(f"{where}: {exc}") from None
    if field.spec.default is not MISSING and not (field.spec.default is None and nullable):
        raise MappingError(f"{where}: the default of a value in columns can only be None")
    hints = typing.get_type_hints(class_, include_extras=True)
    parts: dict[str, Field] = {}
    for part in found:
        hint = typing.Optional[hints[part.name]] if nullable else hints[part.name]  # noqa: UP045
        default = None if nullable else MISSING
        made = Field(prefix + part.name, owner, hint, ColumnSpec(default=default), field.scope)
        made.resolve()
        made.given_type = part.type  # which `Optional` hides in the hint
        parts[made.name] = made
    attributes = {part.name: prefix + part.name for part in found}
    arguments = tuple(part.argument for part in found)
    return Embedded(owner, field.name, class_, nullable, attributes, arguments), parts


class EmbeddedField:
    """The descriptor of a value of several columns in the public class."""

    __slots__ = ("_embedded",)

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        embedded = self._embedded
        if obj is None:
            return EmbeddedColumns(embedded, owner)
        values = [getattr(obj, attribute) for attribute in embedded.attributes.values()]
        if embedded.nullable and all(value is None for value in values):
            return None
        return embedded.class_(**dict(zip(embedded.arguments, values, strict=True)))

    def __set__(self, obj: Any, value: Any) -> None:
        embedded = self._embedded
        parts = zip(embedded.attributes.values(), embedded.take_apart(value), strict=True)
        for attribute, part in parts:
            setattr(obj, attribute, part)


class EmbeddedColumns:
    """What a class answers for a value of several columns: `Author.address["street"]`."""

    __slots__ = ("_class", "_embedded")

    def __init__(self, embedded: Embedded, class_: Any) -> None:
        self._embedded = embedded
        self._class = class_

    def __repr__(self) -> str:
        return f"<EmbeddedColumns {self._embedded.owner}.{self._embedded.name}>"

    def __getitem__(self, name: str) -> Any:
        """The column of a field of the value.

        Raises:
            MappingError: the value has no such field.
        """
        embedded = self._embedded
        if name not in embedded.attributes:
            raise MappingError(f"{embedded.owner}.{embedded.name} has no field {name!r}")
        return getattr(self._class, embedded.attributes[name])

    def __eq__(self, value: object) -> Any:
        """All columns are those of the value; `None` is NULL in all of them."""
        embedded = self._embedded
        columns = embedded.attributes.values()
        condition: Any = None
        for attribute, part in zip(columns, embedded.take_apart(value), strict=True):
            equal = getattr(self._class, attribute) == part
            condition = equal if condition is None else condition & equal
        return condition

    def __ne__(self, value: object) -> Any:
        return ~(self == value)

    __hash__ = None  # type: ignore[assignment]
