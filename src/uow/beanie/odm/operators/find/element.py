"""`$exists`, `$type`."""

from __future__ import annotations

from uow.beanie.odm.operators.find.base import BaseFindOperator, Field, tested

__all__ = ["Exists", "Type"]


class Exists(BaseFindOperator):
    """The document has the field, whatever it holds; with False it has not."""

    __slots__ = ()

    def __init__(self, field: Field, value: bool = True) -> None:
        super().__init__(tested(field, "$exists", bool(value)))


class Type(BaseFindOperator):
    """What the document holds is of a type of BSON's: `Type(Person.age, "int")`.

    Args:
        field: the field.
        types: names or numbers of types, one or a list.
    """

    __slots__ = ()

    def __init__(self, field: Field, types: str | int | list[str] | list[int]) -> None:
        super().__init__(tested(field, "$type", types))
