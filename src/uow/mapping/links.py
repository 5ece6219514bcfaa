"""Link tables of many-to-many relations: found among the mapped classes, or made by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from uow.errors import MappingError
from uow.mapping.columns import Column
from uow.mapping.family_keys import leads_to
from uow.mapping.mapper import Mapper
from uow.mapping.settings import check_identifier, snake_case

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.mapper import MappedColumn
    from uow.mapping.relation import Relation

__all__ = ["find_link"]


class _Reference:
    """Names a column to a foreign key, as an expression would."""

    def __init__(self, column: MappedColumn) -> None:
        self.column = column


def find_link(relation: Relation) -> None:
    """Find the link table of a relation, and its two foreign keys.

    Raises:
        MappingError: it is no link between the two classes, or it is not clear how it is one.
    """
    relation.link = link = _find(relation)
    keys = link.foreign_keys
    here = [key for key in keys if leads_to(key, relation.mapper)]
    there = [key for key in keys if leads_to(key, relation.target)]
    via = relation.spec.via
    is_made = link.is_link
    if via is not None:
        names = {via} if isinstance(via, str) else set(via)
        if is_made and not isinstance(via, str):
            names = {via[0]}
        here = [key for key in here if {c.attribute for c in key.columns} == names]
    there = [key for key in there if not (len(here) == 1 and key is here[0])]
    back = _back(relation)
    if back is not None and back.link is link and back.link_there in here:
        # The other side knows already which key is whose.
        here, there = [back.link_there], [cast("ForeignKey", back.link_here)]
    if len(here) > 1 and back is not None and isinstance(back.spec.via, str):
        other = {back.spec.via}
        here = [key for key in here if {c.attribute for c in key.columns} != other]
        there = [key for key in there if key not in here]
    if len(here) != 1 or len(there) != 1:
        what = "no foreign key" if not here or not there else "several foreign keys"
        raise MappingError(
            f"{relation}: the link table {link.full_table_name!r} has {what} to "
            f"{relation.mapper.name} or {relation.target.name}; name those to "
            f"{relation.mapper.name}: related(via=...)"
        )
    relation.link_here, relation.link_there = here[0], there[0]


def _back(relation: Relation) -> Relation | None:
    others = relation.target.relations.values()
    for other in others:
        if other is relation:
            continue
        if other.name == relation.spec.back or other.spec.back == relation.name:
            return other
    return None


def _find(relation: Relation) -> Mapper:
    through: Any = relation.spec.through
    if callable(through) and not isinstance(through, type):
        through = through()
    if isinstance(through, type):
        mapper = type.__getattribute__(through, "_uow_mapper") if _is_model(through) else None
        if not isinstance(mapper, Mapper):
            raise MappingError(f"{relation}: through={through.__name__} is not a mapped class")
        return mapper
    if not isinstance(through, str):
        raise MappingError(
            f"{relation}: through= takes the name of a table or a mapped class, got "
            f"{type(through).__name__}"
        )
    check_identifier(through, f"{relation}: through=")
    registry = relation.mapper.registry
    found = registry.find(through, relation.mapper.schema) or registry.find(through)
    if found is not None:
        return found
    for mapper in registry.mappers():
        if mapper.name == through:  # the name of a class
            return mapper
    return _make(relation, through)


def _is_model(class_: type) -> bool:
    return any("_uow_mapper" in vars(base) for base in class_.__mro__)


def _make(relation: Relation, name: str) -> Mapper:
    """Make the class of a link table that nobody wrote."""
    one, other = relation.mapper, relation.target
    one.resolve_types()
    other.resolve_types()
    base = next(c for c in one.class_.__mro__ if _is_base(c))
    names = _column_names(relation)
    namespace: dict[str, Any] = {
        "__module__": one.class_.__module__,
        "__qualname__": f"{one.class_.__qualname__}.{relation.name}",
    }
    hints: dict[str, Any] = {}
    constraints: list[dict[str, Any]] = []
    for mapper, attributes in ((one, names[0]), (other, names[1])):
        for attribute, column in zip(attributes, mapper.key, strict=True):
            hints[attribute] = column.hint
            arguments: dict[str, Any] = {"primary_key": True, "type": column.type}
            if len(mapper.key) == 1:
                arguments |= {"foreign_key": _Reference(column), "on_delete": "cascade"}
            namespace[attribute] = Column(**arguments)
        if len(mapper.key) > 1:
            constraints.append(
                {
                    "foreign_key": list(attributes),
                    "references": [f"{mapper.full_table_name}.{c.name}" for c in mapper.key],
                    "on_delete": "cascade",
                }
            )
    settings = {
        "name": name,
        "schema": one.schema,
        "registry": one.registry,
        "constraints": constraints,
        "indexes": [{"fields": list(names[1])}],
    }
    namespace["__annotations__"] = hints
    namespace["Settings"] = type("Settings", (), settings)
    made: Any = type(base)(_class_name(name), (base,), namespace)
    mapper = cast("Mapper", type.__getattribute__(made, "_uow_mapper"))
    mapper.is_link = True
    # The registry holds classes weakly; this one lives as long as those it links.
    for linked in (one, other):
        linked.kept[_Reference, name] = made
    mapper.configure()
    return mapper


def _is_base(class_: type) -> bool:
    """Whether it is the library's own base: it is no user's, and maps nothing."""
    attributes = vars(class_)
    return (
        hasattr(class_, "_uow_state")
        and attributes.get("_uow_mapper") is None
        and "_uow_fields" not in attributes
        and not class_.__name__.endswith("Storage")
    )


def _column_names(relation: Relation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    one, other = relation.mapper, relation.target
    via = relation.spec.via
    if via is not None:
        pair: Sequence[str] = [via] if isinstance(via, str) else via
        if len(pair) != 2 or len(one.key) != 1 or len(other.key) != 1:
            raise MappingError(
                f"{relation}: the link table is made here, so via= names its two columns, the one "
                f"for {one.name} first; map a class for what is more"
            )
        return (pair[0],), (pair[1],)
    if one is other:
        raise MappingError(
            f"{relation}: both columns of the link table would have one name; name them, this "
            "side's first: related(via=('from_id', 'to_id'))"
        )

    def names(mapper: Mapper) -> tuple[str, ...]:
        return tuple(f"{snake_case(mapper.name)}_{column.attribute}" for column in mapper.key)

    return names(one), names(other)


def _class_name(table: str) -> str:
    return "".join(part.capitalize() for part in table.split("_")) or "Link"
