"""Links as pydantic sees them: in documents, and in models of the user's that have a link.

A link is shown as `{"id": ..., "collection": ...}`, and a document that was fetched as its fields.
Where documents lead back to each other, the one that is being shown already is shown as a link.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any, Final

from uow.mapping.link import is_link, link_to
from uow.mapping.link_fields import LinkField, Many, key_of
from uow.mapping.mapper import mapper_of

__all__ = ["AsLink", "link_schema", "shown_once"]

_shown: ContextVar[frozenset[int]] = ContextVar("uow_shown_documents", default=frozenset())

_LINK: Final = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"id": {"type": "string"}, "collection": {"type": "string"}},
            "required": ["id", "collection"],
        },
        {"type": "object", "additionalProperties": True},
    ]
}


@contextmanager
def shown_once(obj: object) -> Generator[None]:
    """Show a document; where it is met again inside of itself, it is a link."""
    token = _shown.set(_shown.get() | {id(obj)})
    try:
        yield
    finally:
        _shown.reset(token)


def _as_json(value: Any) -> Any:
    given: Any = value
    if isinstance(value, list):
        return list(map(_as_json, given))
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in given.items()}
    if not hasattr(value, "model_dump"):
        return value.to_dict() if hasattr(value, "to_dict") else value
    if id(value) not in _shown.get():
        return value.model_dump(mode="json")
    mapper = mapper_of(value)
    return {"id": str(mapper.key[0].get_slot(value)), "collection": mapper.table_name}


class AsLink:
    """Tells pydantic of a field of links, and of what they lead to.

    Args:
        field: the field; None if that is not known, and who takes the value checks it.
    """

    def __init__(self, field: LinkField | None = None) -> None:
        self._field = field

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        schema = import_module("pydantic_core").core_schema
        shown = schema.plain_serializer_function_ser_schema(_as_json)
        if self._field is None or self._field.is_back:
            return schema.any_schema(serialization=shown)
        return schema.no_info_plain_validator_function(self._check, serialization=shown)

    def __get_pydantic_json_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        many = Many.ONE if self._field is None else self._field.many
        if many is Many.LIST:
            return {"type": "array", "items": _LINK}
        if many is Many.DICT:
            return {"type": "object", "additionalProperties": _LINK}
        return dict(_LINK)

    def _check(self, value: Any) -> Any:
        field = self._field
        assert field is not None  # noqa: S101 - else there is no check
        try:
            return field.check(value)
        except ValueError as error:
            # A ValueError would be told of as "Value error, ...", and carry itself along.
            told = import_module("pydantic_core").PydanticCustomError
            raise told("link", "{problem}", {"problem": str(error)}) from None


def link_schema(model: Any) -> Any:
    """Give pydantic's schema of `Link[model]` in a model of the user's.

    Args:
        model: the class of the document, or what stands for it as long as it is not defined.
    """
    schema = import_module("pydantic_core").core_schema

    is_class = hasattr(model, "_uow_mapper")

    def check(value: Any) -> Any:
        given: Any = value
        if is_link(value):
            return value
        if getattr(given, "_uow_mapper", None) is not None:
            if is_class and not isinstance(value, model):
                raise ValueError(f"expected {model.__name__}, got {type(value).__name__}")
            return value
        if not is_class:
            raise ValueError(f"expected a link or a document, got {type(value).__name__}")
        if type(value).__name__ == "DBRef":
            return link_to(model, given.collection, given.id, given.database)
        if isinstance(value, dict) and given.keys() == _KEYS:
            given = given["id"]
        target = mapper_of(model)
        return link_to(model, target.table_name, key_of(target, given))

    return schema.no_info_plain_validator_function(
        check, serialization=schema.plain_serializer_function_ser_schema(_as_json)
    )


_KEYS: Final = {"id", "collection"}
