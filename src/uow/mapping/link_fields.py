"""What is known of one field of links of a document class.

A link that is stored (`Link`) is a column: its value is a link until it is fetched, and then the
document, which is written in the same form. What other documents store (`BackLink`) is no column;
its slot is unset until it is fetched.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Union, cast, get_args, get_origin
from uuid import UUID

import attrs

from uow.errors import MappingError, ValidationError
from uow.mapping.columns import ColumnSpec
from uow.mapping.link import BackLink, Link, is_link, link_to
from uow.mapping.mapper import MappedColumn, Mapper, mapper_of
from uow.types import ColumnType, Integer, LinkValue, ObjectIdType, Uuid
from uow.values import kind_of, split_optional

if TYPE_CHECKING:
    from uow.mapping.fields import Field

__all__ = [
    "BackLinkField",
    "LinkField",
    "Many",
    "is_document",
    "key_of",
    "link_type",
    "make_back_links",
    "put_back",
    "resolve_back_links",
    "take_back_links",
]

LINKED_KEY: Final = "$id"
"""What the key of a linked document is called in what is stored of the link."""

_BACK_LINK = re.compile(r"\bBackLink\s*\[")


class Many(Enum):
    """How many documents a field leads to."""

    ONE = "one"
    LIST = "list"
    DICT = "dict"


def is_document(value: object) -> bool:
    """Whether a value is an object of a mapped class."""
    return getattr(type(value), "_uow_mapper", None) is not None


@attrs.define(eq=False, repr=False)
class LinkField:
    """A field of links, of either kind.

    Attributes:
        mapper: the class it stands in.
        name: the attribute.
        column: the column that stores it; of a back link one that is not stored, for paths.
        is_back: the other documents have the link.
        many: how many documents it leads to.
        optional: the hint allows None.
        cascades_delete: the linked documents are deleted with the one that links to them.
        model: the class in the hint.
        original_field: of a back link, the attribute of the other class, if it was named.
        declared: of a back link, where it was written, until its hint could be read.
        write_only: False; relations of tables may be.
        get_slot, set_slot, delete_slot: of a back link, its slot.
    """

    mapper: Mapper
    name: str
    column: MappedColumn
    is_back: bool = attrs.field(kw_only=True)
    many: Many = attrs.field(default=Many.ONE, kw_only=True)
    optional: bool = attrs.field(default=True, kw_only=True)
    cascades_delete: bool = attrs.field(default=False, kw_only=True)
    model: type[Any] = attrs.field(default=object, kw_only=True)
    original_field: str | None = attrs.field(default=None, init=False)
    declared: Field | None = attrs.field(default=None, init=False)
    write_only: bool = attrs.field(default=False, init=False)
    get_slot: Callable[[Any], Any] = attrs.field(init=False)
    set_slot: Callable[[Any, Any], None] = attrs.field(init=False)
    delete_slot: Callable[[Any], None] = attrs.field(init=False)

    def __repr__(self) -> str:
        return f"<LinkField {self}>"

    def __str__(self) -> str:
        """`Class.field`, as messages name it."""
        return f"{self.mapper.name}.{self.name}"

    @property
    def target(self) -> Mapper:
        """The class of the documents."""
        return mapper_of(self.model)

    @property
    def original(self) -> LinkField:
        """Of a back link: the field of the other class that links here.

        Raises:
            MappingError: there is none of that name.
        """
        target = self.target
        links = [one for one in target.links.values() if not one.is_back]
        if self.original_field is None:
            links = [one for one in links if issubclass(self.mapper.class_, one.model)]
        else:
            links = [one for one in links if one.name == self.original_field]
        if len(links) != 1:
            named = self.original_field
            what = f"no link {named!r}" if named else f"{len(links)} links to {self.mapper.name}"
            raise MappingError(
                f"{self}: {target.name} has {what}; name the field that links here, "
                'link(original_field="...")'
            )
        return links[0]

    def bind(self, storage: Any) -> None:
        """Take over the slot of the storage class."""
        line: tuple[type[Any], ...] = storage.__mro__
        slot: Any = next(vars(c)[self.name] for c in line if self.name in vars(c))
        self.get_slot, self.set_slot = slot.__get__, slot.__set__
        self.delete_slot = slot.__delete__

    def step_into_link(self, key: str | int) -> tuple[str | int, object, ColumnType | None] | None:
        """Follow a path beyond the link: to its key, which is stored, or into the document.

        Returns:
            What the step is called in the store, the hint of what it leads to (of links the field
            itself) and its type; None if there is no such thing.
        """
        if isinstance(key, int):
            one = attrs.evolve(self, many=Many.ONE)
            return key, one, LinkValue(None, field=one)
        target = self.target
        (own_key,) = target.key
        if key in {own_key.attribute, own_key.name}:
            stored = own_key.name if self.is_back else LINKED_KEY
            return stored, own_key.hint, own_key.type
        further = target.links.get(key)
        if further is not None:
            return further.column.name, further, further.column.type
        column = target.by_attribute.get(key) or target.by_name.get(key)
        if column is None:
            below = (one.by_attribute.get(key) for one in target.family)
            column = next((one for one in below if one is not None), None)
        if column is None and self.many is Many.DICT:
            one = attrs.evolve(self, many=Many.ONE)
            return key, one, LinkValue(None, field=one)
        if column is None:
            return None
        return column.name, getattr(column.type, "annotation", None) or column.hint, column.type

    # -- what an object holds

    def members(self, obj: Any) -> list[Any]:
        """The links and documents that an object holds, without those that are None."""
        if self.is_back:
            return self.documents(obj)
        return self._listed(getattr(obj, self.name)) if self.column.is_loaded(obj) else []

    def documents(self, obj: Any) -> list[Any]:
        """The documents that an object holds: those that are fetched, and those that were put."""
        get = self.get_slot if self.is_back else self.column.get_slot
        try:
            value = get(obj)
        except AttributeError:  # not fetched; or not even read, so there are links in it at most
            return []
        return [one for one in self._listed(value) if is_document(one)]

    def _listed(self, value: Any) -> list[Any]:
        if value is None:
            return []
        items: Any = value
        if isinstance(value, dict):
            items = items.values()
        elif not isinstance(value, list):
            items = (items,)
        return [one for one in items if one is not None]

    def unload(self, obj: Any) -> None:
        """Forget what was fetched of a back link."""
        try:
            self.delete_slot(obj)
        except AttributeError:
            return

    # -- values

    def check(self, value: Any) -> Any:
        """Check what is put into a field that is stored.

        Returns:
            Links and documents, in a list or dict if it has several.

        Raises:
            ValueError: it fits the field not at all.
        """
        given: Any = value
        if self.many is Many.ONE:
            return self._one(value)
        if self.many is Many.DICT:
            if not isinstance(value, Mapping):
                raise ValueError(f"expected a dict of {self.model.__name__}, got {kind_of(value)}")
            pairs = cast("Mapping[object, Any]", value)
            for key in pairs:
                if not isinstance(key, str) or not key or "." in key or key.startswith("$"):
                    raise ValueError("a key that is no text, is empty, or holds a dot or a dollar")
            return {key: self._one(one) for key, one in pairs.items()}
        if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping)):
            raise ValueError(  # noqa: TRY004 - as all checks do
                f"expected a list of {self.model.__name__}, got {kind_of(given)}"
            )
        return [self._one(one) for one in given]

    def _one(self, value: Any) -> Any:
        if is_link(value):
            return value
        if is_document(value):
            if not isinstance(value, self.model):
                raise ValueError(f"expected {self.model.__name__}, got {kind_of(value)}")
            return value
        if type(value).__name__ == "DBRef":
            return link_to(self.model, value.collection, value.id, value.database)
        if isinstance(value, Mapping):
            return self._of_dict(dict(cast("Mapping[str, Any]", value)))
        return self._to(value)

    def _of_dict(self, given: dict[str, Any]) -> Any:
        if given.keys() == {"id", "collection"}:
            return self._to(given["id"])
        if given.keys() >= {"$ref", "$id"}:
            return link_to(self.model, given["$ref"], given["$id"], given.get("$db"))
        if "_id" in given:
            given["id"] = given.pop("_id")
        made: Any = self.model(**given)
        return made

    def _to(self, key: Any) -> Link[Any]:
        target = self.target
        return link_to(self.model, target.table_name, key_of(target, key))

    def read(self, raw: Any, decode: Callable[[Any], Any] | None = None) -> Any:
        """Make links of what the store holds; what is no reference stays as it is.

        Args:
            raw: what is stored, no None.
            decode: makes a key of what the store has for it.
        """
        items: Any = raw
        if self.many is Many.LIST and isinstance(raw, list):
            return [self._read_one(one, decode) for one in items]
        if self.many is Many.DICT and isinstance(raw, dict):
            return {key: self._read_one(one, decode) for key, one in items.items()}
        return self._read_one(raw, decode)

    def _read_one(self, raw: Any, decode: Callable[[Any], Any] | None) -> Any:
        collection, database, key = self.target.table_name, None, raw
        if type(raw).__name__ == "DBRef":
            collection, key, database = raw.collection, raw.id, raw.database
        elif isinstance(raw, Mapping):
            given = cast("Mapping[str, Any]", raw)
            if not given.keys() >= {"$ref", "$id"}:
                return given
            collection, key, database = given["$ref"], given["$id"], given.get("$db")
        if key is None or isinstance(key, list):
            return cast("Any", raw)
        # Else it is just a key, as others keep it.
        return link_to(self.model, collection, key if decode is None else decode(key), database)


def key_of(target: Mapper, key: Any) -> Any:
    """Check the key of a document; where it is no text itself, its text will do too.

    Raises:
        ValueError: it is none of the class.
    """
    type_ = target.key[0].type
    found = key
    try:
        if isinstance(key, str) and isinstance(type_, ObjectIdType):
            bson = import_module("bson")
            found = bson.ObjectId(key) if bson.ObjectId.is_valid(key) else key
        elif isinstance(key, str) and isinstance(type_, Uuid):
            found = UUID(key)
        elif isinstance(key, str) and isinstance(type_, Integer):
            found = int(key)
        return target.check_key(found)
    except ValueError:
        raise ValueError(
            f"expected a {target.name}, a link to one or its key, got {kind_of(key)}"
        ) from None


class BackLinkField:
    """The descriptor of a back link in the public class."""

    __slots__ = ("_field",)

    def __init__(self, field: LinkField) -> None:
        self._field = field

    def __get__(self, obj: Any, owner: object = None) -> Any:
        if obj is None:
            return self
        try:
            return self._field.get_slot(obj)
        except AttributeError:
            return BackLink(self._field.model)

    def __set__(self, obj: Any, value: Any) -> None:
        """Put documents there: nothing of it is stored, but `WriteRules.WRITE` follows it."""
        put_back(obj, self._field, value)

    def __delete__(self, obj: Any) -> None:
        self._field.unload(obj)


def put_back(obj: Any, field: LinkField, value: Any) -> None:
    """Put documents into a back link.

    Raises:
        ValidationError: they are of another class.
    """
    if isinstance(value, BackLink):
        field.unload(obj)
        return
    if value is None:
        field.set_slot(obj, None)
        return
    given: Any = value
    items: Any = given if field.many is Many.LIST and isinstance(value, list) else [given]
    for one in items:
        if isinstance(one, BackLink):
            field.unload(obj)
            return
        if not isinstance(one, field.model):
            raise ValidationError(f"{field}: expected {field.model.__name__}, got {kind_of(one)}")
    field.set_slot(obj, list(items) if field.many is Many.LIST else given)


# -- reading type hints


def _parts(hint: Any, kind: type[Any]) -> tuple[Many, bool, Any] | None:
    """Take a hint of links apart: how many, whether None is allowed, and of which class."""
    bare, optional = split_optional(hint)
    origin: Any = get_origin(bare)
    if origin is kind or bare is kind:
        arguments = get_args(bare)
        return Many.ONE, optional, arguments[0] if arguments else None
    if origin in (list, dict):
        arguments = get_args(bare)
        inner = _parts(arguments[-1], kind) if arguments else None
        if inner is None or inner[0] is not Many.ONE:
            return None
        return Many.LIST if origin is list else Many.DICT, optional, inner[2]
    return None


def _mentions(hint: Any, kind: type[Any]) -> bool:
    if hint is kind or get_origin(hint) is kind:
        return True
    is_union = get_origin(hint) in (Union, types.UnionType, list, dict, tuple, set, frozenset)
    return is_union and any(_mentions(one, kind) for one in get_args(hint))


def link_type(column: MappedColumn, hint: Any, field: Field) -> LinkValue | None:
    """Give the type of a column of links, and note it on its class; None if it is none.

    Raises:
        MappingError: its hint says what cannot be stored as links, or is in a table.
    """
    if not _mentions(hint, Link):
        return None
    if column.mapper.document is None:
        raise MappingError(f"{column}: links are for documents; a table has related()")
    parts = _parts(hint, Link)
    if parts is None or not isinstance(parts[2], type):
        raise MappingError(
            f"{column}: a link is Link[T], list[Link[T]] or dict[str, Link[T]], each also | None"
        )
    many, optional, model = parts
    _refuse_other_class(str(column), model)
    options = field.spec.link_options or {}
    if options.get("original_field"):
        raise MappingError(f"{column}: original_field= is for a BackLink")
    found = LinkField(
        column.mapper,
        column.attribute,
        column,
        is_back=False,
        many=many,
        optional=optional,
        cascades_delete=_cascades(str(column), options),
        model=model,
    )
    column.mapper.links[column.attribute] = found
    return LinkValue(None, field=found)


def _cascades(where: str, options: Mapping[str, Any]) -> bool:
    cascade = options.get("cascade")
    if cascade not in (None, "all", "delete", "save-update"):
        raise MappingError(f"{where}: link(cascade=...) is 'all', 'delete' or 'save-update'")
    return cascade in ("all", "delete")


def _refuse_other_class(where: str, model: type[Any]) -> None:
    if not getattr(model, "_uow_is_document", False):
        raise MappingError(f"{where}: links lead to documents, and {model.__name__} is none")


def is_back_link(hint: object) -> bool:
    """Whether an annotation, evaluated or not, is that of a back link."""
    if isinstance(hint, str):
        return _BACK_LINK.search(hint) is not None
    return _mentions(hint, BackLink)


def take_back_links(fields: dict[str, Field]) -> dict[str, Field]:
    """Take the back links out of the fields of a class."""
    found = {
        name: field
        for name, field in fields.items()
        if is_back_link(field.raw_hint) or (field.hint and is_back_link(field.hint.type))
    }
    for name, field in found.items():
        del fields[name]
        # Their own: columns let theirs go when they are resolved, which may be earlier.
        field.scope = field.scope.copy()
    return found


def make_back_links(mapper: Mapper, fields: Mapping[str, Field]) -> dict[str, LinkField]:
    """Make the back links of a class, as far as the class alone tells.

    Raises:
        MappingError: the class is a table.
    """
    return {name: _make_back_link(mapper, field) for name, field in fields.items()}


def _make_back_link(mapper: Mapper, field: Field) -> LinkField:
    where = f"{mapper.name}.{field.name}"
    if mapper.document is None:
        raise MappingError(f"{where}: links are for documents; a table has related(back=...)")
    column = MappedColumn(
        position=-1,
        attribute=field.name,
        name=field.spec.name or field.name,
        type=LinkValue(),
        nullable=True,
        primary_key=False,
        auto_increment=False,
        unique=False,
        index=False,
        default=None,
        default_factory=None,
        server_default=None,
        server_default_known=False,
        identity_always=False,
        sequence=None,
        generated=None,
        virtual=False,
        check=None,
        version=False,
        comment=None,
        hint=field.raw_hint,
    )
    column.mapper, column.stored = mapper, column
    found = LinkField(mapper, field.name, column, is_back=True)
    column.type = LinkValue(None, field=found)
    found.declared = field
    return found


def resolve_back_links(mapper: Mapper) -> None:
    """Find out which classes the back links of a class lead to, and by which fields.

    Raises:
        MappingError: a hint cannot be read, or nobody says which field links here.
    """
    for found in mapper.links.values():
        field = found.declared
        if field is None:
            continue
        if not field.resolve() or field.hint is None:
            raise MappingError(f"{found}: the type hint {field.raw_hint!r} names nothing known")
        parts = _parts(field.hint.type, BackLink)
        if parts is None or not isinstance(parts[2], type) or parts[0] is Many.DICT:
            raise MappingError(
                f"{found}: a back link is BackLink[T] or list[BackLink[T]], each also | None"
            )
        _refuse_other_class(str(found), parts[2])
        options = field.spec.link_options or {}
        found.many, found.optional, found.model = parts
        found.cascades_delete = _cascades(str(found), options)
        found.original_field = options.get("original_field") or _said_to_pydantic(field.spec)
        field.scope.release()
        found.declared = None


def _said_to_pydantic(spec: ColumnSpec) -> str | None:
    """The field that `Field(json_schema_extra={"original_field": ...})` names."""
    extra = getattr(spec.info, "json_schema_extra", None)
    found = cast("Mapping[str, Any]", extra).get("original_field") if extra else None
    return found if isinstance(found, str) else None
