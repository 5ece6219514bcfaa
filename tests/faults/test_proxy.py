"""The proxy and the pooler themselves: what they pass on, what they do to it, and to whom."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from tests.faults.messages import Message, PostgreSQLFraming, Side
from tests.faults.pooler import Pooler, pooling
from tests.faults.postgresql import Address
from tests.faults.proxy import (
    Call,
    Cut,
    Delay,
    HalfClose,
    Proxy,
    Stall,
    completed,
    everything,
    of_kind,
    ready,
    running,
    runs,
    sent_by,
)

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

STARTUP = b"\0\0\0\x10\0\3\0\0user\0me\0"


@pytest.fixture
def proxy(address: Address) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with running(address.host, address.port) as proxy:
        yield proxy


async def connect(proxy: Proxy | Pooler, address: Address, **options: Any) -> Any:
    """Open a connection through the proxy."""
    return await asyncpg.connect(
        host=proxy.host,
        port=proxy.port,
        user=address.user,
        password=address.password,
        database=address.database,
        ssl=False,
        timeout=5,
        **options,
    )


def exchange() -> list[tuple[Side, bytes]]:
    """What is said when a client logs in and runs a statement, one message each."""
    return [
        (Side.CLIENT, b"\0\0\0\x08\x04\xd2\x16\x2f"),
        (Side.SERVER, b"N"),
        (Side.CLIENT, STARTUP),
        (Side.SERVER, b"R\0\0\0\x08\0\0\0\0"),
        (Side.SERVER, b"Z\0\0\0\5I"),
        (Side.CLIENT, b"P\0\0\0\x13one\0SELECT 1\0\0\0"),
        (Side.CLIENT, b"B\0\0\0\x0d\0one\0\0\0\0\0"),
        (Side.CLIENT, b"E\0\0\0\x09\0\0\0\0\0"),
        (Side.CLIENT, b"S\0\0\0\4"),
        (Side.SERVER, b"C\0\0\0\x0dSELECT 1\0"),
        (Side.SERVER, b"E\0\0\0\x0dC40001\0\0\0"),
        (Side.SERVER, b"Z\0\0\0\5E"),
        (Side.CLIENT, b"Q\0\0\0\x0bCOMMIT\0"),
        (Side.CLIENT, b"X\0\0\0\4"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_however_they_are_cut(anyio_backend: str, size: int) -> None:
    """Messages are found again however the network cuts the bytes, and none is lost."""
    framing = PostgreSQLFraming()
    found: list[Message] = []
    for side, data in exchange():
        for start in range(0, len(data), size):
            found += framing.feed(side, data[start : start + size])

    assert [(one.side, one.data) for one in found] == exchange()
    assert [(one.kind, one.text) for one in found] == [
        ("SSLRequest", ""),
        ("EncryptionAnswer", "N"),
        ("Startup", ""),
        ("Authentication", ""),
        ("ReadyForQuery", "I"),
        ("Parse", "SELECT 1"),
        ("Bind", "SELECT 1"),
        ("Execute", "SELECT 1"),
        ("Sync", ""),
        ("CommandComplete", "SELECT 1"),
        ("Error", "40001"),
        ("ReadyForQuery", "E"),
        ("Query", "COMMIT"),
        ("Terminate", ""),
    ]


def test_encrypted_is_passed_on_unread(anyio_backend: str) -> None:
    """After the server agreed to encrypt there are no messages to be seen any more."""
    framing = PostgreSQLFraming()
    framing.feed(Side.CLIENT, b"\0\0\0\x08\x04\xd2\x16\x2f")
    framing.feed(Side.SERVER, b"S")
    found = [*framing.feed(Side.CLIENT, b"\x16\x03"), *framing.feed(Side.SERVER, b"\x17")]

    assert [(one.kind, one.data) for one in found] == [
        ("Encrypted", b"\x16\x03"),
        ("Encrypted", b"\x17"),
    ]


async def test_passes_on_and_counts(proxy: Proxy, address: Address) -> None:
    """Everything arrives, long answers too, and is counted by side."""
    connection = await connect(proxy, address)
    proxy.clear()
    text = await connection.fetchval("SELECT repeat($1, 300000)", "x")

    assert text == "x" * 300_000
    assert proxy.count(runs("SELECT")) == 1
    assert proxy.count(completed("SELECT")) + proxy.count(of_kind("PortalSuspended")) == 1
    assert proxy.bytes_from(Side.SERVER) > 300_000 > proxy.bytes_from(Side.CLIENT)
    assert proxy.count() == proxy.count(sent_by(Side.CLIENT)) + proxy.count(sent_by(Side.SERVER))
    assert proxy.open_links == proxy.connections == 1
    await connection.close()


async def test_cut_before_the_answer(proxy: Proxy, address: Address) -> None:
    """Cut at the server's word that it has committed: done, and the client does not know."""
    connection = await connect(proxy, address)
    await connection.execute("CREATE TABLE proxy_cut (id int)")
    try:
        for match, stored in ((completed("COMMIT"), 1), (runs("COMMIT"), 1)):
            if connection.is_closed():
                connection = await connect(proxy, address)
            await connection.execute("BEGIN; INSERT INTO proxy_cut VALUES (1)")
            proxy.before(match, Cut())
            with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
                await connection.execute("COMMIT")
            connection = await connect(proxy, address)

            assert proxy.pending == 0
            assert await connection.fetchval("SELECT count(*) FROM proxy_cut") == stored
    finally:
        await connection.execute("DROP TABLE proxy_cut")
        await connection.close()


async def test_happens_once_at_the_nth(proxy: Proxy, address: Address) -> None:
    """A plan happens at the n-th message that matches, in the connection named, and once."""
    seen: list[str] = []
    first, second = await connect(proxy, address), await connect(proxy, address)
    proxy.before(
        runs("SELECT"), Call(lambda: seen.append(threading.current_thread().name)), nth=2, link=2
    )
    for connection in (first, first, second, second, second):
        await connection.fetchval("SELECT 1")
        if connection is first:
            assert seen == []

    assert len(seen) == 1
    assert seen != [threading.current_thread().name]
    assert proxy.pending == 0
    await first.close()
    await second.close()


async def test_delay_and_latency(proxy: Proxy, address: Address) -> None:
    """A delay holds one message up; latency everything."""
    connection = await connect(proxy, address)
    proxy.before(of_kind("ReadyForQuery"), Delay(0.05))
    times: list[float] = []
    for _ in range(3):
        start = time.monotonic()
        await connection.execute("SELECT 1")
        times.append(time.monotonic() - start)
        proxy.latency = 0.02 if len(times) == 2 else 0

    assert times[0] >= 0.05 > times[1]
    assert times[2] >= 0.04
    await connection.close()


async def test_stall_and_resume(proxy: Proxy, address: Address) -> None:
    """In a stall nothing passes and nobody is told; afterwards what waited comes."""
    connection = await connect(proxy, address)
    proxy.after(runs("SELECT"), Stall())
    waiting = asyncio.ensure_future(connection.fetchval("SELECT 7"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    proxy.stall()
    proxy.resume()

    assert await waiting == 7
    await connection.close()


async def test_half_close(proxy: Proxy, address: Address) -> None:
    """A half-closed connection ends for the one side, and the other can still speak."""
    connection = await connect(proxy, address)
    proxy.before(ready("I"), HalfClose(Side.SERVER))
    with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
        await connection.execute("SELECT 1")

    assert connection.is_closed()
    again = await connect(proxy, address)
    proxy.before(runs("SELECT"), HalfClose(Side.CLIENT))
    with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
        await again.execute("SELECT 1")
    with suppress(asyncpg.PostgresConnectionError):
        await again.close()


async def test_refuse_and_accept(proxy: Proxy, address: Address) -> None:
    """A closed port refuses new connections and leaves the old ones; it can be opened again."""
    connection = await connect(proxy, address)
    proxy.refuse()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await connect(proxy, address)
    assert await connection.fetchval("SELECT 1") == 1
    proxy.accept()
    again = await connect(proxy, address)

    assert await again.fetchval("SELECT 1") == 1
    proxy.cut()
    for one in (connection, again):
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await one.fetchval("SELECT 1")


async def test_reset_and_not_an_end(proxy: Proxy, anyio_backend: str) -> None:
    """A cut is a reset for the client, as of a machine that is gone."""
    with socket.create_connection((proxy.host, proxy.port)) as client:
        client.settimeout(5)
        proxy.before(everything, Cut())
        client.send(STARTUP)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


async def test_pooler_changes_connections(address: Address) -> None:
    """Each transaction of one client is served by another connection, all of it by the same."""
    with pooling(
        address.host, address.port, user=address.user, database=address.database
    ) as pooler:
        connection = await connect(pooler, address, statement_cache_size=0)
        pids = [await connection.fetchval("SELECT pg_backend_pid()") for _ in range(4)]
        async with connection.transaction():
            inside = {await connection.fetchval("SELECT pg_backend_pid()") for _ in range(4)}
        await connection.close()

    assert len(set(pids)) == 3
    assert all(one != two for one, two in pairwise(pids))
    assert len(inside) == 1
    assert pooler.served == 5


async def test_pooler_forgets_prepared_statements(address: Address) -> None:
    """What one transaction prepared by name the next one does not find, as behind pgbouncer."""
    with pooling(
        address.host, address.port, user=address.user, database=address.database
    ) as pooler:
        connection = await connect(pooler, address)
        with pytest.raises(asyncpg.PostgresError):
            for _ in range(4):
                await connection.fetchval("SELECT $1::int", 1)
        await connection.close()


async def test_pooler_cancels(address: Address) -> None:
    """A client's request to cancel reaches the connection that works for it."""
    with pooling(
        address.host, address.port, user=address.user, database=address.database
    ) as pooler:
        connection = await connect(pooler, address, statement_cache_size=0)
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            await connection.execute("SELECT pg_sleep(5)", timeout=0.1)

        assert await connection.fetchval("SELECT 5") == 5
        assert time.monotonic() - start < 3
        await connection.close()
