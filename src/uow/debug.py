"""Look inside: the functions that were generated for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uow.mapping.mapper import mapper_of

if TYPE_CHECKING:
    from uow.mapping.model import Model

__all__ = ["generated"]


def generated(model: type[Model]) -> dict[str, str]:
    """The text of every function generated for a class so far, by name and shape.

    Constructors are generated at the first object, hydrators and readers at the first query or
    flush of their shape.

    Raises:
        MappingError: the class is not mapped.
    """
    return dict(mapper_of(model).sources)
