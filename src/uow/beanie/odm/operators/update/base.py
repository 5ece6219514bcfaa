"""What every update operator is: a mapping, as MongoDB takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from uow.errors import QueryError
from uow.expressions.nodes import is_expression
from uow.query.changes import stored_path

__all__ = ["BaseUpdateOperator"]


class BaseUpdateOperator(Mapping[str, Any]):
    """Base of the update operators, which `update` of documents takes one or more of.

    Args:
        expression: by field (`Person.age`, or a path), what the operator is given.

    Raises:
        QueryError: that is no mapping, it is empty, or one of its keys is no field.
    """

    __slots__ = ("expression",)

    operator: ClassVar[str]

    def __init__(self, expression: Mapping[Any, Any]) -> None:
        name = type(self).__name__
        given: Any = expression
        if not isinstance(given, Mapping) or not given:
            raise QueryError(f"{name} takes what it is given by field: {name}({{Person.age: ...}})")
        found: dict[str, Any] = {}
        for key, value in expression.items():
            path = stored_path(key) if is_expression(key) else key
            if not isinstance(path, str):
                raise QueryError(f"{name} has fields as keys, not a {type(key).__name__}")
            if path in found:
                raise QueryError(f"{name} names {path!r} twice")
            found[path] = value
        self.expression = found

    @property
    def query(self) -> dict[str, Any]:
        """The operator, with fields as they are stored and values as they were given."""
        return {self.operator: self.expression}

    def __getitem__(self, key: str) -> Any:
        return self.query[key]

    def __iter__(self) -> Iterator[str]:
        return iter((self.operator,))

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.expression)})"
