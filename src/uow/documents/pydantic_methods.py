"""The methods that pydantic's models have, for documents.

They are answered by a model that is made for the class when one of them is first called
(`mapping/pydantic_model.py`); without pydantic they are a `MappingError`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Self, cast

from uow.errors import ValidationError
from uow.mapping.columns import MISSING
from uow.mapping.mapper import mapper_of
from uow.mapping.pydantic_links import shown_once
from uow.mapping.pydantic_model import made_of, model_of, problems_in
from uow.tracking.state import Tracked

__all__ = ["PydanticMethods"]


class _OfModel:
    """A class attribute that pydantic's model of the class has."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, obj: object, owner: type[Any]) -> Any:
        if type.__getattribute__(owner, "_uow_mapper") is None:
            raise AttributeError(self._name)
        return getattr(model_of(mapper_of(owner)).model, self._name)


class PydanticMethods(Tracked, mapped=False):
    """Base of `Document`: `model_dump`, `model_validate` and the others."""

    __slots__ = ()

    model_fields = _OfModel("model_fields")
    model_computed_fields = _OfModel("model_computed_fields")

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Give the document as a dict; the key is `id`, with `by_alias=True` it is `_id`.

        Args:
            **options: as pydantic's `model_dump` takes them: `mode`, `include`, `exclude`,
                `by_alias`, `exclude_none`, ... What is not loaded is left out.

        Raises:
            MappingError: pydantic is not installed.
        """
        options.setdefault("warnings", False)
        with shown_once(self):
            return cast("dict[str, Any]", self._shown().model_dump(**options))

    def model_dump_json(self, **options: Any) -> str:
        """Give the document as JSON; see `model_dump`."""
        options.setdefault("warnings", False)
        with shown_once(self):
            return cast("str", self._shown().model_dump_json(**options))

    def _shown(self) -> Any:
        return model_of(mapper_of(self)).shown(self)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Make a copy that no session knows, with the same key.

        Args:
            update: fields to set in it; not checked.
            deep: copy what is in its values too.
        """
        made = copy.deepcopy(self) if deep else copy.copy(self)
        for name, value in (update or {}).items():
            setattr(made, name, value)
        return made

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Make a document of a mapping (or of what has attributes, with `from_attributes=True`).

        Raises:
            ValidationError: it does not fit.
        """
        return obj if isinstance(obj, cls) else cls._made("model_validate", obj, options)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Make a document of JSON.

        Raises:
            ValidationError: it does not fit.
        """
        return cls._made("model_validate_json", json_data, options)

    @classmethod
    def _made(cls, method: str, given: Any, options: Mapping[str, Any]) -> Self:
        mapper = mapper_of(cls)
        found = model_of(mapper)
        try:
            made = getattr(found.model, method)(given, **options)
        except import_module("pydantic").ValidationError as error:
            raise ValidationError(problems=problems_in(mapper.name, error)) from error
        return cast("Self", made_of(mapper, made))

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Make a document of values that are known to fit; defaults are filled in."""
        mapper = mapper_of(cls)
        for column in mapper.columns:
            if column.attribute not in values and column.default_factory is not None:
                values[column.attribute] = column.default_factory()
            elif column.attribute not in values and column.initial is not MISSING:
                values[column.attribute] = column.initial
        return cast("Self", mapper.new(values))

    @classmethod
    def model_json_schema(cls, **options: Any) -> dict[str, Any]:
        """Give the JSON schema of the class."""
        return cast("dict[str, Any]", model_of(mapper_of(cls)).model.model_json_schema(**options))

    @classmethod
    def model_rebuild(cls, **_: Any) -> bool:
        """Find the types that were not defined when the class was."""
        mapper_of(cls).configure()
        return True

    # -- pydantic's own questions: a document as a field, as a body, as a response

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        schema = import_module("pydantic_core").core_schema
        mapper = mapper_of(cls)
        found = model_of(mapper)

        def validate(value: Any, inner: Any) -> Any:
            return value if isinstance(value, cls) else made_of(mapper, inner(value))

        def serialize(value: Any, inner: Any) -> Any:
            return inner(found.shown(value) if isinstance(value, cls) else value)

        inner = handler.generate_schema(found.model)
        return schema.no_info_wrap_validator_function(
            validate,
            inner,
            serialization=schema.wrap_serializer_function_ser_schema(serialize, schema=inner),
        )
