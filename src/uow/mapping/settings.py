"""Read `class Settings`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, cast

import attrs

from uow.errors import MappingError
from uow.mapping.registry import Registry, default_registry

__all__ = ["Settings", "check_identifier", "read_settings", "snake_case"]

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


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of one class, checked for their kinds; fields are still names.

    A `class Settings` in the body of a model may say:

    * `name`: the table; by default the class name in snake_case;
    * `schema`: the schema it is in;
    * `primary_key`: a field or a list of them, instead of `Column(primary_key=True)`;
    * `indexes`: for each a field, a list of fields, or a dict with `fields` and perhaps `unique`,
      `name` and `where` (SQL);
    * `constraints`: dicts with one of `unique` (fields), `check` (SQL) and `foreign_key` (fields;
      then also `references`, one `"table.column"` each, and perhaps `on_delete`, `on_update`,
      `deferrable`), and perhaps `name`;
    * `abstract`: True for a base that has no table;
    * `registry`: the `Registry` the class belongs to;
    * `comment`: a comment kept in the store's schema.

    Subclasses of an abstract class inherit its settings, but for `name`, `abstract`, `comment`.
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


def read_settings(class_name: str, namespace: Mapping[str, Any], bases: Sequence[type]) -> Settings:
    """Read the settings of a class from its body and its abstract bases.

    Raises:
        MappingError: a setting is unknown, or not of its kind.
    """
    values: dict[str, Any] = {}
    for base in reversed(bases):
        inherited = type.__getattribute__(base, "_uow_settings")
        values.update((k, v) for k, v in inherited.items() if k not in _NOT_INHERITED)
    own = namespace.get("Settings")
    if own is not None:
        if not isinstance(own, type):
            raise MappingError(f"{class_name}.Settings must be a class")
        values.update(_own_values(class_name, own))
    return _checked(class_name, values)


def raw_settings(class_name: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What a class body says itself, not checked."""
    own = namespace.get("Settings")
    return _own_values(class_name, own) if isinstance(own, type) else {}


def _own_values(class_name: str, settings: type) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for class_ in reversed(settings.__mro__[:-1]):
        for name, value in vars(class_).items():
            if name.startswith("_"):
                continue
            if name not in _KNOWN:
                raise MappingError(
                    f"{class_name}.Settings.{name} is not a setting; known are "
                    f"{', '.join(sorted(_KNOWN))}"
                )
            if class_ is settings or name not in _NOT_INHERITED:
                values[name] = value
    return values


def _checked(class_name: str, values: Mapping[str, Any]) -> Settings:
    def wrong(name: str, expected: str) -> NoReturn:
        kind = type(values[name]).__name__
        raise MappingError(f"{class_name}.Settings.{name} must be {expected}, got {kind}")

    if values.get("inheritance") is not None:
        raise MappingError(
            f"{class_name}.Settings.inheritance: inheritance between tables is not supported; "
            "share fields through a mixin or Settings.abstract = True"
        )
    for name in ("discriminator", "discriminator_value"):
        if values.get(name) is not None:
            raise MappingError(f"{class_name}.Settings.{name} needs inheritance=")
    for name in ("name", "schema"):
        if values.get(name) is not None:
            check_identifier(values[name], f"{class_name}.Settings.{name}")
    if not isinstance(values.get("abstract", False), bool):
        wrong("abstract", "a bool")
    if not isinstance(values.get("comment"), str | None):
        wrong("comment", "a str")
    registry = values.get("registry")
    if not isinstance(registry, Registry | None):
        wrong("registry", "a Registry")
    return Settings(
        name=values.get("name") or snake_case(class_name),
        abstract=values.get("abstract", False),
        schema=values.get("schema"),
        comment=values.get("comment"),
        primary_key=_names(class_name, "primary_key", values.get("primary_key", ())),
        indexes=tuple(_indexes(class_name, values.get("indexes", ()))),
        constraints=tuple(_constraints(class_name, values.get("constraints", ()))),
        registry=default_registry if registry is None else registry,
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
    for entry in _entries(class_name, "indexes", value):
        index: dict[str, Any] = {"fields": entry}
        if isinstance(entry, Mapping):
            index = dict(cast("Mapping[str, Any]", entry))
        where = f"indexes[{entry!r}]" if isinstance(entry, str) else "indexes"
        _check_keys(class_name, where, index, {"fields", "unique", "name", "where"})
        if "fields" not in index:
            raise MappingError(f"{class_name}.Settings.indexes: an index needs 'fields'")
        index["fields"] = _names(class_name, "indexes", index["fields"])
        if not index["fields"]:
            raise MappingError(f"{class_name}.Settings.indexes: an index needs 'fields'")
        _check_kinds(class_name, "indexes", index, unique=bool, name=str, where=str)
        yield index


def _constraints(class_name: str, value: object) -> Iterable[dict[str, Any]]:
    for entry in _entries(class_name, "constraints", value):
        if not isinstance(entry, Mapping):
            raise MappingError(
                f"{class_name}.Settings.constraints must hold dicts, got {type(entry).__name__}"
            )
        constraint = dict(cast("Mapping[str, Any]", entry))
        kinds = [kind for kind in ("unique", "check", "foreign_key") if kind in constraint]
        if len(kinds) != 1:
            raise MappingError(
                f"{class_name}.Settings.constraints: each has one of 'unique', 'check' and "
                "'foreign_key'"
            )
        allowed = {kinds[0], "name"}
        if kinds[0] == "foreign_key":
            allowed |= {"references", "on_delete", "on_update", "deferrable"}
        _check_keys(class_name, "constraints", constraint, allowed)
        _check_kinds(
            class_name,
            "constraints",
            constraint,
            check=str,
            name=str,
            on_delete=str,
            on_update=str,
            deferrable=bool,
        )
        if kinds[0] != "check":
            fields = _names(class_name, "constraints", constraint[kinds[0]])
            if not fields:
                raise MappingError(f"{class_name}.Settings.constraints: no fields")
            constraint[kinds[0]] = fields
        yield constraint


def _entries(class_name: str, setting: str, value: object) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise MappingError(
            f"{class_name}.Settings.{setting} must be a list, got {type(value).__name__}"
        )
    return cast("Sequence[object]", value)


def _check_keys(
    class_name: str, setting: str, entry: Mapping[str, object], allowed: set[str]
) -> None:
    for key in entry:
        if key not in allowed:
            raise MappingError(
                f"{class_name}.Settings.{setting}: {key!r} is not known; known are "
                f"{', '.join(sorted(allowed))}"
            )


def _check_kinds(class_name: str, setting: str, entry: Mapping[str, object], **kinds: type) -> None:
    for key, kind in kinds.items():
        if key in entry and not isinstance(entry[key], kind):
            raise MappingError(
                f"{class_name}.Settings.{setting}: {key!r} must be a {kind.__name__}, "
                f"got {type(entry[key]).__name__}"
            )
