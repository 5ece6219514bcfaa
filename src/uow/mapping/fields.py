"""Collect the fields of a class: its own, those of its mixins and of its abstract bases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_origin

import attrs

from uow.errors import MappingError
from uow.mapping.columns import MISSING, ColumnSpec
from uow.mapping.hints import Hint, Scope, annotations_of, read_hint
from uow.mapping.indexed import IndexMark
from uow.mapping.pydantic_fields import is_field_info, spec_of_field_info
from uow.mapping.pydantic_parts import is_private
from uow.mapping.related import Related, RelatedList, RelationSpec, WriteOnlyList
from uow.types import ColumnType

__all__ = ["Field", "collect_fields", "own_fields"]

_RELATION = re.compile(r"\s*([A-Za-z_]\w*\.)*(Related|RelatedList|WriteOnlyList)\s*\[")
_NO_COLUMN = re.compile(r"\s*([A-Za-z_]\w*\.)?(ClassVar|Final)\b")


@attrs.define(eq=False)
class Field:
    """One annotated name of a class body.

    Attributes:
        name: the attribute.
        owner: the name of the class it stands in, for messages.
        raw_hint: the annotation as it was found.
        spec: the arguments of `Column(...)`; of a plain default value, just that default.
        scope: where the names of the annotation are looked up.
        hint: the evaluated annotation, None while it cannot be evaluated.
        relation: the arguments of `related(...)`, if it is a relation and no column.
    """

    name: str
    owner: str
    raw_hint: Any
    spec: ColumnSpec
    scope: Scope
    hint: Hint | None = None
    given_type: ColumnType | None = None
    relation: RelationSpec | None = None

    def resolve(self) -> bool:
        """Evaluate the annotation, if its names are defined by now.

        Raises:
            MappingError: it cannot be evaluated at all.
        """
        if self.hint is not None:
            return True
        try:
            resolved = self.scope.resolve(self.raw_hint)
        except NameError:
            return False
        except Exception as exc:
            raise MappingError(
                f"{self.owner}.{self.name}: the annotation {self.raw_hint!r} cannot be evaluated: "
                f"{type(exc).__name__}: {exc}"
            ) from exc
        self.hint = read_hint(resolved)
        for extra in self.hint.specs:
            if isinstance(extra, ColumnType):
                self.given_type = extra
        return True


def own_fields(
    owner: str, namespace: Mapping[str, Any], scope: Scope, *, is_document: bool = False
) -> dict[str, Field]:
    """The fields a class body declares itself.

    Args:
        owner: the name of the class.
        namespace: its body.
        scope: where names are looked up.
        is_document: names with a leading underscore are no fields.

    Raises:
        MappingError: a column has no annotation, or one that is no type.
    """
    fields: dict[str, Field] = {}
    annotations = annotations_of(namespace)
    for name, raw_hint in annotations.items():
        if isinstance(raw_hint, str) and _NO_COLUMN.match(raw_hint):
            continue
        if isinstance(raw_hint, ColumnSpec):
            # `date: date = Column()`: Python evaluates the annotation after the assignment.
            raise MappingError(
                f"{owner}.{name}: the field hides the type of the same name; import the type "
                "under another name"
            )
        value = namespace.get(name, MISSING)
        if is_private(name, value, is_document=is_document):
            continue
        if isinstance(value, RelationSpec) or (value is MISSING and _is_relation(raw_hint)):
            fields[name] = _relation_field(owner, name, raw_hint, scope, value)
            continue
        spec = _spec_of(value)
        field = Field(name, owner, raw_hint, spec, scope)
        if field.resolve() and field.hint is not None:
            if not field.hint.is_column:
                continue
            _take_annotated(field, value)
        fields[name] = field
    for name, value in namespace.items():
        if isinstance(value, RelationSpec) and name not in annotations:
            raise MappingError(
                f"{owner}.{name}: a relation needs a type hint, such as {name}: Related[Author]"
            )
        if isinstance(value, ColumnSpec) and name not in annotations:
            raise MappingError(
                f"{owner}.{name}: a column needs a type hint, such as {name}: Mapped[int]"
            )
    return fields


def _spec_of(value: object) -> ColumnSpec:
    """What stands behind the annotation, as the arguments of a column."""
    if isinstance(value, ColumnSpec):
        return value
    return spec_of_field_info(value) if is_field_info(value) else ColumnSpec(default=value)


def _is_relation(hint: object) -> bool:
    if isinstance(hint, str):
        return _RELATION.match(hint) is not None
    return get_origin(hint) in (Related, RelatedList, WriteOnlyList)


def _relation_field(owner: str, name: str, raw_hint: Any, scope: Scope, value: object) -> Field:
    relation = value if isinstance(value, RelationSpec) else RelationSpec()
    # A scope of its own: columns let theirs go when they are resolved, which may be earlier.
    field = Field(name, owner, raw_hint, ColumnSpec(), scope.copy(), relation=relation)
    if not isinstance(raw_hint, str):
        field.hint = Hint(raw_hint, is_column=False)
    return field


def _take_annotated(field: Field, value: object) -> None:
    """Use the `Column(...)` of `Annotated[T, Column(...)]`, and `Indexed`."""
    assert field.hint is not None  # noqa: S101 - resolved by the caller
    marks = [extra for extra in field.hint.specs if isinstance(extra, IndexMark)]
    for extra in field.hint.specs:
        if not isinstance(extra, ColumnSpec):
            continue
        if is_field_info(value):
            field.spec = _merged(extra, field.spec)
            continue
        if isinstance(value, ColumnSpec):
            raise MappingError(
                f"{field.owner}.{field.name}: two Column(...), one of them in Annotated"
            )
        field.spec = extra if value is MISSING else attrs.evolve(extra, default=value)
    for mark in marks:
        field.spec = attrs.evolve(
            field.spec,
            index_options={"direction": mark.direction, **mark.options},
            unique=bool(mark.options.get("unique", field.spec.unique)),
        )


def _merged(inner: ColumnSpec, outer: ColumnSpec) -> ColumnSpec:
    """Two `Field(...)` of one field: what stands behind the annotation counts first."""
    return attrs.evolve(outer, name=outer.name or inner.name)


def collect_fields(
    owner: str,
    namespace: Mapping[str, Any],
    bases: Sequence[type],
    scope: Scope,
    *,
    is_document: bool = False,
) -> dict[str, Field]:
    """All fields of a class, those of the farthest base first.

    A field declared again keeps its place and takes the nearer declaration.

    Raises:
        MappingError: a declaration is wrong, or something hides an inherited column.
    """
    fields: dict[str, Field] = {}
    for class_ in _ancestors(bases):
        if _is_storage(class_):
            continue
        inherited = _declared_by(class_, is_document=is_document)
        for name in fields:
            if name not in inherited and _hides(vars(class_), name):
                raise MappingError(f"{owner}.{name}: {class_.__name__} hides the column")
        fields.update(inherited)
    own = own_fields(owner, namespace, scope, is_document=is_document)
    for name in fields:
        if name not in own and _hides(namespace, name):
            raise MappingError(
                f"{owner}.{name} hides an inherited column; declare it again with its type hint"
            )
    fields.update(own)
    return fields


def _hides(namespace: Mapping[str, Any], name: str) -> bool:
    return name in namespace and name not in ("__module__", "__qualname__")


def _ancestors(bases: Sequence[type]) -> list[type]:
    """The classes above, the farthest first, each once: an MRO upside down, near enough."""
    found: dict[type, None] = {}
    for base in reversed(bases):
        for class_ in reversed(base.__mro__):
            found.setdefault(class_)
    return list(found)


def _is_storage(class_: type) -> bool:
    """Whether it is the private class below a mapped one, which holds slots."""
    return "__attrs_attrs__" in vars(class_) and hasattr(class_, "_uow_state")


def _declared_by(class_: type, *, is_document: bool) -> Mapping[str, Field]:
    attributes = vars(class_)
    mapper = attributes.get("_uow_mapper")
    if mapper is not None:
        inherited: Mapping[str, Field] = mapper.fields
        return inherited
    fields: Mapping[str, Field] | None = attributes.get("_uow_fields")
    if fields is not None:
        return fields
    if class_ is object or "_uow_state" in attributes or class_.__module__ in _NO_MIXINS:
        return {}
    return own_fields(class_.__name__, attributes, Scope.of_class(class_), is_document=is_document)


_NO_MIXINS = frozenset({"abc", "builtins", "collections.abc", "typing", "typing_extensions"})
