"""The pydantic model that says of a document class what pydantic would: made when it is needed.

It has the fields, validators, methods and configuration of the class, and no store. Objects are
checked by it when they are made, if the class says anything to pydantic at all, and it answers
`model_dump`, `model_json_schema` and the like. Pydantic is imported here, by name, for a program
that uses it.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, cast, get_args, get_origin

import attrs

from uow.errors import MappingError, ValidationError
from uow.mapping.columns import MISSING
from uow.mapping.construction import plain_construction
from uow.mapping.pydantic_links import AsLink
from uow.mapping.pydantic_parts import PrivateField, config_of, is_decorated, speaks_to_pydantic
from uow.mapping.storage import ModelStorage
from uow.types import LinkValue
from uow.values.coercion import coerced

if TYPE_CHECKING:
    from collections.abc import Callable

    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = [
    "PydanticModel",
    "checked_construction",
    "has_rules",
    "made_of",
    "model_of",
    "problems_in",
]

KEY: Final = "_id"


def model_of(mapper: Mapper) -> PydanticModel:
    """Give what pydantic knows of a class.

    Raises:
        MappingError: pydantic is not installed, or finds the class wrong.
    """
    found: PydanticModel | None = mapper.kept.get(PydanticModel)
    if found is None:
        found = mapper.kept[PydanticModel] = PydanticModel(mapper)
    return found


def problems_in(name: str, error: Any) -> list[str]:
    """What pydantic says is wrong, without the values."""
    found: list[str] = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in one["loc"])
        found.append(f"{name}{place}: {one['msg']}")
    return found


class PydanticModel:
    """What pydantic knows of one document class.

    Attributes:
        model: the model; its objects have the fields of a document and nothing else.
    """

    __slots__ = ("_mapper", "_names", "model")

    def __init__(self, mapper: Mapper) -> None:
        mapper.configure()
        self._mapper = mapper
        self.model = _make_model(mapper)
        self._names = tuple(self.model.model_fields)

    def checked(self, values: Mapping[str, Any]) -> Any:
        """Check what an object is made of.

        Returns:
            An object of the model.

        Raises:
            ValidationError: it does not fit.
        """
        pydantic = import_module("pydantic")
        try:
            return self.model.model_validate(values)
        except pydantic.ValidationError as error:
            raise ValidationError(problems=problems_in(self._mapper.name, error)) from error

    def shown(self, obj: Any) -> Any:
        """Give an object of the model with the values of a document, as far as they are loaded."""
        values: dict[str, Any] = {}
        for name in self._names:
            column = self._mapper.by_attribute.get(name)
            if column is None or column.is_loaded(obj):
                values[name] = getattr(obj, name)
        made = self.model.__new__(self.model)
        object.__setattr__(made, "__dict__", values)
        object.__setattr__(made, "__pydantic_fields_set__", set(values))
        rest = getattr(obj, "model_extra", None) if self._keeps_rest else None
        object.__setattr__(made, "__pydantic_extra__", dict(rest) if rest is not None else None)
        privates = {name: getattr(obj, name, None) for name in self.model.__private_attributes__}
        object.__setattr__(made, "__pydantic_private__", privates or None)
        return made

    @property
    def _keeps_rest(self) -> bool:
        return bool(self.model.model_config.get("extra") == "allow")

    def assigned(self, obj: Any, name: str, value: Any) -> Any:
        """Check a value that an attribute is set to; give it as it is to be kept.

        Raises:
            ValidationError: it does not fit.
        """
        pydantic = import_module("pydantic")
        made = self.shown(obj)
        try:
            self.model.__pydantic_validator__.validate_assignment(made, name, value)
        except pydantic.ValidationError as error:
            raise ValidationError(problems=problems_in(self._mapper.name, error)) from error
        return getattr(made, name)

    def values_of(self, made: Any) -> dict[str, Any]:
        """Give what the constructor takes, of an object of the model."""
        values = {
            name: made.__dict__[name] for name in self._names if name in self._mapper.by_attribute
        }
        version = self._mapper.version
        if version is not None and values.get(version.attribute) is None:
            values.pop(version.attribute, None)
        if made.__pydantic_extra__ is not None and self._keeps_rest:
            values["model_extra"] = dict(made.__pydantic_extra__)
        return values

    def finish(self, obj: Any, made: Any) -> None:
        """Give an object what is not stored: private attributes, excluded fields."""
        privates: dict[str, Any] = made.__pydantic_private__ or {}
        for name, private in privates.items():
            if isinstance(self._mapper.privates.get(name), PrivateField):
                setattr(obj, name, private)
        for name in self._mapper.privates:
            if name in made.__dict__:
                setattr(obj, name, made.__dict__[name])


def made_of(mapper: Mapper, made: Any) -> Any:
    """Make a document of an object of its model."""
    found = model_of(mapper)
    obj = object.__new__(mapper.class_)
    plain_construction(mapper)(obj, **found.values_of(made))
    found.finish(obj, made)
    return obj


def has_rules(mapper: Mapper) -> bool:
    """Whether a class says something to pydantic: constraints, validators, a configuration."""
    found: bool | None = mapper.kept.get(has_rules)
    if found is None:
        fields = [mapper.fields[column.attribute] for column in mapper.columns]
        infos = [field.spec.info for field in fields]
        hints = [field.hint.given for field in fields if field.hint is not None]
        config = config_of(mapper.name, {}, (mapper.class_,))
        found = mapper.kept[has_rules] = speaks_to_pydantic(mapper.class_, infos, hints, config)
    return found


def checked_construction(
    mapper: Mapper, initialize: Callable[..., None]
) -> Callable[..., None] | None:
    """Give the constructor of a class that says something to pydantic; None for all others.

    Args:
        mapper: of the class.
        initialize: the constructor that takes fitting values.
    """
    if not mapper.privates and not has_rules(mapper):
        return None

    def __init__(self: Any, /, **values: Any) -> None:  # noqa: N807 - it becomes the method
        found = model_of(mapper)
        made = found.checked(values)
        initialize(self, **found.values_of(made))
        found.finish(self, made)

    return __init__


# -- the model


def _make_model(mapper: Mapper) -> Any:
    try:
        pydantic = import_module("pydantic")
    except ImportError as error:
        raise MappingError(
            f"{mapper.name}: model_dump and the like are pydantic's, which is not installed"
        ) from error
    class_ = mapper.class_
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {
        "__module__": class_.__module__,
        "__qualname__": class_.__qualname__,
        "__doc__": class_.__doc__,
    }
    for column in mapper.columns:
        if column.holds_rest:
            continue
        annotations[column.attribute] = _hint_of(mapper, column)
        body[column.attribute] = _info_of(pydantic, mapper, column)
    for name, private in mapper.privates.items():
        body[name] = private.default
        if private.is_excluded:
            annotations[name] = private.resolved(vars(sys.modules[class_.__module__]))
    for base in reversed(class_.__mro__):
        if base is object or (ModelStorage in base.__mro__ and not _is_of_user(base)):
            continue
        for name, value in vars(base).items():
            if _is_wanted(name, value) and name not in annotations and name not in body:
                body[name] = value
    config: dict[str, Any] = config_of(mapper.name, {}, (class_,))
    aliased = {"populate_by_name": True} if "validate_by_name" not in config else {}
    body["model_config"] = {
        "arbitrary_types_allowed": True,
        "json_schema_extra": _without_excluded,
        **aliased,
        **config,
    }
    body["__annotations__"] = annotations
    try:
        return type(pydantic.BaseModel)(class_.__name__, (pydantic.BaseModel,), body)
    except Exception as error:
        raise MappingError(f"{mapper.name}: pydantic cannot take the class: {error}") from error


def _is_of_user(class_: type) -> bool:
    return "_uow_fields" in vars(class_) or vars(class_).get("_uow_mapper") is not None


def _is_wanted(name: str, value: object) -> bool:
    """Whether validators and serializers of a class may need one of its attributes."""
    if is_decorated(value):
        return True
    if name.startswith(("__", "_uow")) or name in ("Settings", "model_config"):
        return False
    return isinstance(value, types.FunctionType | property | classmethod | staticmethod)


def _info_of(pydantic: Any, mapper: Mapper, column: MappedColumn) -> Any:
    field = mapper.fields[column.attribute]
    info: Any = field.spec.info
    if field.hint is not None and any(one is info for one in get_args(field.hint.given)):
        info = None  # the hint says it; what stands behind it is the default
    if column in mapper.key:
        plain = {} if info is None else {"title": info.title, "description": info.description}
        if column.default_factory is not None:
            plain["default_factory"] = column.default_factory
        elif column.default is not MISSING:
            plain["default"] = column.default
        elif column.nullable:
            plain["default"] = None
        return pydantic.Field(alias=KEY, **plain)
    if column.version:
        return pydantic.Field(default=None, exclude=True)
    if info is not None:
        return info
    if column.default_factory is not None:
        return pydantic.Field(default_factory=column.default_factory)
    if column.default is not MISSING:
        return pydantic.Field(default=column.default)
    return pydantic.Field(default=None) if column.nullable else pydantic.Field()


def _hint_of(mapper: Mapper, column: MappedColumn) -> Any:
    field = mapper.fields[column.attribute]
    hint = None if field.hint is None else field.hint.given
    hint = column.hint if hint is None or hint is object else hint
    if column in mapper.key and hint is object:
        hint = import_module("bson").ObjectId
    if isinstance(column.type, LinkValue):
        hint = Annotated[Any, AsLink(column.type.field)]
    hint = _adapted(hint)
    is_open = column.nullable or column.version or (column in mapper.key and column.default is None)
    return Union[hint, None] if is_open else hint  # noqa: UP007 - made at run time


def _adapted(hint: Any) -> Any:
    """A hint in which classes that pydantic knows nothing of say how they are checked."""
    if isinstance(hint, list):  # the parameters of a Callable
        return list(map(_adapted, cast("Any", hint)))
    origin = get_origin(hint)
    members: Any = _arguments(hint)[-1:] if origin in (list, dict) else ()
    if _is_link(origin or hint) or any(_is_link(get_origin(one) or one) for one in members):
        return Annotated[Any, AsLink()]
    if origin is Annotated:
        inner, *extras = get_args(hint)
        return Annotated[(_adapted(inner), *extras)]
    if origin is typing.Literal:
        return hint
    if origin is not None and getattr(origin, "__name__", "") == "Mapped":
        return _adapted(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return Union[tuple(_adapted(one) for one in _arguments(hint))]  # noqa: UP007 - any number
    if origin is not None:
        arguments = tuple(map(_adapted, _arguments(hint)))
        generic: Any = origin
        try:
            return generic[arguments] if arguments != get_args(hint) else hint
        except TypeError:
            return hint
    if not isinstance(hint, type) or hasattr(hint, "__get_pydantic_core_schema__"):
        return hint
    if hint.__name__ == "ObjectId" and hint.__module__.startswith("bson"):
        return Annotated[hint, AsText(hint)]
    if attrs.has(hint):
        return Annotated[hint, AsObject(hint)]
    return hint


def _arguments(hint: Any) -> tuple[Any, ...]:
    return get_args(hint)


def _is_link(class_: Any) -> bool:
    return getattr(class_, "__module__", "") == "uow.mapping.link"


class AsText:
    """Tells pydantic of a class whose values are written as text: ObjectId."""

    def __init__(self, class_: type[Any]) -> None:
        self._class = class_

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        schema = import_module("pydantic_core").core_schema
        return schema.no_info_plain_validator_function(
            self._check,
            serialization=schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "examples": ["5eb7cf5a86d9755df3a6c593"]}

    def _check(self, value: Any) -> Any:
        return coerced(self._class, value)


class AsObject:
    """Tells pydantic of an attrs class."""

    def __init__(self, class_: type[Any]) -> None:
        self._class = class_

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        schema = import_module("pydantic_core").core_schema
        return schema.no_info_plain_validator_function(
            self._check, serialization=schema.plain_serializer_function_ser_schema(_as_dict)
        )

    def __get_pydantic_json_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        names = [field.name for field in attrs.fields(self._class)]
        return {
            "title": self._class.__name__,
            "type": "object",
            "properties": {name: {} for name in names},
        }

    def _check(self, value: Any) -> Any:
        return coerced(self._class, value)


def _as_dict(value: Any) -> Any:
    return attrs.asdict(value)


def _without_excluded(schema: dict[str, Any], model: Any) -> None:
    """Leave out of a schema what no dump shows, and call the key by its attribute."""
    properties: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        owner = next(
            (one for key, one in model.model_fields.items() if (one.alias or key) == name), None
        )
        if owner is None or not owner.exclude:
            properties[name] = field
    schema["properties"] = properties
    if "required" in schema:
        schema["required"] = [name for name in schema["required"] if name in properties]
