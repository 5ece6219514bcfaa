"""TLS on the way to PostgreSQL: who answers must be who was asked for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
import trustme

from uow.drivers._asyncpg_options import AsyncpgOptions
from uow.drivers.asyncpg import AsyncpgDriver
from uow.drivers.base import PLAIN
from uow.errors import DriverError
from uow.statement import Statement

pytestmark = pytest.mark.anyio

QUERY = Statement("SELECT 1", reads=True)


@pytest.fixture
def anyio_backend() -> str:
    """Asyncpg runs under asyncio alone."""
    return "asyncio"


@attrs.frozen
class Encrypted:
    """A place in front of the server that speaks TLS.

    Attributes:
        port: where it listens, on the loopback.
        encrypted: how many connections came in by TLS; more of them than are open are requests to
            cancel.
    """

    port: int
    encrypted: list[bool]


@asynccontextmanager
async def encrypting(host: str, port: int, context: ssl.SSLContext) -> AsyncIterator[Encrypted]:
    """Take connections by TLS and pass on what they say to the server in the clear."""
    seen: list[bool] = []
    tasks: set[asyncio.Task[Any]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(8)  # SSLRequest
            writer.write(b"S")
            await writer.start_tls(context)
            seen.append(True)
            above, below = await asyncio.open_connection(host, port)
            await asyncio.gather(pump(reader, below), pump(above, writer))
        except (OSError, EOFError):
            seen.append(False)
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(serve(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield Encrypted(server.sockets[0].getsockname()[1], seen)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    """An authority, and the file with its certificate."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "authority.pem")
    return made, str(tmp_path / "authority.pem")


@pytest.fixture
def connect_to(
    postgresql_driver: Callable[..., AsyncpgDriver],
) -> Callable[..., AsyncpgDriver]:
    """Make a driver for another port of this machine, with options."""
    known = postgresql_driver()

    def make(port: int, **options: Any) -> AsyncpgDriver:
        url = attrs.evolve(known.url, hosts=(("localhost", port),), query={})
        return AsyncpgDriver(url, AsyncpgOptions.parse(options))

    return make


def context_of(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """What a server has that an authority calls by a name."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def place_of(driver: AsyncpgDriver) -> tuple[str, int]:
    """Where the server is."""
    host, port = driver.url.hosts[0]
    assert port is not None
    return host, port


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require", "prefer", None])
async def test_the_right_server(
    postgresql_driver: Callable[..., AsyncpgDriver],
    connect_to: Callable[..., AsyncpgDriver],
    authority: tuple[trustme.CA, str],
    mode: str | None,
) -> None:
    """D11: who proves to be the host asked for is spoken to, and hears cancellations."""
    ca, file = authority
    options: dict[str, Any] = {"sslrootcert": file}
    if mode is not None:
        options["sslmode"] = mode
    where = place_of(postgresql_driver())
    async with encrypting(*where, context_of(ca, "localhost")) as place:
        connection = await connect_to(place.port, **options).connect()
        assert await connection.fetch(QUERY) == [(1,)]
        with anyio.move_on_after(0.1):
            await connection.fetch(Statement("SELECT pg_sleep(30)", reads=True))

        assert not connection.is_closed
        assert await connection.fetch(QUERY) == [(1,)]
        assert await connection.begin_and_fetch(PLAIN, QUERY) == [(1,)]
        assert connection.in_transaction
        await connection.rollback()
        await connection.aclose()
        assert place.encrypted == [True, True]


async def test_a_server_nobody_vouches_for(
    postgresql_driver: Callable[..., AsyncpgDriver],
    connect_to: Callable[..., AsyncpgDriver],
    authority: tuple[trustme.CA, str],
) -> None:
    """D11: a certificate of another authority is refused, also by the authorities of the system."""
    where = place_of(postgresql_driver())
    async with encrypting(*where, context_of(trustme.CA(), "localhost")) as place:
        for options in (
            {"sslmode": "verify-full"},
            {"sslmode": "verify-full", "sslrootcert": authority[1]},
            {"sslmode": "require", "sslrootcert": authority[1]},
        ):
            with pytest.raises(DriverError, match="CERTIFICATE_VERIFY_FAILED"):
                await connect_to(place.port, **options).connect()


async def test_a_server_of_another_name(
    postgresql_driver: Callable[..., AsyncpgDriver],
    connect_to: Callable[..., AsyncpgDriver],
    authority: tuple[trustme.CA, str],
) -> None:
    """D11: `verify-full` looks at the name, `verify-ca` does not."""
    ca, file = authority
    where = place_of(postgresql_driver())
    async with encrypting(*where, context_of(ca, "other.example.org")) as place:
        with pytest.raises(DriverError, match="CERTIFICATE_VERIFY_FAILED"):
            await connect_to(place.port, sslmode="verify-full", sslrootcert=file).connect()
        connection = await connect_to(place.port, sslmode="verify-ca", sslrootcert=file).connect()
        assert await connection.fetch(QUERY) == [(1,)]
        await connection.aclose()


async def test_a_server_without_tls(postgresql_driver: Callable[..., AsyncpgDriver]) -> None:
    """A server that cannot encrypt is refused where that was asked for."""
    with pytest.raises(DriverError, match=r"speaks no TLS.*sslmode=disable.*insecure_tls"):
        await postgresql_driver(sslmode="require").connect()
    connection = await postgresql_driver(sslmode="prefer").connect()
    assert await connection.fetch(QUERY) == [(1,)]
    await connection.aclose()
