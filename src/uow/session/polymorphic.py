"""From rows that may be of several classes to objects: a generated hydrator a class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from uow.errors import AmbiguousRowError
from uow.mapping.hydration import Hydrator, make_hydrator
from uow.mapping.identity_map import take_back

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper
    from uow.mapping.shapes import Shape
    from uow.tracking.state import Codecs

__all__ = ["Polymorphic"]


class Polymorphic:
    """Makes objects of rows of one shape; a `Hydrator`.

    The rows are sorted by class and each class makes its own, so that a row costs little more than
    one of a class alone.
    """

    __slots__ = ("_classify", "_hydrators", "_places", "_shape", "_signs")

    def __init__(self, shape: Shape, codecs: Codecs) -> None:
        discriminator = shape.mapper.discriminator
        decode = None if discriminator is None else codecs.decoder(discriminator)
        self._shape = shape
        self._classify = shape.classifier(decode)
        self._signs = shape.signs()
        self._hydrators: dict[Mapper, Hydrator] = {}
        self._places = {mapper: shape.places_of(mapper) for mapper in shape.classes}
        for mapper in shape.classes:
            columns = shape.columns_of(mapper)
            decoders = [None if column is None else codecs.decoder(column) for column in columns]
            self._hydrators[mapper] = make_hydrator(mapper, columns, decoders)

    def __call__(
        self, rows: Sequence[Sequence[Any]], identity: dict[Any, Any], state: Any, /
    ) -> list[Any]:
        """Make the objects of rows; see `Hydrator`.

        Raises:
            AmbiguousRowError: a row is of no one class.
        """
        return self.make(rows, lambda _: identity, state)

    def make(
        self,
        rows: Sequence[Sequence[Any]],
        identities: Callable[[Mapper], dict[Any, Any]],
        state: Any,
    ) -> list[Any]:
        """Make the objects of rows of classes that may have identities of their own each.

        Args:
            rows: the rows.
            identities: gives the objects there are of a class.
            state: the `_uow_state` of new objects.

        Raises:
            AmbiguousRowError: a row is of no one class.
        """
        signs = self._classify(rows)
        sorted_: dict[Any, list[Sequence[Any]]] = {sign: [] for sign in set(signs)}
        self._refuse(sorted_)
        if len(sorted_) == 1:
            mapper = self._signs[signs[0]]
            return self._hydrators[mapper](rows, identities(mapper), state)
        for row, sign in zip(rows, signs, strict=True):
            sorted_[sign].append(row)
        found: dict[Any, Iterator[Any]] = {}
        maps = {sign: identities(self._signs[sign]) for sign in sorted_}
        counts = [(identity, len(identity)) for identity in maps.values()]
        try:
            for sign, own in sorted_.items():
                hydrate = self._hydrators[self._signs[sign]]
                found[sign] = iter(hydrate(own, maps[sign], state))
        except BaseException:
            for identity, count in counts:
                take_back(identity, count)
            raise
        return [next(found[sign]) for sign in signs]

    def split(self, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Mapper, list[Any]]]:
        """Give for each row its class, and its values in the order of the class's columns.

        Raises:
            AmbiguousRowError: a row is of no one class.
        """
        rows = list(rows)
        signs = self._classify(rows)
        self._refuse(set(signs))
        for row, sign in zip(rows, signs, strict=True):
            mapper = self._signs[sign]
            yield mapper, [row[place] for place in self._places[mapper]]

    def _refuse(self, signs: Iterable[Any]) -> None:
        """Refuse rows that are of no class before any of them becomes an object."""
        for sign in signs:
            if sign not in self._signs:
                error: AmbiguousRowError = self._shape.refusal(sign)
                raise error
