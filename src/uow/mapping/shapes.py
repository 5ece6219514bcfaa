"""What a row holds of objects that may be of several classes, or have rows in several tables.

A row of one class in one table holds its columns, in their order. Any other row holds columns of
tables, called `table__column`, and its class is told by the discriminator, and by the tables whose
key is not NULL: those are the class's own, or the row is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from uow.errors import AmbiguousRowError
from uow.mapping.codegen import compile_function
from uow.mapping.inheritance import Inheritance

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["Shape", "shape_of"]

Classifier = Callable[[Iterable[Sequence[Any]]], list[Any]]
"""Answers what tells the class of each row; see `Shape.classes_by_sign`."""


@attrs.define(eq=False, repr=False)
class Shape:
    """The rows of a query for objects of one class and of those below it.

    Attributes:
        mapper: the class that is asked for.
        classes: the classes that its rows may be of, parents before children.
        columns: what a row holds, columns of tables.
        labels: what they are called; None where they go by their names.
        optional: the tables of which a row need not hold anything.
    """

    mapper: Mapper
    classes: tuple[Mapper, ...]
    columns: tuple[MappedColumn, ...]
    labels: tuple[str, ...] | None
    optional: tuple[Mapper, ...]

    @property
    def is_tagged(self) -> bool:
        """Whether rows of several tables are put together, and say at their end which it was."""
        hierarchy = self.mapper.hierarchy
        is_concrete = hierarchy is not None and hierarchy.kind is Inheritance.CONCRETE
        return is_concrete and not self.is_plain

    @property
    def is_plain(self) -> bool:
        """Whether all rows are of one class."""
        return len(self.classes) == 1

    def columns_of(self, mapper: Mapper) -> list[MappedColumn | None]:
        """For each value of a row the column of a class that it is, or None."""
        if self.is_tagged:
            return [*(mapper.by_attribute.get(column.attribute) for column in self.columns), None]
        own = {column.stored: column for column in mapper.columns}
        return [own.get(column) for column in self.columns]

    def places_of(self, mapper: Mapper) -> list[int]:
        """Where in a row the values of a class are, in the order of its columns."""
        if self.is_tagged:
            names = [column.attribute for column in self.columns]
            return [names.index(column.attribute) for column in mapper.columns]
        places = {column: place for place, column in enumerate(self.columns)}
        return [places[column.stored] for column in mapper.columns]

    def signs(self) -> dict[Any, Mapper]:
        """The classes by what tells them; see `classifier`."""
        if self.is_tagged:
            return {(number,): mapper for number, mapper in enumerate(self.classes)}
        return {self._sign(mapper): mapper for mapper in self.classes}

    def _sign(self, mapper: Mapper) -> tuple[Any, ...]:
        absent = [table not in mapper.tables for table in self.optional]
        return (mapper.discriminator_value, *absent)

    def classifier(self, decode: Callable[[Any], Any] | None) -> Classifier:
        """Generate what tells the class of rows.

        Args:
            decode: what makes the discriminator's value of the store's, or None.
        """
        discriminator = self.mapper.discriminator
        value = f"row[{len(self.columns)}]" if self.is_tagged else "None"
        if discriminator is not None:
            place = self.columns.index(discriminator.stored)
            value = f"row[{place}]" if decode is None else f"_uow_decode(row[{place}])"
        keys = [self.columns.index(table.key[0]) for table in self.optional]
        parts = [value, *(f"row[{place}] is None" for place in keys)]
        source = f"def classify(rows, /):\n    return [({', '.join(parts)},) for row in rows]\n"
        self.mapper.sources[f"classify({', '.join(c.name for c in self.classes)})"] = source
        names = {"_uow_decode": decode}
        return compile_function(source, "classify", names, title=f"{self.mapper.name}.classify")

    def refusal(self, sign: Sequence[Any]) -> AmbiguousRowError:
        """Say what is wrong with a row that is of no class."""
        there = [t for t, absent in zip(self.optional, sign[1:], strict=True) if not absent]
        prefixes = ", ".join([f"{table.table_name}__" for table in there]) or "none"
        by_value = {mapper.discriminator_value: mapper for mapper in self.classes}
        discriminator = self.mapper.discriminator
        told = by_value.get(sign[0])
        if discriminator is None:
            what = f"the child prefixes that are set are of no one class: {prefixes}"
        elif told is None:
            what = f"its {discriminator.attribute!r} is that of no class that is known here"
        else:
            what = (
                f"its {discriminator.attribute!r} says {told.name}, the child prefixes that are "
                f"set say otherwise: {prefixes}"
            )
        return AmbiguousRowError(f"a row of {self.mapper.name} cannot become an object: {what}")


def shape_of(mapper: Mapper, classes: tuple[Mapper, ...] | None = None) -> Shape:
    """Give the shape of rows of a class.

    Args:
        mapper: the class.
        classes: the classes that rows may be of; None for it and all below it.
    """
    chosen = mapper.family if classes is None else classes
    found: Shape | None = mapper.kept.get((Shape, chosen))
    if found is None:
        found = mapper.kept[Shape, chosen] = _make(mapper, chosen)
    return found


def _make(mapper: Mapper, classes: tuple[Mapper, ...]) -> Shape:
    if len(classes) == 1:
        (only,) = classes
        columns = tuple([column.stored for column in only.columns])
    elif mapper.hierarchy is not None and mapper.hierarchy.kind is Inheritance.CONCRETE:
        by_attribute: dict[str, MappedColumn] = {}
        for one in classes:
            for column in one.columns:
                by_attribute.setdefault(column.attribute, column)
        columns = tuple(by_attribute.values())
    else:
        found: dict[MappedColumn, None] = {}
        for one in classes:
            if mapper.hierarchy is not None and mapper.hierarchy.kind is Inheritance.JOINED:
                for table in one.tables:
                    found.update(dict.fromkeys(table.columns))
            else:
                found.update(dict.fromkeys([column.stored for column in one.columns]))
        columns = tuple(found)
    tables = dict.fromkeys([column.mapper for column in columns])
    labels = None
    if len(classes) > 1 or len(tables) > 1:
        labels = tuple([f"{c.mapper.table_name}__{c.name}" for c in columns])
    certain = set(classes[0].tables) if len(classes) == 1 else set(mapper.tables)
    shape = Shape(mapper, classes, columns, labels, ())
    if not shape.is_tagged:
        shape.optional = tuple([table for table in tables if table not in certain])
    return shape
