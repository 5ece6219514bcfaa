"""`RelationPath`: what a relation is on its class, to load along and to filter by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import attrs

from uow.errors import MappingError, QueryError, UnknownFieldError

if TYPE_CHECKING:
    from uow.expressions import Expression
    from uow.expressions.nodes import OrderTerm
    from uow.mapping.relation import Relation

__all__ = ["PATH_NAMES", "LoadStep", "RelationPath", "RelationQueries", "joined", "steps_of"]

T_co = TypeVar("T_co", covariant=True)


class RelationQueries(Protocol):
    """Makes expressions of relations; queries stand above what is here."""

    def any(self, relation: Relation, conditions: tuple[object, ...]) -> Expression[bool]:
        """Whether an object has a related one for which the conditions hold."""
        ...

    def count(self, relation: Relation, conditions: tuple[object, ...]) -> Expression[int]:
        """How many related objects there are for which the conditions hold."""
        ...

    def of(self, relation: Relation, obj: Any) -> Expression[bool]:
        """Which rows are those of the objects related to one."""
        ...

    def conditions(self, given: tuple[object, ...]) -> tuple[Expression[Any], ...]:
        """Check conditions."""
        ...

    def terms(self, given: tuple[object, ...]) -> tuple[OrderTerm, ...]:
        """Check what stands in an order."""
        ...


@attrs.frozen(eq=False)
class LoadStep:
    """One relation on the way that is loaded.

    Attributes:
        relation: which one.
        is_joined: it is read with its owners, not after them.
        where: which of the related objects.
        order_by: in which order, instead of the relation's own.
        limit: how many an owner.
    """

    relation: Relation
    is_joined: bool = False
    where: tuple[Expression[Any], ...] = ()
    order_by: tuple[OrderTerm, ...] = ()
    limit: int | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether not all of the related objects are asked for."""
        return bool(self.where) or self.limit is not None


class RelationPath(Generic[T_co]):
    """A way along relations: `Author.books`, `Author.books.publisher`.

    It is given to `load`, with a filter, an order or a limit for each owner if not all are wanted:
    `Author.books.where(Book.price > 3).order_by(-Book.price).limit(3)`. Queries filter by it:
    `Author.books.any(Book.price > 3)`, `Book.author.has(Author.age > 30)`.
    """

    __slots__ = ("_uow_steps",)

    def __init__(self, steps: tuple[LoadStep, ...]) -> None:
        self._uow_steps = steps

    def __repr__(self) -> str:
        return f"<path {self._uow_name}>"

    @property
    def _uow_name(self) -> str:
        first = self._uow_steps[0].relation.mapper.name
        return ".".join([first, *(step.relation.name for step in self._uow_steps)])

    if not TYPE_CHECKING:  # a checker is to see misspelt methods, and relations it knows

        def __bool__(self) -> bool:
            raise QueryError(f"{self._uow_name} is a path and has no truth value; see .any()")

    def __getattr__(self, name: str) -> RelationPath[Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        mapper = self._uow_steps[-1].relation.target
        relation = mapper.relations.get(name) or self._uow_below(name)
        if relation is None:
            if name in mapper.by_attribute:
                raise QueryError(
                    f"{self._uow_name}.{name} is no relation: filter by "
                    f"{self._uow_name}.any({mapper.name}.{name} == ...)"
                )
            raise UnknownFieldError(f"{mapper.name} has no relation {name!r}")
        return RelationPath((*self._uow_steps, LoadStep(relation)))

    def _uow_below(self, name: str) -> Relation | None:
        """The relation that a class below the one it leads to has."""
        mapper = self._uow_steps[-1].relation.target
        below = {one.relations[name]: None for one in mapper.family if name in one.relations}
        if len(below) > 1:
            which = " or ".join(map(str, below))
            raise QueryError(
                f"{self._uow_name}.{name} may be {which}: load {self._uow_name}, and then "
                f"session.load(objects, {next(iter(below))}) for each of them"
            )
        return next(iter(below), None)

    def _uow_changed(self, **changes: Any) -> RelationPath[T_co]:
        *before, last = self._uow_steps
        return RelationPath((*before, attrs.evolve(last, **changes)))

    @property
    def _uow_queries(self) -> RelationQueries:
        queries = self._uow_steps[-1].relation.mapper.relation_queries
        if queries is None:
            raise MappingError(f"{self._uow_name}: the class cannot be queried")
        return queries

    def _uow_single(self, verb: str) -> Relation:
        first, *others = self._uow_steps
        if others:
            raise QueryError(
                f"{self._uow_name}.{verb}() takes one relation at a time: put the second into "
                "the conditions of the first"
            )
        first.relation.mapper.configure()
        return first.relation

    def where(self, *conditions: Expression[bool] | Expression[bool | None]) -> RelationPath[T_co]:
        """Load only the related objects for which these hold."""
        found = self._uow_queries.conditions(conditions)
        return self._uow_changed(where=self._uow_steps[-1].where + found)

    def order_by(self, *terms: Expression[Any] | OrderTerm) -> RelationPath[T_co]:
        """Load the related objects in this order."""
        found = self._uow_queries.terms(terms)
        return self._uow_changed(order_by=self._uow_steps[-1].order_by + found)

    def limit(self, count: int) -> RelationPath[T_co]:
        """Load at most so many related objects an owner, the first ones in the order."""
        if type(count) is not int or count < 0:
            raise QueryError(f"{self._uow_name}.limit() takes a whole number from 0 on")
        return self._uow_changed(limit=count)

    def any(self, *conditions: Expression[bool] | Expression[bool | None]) -> Expression[bool]:
        """Tell whether there is a related object for which the conditions hold."""
        return self._uow_queries.any(self._uow_single("any"), conditions)

    def has(self, *conditions: Expression[bool] | Expression[bool | None]) -> Expression[bool]:
        """Tell whether the related object is there and the conditions hold for it."""
        return self._uow_queries.any(self._uow_single("has"), conditions)

    def count(self, *conditions: Expression[bool] | Expression[bool | None]) -> Expression[int]:
        """Count the related objects for which the conditions hold."""
        return self._uow_queries.count(self._uow_single("count"), conditions)

    def of(self, obj: object) -> Expression[bool]:
        """Tell the rows of the objects that are related to this one, to find them by."""
        return self._uow_queries.of(self._uow_single("of"), obj)


PATH_NAMES: Final = frozenset(name for name in vars(RelationPath) if not name.startswith("_")) | {
    "joined"
}
"""What a relation cannot be called, since a path to it could not be written."""


def joined(path: RelationPath[T_co]) -> RelationPath[T_co]:
    """Have the last relation of a path read together with its owners, in one statement.

    `limit` of the query still counts owners. Of several lists on one way one is joined, and the
    others are read after it, so that their rows do not multiply. What cannot be joined at all is
    refused by the query (`QueryError`), with what to write in its place.
    """
    if not isinstance(path, RelationPath):
        raise QueryError(f"joined takes a relation, as Author.books, not {type(path).__name__}")
    return path._uow_changed(is_joined=True)  # pyright: ignore[reportPrivateUsage]


def steps_of(path: object, place: str) -> tuple[LoadStep, ...]:
    """Give the steps of a path.

    Raises:
        QueryError: it is none.
    """
    if not isinstance(path, RelationPath):
        linked = _linked_steps(path)
        if linked is None:
            raise QueryError(f"{place} takes relations, as Author.books, not {type(path).__name__}")
        return linked
    return path._uow_steps  # pyright: ignore[reportPrivateUsage]


def _linked_steps(path: object) -> tuple[LoadStep, ...] | None:
    """The steps of a path along links of documents, as `House.door.owner`; None if it is none."""
    # Imported here: a program that never builds a query needs no expressions.
    from uow.expressions import ColumnExpression, FieldPath

    names: tuple[str | int, ...] = ()
    if isinstance(path, ColumnExpression):
        column = path.column
    elif isinstance(path, FieldPath):
        column, names = path.operand.column, path.names
    else:
        return None
    mapper: Any = column.mapper
    mapper.configure()
    link = mapper.links.get(column.attribute)
    if link is None:
        return None
    links = [link]
    for name in names:
        if isinstance(name, int):
            continue
        link = link.target.links.get(name)
        if link is None:
            return None
        links.append(link)
    return tuple([LoadStep(one) for one in links])
