"""Documents that do not fit their class: which field it is, found when reading them has failed.

Somebody else may have stored anything. Reading trusts what it gets, and costs nothing for that; so
it is only after it has failed that values are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from uow.errors import ValidationError
from uow.values import described, kind_of

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["MISFITS", "hydrator_that_tells", "overwriter_that_tells", "tell_misfit"]

Decoders: TypeAlias = Sequence[Callable[[Any], Any] | None]

MISFITS: Final = (ValueError, TypeError, AttributeError, ArithmeticError)
"""What decoding raises of values that it is not made for."""


def tell_misfit(mapper: Mapper, decoders: Decoders, rows: Iterable[Any]) -> None:
    """Say which field of which class a stored value does not fit, if there is one.

    Raises:
        ValidationError: there is. It names the class, the field and kinds, and no value.
    """
    pairs = tuple(zip(mapper.columns, decoders, strict=True))
    for row in rows:
        for column, decode in pairs:
            value = None if column.holds_rest else row.get(column.name)
            if value is not None and decode is not None and not column.is_lazy:
                _try(column, decode, value)


def _try(column: MappedColumn, decode: Callable[[Any], Any], value: Any) -> None:
    try:
        passes: str | None = getattr(decode, "passes", None)
        if passes is None or not _passes(passes, value):
            decode(value)
    except MISFITS as error:
        told = ValueError(f"a stored {kind_of(value)} does not fit the type hint")
        raise ValidationError(described(column, told)) from error


def _passes(test: str, value: Any) -> bool:
    """Whether a value needs no decoding, as the generated code asks; see `Decoder`."""
    return bool(eval(test.format("value"), {"value": value}))  # noqa: S307 - the dialect's own text


def hydrator_that_tells(
    hydrate: Callable[..., list[Any]], mapper: Mapper, decoders: Decoders
) -> Callable[..., list[Any]]:
    """Give a hydrator that names what does not fit."""

    def hydrate_or_tell(rows: Sequence[Any], identity: dict[Any, Any], state: Any, /) -> list[Any]:
        try:
            return hydrate(rows, identity, state)
        except MISFITS:
            tell_misfit(mapper, decoders, rows)
            raise

    return hydrate_or_tell


def overwriter_that_tells(
    overwrite: Callable[..., None], mapper: Mapper, decoders: Decoders
) -> Callable[..., None]:
    """Give an overwriter that names what does not fit."""

    def overwrite_or_tell(obj: Any, row: Any, keep: frozenset[str] = frozenset(), /) -> None:
        try:
            overwrite(obj, row, keep)
        except MISFITS:
            tell_misfit(mapper, decoders, [row])
            raise

    return overwrite_or_tell
