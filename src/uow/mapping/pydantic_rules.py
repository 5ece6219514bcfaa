"""What attributes of a document do that its `model_config` or its fields ask for.

Such a class has hooks of its own in Python; all others are written to as fast as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from uow.errors import ValidationError
from uow.mapping.columns import ColumnSpec
from uow.mapping.fields import Field
from uow.mapping.hints import Hint, Scope
from uow.mapping.mapper import mapper_of
from uow.mapping.pydantic_model import model_of
from uow.mapping.pydantic_parts import REST, config_of, keeps_rest

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["add_rules", "rest_field"]


def rest_field(class_name: str, scope: Scope) -> Field:
    """Make the field for what a document holds besides the fields of its class."""
    spec = ColumnSpec(default_factory=dict[str, Any], holds_rest=True)
    return Field(REST, class_name, dict[str, Any], spec, scope, Hint(dict[str, Any]))


def add_rules(namespace: dict[str, Any], bases: tuple[type, ...], mapper: Mapper) -> None:
    """Give a class body the hooks that its configuration and its fields ask for."""
    config = config_of(mapper.name, namespace, bases)
    infos: dict[str, Any] = {name: field.spec.info for name, field in mapper.fields.items()}
    frozen = {name for name, info in infos.items() if info is not None and info.frozen}
    if config.get("frozen"):
        frozen |= infos.keys()
    if keeps_rest(config):
        namespace["__getattr__"] = _get_rest
    if frozen or keeps_rest(config) or config.get("validate_assignment"):
        own = namespace.get("__setattr__")
        namespace["__setattr__"] = _writer(config, frozenset(frozen), own)


def _get_rest(self: Any, name: str) -> Any:
    if not name.startswith("_") and not name.endswith("__raw"):
        column = self._uow_mapper.by_attribute[REST]
        if name not in self._uow_mapper.by_attribute and column.is_loaded(self):
            rest = getattr(self, REST)
            if name in rest:
                return rest[name]
    text = f"{type(self).__name__!r} object has no attribute {name!r}"
    raise AttributeError(text, name=name, obj=self)


def _writer(config: Mapping[str, Any], frozen: frozenset[str], own: Any) -> Any:
    is_open, checks = keeps_rest(config), bool(config.get("validate_assignment"))

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807 - it becomes the method
        class_: type[Any] = self.__class__
        mapper: Mapper = mapper_of(class_)
        if name in mapper.by_attribute:
            if name in frozen:
                raise ValidationError(f"{mapper.name}.{name}: the field is frozen")
            if checks and name != REST and not mapper.by_attribute[name].version:
                value = model_of(mapper).assigned(self, name, value)
        elif is_open and not hasattr(class_, name):
            getattr(self, REST)[name] = value
            return
        if own is not None:
            own(self, name, value)
        else:
            _next_setattr(class_)(self, name, value)

    __setattr__._uow_rule = True  # type: ignore[attr-defined]
    return __setattr__


def _next_setattr(class_: type[Any]) -> Any:
    for base in class_.__mro__:
        found = vars(base).get("__setattr__")
        if found is not None and not hasattr(found, "_uow_rule"):
            return found
    return object.__setattr__
