"""Read `class Settings`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from uow.allowed import FLAG, NON_EMPTY_TEXT, Allowed, check_settings, instance_of, one_of
from uow.errors import MappingError
from uow.mapping.registry import Registry, default_registry

if TYPE_CHECKING:
    from uow.mapping.document_settings import DocumentSettings

__all__ = [
    "Settings",
    "check_identifier",
    "inherited_values",
    "raw_settings",
    "read_settings",
    "snake_case",
]

_KNOWN = frozenset(
    {
        "abstract",
        "comment",
        "constraints",
        "discriminator",
        "discriminator_value",
        "indexes",
        "inheritance",
        "name",
        "primary_key",
        "registry",
        "schema",
    }
)
_NOT_INHERITED = frozenset({"name", "abstract", "comment", "discriminator_value"})
_OF_ONE_TABLE = frozenset({"indexes", "constraints", "primary_key"})
"""What a child does not take from its mapped parent: it is said of the parent's table."""
_KINDS = ("concrete", "joined", "single")


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of one class, checked for their kinds; fields are still names.

    A `class Settings` in the body of a model may say:

    * `name`: the table; by default the class name in snake_case;
    * `schema`: the schema it is in;
    * `primary_key`: a field or a list of them, instead of `Column(primary_key=True)`;
    * `indexes`: for each a field, a list of fields, or a dict with `fields` and perhaps `unique`,
      `name`, `where` (SQL), `method` (`"gin"`, `"brin"`, ...: an index that only serves speed is
      left out by stores without its method), `include` (fields kept beside) and `nulls_distinct`
      (False if NULLs are alike in a unique index). `"-field"` has the greatest value first; a dict
      in place of a field has `field` or `expression` (SQL; such an index needs a name), and
      perhaps `desc`, `nulls` (`"first"`, `"last"`), `opclass` and `collation`;
    * `constraints`: dicts with one of `unique` (fields; perhaps also `nulls_distinct`), `check`
      (SQL), `foreign_key` (fields; then also `references`, one `"table.column"` each, and perhaps
      `on_delete`, `on_update`) and `exclude` (a dict of fields and operators; perhaps also
      `method` and `where`), and perhaps `name`; all but checks take `deferrable` and `initially`;
    * `abstract`: True for a base that has no table;
    * `registry`: the `Registry` the class belongs to;
    * `comment`: a comment kept in the store's schema;
    * `inheritance`: how subclasses are kept: `"joined"` (each has a table for what it adds),
      `"single"` (all in one table) or `"concrete"` (each has a table for everything);
    * `discriminator`: the field whose value tells the class of a row, as `Column(discriminator=
      True)` says too; needed for `"single"`, and made if there is no such field;
    * `discriminator_value`: what it holds in rows of this class; by default the class name in
      snake_case.

    Subclasses of an abstract class inherit its settings, but for `name`, `abstract`, `comment` and
    `discriminator_value`; those of a mapped class its schema, registry and inheritance.
    """

    name: str
    abstract: bool = False
    schema: str | None = None
    comment: str | None = None
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Mapping[str, Any], ...] = ()
    constraints: tuple[Mapping[str, Any], ...] = ()
    registry: Registry = default_registry
    inheritance: str | None = None
    document: DocumentSettings | None = None
    discriminator: str | None = None
    discriminator_value: Any = None


def snake_case(name: str) -> str:
    """The table name of a class.

    >>> snake_case("HTTPServerLog")
    'http_server_log'
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return name.lower()


def check_identifier(value: object, what: str) -> str:
    """Check that a name can be one of a table or column in a store.

    Raises:
        MappingError: it cannot; `what` begins the message.
    """
    if not isinstance(value, str):
        raise MappingError(f"{what} must be a str, got {type(value).__name__}")
    if not value or not value.isprintable() or any(char in value for char in '"`[]'):
        raise MappingError(f"{what} {value!r} cannot name something in a store")
    return value


def read_settings(
    class_name: str,
    namespace: Mapping[str, Any],
    bases: Sequence[type],
    parent: type | None = None,
) -> Settings:
    """Read the settings of a class from its body, its abstract bases and its mapped parent.

    Raises:
        MappingError: a setting is unknown, or not of its kind.
    """
    values = inherited_values(class_name, namespace, bases, _KNOWN, parent)
    return _checked(class_name, values, is_child=parent is not None)


def inherited_values(
    class_name: str,
    namespace: Mapping[str, Any],
    bases: Sequence[type],
    known: AbstractSet[str],
    parent: type | None = None,
) -> dict[str, Any]:
    """What a class body and its abstract bases say, not checked.

    Args:
        class_name: for messages.
        namespace: the body.
        bases: the abstract bases, nearest first.
        known: the settings there are.
        parent: the mapped class above, some of whose settings are its own.

    Raises:
        MappingError: a setting is not known.
    """
    values: dict[str, Any] = {}
    for base in reversed(bases):
        inherited = type.__getattribute__(base, "_uow_settings")
        values.update((k, v) for k, v in inherited.items() if k not in _NOT_INHERITED)
    own = namespace.get("Settings")
    if own is not None:
        if not isinstance(own, type):
            raise MappingError(f"{class_name}.Settings must be a class")
        values.update(_own_values(class_name, own, known, parent))
    return values


def raw_settings(
    class_name: str, namespace: Mapping[str, Any], known: AbstractSet[str] = _KNOWN
) -> dict[str, Any]:
    """What a class body says itself, not checked."""
    own = namespace.get("Settings")
    return _own_values(class_name, own, known) if isinstance(own, type) else {}


def _own_values(
    class_name: str, settings: type, known: AbstractSet[str], parent: type | None = None
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    theirs = None if parent is None else type.__getattribute__(parent, "_uow_settings_class")
    of_parent = theirs.__mro__ if isinstance(theirs, type) else ()
    for class_ in reversed(settings.__mro__[:-1]):
        for name, value in vars(class_).items():
            if name.startswith("_"):
                continue
            if name not in known:
                raise MappingError(
                    f"{class_name}.Settings.{name} is not a setting; known are "
                    f"{', '.join(sorted(known))}"
                )
            if class_ in of_parent and name in _OF_ONE_TABLE:
                continue
            if class_ is settings or name not in _NOT_INHERITED:
                values[name] = value
    return values


_ALLOWED: Final[Mapping[str, Allowed]] = MappingProxyType(
    {
        "abstract": FLAG,
        "comment": Allowed(
            "a str without NUL characters",
            lambda value: value is None or (isinstance(value, str) and "\0" not in value),
        ),
        "discriminator": Allowed("the name of a field", NON_EMPTY_TEXT.holds).or_none(),
        "inheritance": one_of(*_KINDS).or_none(),
        "registry": instance_of(Registry).or_none(),
    }
)
"""What settings of one value may be, but for names, which are a matter of stores."""


def _checked(class_name: str, values: Mapping[str, Any], *, is_child: bool) -> Settings:
    check_settings(f"{class_name}.Settings.", values, _ALLOWED, MappingError)
    kind = values.get("inheritance")
    for name in ("discriminator", "discriminator_value"):
        if values.get(name) is None or is_child:
            continue
        if kind in (None, "concrete"):
            raise MappingError(
                f"{class_name}.Settings.{name} needs inheritance= 'joined' or 'single'"
            )
    for name in ("name", "schema"):
        if values.get(name) is not None:
            check_identifier(values[name], f"{class_name}.Settings.{name}")
    registry = values.get("registry")
    return Settings(
        name=values.get("name") or snake_case(class_name),
        abstract=values.get("abstract", False),
        schema=values.get("schema"),
        comment=values.get("comment"),
        primary_key=_names(class_name, "primary_key", values.get("primary_key", ())),
        indexes=tuple(_indexes(class_name, values.get("indexes", ()))),
        constraints=tuple(_constraints(class_name, values.get("constraints", ()))),
        registry=default_registry if registry is None else registry,
        inheritance=kind,
        discriminator=values.get("discriminator"),
        discriminator_value=values.get("discriminator_value"),
    )


def _names(class_name: str, setting: str, value: object) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(
        isinstance(name, str) for name in cast("Sequence[object]", names)
    ):
        raise MappingError(
            f"{class_name}.Settings.{setting} must be a field name or a list of them"
        )
    return tuple(cast("Sequence[str]", names))


def _indexes(class_name: str, value: object) -> Iterable[dict[str, Any]]:
    where = f"{class_name}.Settings.indexes"
    for entry in _entries(class_name, "indexes", value):
        index: dict[str, Any] = {"fields": entry}
        if isinstance(entry, Mapping):
            index = dict(cast("Mapping[str, Any]", entry))
            if "fields" not in index and index.keys() & _PART_KEYS:
                raise MappingError(f"{where}: an index needs 'fields'")
        place = f"indexes[{entry!r}]" if isinstance(entry, str) else "indexes"
        _check_keys(class_name, place, index, _INDEX_KEYS.keys() | {"fields", "include"})
        _check_kinds(class_name, "indexes", index, **_INDEX_KEYS)
        fields: Any = index.get("fields", ())
        is_one = isinstance(fields, (str, Mapping))
        fields = [fields] if is_one else fields
        if not isinstance(fields, (list, tuple)) or not fields:
            raise MappingError(f"{where}: an index needs 'fields'")
        parts = [_index_part(class_name, part) for part in cast("Sequence[object]", fields)]
        if "name" not in index and any("expression" in part for part in parts):
            raise MappingError(f"{where}: an index over an expression needs a 'name'")
        if index.get("nulls_distinct") is False and not index.get("unique"):
            raise MappingError(f"{where}: 'nulls_distinct' is for unique indexes")
        index["fields"] = parts
        index["include"] = _names(class_name, "indexes", index.get("include", ()))
        yield index


_INDEX_KEYS: Mapping[str, type] = {
    "unique": bool,
    "name": str,
    "where": str,
    "method": str,
    "nulls_distinct": bool,
}
_PART_KEYS: Mapping[str, type] = {
    "field": str,
    "expression": str,
    "desc": bool,
    "nulls": str,
    "opclass": str,
    "collation": str,
}


def _index_part(class_name: str, part: object) -> dict[str, Any]:
    """A part of an index as a dict with `field` or `expression`."""
    where = f"{class_name}.Settings.indexes"
    if isinstance(part, str):
        return {"field": part[1:], "desc": True} if part.startswith("-") else {"field": part}
    if not isinstance(part, Mapping):
        raise MappingError(f"{where} must be a field name or a list of them")
    found = dict(cast("Mapping[str, Any]", part))
    _check_keys(class_name, "indexes", found, _PART_KEYS.keys())
    _check_kinds(class_name, "indexes", found, **_PART_KEYS)
    if ("field" in found) == ("expression" in found):
        raise MappingError(f"{where}: a part has one of 'field' and 'expression'")
    if found.get("nulls") not in (None, "first", "last"):
        raise MappingError(f"{where}: 'nulls' is 'first' or 'last'")
    return found


_CONSTRAINT_KEYS: Mapping[str, frozenset[str]] = {
    "check": frozenset({"name"}),
    "unique": frozenset({"name", "nulls_distinct", "deferrable", "initially"}),
    "foreign_key": frozenset(
        {"name", "references", "on_delete", "on_update", "deferrable", "initially"}
    ),
    "exclude": frozenset({"name", "method", "where", "deferrable", "initially"}),
}


def _constraints(class_name: str, value: object) -> Iterable[dict[str, Any]]:
    where = f"{class_name}.Settings.constraints"
    for entry in _entries(class_name, "constraints", value):
        if not isinstance(entry, Mapping):
            raise MappingError(f"{where} must hold dicts, got {type(entry).__name__}")
        constraint = dict(cast("Mapping[str, Any]", entry))
        kinds = [kind for kind in _CONSTRAINT_KEYS if kind in constraint]
        if len(kinds) != 1:
            raise MappingError(f"{where}: each has one of {', '.join(map(repr, _CONSTRAINT_KEYS))}")
        (kind,) = kinds
        _check_keys(class_name, "constraints", constraint, _CONSTRAINT_KEYS[kind] | {kind})
        _check_kinds(
            class_name,
            "constraints",
            constraint,
            check=str,
            exclude=Mapping,
            name=str,
            on_delete=str,
            on_update=str,
            deferrable=bool,
            initially=str,
            nulls_distinct=bool,
            method=str,
            where=str,
        )
        if constraint.get("initially") not in (None, "deferred", "immediate"):
            raise MappingError(f"{where}: 'initially' is 'deferred' or 'immediate'")
        if "initially" in constraint and not constraint.get("deferrable"):
            raise MappingError(f"{where}: 'initially' needs 'deferrable'")
        if kind != "check":
            given = constraint[kind]
            names = tuple(cast("Mapping[str, Any]", given)) if kind == "exclude" else given
            fields = _names(class_name, "constraints", names)
            if not fields:
                raise MappingError(f"{where}: no fields")
            if kind != "exclude":
                constraint[kind] = fields
        yield constraint


def _entries(class_name: str, setting: str, value: object) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise MappingError(
            f"{class_name}.Settings.{setting} must be a list, got {type(value).__name__}"
        )
    return cast("Sequence[object]", value)


def _check_keys(
    class_name: str, setting: str, entry: Mapping[str, object], allowed: AbstractSet[str]
) -> None:
    for key in entry:
        if key not in allowed:
            raise MappingError(
                f"{class_name}.Settings.{setting}: {key!r} is not known; known are "
                f"{', '.join(sorted(allowed))}"
            )


def _check_kinds(
    class_name: str, setting: str, entry: Mapping[str, object], **kinds: type[Any]
) -> None:
    for key, kind in kinds.items():
        if key in entry and not isinstance(entry[key], kind):
            raise MappingError(
                f"{class_name}.Settings.{setting}: {key!r} must be a {kind.__name__}, "
                f"got {type(entry[key]).__name__}"
            )
        if entry.get(key) == "":
            raise MappingError(f"{class_name}.Settings.{setting}: {key!r} is empty")
