"""What a document class says to pydantic: its configuration, private attributes and validators.

All of it is told by names of classes, so pydantic is not imported unless the user's program has.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from uow.errors import MappingError

__all__ = [
    "REST",
    "PrivateField",
    "config_of",
    "is_decorated",
    "is_private",
    "keeps_rest",
    "speaks_to_pydantic",
    "take_privates",
]

REST: Final = "model_extra"
"""The attribute that holds what a document has besides the fields of its class."""

_HONOURED: Final = frozenset(
    {
        "alias_generator", "allow_inf_nan", "arbitrary_types_allowed", "coerce_numbers_to_str",
        "extra", "frozen", "json_encoders", "json_schema_extra", "loc_by_alias", "populate_by_name",
        "protected_namespaces", "regex_engine", "ser_json_bytes", "ser_json_inf_nan",
        "ser_json_timedelta", "ser_json_temporal", "str_max_length", "str_min_length",
        "str_strip_whitespace", "str_to_lower", "str_to_upper", "strict", "title",
        "use_attribute_docstrings", "use_enum_values", "val_json_bytes", "validate_assignment",
        "validate_by_alias", "validate_by_name", "validate_default", "serialize_by_alias",
        "hide_input_in_errors", "revalidate_instances", "field_title_generator",
        "model_title_generator", "json_schema_mode_override",
        "json_schema_serialization_defaults_required",
        "from_attributes", "defer_build", "cache_strings", "validation_error_cause",
    }
)  # fmt: skip


def _made_by_pydantic(value: object, name: str) -> bool:
    class_ = type(value)
    return class_.__name__ == name and class_.__module__.startswith("pydantic.")


def is_decorated(value: object) -> bool:
    """Whether one of pydantic's decorators made it: a validator, serializer, computed field."""
    return _made_by_pydantic(value, "PydanticDescriptorProxy")


def is_private(name: str, value: object, *, is_document: bool) -> bool:
    """Whether an annotated name is an attribute of the object that is not stored."""
    if _made_by_pydantic(value, "ModelPrivateAttr"):
        return True
    if is_document and _made_by_pydantic(value, "FieldInfo"):
        return bool(cast("Any", value).exclude)
    if name == "_class_id":  # which tells the class of a document, and may be declared
        return False
    return is_document and name.startswith("_") and not name.startswith(("__", "_uow"))


def config_of(class_name: str, namespace: Mapping[str, Any], bases: tuple[type, ...]) -> Any:
    """Give the configuration of a class, with that of its bases.

    Raises:
        MappingError: it asks for what a document does not do.
    """
    found: dict[str, Any] = {}
    for base in reversed([above for one in bases for above in reversed(one.__mro__)]):
        found.update(cast("Mapping[str, Any]", vars(base).get("model_config") or {}))
    own = namespace.get("model_config")
    if own is not None and not isinstance(own, Mapping):
        raise MappingError(f"{class_name}.model_config is a ConfigDict, not a {type(own).__name__}")
    found.update(cast("Mapping[str, Any]", own or {}))
    unknown = sorted(found.keys() - _HONOURED)
    if unknown:
        raise MappingError(f"{class_name}.model_config: a document has no option {unknown[0]!r}")
    return found


def keeps_rest(config: Mapping[str, Any]) -> bool:
    """Whether objects keep values that no field is there for."""
    return config.get("extra") == "allow"


def speaks_to_pydantic(
    class_: type[Any], infos: list[Any], hints: list[Any], config: Mapping[str, Any]
) -> bool:
    """Whether making an object takes more than fitting values: constraints, validators, aliases."""
    if config or any(map(_is_checked_by_pydantic, hints)):
        return True
    for info in infos:
        if info is None:
            continue
        if info.metadata or info.alias or info.validation_alias or info.frozen:
            return True
        if info.discriminator or info.validate_default:
            return True
    for base in class_.__mro__:
        attributes = vars(base)
        if any(is_decorated(value) for value in attributes.values()):
            return True
        if "model_post_init" in attributes:
            return True
    return False


def _is_checked_by_pydantic(hint: Any) -> bool:
    """Whether a hint names a class that pydantic has for what is checked: `HttpUrl`, `EmailStr`."""
    if isinstance(hint, type) and hasattr(hint, "__get_pydantic_core_schema__"):
        own: str = hint.__module__
        return own.startswith(("pydantic.", "pydantic_extra_types.")) and not hasattr(
            hint, "model_fields"
        )
    if isinstance(hint, list):
        return False
    return any(_is_checked_by_pydantic(one) for one in get_args(hint))


class PrivateField:
    """A private attribute: on the object alone, never stored, made when it is first read."""

    __slots__ = ("_hint", "_name", "_slot", "default", "is_excluded")

    def __init__(self, name: str, default: Any, hint: Any = None) -> None:
        self._name = name
        self._slot = f"{name}__private"
        self._hint = hint
        self.default = default
        self.is_excluded = _made_by_pydantic(default, "FieldInfo")

    def resolved(self, names: dict[str, Any]) -> Any:
        """The type hint, evaluated among the names of a module."""
        if isinstance(self._hint, str):
            return eval(self._hint, names)  # noqa: S307 - the program's own annotation
        return self._hint

    @property
    def slot(self) -> str:
        """The name of the slot."""
        return self._slot

    def __get__(self, obj: Any, owner: object = None) -> Any:
        if obj is None:
            return self
        try:
            return getattr(obj, self._slot)
        except AttributeError:
            value = self._made(obj)
            object.__setattr__(obj, self._slot, value)
            return value

    def __set__(self, obj: Any, value: object) -> None:
        object.__setattr__(obj, self._slot, value)

    def __delete__(self, obj: Any) -> None:
        object.__delattr__(obj, self._slot)

    def _made(self, obj: Any) -> Any:
        default: Any = self.default
        if self.is_excluded or _made_by_pydantic(default, "ModelPrivateAttr"):
            if default.default_factory is not None:
                return default.default_factory()
            default = default.default
        if default is _NOTHING or type(default).__name__ == "PydanticUndefinedType":
            raise AttributeError(f"{type(obj).__name__}.{self._name} was given no value yet")
        return copy.copy(default)


_NOTHING: Final = object()


def take_privates(
    namespace: dict[str, Any], annotations: Mapping[str, Any], bases: tuple[type, ...]
) -> dict[str, PrivateField]:
    """Give the private attributes of a class body, and of the abstract bases above it."""
    found: dict[str, PrivateField] = {}
    for base in reversed([above for one in bases for above in one.__mro__]):
        for name, value in vars(base).items():
            if isinstance(value, PrivateField):
                found[name] = PrivateField(name, value.default, value._hint)
            elif _made_by_pydantic(value, "ModelPrivateAttr"):
                found[name] = PrivateField(name, value)
    names = [
        *annotations,
        *(n for n, v in namespace.items() if is_private(n, v, is_document=False)),
    ]
    for name in names:
        value = namespace.get(name, _NOTHING)
        if is_private(name, value, is_document=True):
            found[name] = PrivateField(name, value, annotations.get(name))
    return found
