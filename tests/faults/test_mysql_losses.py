"""Connections to MariaDB and MySQL, lost, stalled or cancelled at each of their messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
import pytest

from tests.faults.messages import Message, Side
from tests.faults.models import Account, Entry
from tests.faults.mysql import MySQLWorld
from tests.faults.mysql_messages import MySQLFraming, answers
from tests.faults.programs import PROGRAMS
from tests.faults.proxy import Call, Cut, Proxy, Stall, of_kind, runs, sent_by
from tests.faults.steps import WAYS, run_cancelled
from tests.faults.sweeps import check, results
from tests.faults.work import Work
from uow import (
    CommitUnknownError,
    ConnectionLostError,
    Outcome,
    Session,
    StatementTimeoutError,
    sql,
)
from uow.errors import DriverError, Phase

pytestmark = pytest.mark.anyio

asyncio_only = pytest.mark.parametrize("anyio_backend", ["asyncio"])
ways = pytest.mark.parametrize(("anyio_backend", "how"), [w for w in WAYS if w[0] == "asyncio"])

Behind = tuple[MySQLWorld, Proxy]

BEFORE_AND_AFTER: dict[str, Callable[[Message], bool]] = {
    "stored": answers("COMMIT"),
    "not stored": runs("COMMIT"),
}
"""Where a connection is cut so that COMMIT was done and not answered, or never came."""


def packet(number: int, body: bytes) -> bytes:
    """A packet of the protocol."""
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def exchange() -> list[tuple[Side, bytes]]:
    """What is said when a client logs in and runs statements, one packet each."""
    flags = (1 << 24).to_bytes(4, "little")
    prepared = b"\0\7\0\0\0\1\0\1\0\0\0\0"
    return [
        (Side.SERVER, packet(0, b"\x0a8.0\0")),
        (Side.CLIENT, packet(1, flags + b"\0" * 40)),
        (Side.SERVER, packet(2, b"\x01\4")),
        (Side.CLIENT, packet(3, b"secret\0")),
        (Side.SERVER, packet(4, b"\0\0\0\2\0\0\0")),
        (Side.CLIENT, packet(0, b"\x03COMMIT")),
        (Side.SERVER, packet(1, b"\0\0\0\2\0\0\0")),
        (Side.CLIENT, packet(0, b"\x16SELECT ?")),
        (Side.SERVER, packet(1, prepared)),
        (Side.SERVER, packet(2, b"\3def?")),
        (Side.SERVER, packet(3, b"\3def?")),
        (Side.CLIENT, packet(0, b"\x17\7\0\0\0\0")),
        (Side.SERVER, packet(1, b"\1")),
        (Side.SERVER, packet(2, b"\3def?")),
        (Side.SERVER, packet(3, b"\0\0\1x")),
        (Side.SERVER, packet(4, b"\xfe\0\0\2\0\0\0")),
        (Side.CLIENT, packet(0, b"\x19\7\0\0\0")),
        (Side.CLIENT, packet(0, b"\x0e")),
        (Side.SERVER, packet(1, b"\xff\x15\4#28000no")),
        (Side.CLIENT, packet(0, b"\1")),
    ]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_packets_however_they_are_cut(anyio_backend: str, size: int) -> None:
    """Packets are found again however the network cuts the bytes, and none is lost."""
    framing = MySQLFraming()
    found: list[Message] = []
    for side, data in exchange():
        for start in range(0, len(data), size):
            found += framing.feed(side, data[start : start + size])

    assert [(one.side, one.data) for one in found] == exchange()
    assert [(one.kind, one.text) for one in found] == [
        ("Greeting", ""),
        ("Login", ""),
        ("Authentication", ""),
        ("Password", ""),
        ("OK", ""),
        ("Query", "COMMIT"),
        ("OK", "COMMIT"),
        ("Prepare", "SELECT ?"),
        ("Prepared", "SELECT ?"),
        ("Column", "SELECT ?"),
        ("Column", "SELECT ?"),
        ("Execute", "SELECT ?"),
        ("Columns", "SELECT ?"),
        ("Column", "SELECT ?"),
        ("Row", "SELECT ?"),
        ("EndOfRows", "SELECT ?"),
        ("CloseStatement", ""),
        ("Ping", ""),
        ("Error", "1045"),
        ("Quit", ""),
    ]


@asyncio_only
async def test_packets_of_a_server(behind_proxy: Behind) -> None:
    """What is said in a real unit is understood: nothing is unknown, every answer has its end."""
    world, proxy = behind_proxy
    async with Session(world.database) as session:
        work = Work(world, session)
        await work.prepare()
        await session.commit()
        async with session.stream(session.find(Account)) as rows:
            assert [row async for row in rows]

    assert not proxy.count(of_kind("Unknown", "Error"))
    ended = proxy.count(answers(""))
    prepared = proxy.count(of_kind("Prepared"))
    asked = [m for m in proxy.log if m.side is Side.CLIENT and m.kind in ANSWERED]
    assert ended + prepared == len(asked)


ANSWERED = {"Query", "Execute", "Prepare", "Ping", "Fetch", "SetOption", "ResetConnection", "Login"}


# -- F20, F21: COMMIT


@asyncio_only
@pytest.mark.parametrize("where", BEFORE_AND_AFTER)
@pytest.mark.parametrize("verified", [True, False])
async def test_lost_acknowledgement(behind_proxy: Behind, where: str, verified: bool) -> None:
    """F20, F21: a COMMIT without an answer is unknown, not failed; a token tells, if there is one.

    Nothing is run again by itself.
    """
    world, proxy = behind_proxy
    async with Session(world.database, verify_commit=verified) as session:
        ann = world.see(await session.get_one(Account, 1))
        ann.amount = 11
        session.add(world.see(Account(email="new@x.org", name="New")))
        proxy.before(BEFORE_AND_AFTER[where], Cut())
        with pytest.raises(CommitUnknownError) as caught:
            await session.commit()
        assert proxy.pending == 0
        error = caught.value
        known = Outcome.APPLIED if where == "stored" else Outcome.NOT_APPLIED

        assert error.outcome is session.outcome is Outcome.UNKNOWN
        assert (error.phase, error.retryable) == (Phase.COMMIT, False)
        assert await error.verify() is (known if verified else Outcome.UNKNOWN)
    assert ("new@x.org" in world.rows()) is (where == "stored")
    assert proxy.count(runs("COMMIT")) == (where == "stored")
    world.assert_quiet()


@asyncio_only
async def test_one_statement_without_an_answer(behind_proxy: Behind) -> None:
    """F20: a unit of one statement is its own COMMIT, and as unknown when its answer is lost."""
    world, proxy = behind_proxy
    async with Session(world.database) as session:
        session.add(Entry(code="first", account_id=1))
        await session.commit()  # the statement is prepared
        session.add(Entry(code="second", account_id=1))
        proxy.before(answers("INSERT"), Cut())
        with pytest.raises(CommitUnknownError):
            await session.commit()

        assert session.outcome is Outcome.UNKNOWN
    assert "second" in world.rows()
    world.assert_quiet()


# -- F23, F54: before COMMIT


@asyncio_only
@pytest.mark.parametrize("side", Side)
async def test_lost_at_any_message_of_a_flush(behind_proxy: Behind, side: Side) -> None:
    """F23, F54: cut at any message before COMMIT: not applied, 0 rows, pending; then it works."""
    world, proxy = behind_proxy
    # The packets of one answer are one moment; every third is enough.
    number, step = 0, 1 if side is Side.CLIENT else 3
    errors: list[ConnectionLostError] = []
    while True:
        number += step
        world.reset()
        async with Session(world.database) as session:
            work = Work(world, session)
            await work.prepare()
            proxy.clear()
            proxy.before(sent_by(side), Cut(), nth=number)
            try:
                await session.flush()
            except ConnectionLostError as error:
                errors.append(error)
                work.assert_pending()
            if proxy.pending:
                await session.rollback()
                break
            proxy.clear()
            await session.commit()
            assert session.outcome is Outcome.APPLIED
            work.assert_stored()
        world.assert_quiet()
    assert len(errors) > 2
    assert {error.outcome for error in errors} == {Outcome.NOT_APPLIED}
    assert all(error.retryable and error.__cause__ is not None for error in errors)


@asyncio_only
async def test_lost_at_any_message_before_commit(behind_proxy: Behind) -> None:
    """F23: the same for a whole unit: up to COMMIT a loss is "not applied", from there unknown."""
    world, proxy = behind_proxy

    async def unit(session: Session) -> None:
        async with session:
            ann = world.see(await session.get_one(Account, 1))
            ann.amount = 11
            session.add(world.see(Entry(code="two", account_id=1)))
            await session.flush()
            world.see(*await session.find(Account).to_list())
            await session.commit()

    number = 0
    errors: list[ConnectionLostError] = []
    while True:
        number += 1
        world.reset()
        await unit(Session(world.database))  # all is prepared
        world.reset()
        session = Session(world.database)
        proxy.clear()
        proxy.before(sent_by(Side.CLIENT), Cut(), nth=number)
        try:
            await unit(session)
        except ConnectionLostError as error:
            errors.append(error)
            assert proxy.count(runs("COMMIT")) == 0
            assert world.rows()["ann@x.org"][1] == 10
        except CommitUnknownError:
            assert world.rows()["ann@x.org"][1] == 10
            break
        world.assert_agrees()
        world.assert_quiet()
        if session.outcome is Outcome.APPLIED:
            # A connection that was lost before the unit began was replaced.
            assert world.rows()["ann@x.org"][1] == 11
        assert proxy.pending == 0
    assert len(errors) == 3
    assert {error.outcome for error in errors} == {Outcome.NOT_APPLIED}
    world.assert_quiet()


# -- F25: nobody there


@asyncio_only
async def test_stalled_at_any_message_of_a_flush(behind_proxy: Behind) -> None:
    """F25, R16: a statement's own deadline ends a flush into a black hole; then it works.

    The connection is closed, nothing is stored, and what was to be done still is.
    """
    world, proxy = behind_proxy
    other = world.again(command_timeout=0.1)
    number = 0
    seen: list[Exception] = []
    async with other.database:
        while True:
            number += 2
            other.reset()
            async with Session(other.database) as session:
                work = Work(other, session)
                await work.prepare()
                proxy.clear()
                proxy.before(sent_by(Side.CLIENT), Stall(), nth=number)
                try:
                    with anyio.fail_after(5):
                        await session.flush()
                except (StatementTimeoutError, ConnectionLostError) as error:
                    seen.append(error)
                    proxy.resume()
                    work.assert_pending()
                if proxy.pending:
                    await session.rollback()
                    break
                proxy.clear()
                await session.commit()
                work.assert_stored()
            other.assert_quiet()
    assert len(seen) > 2


@asyncio_only
async def test_nobody_there_in_commit(behind_proxy: Behind) -> None:
    """F25, R3: a COMMIT into a black hole ends with its budget, and is unknown."""
    world, proxy = behind_proxy
    async with Session(world.database) as session:
        (await session.get_one(Account, 1)).amount = 11
        await session.flush()
        proxy.before(runs("COMMIT"), Stall())
        start = anyio.current_time()
        with pytest.raises(CommitUnknownError, match=r"did not end within 0\.5 seconds"):
            await session.commit()
        assert anyio.current_time() - start < 2
    proxy.cut()
    assert world.rows()["ann@x.org"][1] == 10
    world.assert_quiet()


@asyncio_only
@pytest.mark.parametrize("nth", [1, 2])
async def test_nobody_there_when_connecting(behind_proxy: Behind, nth: int) -> None:
    """F05: a server that goes silent while it lets us in ends with the deadline of connecting."""
    world, proxy = behind_proxy
    other = world.again(connect_timeout=0.3)
    proxy.before(sent_by(Side.SERVER), Stall(), nth=nth)
    with anyio.fail_after(5), pytest.raises(DriverError, match="did not answer within"):
        async with other.database, Session(other.database) as session:
            await session.execute(sql("SELECT 1"))
    proxy.resume()
    world.assert_quiet()


# -- F01: cancelled


@ways
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", ["one_of_everything", "streamed", "one_insert"])
async def test_cancelled_at_any_message(
    behind_proxy: Behind, sessions: list[Session], *, name: str, side: Side, how: str
) -> None:
    """F01: whichever message is under way, a unit is stored whole or not at all; all is clean."""
    world, proxy = behind_proxy
    program = PROGRAMS[name]
    allowed = await results(world, program)
    loop = asyncio.get_running_loop()
    # The packets of one answer are one moment.
    number, step = 0, 9 if name == "one_of_everything" else 4
    while True:
        number += step
        world.reset()
        sessions.clear()
        proxy.clear()

        def arm(cancel: Callable[[], object], number: int = number) -> None:
            proxy.before(sent_by(side), Call(lambda: _done(loop, cancel)), nth=number)

        run = await run_cancelled(program(world), how, arm=arm)
        if proxy.pending:
            assert run.error is None
            break
        assert run.cancelled, f"the cancellation at message {number} was swallowed"
        await check(world, run, sessions, allowed)
    assert world.rows() == allowed[1]


def _done(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> None:
    """Do something in the loop of the test, and wait for it."""
    done = asyncio.run_coroutine_threadsafe(_soon(act), loop)
    done.result(1)


async def _soon(act: Callable[[], object]) -> None:
    act()
