"""Checking an object again before it is stored, as `Settings.validate_on_save` asks."""

from __future__ import annotations

from typing import Any

from uow.documents.actions import EventTypes, acting
from uow.errors import ValidationError
from uow.mapping.mapper import mapper_of
from uow.mapping.pydantic_model import has_rules, model_of
from uow.types import ObjectIdType
from uow.values.coercion import as_object_id, coerced

__all__ = ["validate", "validate_on_save"]


async def validate_on_save(obj: Any) -> None:
    """Check an object whose class asks for it.

    Raises:
        ValidationError: a value does not fit.
    """
    document = mapper_of(obj).document
    if document is not None and document.options.get("validate_on_save"):
        async with acting(obj, (EventTypes.VALIDATE_ON_SAVE,), None):
            validate(obj)


def validate(obj: Any) -> None:
    """Check an object's values, and give them the form in which they are kept.

    Raises:
        ValidationError: one does not fit.
    """
    mapper = mapper_of(obj)
    if has_rules(mapper):
        found = model_of(mapper)
        made = found.checked(dict(found.shown(obj).__dict__))
        values = found.values_of(made)
    else:
        values = {}
        problems: list[str] = []
        for column in mapper.columns:
            value = getattr(obj, column.attribute) if column.is_loaded(obj) else None
            if value is not None:
                is_key = isinstance(column.type, ObjectIdType)
                try:
                    meant = as_object_id(value) if is_key else coerced(column.hint, value)
                except ValueError as error:
                    problems.append(f"{column}: {error}")
                else:
                    values[column.attribute] = meant
        if problems:
            raise ValidationError(problems=problems)
    for name, value in values.items():
        column = mapper.by_attribute[name]
        if column.is_loaded(obj) and not column.is_fixed and getattr(obj, name) != value:
            setattr(obj, name, value)
