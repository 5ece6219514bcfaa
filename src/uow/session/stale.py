"""Which objects of a step matched no row: their rows are gone, or have another version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from uow.errors import StaleObjectError
from uow.expressions import ColumnExpression, and_, or_
from uow.query.statements import Select

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn
    from uow.session.steps import Step

__all__ = ["absent_from", "refuse_unstored", "selects_of_keys", "stale_error"]

KEYS_PER_SELECT = 200

NO_KEYS: Final[Mapping[Any, Any]] = MappingProxyType({})


def absent_from(keys: Collection[Any], step: Step) -> list[Any]:
    """The objects of a step whose keys are not among these."""
    identity = step.mapper.identity
    return [obj for obj in step.objects if identity(obj) not in keys]


def selects_of_keys(
    step: Step,
    asked: Sequence[MappedColumn] = (),
    keys: Mapping[tuple[int, MappedColumn], Any] = NO_KEYS,
) -> Iterator[Select]:
    """Ask which rows of a step are there, where the store told no more than how many matched.

    Args:
        step: whose rows.
        asked: the columns that come back, those of the key first; only these if empty.
        keys: by `id` of an object and column, keys that objects do not have yet.
    """
    mapper = step.mapper
    answered = [ColumnExpression[Any](column, mapper) for column in asked or mapper.key]
    columns = [ColumnExpression[Any](column, mapper) for column in mapper.key]
    pairs = list(zip(columns, mapper.key, strict=True))
    for start in range(0, len(step.objects), KEYS_PER_SELECT):
        conditions = [
            and_(*[c == _key_part(obj, m, keys) for c, m in pairs])
            for obj in step.objects[start : start + KEYS_PER_SELECT]
        ]
        yield Select(columns=tuple(answered), froms=(mapper,), where=(or_(*conditions),))


def _key_part(obj: Any, column: MappedColumn, keys: Mapping[tuple[int, MappedColumn], Any]) -> Any:
    if keys and (id(obj), column) in keys:
        return keys[id(obj), column]
    return column.get_slot(obj)


def stale_error(step: Step, objects: Sequence[Any]) -> StaleObjectError:
    """Say whose row was not there, or not in the version that was loaded."""
    shown = ", ".join(map(repr, objects[:5]))
    more = f" and {len(objects) - 5} more" if len(objects) > 5 else ""
    reason = (
        "its version is not the one that was loaded, or the row is gone"
        if step.mapper.version is not None
        else "the row is gone"
    )
    return StaleObjectError(
        f"{step.kind.name} of {shown}{more} matched no row: {reason}; refresh and try again",
        objects=objects,
    )


def refuse_unstored(step: Step, answers: Sequence[Any]) -> None:
    """Every new row must have been stored.

    Args:
        step: what was inserted.
        answers: of each statement the rows that came back, a count, or a list of counts.

    Raises:
        StaleObjectError: fewer were.
    """
    stored = sum(map(_rows_of, answers))
    if stored < len(step.objects):
        raise StaleObjectError(
            f"{len(step.objects)} new rows were sent to {step.mapper.table_name} and {stored} "
            "stored: a trigger or a rule of the table leaves some out",
            objects=step.objects,
        )


def _rows_of(answer: Any) -> int:
    if type(answer) is int:
        return answer
    return sum(answer) if answer and type(answer[0]) is int else len(answer)
