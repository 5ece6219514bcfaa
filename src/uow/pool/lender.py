"""What a session sees of the pools behind it, and how it takes the first step on a connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from uow.drivers.base import Connection
from uow.errors import ConnectionLostError

__all__ = ["Lender", "first_step"]

T = TypeVar("T")

MOST_REPLACED = 3
"""How many lost connections are replaced, one after the other, before somebody hears of it."""


class Lender(Protocol):
    """Who gives connections out and takes them back: a pool, or a route to several."""

    @property
    def max_size(self) -> int:
        """How many connections one borrower can have at the same time."""
        ...

    def acquire_nowait(self) -> Connection | None:
        """Give out a connection, if that needs no waiting and no test."""
        ...

    async def acquire(self) -> Connection:
        """Give out a connection.

        Raises:
            UowError: why there is none.
        """
        ...

    def release_nowait(self, connection: Connection) -> bool:
        """Take a connection back if that needs no I/O; False: call `release`."""
        ...

    async def release(self, connection: Connection) -> None:
        """Take a connection back."""
        ...

    def give_up(self, connection: Connection, error: ConnectionLostError) -> bool:
        """Cut off a connection on loan that was lost at its first step.

        Returns:
            Whether another may do better.
        """
        ...

    def discard(self, connection: Connection) -> None:
        """Cut a connection on loan off, at once."""
        ...

    def forsake(self, connection: Connection) -> None:
        """As `discard`, from a finaliser in any thread."""
        ...


async def first_step(
    lender: Lender, action: Callable[[Connection], Awaitable[T]]
) -> tuple[Connection, T]:
    """Take a connection and do the first thing on it: BEGIN, or something that only reads.

    A store may close a connection while nobody uses it, and that shows only now. Nothing was done
    on it, so the step is taken again on another one.

    Returns:
        The connection, on loan, and what the action returned.

    Raises:
        UowError: why there is no connection, or what the action raised; nothing is on loan then.
    """
    for number in range(MOST_REPLACED + 1):
        connection = lender.acquire_nowait()
        if connection is None:
            connection = await lender.acquire()
        try:
            return connection, await action(connection)
        except ConnectionLostError as error:
            if not lender.give_up(connection, error) or number == MOST_REPLACED:
                raise
        except BaseException:
            if not lender.release_nowait(connection):
                await lender.release(connection)
            raise
    raise AssertionError("unreachable: the last step returns or raises")
