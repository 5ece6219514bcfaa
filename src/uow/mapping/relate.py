"""Find out what the relations of a class are: which class, which foreign key, which other side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast, get_args, get_origin

from uow.errors import MappingError
from uow.mapping.family_keys import keys_between
from uow.mapping.links import find_link
from uow.mapping.mapper import Mapper
from uow.mapping.paths import PATH_NAMES
from uow.mapping.related import Related, RelatedList, RelationSpec, WriteOnlyList
from uow.mapping.relation import Direction, Relation
from uow.values import split_optional

if TYPE_CHECKING:
    from uow.mapping.fields import Field
    from uow.mapping.foreign_keys import ForeignKey

__all__ = ["inherit_relations", "make_relations", "resolve_relations", "take_relations"]

ALL: Final = frozenset({"save-update", "merge", "expunge", "refresh-expire", "delete"})
KNOWN: Final = ALL | {"delete-orphan"}
BY_DEFAULT: Final = frozenset({"save-update", "merge"})

_WRITTEN = re.compile(
    r"\s*(?:[A-Za-z_]\w*\.)*(Related|RelatedList|WriteOnlyList)\s*\[(.*)\]\s*$", re.DOTALL
)


def take_relations(fields: dict[str, Field]) -> dict[str, Field]:
    """Take the relations out of the fields of a class."""
    found = {name: field for name, field in fields.items() if field.relation is not None}
    for name in found:
        del fields[name]
    return found


def make_relations(mapper: Mapper, fields: Mapping[str, Field]) -> dict[str, Relation]:
    """Make the relations of a class, as far as the class alone tells.

    Raises:
        MappingError: a declaration is wrong in itself.
    """
    return {name: _make(mapper, field) for name, field in fields.items()}


def inherit_relations(mapper: Mapper, own: Mapping[str, Relation]) -> dict[str, Relation]:
    """Put the relations of a mapped parent before a class's own.

    Raises:
        MappingError: the class declares one of them again.
    """
    if mapper.parent is None:
        return dict(own)
    inherited = mapper.parent.relations
    for name, relation in own.items():
        # A base of the parent declares it for both.
        if name in inherited and inherited[name].spec is not relation.spec:
            raise MappingError(f"{relation} is a relation of {mapper.parent.name} already")
        if name in mapper.parent.by_attribute:
            raise MappingError(f"{relation} hides a column of {mapper.parent.name}")
    for name in inherited:
        if name in mapper.by_attribute:
            raise MappingError(f"{mapper.name}.{name} hides a relation of {mapper.parent.name}")
    return {**own, **inherited}


def _make(mapper: Mapper, field: Field) -> Relation:
    spec = cast("RelationSpec", field.relation)
    where = f"{mapper.name}.{field.name}"
    kind = _kind(field, where)
    if field.name in PATH_NAMES:
        raise MappingError(
            f"{where}: paths have a method of that name; give the relation another one"
        )
    many = kind != "Related"
    write_only = spec.write_only or kind == "WriteOnlyList"
    cascade = _cascade(where, spec.cascade)
    if write_only and not many:
        raise MappingError(f"{where}: write_only= is for lists")
    if spec.order_by is not None and not many:
        raise MappingError(f"{where}: order_by= is for lists")
    if spec.through is not None and not many:
        raise MappingError(f"{where}: through= is for lists (RelatedList)")
    if "delete-orphan" in cascade and (spec.through is not None):
        raise MappingError(
            f"{where}: delete-orphan is for objects of one owner; those of a many-to-many "
            "relation have several"
        )
    return Relation(mapper, field.name, spec, field, many, write_only, cascade)


def _kind(field: Field, where: str) -> str:
    if field.hint is not None:
        origin = get_origin(field.hint.type)
        for class_ in (Related, RelatedList, WriteOnlyList):
            if origin is class_:
                return str(class_.__name__)
    raw: object = field.raw_hint
    match = _WRITTEN.match(raw) if isinstance(raw, str) else None
    if match is None:
        raise MappingError(
            f"{where}: related() needs the type hint Related[...], RelatedList[...] or "
            "WriteOnlyList[...]"
        )
    return str(match[1])


def _cascade(where: str, given: object) -> frozenset[str]:
    if given is None:
        return BY_DEFAULT
    if isinstance(given, str):
        names = {name.strip() for name in given.split(",") if name.strip()}
    elif isinstance(given, Iterable):
        names = {str(name) for name in cast("Iterable[object]", given)}
    else:
        raise MappingError(f"{where}: cascade= takes names, got {type(given).__name__}")
    unknown = names - KNOWN - {"all", "none"}
    if unknown:
        known = ", ".join(sorted(KNOWN | {"all"}))
        raise MappingError(f"{where}: cascade= knows {known}, not {', '.join(sorted(unknown))}")
    found = names & KNOWN
    if "all" in names:
        found |= ALL
    if "delete-orphan" in found and "delete" not in found:
        raise MappingError(
            f"{where}: delete-orphan goes with delete (cascade='all, delete-orphan')"
        )
    return frozenset(found)


def resolve_relations(mapper: Mapper) -> None:
    """Find the classes and keys of the relations of a class.

    Raises:
        MappingError: there are none, or several.
    """
    own = [relation for relation in mapper.relations.values() if relation.mapper is mapper]
    if mapper.parent is not None:
        mapper.parent.configure()  # which has the others
    for relation in own:
        _resolve(relation)
    for relation in own:
        _find_back(relation)
        _check_order(relation)
    for relation in mapper.relations.values():
        if relation.key is not None and relation.direction is Direction.TO_ONE:
            _give_values(relation.key, mapper)
            _follow(relation, relation.key, mapper)


def _resolve(relation: Relation) -> None:
    """Find the class and the key of one relation; not its other side."""
    if relation.is_resolved:
        return
    target = _find_target(relation)
    relation.target = target
    if relation.spec.through is not None:
        relation.direction = Direction.THROUGH
        find_link(relation)
    elif relation.many:
        relation.direction = Direction.FROM_OTHERS
        relation.key = _choose(relation, target, relation.mapper)
    else:
        _resolve_single(relation, target)
    key = relation.key
    if key is not None:
        for one in key.mapper.family:
            _give_values(key, one)
            _follow(relation, key, one)
    if relation.deletes_orphans and relation.direction is not Direction.FROM_OTHERS:
        raise MappingError(
            f"{relation}: delete-orphan stands on the owner's side, and the foreign key is here"
        )
    relation.is_resolved = True


def _give_values(key: ForeignKey, mapper: Mapper) -> None:
    """A relation gives the columns of a key their values, in a class that has them."""
    for column in key.columns:
        mapper.by_attribute[column.attribute].by_relation = True


def _follow(relation: Relation, key: ForeignKey, mapper: Mapper) -> None:
    """A relation is brought up to date when one of these columns is stored."""
    for column in key.columns:
        own = mapper.by_attribute[column.attribute]
        if relation not in own.followers:
            own.followers = (*own.followers, relation)


def _resolve_single(relation: Relation, target: Mapper) -> None:
    here = _keys(relation.mapper, target, relation)
    there = _keys(target, relation.mapper, relation)
    if here and there and _is_other_side(relation, target):
        here = []
    if here:
        relation.direction = Direction.TO_ONE
        relation.key = _only(relation, here, relation.mapper)
        return
    if not there:
        _refuse_missing(relation, relation.mapper, target, either=True)
    relation.direction = Direction.FROM_OTHERS
    relation.key = _only(relation, there, target)
    columns = {column.attribute for column in relation.key.columns}
    sets = [target.key, *(one.columns for one in target.uniques)]
    sets.extend(index.columns for index in target.indexes if index.unique and index.columns)
    if not any(columns >= {column.attribute for column in one} for one in sets):
        raise MappingError(
            f"{relation}: {target.name}({', '.join(sorted(columns))}) is not unique, so there may "
            f"be several {target.name}; make it unique, or the hint RelatedList[{target.name}]"
        )


def _is_other_side(relation: Relation, target: Mapper) -> bool:
    """Whether a single relation, between classes that refer to each other, has its key there."""
    if relation.spec.via is not None and target is relation.mapper:
        return False
    back = target.relations.get(relation.spec.back or "")
    others = [back] if back is not None else []
    others += [one for one in target.relations.values() if one.spec.back == relation.name]
    for other in others:
        if other is relation or other.many or other.spec.via is None:
            continue
        via = _names(other.spec.via)
        if any({c.attribute for c in key.columns} == set(via) for key in target.foreign_keys):
            return relation.spec.via is None or relation.mapper is not target
    return False


def _choose(relation: Relation, source: Mapper, target: Mapper) -> ForeignKey:
    keys = _keys(source, target, relation)
    if not keys:
        _refuse_missing(relation, source, target)
    return _only(relation, keys, source)


def _keys(source: Mapper, target: Mapper, relation: Relation) -> list[ForeignKey]:
    """The foreign keys from one class to another, of those that `via` names."""
    found = keys_between(source, target)
    if relation.spec.via is not None:
        wanted = set(_names(relation.spec.via))
        found = [key for key in found if {c.attribute for c in key.columns} == wanted]
    return found


def _names(via: str | Sequence[str]) -> tuple[str, ...]:
    return (via,) if isinstance(via, str) else tuple(via)


def _only(relation: Relation, keys: Sequence[ForeignKey], source: Mapper) -> ForeignKey:
    if len(keys) == 1:
        return keys[0]
    back = relation.spec.back
    other = relation.target.relations.get(back) if back is not None else None
    if other is None:
        others = [
            one for one in relation.target.relations.values() if one.spec.back == relation.name
        ]
        other = others[0] if len(others) == 1 else None
    if other is not None and other.spec.via is not None:
        wanted = set(_names(other.spec.via))
        named = [key for key in keys if {c.attribute for c in key.columns} == wanted]
        if len(named) == 1:
            return named[0]
    names = " or ".join(repr(", ".join(column.attribute for column in key.columns)) for key in keys)
    raise MappingError(
        f"{relation}: {source.name} has {len(keys)} foreign keys that may be meant; say which: "
        f"related(via=...) with {names}"
    )


def _refuse_missing(
    relation: Relation, source: Mapper, target: Mapper, *, either: bool = False
) -> NoReturn:
    via = relation.spec.via
    if via is not None:
        raise MappingError(
            f"{relation}: via={via!r} is no foreign key of {source.name} to {target.name}"
        )
    other = ", nor the other way round" if either else ""
    raise MappingError(
        f"{relation}: {source.name} has no foreign key to {target.name}{other}; give it a "
        f"Column(foreign_key=...)"
    )


def _find_target(relation: Relation) -> Mapper:
    field = relation.field
    inner = _inner_hint(relation)
    inner, relation.optional = split_optional(inner)
    mapper = None
    if isinstance(inner, type):
        try:
            mapper = type.__getattribute__(inner, "_uow_mapper")
        except AttributeError:
            mapper = None
    if not isinstance(mapper, Mapper):
        raise MappingError(f"{relation}: {field.raw_hint!r} is no relation to a mapped class")
    field.scope.release()
    return mapper


def _inner_hint(relation: Relation) -> Any:
    """What stands inside of the brackets of the hint."""
    field = relation.field
    if field.hint is not None:
        (inner,) = get_args(field.hint.type)
    else:
        match = _WRITTEN.match(field.raw_hint)
        inner = match[2] if match is not None else field.raw_hint
    known: dict[str, Any] = {}
    while True:
        try:
            return field.scope.resolve(inner, known)
        except NameError as exc:
            # Modules that import each other only for type checkers know each other's classes by
            # name; the registry knows them too.
            named = [m.class_ for m in relation.mapper.registry.mappers() if m.name == exc.name]
            if exc.name is None or exc.name in known or len(named) != 1:
                why = "names several classes" if len(named) > 1 else "names nothing known"
                raise MappingError(
                    f"{relation}: the type hint {field.raw_hint!r} {why} (is its module imported?)"
                ) from None
            known[exc.name] = named[0]
        except Exception as exc:
            raise MappingError(
                f"{relation}: the type hint {field.raw_hint!r} cannot be evaluated: "
                f"{type(exc).__name__}: {exc}"
            ) from exc


def _find_back(relation: Relation) -> None:
    """Find the other side, which either of them names."""
    target = relation.target
    name = relation.spec.back
    if name is not None:
        other = target.relations.get(name)
        if other is None:
            known = ", ".join(target.relations) or "none"
            raise MappingError(
                f"{relation}: back={name!r}, but {target.name} has no such relation "
                f"(it has {known})"
            )
        _match(relation, other)
        return
    named = [
        one
        for one in target.relations.values()
        if one.spec.back == relation.name and one is not relation and _leads_to(one, relation)
    ]
    if named:
        _match(relation, named[0])


def _leads_to(one: Relation, relation: Relation) -> bool:
    _resolve(one)
    return one.target in relation.mapper.lineage


def _match(relation: Relation, other: Relation) -> None:
    _resolve(other)
    if other.target not in relation.mapper.lineage:
        raise MappingError(f"{relation}: back={other.name!r} leads to {other.target.name}")
    if other.spec.back is not None and other.spec.back != relation.name:
        raise MappingError(
            f"{relation}: {other} is the other side of {other.target.name}.{other.spec.back}"
        )
    ways = {relation.direction, other.direction}
    if relation.direction is Direction.THROUGH:
        fits = (
            other.direction is Direction.THROUGH
            and other.link is relation.link
            and (other is not relation)
            and other.link_here is relation.link_there
        )
    else:
        fits = (
            ways == {Direction.TO_ONE, Direction.FROM_OTHERS}
            and other.key is relation.key
            and other is not relation
        )
    if not fits:
        raise MappingError(
            f"{relation} and {other} are not two sides of one relation: they must stand on the "
            "same foreign key, one on each side of it (or on the same link table)"
        )
    if relation.deletes_orphans and other.direction is Direction.THROUGH:
        raise MappingError(f"{relation}: delete-orphan is for objects of one owner")
    relation.back = other
    if other.back is None:
        other.back = relation


def _check_order(relation: Relation) -> None:
    order: object = relation.spec.order_by
    terms = cast("Sequence[object]", order) if isinstance(order, (list, tuple)) else (order,)
    for term in terms:
        if isinstance(term, str) and term.removeprefix("-") not in relation.target.by_attribute:
            raise MappingError(
                f"{relation}: order_by={term!r}, but {relation.target.name} has no such field"
            )
