"""A database: the driver a URL names, its dialect, and the pool of its connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, final

import anyio

from uow.allowed import FLAG, SECONDS, SOME_SECONDS, Allowed, check_settings, whole
from uow.drivers.base import ChecksPositions, Connection, Driver, DriverFactory, Positioned
from uow.errors import (
    DriverError,
    Phase,
    PoolClosedError,
    QueryError,
    UowError,
    ValidationError,
)
from uow.pool import Lender, Pool, Replica, Replicas, Route, first_step
from uow.schema.tables import create_tables, drop_tables
from uow.url import URL, parse_url

if TYPE_CHECKING:
    from uow.dialects.base import Dialect
    from uow.statement import Sendable

__all__ = ["Database", "connect", "default_database"]

ENTRY_POINTS: Final = "uow.drivers"
"""The entry point group in which packages name their drivers, by URL scheme."""

_BUILT_IN: Final = {
    "mariadb": "uow.drivers.mysql:create",
    "memory": "uow.drivers.memory:create",
    "mongodb": "uow.drivers.pymongo:create",
    "mongodb+motor": "uow.drivers.motor:create",
    "mongodb+motor+srv": "uow.drivers.motor:create",
    "mongodb+srv": "uow.drivers.pymongo:create",
    "postgres": "uow.drivers.asyncpg:create",
    "postgres+asyncpg": "uow.drivers.asyncpg:create",
    "postgresql": "uow.drivers.asyncpg:create",
    "postgresql+asyncpg": "uow.drivers.asyncpg:create",
    "sqlite": "uow.drivers.sqlite:create",
}
"""What ships with the library: found without a look at every installed package's metadata."""

_EXTRAS: Final = {
    "mariadb": "mysql",
    "mongodb": "mongodb",
    "mongodb+motor": "motor",
    "mongodb+motor+srv": "motor",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "sqlite": "sqlite",
}
"""The extra of this distribution that brings a driver's client library."""

DEFAULT_POOL_MAX: Final = 10

DEFAULT_POOL_WAITERS: Final = 10_000

_ALLOWED: Final[Mapping[str, Allowed]] = MappingProxyType(
    {
        "default": FLAG,
        "pool_min": whole("of connections", 0),
        "pool_max": whole("of connections", 0).or_none(),
        "pool_timeout": SECONDS,
        "pool_lifetime": SECONDS,
        "pool_idle_check": SECONDS,
        "pool_waiters": whole("of tasks", 0).or_none(),
        "replica_timeout": SOME_SECONDS,
        "replica_wait": SECONDS,
        "commit_timeout": SOME_SECONDS,
        "cleanup_timeout": SOME_SECONDS,
        "atomic": FLAG,
    }
)
"""What each argument of `Database` may be; drivers look at theirs themselves."""


@final
class Database:
    """One database and its connections.

    Open it with `async with`, or with `open()` and `aclose()`.

    Args:
        url: where it is; `uow.url.parse_url` shows the forms.
        replicas: where copies of it are that can be read, as URLs of the same kind. Sessions that
            are `read_only` read there, each on one of them; a replica that does not answer is left
            out for a while, and with none left they read from the primary. Each has a pool of its
            own with the same options, and is opened and closed with the database.
        default: whether sessions use it that name no database, from its opening to its end.
        pool_min: how many connections are opened at once.
        pool_max: how many there may be, ten by default; never more than the store allows.
        pool_timeout: seconds a task waits for a connection.
        pool_lifetime: seconds after which a connection is replaced, give or take a tenth.
        pool_idle_check: seconds of idleness after which a connection is tested before use.
        pool_waiters: how many tasks may wait for a connection; more are refused at once. None is
            no limit.
        replica_timeout: seconds a replica may take to open a connection, or to answer a test,
            before another is asked.
        replica_wait: seconds a replica may take to catch up with a session's `read_after` before
            another is asked, and in the end the primary.
        commit_timeout: seconds a COMMIT may take before its outcome is given up as unknown.
        cleanup_timeout: seconds a ROLLBACK, or a reset on return to the pool, may take before the
            connection is cut off.
        atomic: False for a server of MongoDB's that stands alone and has no transactions: no unit
            is one, unless a session says otherwise; see `Session`.
        **options: the driver's own, as also written in the query of the URL; for replicas too.

    Attributes:
        atomic: whether units of sessions that do not say are transactions.
        kept: what others make for this database, by who did (sessions their codecs).
        observers: called with everything sessions send: statements, and the words of
            transactions as text. For logs and tests; see `uow.debug.statements`.

    Raises:
        ValidationError: the URL or an option is wrong.
        DriverError: no driver has that scheme, or its client library is not installed.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        replicas: Sequence[str | URL] = (),
        default: bool = False,
        pool_min: int = 0,
        pool_max: int | None = None,
        pool_timeout: float = 30.0,
        pool_lifetime: float = 3600.0,
        pool_idle_check: float = 30.0,
        pool_waiters: int | None = DEFAULT_POOL_WAITERS,
        replica_timeout: float = 2.0,
        replica_wait: float = 1.0,
        commit_timeout: float = 30.0,
        cleanup_timeout: float = 5.0,
        atomic: bool = True,
        **options: Any,
    ) -> None:
        given: dict[str, object] = {
            "default": default,
            "pool_min": pool_min,
            "pool_max": pool_max,
            "pool_timeout": pool_timeout,
            "pool_lifetime": pool_lifetime,
            "pool_idle_check": pool_idle_check,
            "pool_waiters": pool_waiters,
            "replica_timeout": replica_timeout,
            "replica_wait": replica_wait,
            "commit_timeout": commit_timeout,
            "cleanup_timeout": cleanup_timeout,
            "atomic": atomic,
        }
        check_settings("Database: ", given, _ALLOWED, ValidationError)
        self.url = parse_url(url)
        self.commit_timeout = commit_timeout
        self.cleanup_timeout = cleanup_timeout
        self.observers: list[Callable[[Sendable | str], None]] = []
        self.kept: dict[Any, Any] = {}
        driver = options.pop("_driver", None)
        self.driver: Driver = driver or _driver_factory(self.url.scheme)(self.url, options)
        self.atomic = atomic
        if not atomic and not self.dialect.capabilities.documents:
            raise ValidationError(
                f"atomic=False is for document stores: units of {self.url.scheme}:// are "
                "transactions"
            )
        self._is_default = default
        min_size, max_size = _sizes(pool_min, pool_max, self.driver.max_connections)

        def pool_of(driver: Driver, url: URL, answer_timeout: float | None) -> Pool:
            return Pool(
                driver.connect,
                max_size=max_size,
                min_size=min_size,
                acquire_timeout=pool_timeout,
                max_lifetime=pool_lifetime,
                idle_check=pool_idle_check,
                max_waiters=pool_waiters,
                cleanup_budget=cleanup_timeout,
                answer_timeout=answer_timeout,
                is_patient=answer_timeout is None,
                name=str(url),
            )

        self._pool = pool_of(self.driver, self.url, None)
        self._replica_drivers: list[Driver] = []
        members: list[Replica] = []
        for replica_url in _replica_urls(replicas):
            driver = _driver_factory(replica_url.scheme)(replica_url, options)
            if type(driver) is not type(self.driver):
                raise ValidationError(
                    f"a replica of {self.url.scheme}:// cannot be {replica_url.scheme}://: it is a"
                    " copy, and read in the same way"
                )
            self._replica_drivers.append(driver)
            members.append(Replica(replica_url, pool_of(driver, replica_url, replica_timeout)))
        self._replicas = Replicas(members, wait=replica_wait)
        self._is_open = False
        self._is_closed = False

    @classmethod
    def over(
        cls, database: Any, *, default: bool = False, pool_max: int = 100, atomic: bool = True
    ) -> Self:
        """Make a database of one that a user has opened with PyMongo or Motor, and will close.

        Args:
            database: an `AsyncDatabase` of PyMongo, or Motor's database for asyncio.
            default: as for others.
            pool_max: how many units may work at a time; the client has a pool of its own.
            atomic: as for others.

        Raises:
            ValidationError: it is neither.
        """
        client = type(database).__module__.partition(".")[0]
        if client not in {"pymongo", "motor"} or not hasattr(database, "codec_options"):
            raise ValidationError(
                "a database of the user's is an AsyncDatabase of PyMongo, or one of Motor, not a "
                f"{type(database).__name__}"
            )
        driver: Driver = import_module(f"uow.drivers.{client}").over(database)
        url = URL(scheme="mongodb", database=str(database.name))
        return cls(url, default=default, pool_max=pool_max, atomic=atomic, _driver=driver)

    def __repr__(self) -> str:
        state = "open" if self._is_open else "closed" if self._is_closed else "not open"
        return f"<Database {self.url} {state}>"

    @property
    def dialect(self) -> Dialect:
        """The language its store speaks."""
        dialect: Dialect = self.driver.dialect
        return dialect

    @property
    def pool(self) -> Pool:
        """Its connections.

        Raises:
            PoolClosedError: the database is not open.
        """
        if not self._is_open:
            state = "is closed" if self._is_closed else "was never opened"
            raise PoolClosedError(
                f"{self.url} {state}: use `async with Database(...)`, or `await connect(...)`"
            )
        return self._pool

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """Its replicas, in the order in which they were given: `url`, `pool`, `is_sound`."""
        return self._replicas.members

    def lender(self, *, read_only: bool, read_after: str | None = None) -> Lender:
        """Give who lends a session its connections: the pool, or a route to the replicas.

        Args:
            read_only: the session may read from a replica.
            read_after: the position a replica must have reached.

        Raises:
            PoolClosedError: the database is not open.
            ValidationError: the store has positions, and that is none.
        """
        pool = self.pool
        if read_after is not None and isinstance(self.driver, ChecksPositions):
            self.driver.check_position(read_after)
        if not read_only or not self._replicas.members:
            return pool
        return Route(self._replicas, pool, read_after or None)

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not closed since."""
        return self._is_open

    @property
    def is_closed(self) -> bool:
        """Whether it was closed. It cannot be opened again."""
        return self._is_closed

    async def open(self) -> Self:
        """Open it: the first connections, and one in any case, so that a wrong URL shows now.

        A replica that does not answer keeps nobody from opening: it is left out, and tried later.

        Raises:
            PoolClosedError: it was closed before.
            UowError: why the store cannot be reached.
        """
        if self._is_open:
            return self
        if self._is_closed:
            raise PoolClosedError(f"{self.url} is closed; make a new Database")
        try:
            await self._pool.open()
            if not self._pool.min_size:
                connection = await self._pool.acquire()
                await self._pool.release(connection)
            await self._replicas.open()
        except BaseException:
            for pool in self._pools():
                pool.terminate_all()
            self._is_closed = True
            await self._close_drivers()
            raise
        self._is_open = True
        if self._is_default:
            _defaults.append(self)
        return self

    async def aclose(self, timeout: float = 10.0) -> None:
        """Close it. May be called twice.

        Args:
            timeout: seconds in which sessions may give their connections back before these are
                cut off.
        """
        self._is_open = False
        self._is_closed = True
        if self in _defaults:
            _defaults.remove(self)
        try:
            async with anyio.create_task_group() as tasks:
                for pool in self._pools():
                    tasks.start_soon(pool.aclose, timeout)
        finally:
            await self._close_drivers()

    def _pools(self) -> list[Pool]:
        return [self._pool, *(replica.pool for replica in self._replicas.members)]

    async def _close_drivers(self) -> None:
        async with AsyncExitStack() as closing:  # each of them, whatever becomes of the others
            for driver in (self.driver, *self._replica_drivers):
                closing.push_async_callback(driver.aclose)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def position(self) -> str:
        """Ask how far the store has come, for a session that must not read what is older.

        ```python
        await session.commit()
        after = await db.position()
        async with Session(db, read_only=True, read_after=after) as session: ...
        ```

        The text means nothing by itself; it may travel, in a cookie for one. It costs a round trip,
        none where the store has neither positions nor replicas.

        Raises:
            QueryError: there are replicas, and the store cannot say how far these are.
            UowError: the store cannot be reached.
        """

        async def ask(connection: Connection) -> str:
            if isinstance(connection, Positioned):
                return await connection.position()
            if self._replicas.members:
                raise QueryError(f"{self.url} cannot say how far its replicas are")
            return ""

        pool = self.pool
        try:
            connection, position = await first_step(pool, ask)
        except UowError as error:
            error.phase = error.phase or Phase.QUERY
            raise
        await pool.release(connection)
        return position

    async def create_all(self, models: Iterable[type] | None = None) -> None:
        """Create the tables of mapped classes, referenced ones first, in one transaction.

        Args:
            models: the classes; every mapped class if None. Tables that exist are left alone.

        Raises:
            MappingError: a class is not mapped, or the store cannot have such a table.
        """
        await create_tables(self.pool, self.dialect, models)

    async def drop_all(self, models: Iterable[type] | None = None) -> None:
        """Drop the tables of mapped classes, referencing ones first, in one transaction.

        Args:
            models: the classes; every mapped class if None. Tables that are missing are no error.
        """
        await drop_tables(self.pool, self.dialect, models)


async def connect(
    url: str | URL,
    *,
    replicas: Sequence[str | URL] = (),
    default: bool = False,
    pool_min: int = 0,
    pool_max: int | None = None,
    pool_timeout: float = 30.0,
    pool_lifetime: float = 3600.0,
    pool_idle_check: float = 30.0,
    pool_waiters: int | None = DEFAULT_POOL_WAITERS,
    replica_timeout: float = 2.0,
    replica_wait: float = 1.0,
    commit_timeout: float = 30.0,
    cleanup_timeout: float = 5.0,
    **options: Any,
) -> Database:
    """Open a database; `aclose` it in the end. The arguments are those of `Database`."""
    database = Database(
        url,
        replicas=replicas,
        default=default,
        pool_min=pool_min,
        pool_max=pool_max,
        pool_timeout=pool_timeout,
        pool_lifetime=pool_lifetime,
        pool_idle_check=pool_idle_check,
        pool_waiters=pool_waiters,
        replica_timeout=replica_timeout,
        replica_wait=replica_wait,
        commit_timeout=commit_timeout,
        cleanup_timeout=cleanup_timeout,
        **options,
    )
    return await database.open()


_defaults: list[Database] = []


def default_database() -> Database:
    """Give the database opened last with `default=True`.

    Raises:
        PoolClosedError: there is none.
    """
    if not _defaults:
        raise PoolClosedError(
            "no default database is open: name one, as in Session(db), or open one with"
            " Database(url, default=True)"
        )
    return _defaults[-1]


def _sizes(least: int, most: int | None, limit: int | None) -> tuple[int, int]:
    """Give the least and the greatest size of a pool, within what the store allows.

    A URL is often swapped for that of a memory database in tests, with all its options; so what
    exceeds the store's limit is no error.
    """
    most = DEFAULT_POOL_MAX if most is None else most
    if limit is not None:
        least, most = min(least, limit), min(most, limit)
    if most < 1 or least > most:
        raise ValidationError(
            f"Database: pool_min={least} and pool_max={most} do not fit: pool_min <= pool_max,"
            " and at least one connection"
        )
    return least, most


def _replica_urls(given: Sequence[str | URL]) -> list[URL]:
    if isinstance(given, (str, URL)):
        raise ValidationError("replicas is a list of database URLs, not a single one")
    return [parse_url(url) for url in given]


def _driver_factory(scheme: str) -> DriverFactory:
    """Find who makes drivers for a scheme. Our own come first: nobody takes their names."""
    try:
        if scheme in _BUILT_IN:
            module, _, name = _BUILT_IN[scheme].partition(":")
            built_in: DriverFactory = getattr(import_module(module), name)
            return built_in
        points = entry_points(group=ENTRY_POINTS)
        for point in points:
            if point.name == scheme:
                found: DriverFactory = point.load()
                return found
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(scheme) or _EXTRAS.get(scheme.partition("+")[0])
        remedy = f"pip install 'uow[{extra}]'" if extra else f"pip install {error.name}"
        raise DriverError(
            f"{scheme}:// needs the package {error.name}, which is not installed: {remedy}"
        ) from error
    known = ", ".join(f"{name}://" for name in sorted({*_BUILT_IN, *(p.name for p in points)}))
    raise DriverError(f"no driver is installed for {scheme}://; there are {known}")
