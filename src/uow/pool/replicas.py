"""Replicas: where sessions read that do nothing else.

A `Replica` is a pool and what is known of its health, `Replicas` chooses among several, and a
`Route` is the way of one session. Nobody watches replicas in the background: whether one answers
shows when a connection of it is asked for. One that does not is left out for a while; then one task
tries it again, while the others still go elsewhere. With none left sessions read from the primary.

A session changes its source only between units, and never goes back from the primary to a replica:
what it read there it would miss here.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import anyio

from uow.drivers.base import Connection, Positioned
from uow.errors import (
    ConnectionLostError,
    PoolClosedError,
    PoolTimeoutError,
    UowError,
    ValidationError,
)
from uow.pool.pool import Pool

if TYPE_CHECKING:
    from uow.url import URL

__all__ = ["Replica", "Replicas", "Route"]

logger = logging.getLogger("uow")

FIRST_REST = 1.0
"""Seconds for which a replica is left out that did not answer; they double with each failure."""

LONGEST_REST = 60.0

FIRST_LOOK = 0.002
"""Seconds before a replica is asked a second time how far it is; they double from there."""

LONGEST_LOOK = 0.1


@final
class Replica:
    """One replica: its connections, and whether it answered when it was asked last.

    Attributes:
        url: where it is.
        pool: its connections.
        failure: why it is left out; None while it is not.
    """

    __slots__ = ("_failures", "_rests_until", "failure", "pool", "url")

    def __init__(self, url: URL, pool: Pool) -> None:
        self.url = url
        self.pool = pool
        self.failure: UowError | None = None
        self._failures = 0
        self._rests_until = 0.0

    def __repr__(self) -> str:
        state = "sound" if self.failure is None else f"left out: {self.failure}"
        return f"<Replica {self.url} {state}>"

    @property
    def is_sound(self) -> bool:
        """Whether it answered when it was asked last."""
        return self.failure is None

    @property
    def may_be_asked(self) -> bool:
        """Whether it is sound, or has been left out for long enough."""
        return self.failure is None or time.monotonic() >= self._rests_until

    async def open(self) -> None:
        """Open its first connections, one at least. If that fails it is left out, no more."""
        try:
            await self.pool.open()
            if not self.pool.min_size:
                await self.pool.release(await self.pool.acquire())
        except PoolClosedError:
            raise
        except UowError as error:
            self.leave_out(error)

    async def acquire(self, timeout: float) -> Connection | None:
        """Give out a connection.

        Args:
            timeout: seconds to wait while all are on loan.

        Returns:
            None if the replica does not answer; it is then left out for a while.

        Raises:
            PoolTimeoutError: all are on loan, which is no sign of ill health.
            PoolClosedError: the database is closed.
        """
        is_trial = self.failure is not None
        if is_trial:
            # This task finds out for all others.
            self._rests_until = time.monotonic() + LONGEST_REST
        try:
            connection = await self.pool.acquire(timeout)
        except (PoolClosedError, PoolTimeoutError):
            raise
        except UowError as error:
            self.leave_out(error, again=is_trial)
            return None
        if self.failure is not None:
            logger.info("%s answers again", self.pool.name)
        self.failure = None
        self._failures = 0
        return connection

    def leave_out(self, error: UowError, *, again: bool = False) -> None:
        """Leave it out for a while, longer with each time it fails in a row.

        Args:
            error: how it failed.
            again: it was tried because it had been left out. Else, if it is left out already,
                others have seen the same failure, and this is nothing.
        """
        if self.failure is not None and not again:
            return
        if self.failure is None:
            logger.warning("%s is left out: %s", self.pool.name, error)
        self.failure = error
        rest = min(LONGEST_REST, FIRST_REST * 2.0 ** min(self._failures, 10))
        self._failures += 1
        # Processes that saw it fail together shall not all come back together.
        self._rests_until = time.monotonic() + rest * random.uniform(0.5, 1)  # noqa: S311


@final
class Replicas:
    """The replicas of one database."""

    __slots__ = ("_turn", "members", "wait")

    def __init__(self, members: Sequence[Replica], *, wait: float) -> None:
        self.members = tuple(members)
        self.wait = wait
        self._turn = 0

    def __repr__(self) -> str:
        return f"<Replicas {self.members!r}>"

    async def open(self) -> None:
        """Open them, one after the other; each is bounded by the time it may take to answer."""
        for replica in self.members:
            await replica.open()

    def in_order(self, preferred: Replica | None) -> list[Replica]:
        """Give those that may be asked, in the order to ask them.

        The preferred one comes first, if it is sound; then one that has been left out for long
        enough, to see whether it is back; then the least loaded, of equals each in its turn.
        """
        self._turn = (self._turn + 1) % len(self.members)
        rotated = (*self.members[self._turn :], *self.members[: self._turn])
        able = [replica for replica in rotated if replica.may_be_asked]
        able.sort(
            key=lambda replica: (
                replica is not preferred or not replica.is_sound,
                replica.is_sound,
                replica.pool.load,
            )
        )
        return able


@final
class Route:
    """The way of one session that only reads: a lender that stands before several pools.

    Args:
        replicas: where it reads.
        primary: where it reads if no replica will do.
        after: the position a replica must have reached; None is any.
    """

    __slots__ = ("_after", "_has_lost", "_is_at_primary", "_primary", "_replica", "_replicas")

    def __init__(self, replicas: Replicas, primary: Pool, after: str | None) -> None:
        self._replicas = replicas
        self._primary = primary
        self._after = after
        self._replica: Replica | None = None
        self._is_at_primary = False
        self._has_lost = False

    def __repr__(self) -> str:
        if self._is_at_primary:
            return "<Route to the primary>"
        return f"<Route to {self._replica.url if self._replica else 'any replica'}>"

    @property
    def max_size(self) -> int:
        """How many connections there are at least, wherever the route leads."""
        return min(pool.max_size for pool in self._pools())

    def _pools(self) -> list[Pool]:
        return [self._primary, *(replica.pool for replica in self._replicas.members)]

    # -- giving out

    def acquire_nowait(self) -> Connection | None:
        """Give out an idle connection of the chosen source, if it needs no test."""
        if self._is_at_primary:
            return self._primary.acquire_nowait()
        replica = self._replica
        if replica is None:
            able = self._replicas.in_order(None) if self._after is None else []
            if not able:
                return None
            # The choice stands, whether it has an idle connection or is to open one.
            replica = self._replica = able[0]
        return replica.pool.acquire_nowait() if replica.is_sound else None

    async def acquire(self) -> Connection:
        """Give out a connection of a replica, or of the primary if none will do.

        Raises:
            PoolTimeoutError: all are on loan.
            PoolClosedError: the database is closed.
            UowError: why the primary cannot be reached.
        """
        deadline = anyio.current_time() + self._primary.acquire_timeout
        if not self._is_at_primary:
            late = anyio.current_time() + self._replicas.wait
            for replica in self._replicas.in_order(self._replica):
                if not replica.may_be_asked:  # since we asked the one before
                    continue
                connection = await replica.acquire(_left(deadline))
                if connection is None:
                    continue
                if await self._has_caught_up(replica, connection, late):
                    self._replica = replica
                    return connection
            self._is_at_primary = True
        return await self._primary.acquire(_left(deadline))

    async def _has_caught_up(self, replica: Replica, connection: Connection, late: float) -> bool:
        """Whether the replica is where it must be; if not, its connection is given back."""
        if self._after is None or replica is self._replica:
            return True
        is_there = False
        try:
            is_there = await _reaches(connection, self._after, late)
        except ValidationError:  # that is no position; nobody else would make more of it
            raise
        except UowError:
            # Others can answer. Whether this one is gone its pool finds out.
            return False
        finally:
            if not is_there:
                await replica.pool.release(connection)
        return is_there

    # -- taking back

    def _lender(self, connection: Connection) -> Pool:
        for replica in self._replicas.members:
            if replica.pool.has_lent(connection):
                return replica.pool
        return self._primary

    def release_nowait(self, connection: Connection) -> bool:
        """Take a connection back if that needs no I/O; False: call `release`."""
        return self._lender(connection).release_nowait(connection)

    async def release(self, connection: Connection) -> None:
        """Take a connection back."""
        await self._lender(connection).release(connection)

    def give_up(self, connection: Connection, error: ConnectionLostError) -> bool:
        """Cut off a connection that was lost at its first step; there is always the primary.

        Who lost two goes there: replicas that answer and then break do not keep a session busy.
        """
        for replica in self._replicas.members:
            if replica.pool.has_lent(connection):
                if not replica.pool.give_up(connection, error):
                    replica.leave_out(error)
                self._is_at_primary = self._has_lost
                self._has_lost = True
                return True
        return self._primary.give_up(connection, error)

    def discard(self, connection: Connection) -> None:
        """Cut a connection on loan off, at once."""
        self._lender(connection).discard(connection)

    def forsake(self, connection: Connection) -> None:
        """As `discard`, from a finaliser in any thread."""
        self._lender(connection).forsake(connection)


def _left(deadline: float) -> float:
    return max(0.0, deadline - anyio.current_time())


async def _reaches(connection: Connection, position: str, late: float) -> bool:
    """Wait until a replica has reached a position; False if that takes too long."""
    if not isinstance(connection, Positioned):
        return False
    pause = FIRST_LOOK
    while True:
        reached = await connection.has_reached(position)
        left = late - anyio.current_time()
        if reached is None or reached or left <= 0:
            return bool(reached)
        await anyio.sleep(min(pause, left))
        pause = min(LONGEST_LOOK, 2 * pause)
