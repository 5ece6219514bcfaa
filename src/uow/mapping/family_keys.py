"""Foreign keys of classes in hierarchies, whose tables have them, as keys of the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from uow.mapping.foreign_keys import ForeignKey

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["keys_between", "leads_to"]


def keys_between(source: Mapper, target: Mapper) -> list[ForeignKey]:
    """The foreign keys from the tables of a class to those of another, in columns of the two."""
    found: list[ForeignKey] = []
    for table in source.tables:
        for key in table.foreign_keys:
            if table.owner is not None and key.columns == table.key:
                continue  # which leads to the table of the parent
            if leads_to(key, target) and _has(source, key):
                found.append(_of_classes(key, source, target))
    return found


def leads_to(key: ForeignKey, target: Mapper) -> bool:
    """Whether a foreign key refers to rows of the objects of a class."""
    return key.target in target.lineage or key.target in target.tables


def _has(source: Mapper, key: ForeignKey) -> bool:
    """Whether a class has the columns of a key of its table; others in the table may have them."""
    own = source.by_attribute
    return all(
        column.attribute in own and own[column.attribute].stored is column for column in key.columns
    )


def _of_classes(key: ForeignKey, source: Mapper, target: Mapper) -> ForeignKey:
    if key.mapper is source and key.target in target.lineage:
        return key
    place = (ForeignKey, key, target)
    found = cast("ForeignKey | None", source.kept.get(place))
    if found is None:
        found = ForeignKey(
            columns=tuple([source.by_attribute[column.attribute] for column in key.columns]),
            references=key.references,
            on_delete=key.on_delete,
            on_update=key.on_update,
            deferrable=key.deferrable,
            initially_deferred=key.initially_deferred,
            name=key.name,
        )
        found.mapper = source
        columns = [target.by_attribute[column.attribute] for column in key.target_columns]
        found.point_at(tuple(columns))
        source.kept[place] = found
    return found
