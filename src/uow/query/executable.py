"""What a session can execute, and what it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from uow.dialects.base import dialect_for
from uow.query.statements import AnyStatement
from uow.statement import Statement

__all__ = ["Executable"]

R_co = TypeVar("R_co", covariant=True)


class Executable(ABC, Generic[R_co]):
    """A statement; `await session.execute(statement)` gives an `R_co`.

    Rows are a list of `Row`s (of objects, if a class was selected); a statement that gives no rows
    gives the number of rows it matched.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def statement(self) -> AnyStatement:
        """The tree, complete and checked.

        Raises:
            QueryError: something is missing, such as the condition of a bulk statement.
        """

    def compile(self, dialect: str) -> Statement:
        """Give text and parameters, without a connection.

        Args:
            dialect: `"sqlite"`, `"postgresql"`, `"mysql"`, ...

        Raises:
            QueryError: the statement is wrong, or says what the store cannot do.
            ValidationError: a value in it has the wrong type.
        """
        return dialect_for(dialect).compile(self.statement).statement
