"""Defaults that pydantic's `Field(...)` made, read without importing pydantic."""

from __future__ import annotations

from typing import Any

from uow.mapping.columns import MISSING, ColumnSpec

__all__ = ["is_field_info", "spec_of_field_info"]


def is_field_info(value: object) -> bool:
    """Whether pydantic's `Field(...)` made it."""
    class_ = type(value)
    return class_.__name__ == "FieldInfo" and class_.__module__.startswith("pydantic.")


def spec_of_field_info(info: Any) -> ColumnSpec:
    """Give what a `Field(...)` says of a column: its default, its name in the store, its length."""
    default = info.default
    is_required = default is ... or type(default).__name__ == "PydanticUndefinedType"
    return ColumnSpec(
        default=MISSING if is_required or info.default_factory is not None else default,
        default_factory=info.default_factory,
        name=info.serialization_alias or info.alias,
        info=info,
    )
