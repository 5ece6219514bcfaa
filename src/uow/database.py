"""A database: the driver a URL names, its dialect, and the pool of its connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import entry_points
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, final

from uow.drivers.base import DriverFactory
from uow.errors import DriverError, PoolClosedError, ValidationError
from uow.pool import Pool
from uow.schema.tables import create_tables, drop_tables
from uow.url import URL, parse_url

if TYPE_CHECKING:
    from uow.dialects.base import Dialect
    from uow.statement import Many, Statement

__all__ = ["Database", "connect", "default_database"]

ENTRY_POINTS: Final = "uow.drivers"
"""The entry point group in which packages name their drivers, by URL scheme."""

_BUILT_IN: Final = {
    "memory": "uow.drivers.memory:create",
    "sqlite": "uow.drivers.sqlite:create",
}
"""What ships with the library: found without a look at every installed package's metadata."""

_EXTRAS: Final = {"sqlite": "sqlite"}
"""The extra of this distribution that brings a driver's client library."""

DEFAULT_POOL_MAX: Final = 10


@final
class Database:
    """One database and its connections.

    Open it with `async with`, or with `open()` and `aclose()`.

    Args:
        url: where it is; `uow.url.parse_url` shows the forms.
        default: whether sessions use it that name no database, from its opening to its end.
        pool_min: how many connections are opened at once.
        pool_max: how many there may be, ten by default; never more than the store allows.
        pool_timeout: seconds a task waits for a connection.
        pool_lifetime: seconds after which a connection is replaced, give or take a tenth.
        pool_idle_check: seconds of idleness after which a connection is tested before use.
        pool_waiters: how many tasks may wait for a connection. None is no limit.
        commit_timeout: seconds a COMMIT may take before its outcome is given up as unknown.
        cleanup_timeout: seconds a ROLLBACK, or a reset on return to the pool, may take before the
            connection is cut off.
        **options: the driver's own, as also written in the query of the URL.

    Attributes:
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
        default: bool = False,
        pool_min: int = 0,
        pool_max: int | None = None,
        pool_timeout: float = 30.0,
        pool_lifetime: float = 3600.0,
        pool_idle_check: float = 30.0,
        pool_waiters: int | None = None,
        commit_timeout: float = 30.0,
        cleanup_timeout: float = 5.0,
        **options: Any,
    ) -> None:
        self.url = parse_url(url)
        self.commit_timeout = commit_timeout
        self.cleanup_timeout = cleanup_timeout
        self.observers: list[Callable[[Statement | Many | str], None]] = []
        self.driver = _driver_factory(self.url.scheme)(self.url, options)
        self._is_default = default
        limit = self.driver.max_connections
        # A URL is often swapped for that of a memory database in tests, with all its options.
        size = min(DEFAULT_POOL_MAX if pool_max is None else pool_max, limit or 2**31)
        pool_min = min(pool_min, limit or pool_min)
        if size < 1 or pool_min < 0 or pool_min > size:
            raise ValidationError(
                f"pool_min={pool_min} and pool_max={size} do not fit: 0 <= pool_min <= pool_max,"
                " and at least one connection"
            )
        self._pool = Pool(
            self.driver.connect,
            max_size=size,
            min_size=pool_min,
            acquire_timeout=pool_timeout,
            max_lifetime=pool_lifetime,
            idle_check=pool_idle_check,
            max_waiters=pool_waiters,
            cleanup_budget=cleanup_timeout,
            name=str(self.url),
        )
        self._is_open = False
        self._is_closed = False

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
    def is_open(self) -> bool:
        """Whether it was opened and not closed since."""
        return self._is_open

    @property
    def is_closed(self) -> bool:
        """Whether it was closed. It cannot be opened again."""
        return self._is_closed

    async def open(self) -> Self:
        """Open it: the first connections, and one in any case, so that a wrong URL shows now.

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
        except BaseException:
            self._pool.terminate_all()
            self._is_closed = True
            await self.driver.aclose()
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
            await self._pool.aclose(timeout)
        finally:
            await self.driver.aclose()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

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
    default: bool = False,
    pool_min: int = 0,
    pool_max: int | None = None,
    pool_timeout: float = 30.0,
    pool_lifetime: float = 3600.0,
    pool_idle_check: float = 30.0,
    pool_waiters: int | None = None,
    commit_timeout: float = 30.0,
    cleanup_timeout: float = 5.0,
    **options: Any,
) -> Database:
    """Open a database; `aclose` it in the end. The arguments are those of `Database`."""
    database = Database(
        url,
        default=default,
        pool_min=pool_min,
        pool_max=pool_max,
        pool_timeout=pool_timeout,
        pool_lifetime=pool_lifetime,
        pool_idle_check=pool_idle_check,
        pool_waiters=pool_waiters,
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
        extra = _EXTRAS.get(scheme)
        remedy = f"pip install 'uow[{extra}]'" if extra else f"pip install {error.name}"
        raise DriverError(
            f"{scheme}:// needs the package {error.name}, which is not installed: {remedy}"
        ) from error
    known = ", ".join(f"{name}://" for name in sorted({*_BUILT_IN, *(p.name for p in points)}))
    raise DriverError(f"no driver is installed for {scheme}://; there are {known}")
