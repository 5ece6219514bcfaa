"""Streams: rows through a cursor, a batch at a time (Q7, trap 9)."""

from __future__ import annotations

import gc
import weakref
from types import ModuleType

import pytest

from tests.contract.sent import Sent, rows
from uow import (
    ConcurrentUseError,
    Database,
    ObjectStateError,
    QueryError,
    Session,
    SessionClosedError,
    State,
    changes,
    state,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def many(database: Database, models: ModuleType) -> Database:
    """A database with 1,000 notes."""
    async with Session.begin(database) as session:
        session.add_all([models.Note(text=f"n{n:04}", rank=n) for n in range(1000)])
    return database


async def test_stream_gives_every_row(many: Database, models: ModuleType) -> None:
    """A stream gives what `to_list` gives, in order."""
    async with Session(many) as session:
        query = session.find(models.Note, models.Note.rank >= 10).order_by(-models.Note.rank)
        async with session.stream(query, batch_size=7) as stream:
            ranks = [note.rank async for note in stream]

        assert ranks == list(range(999, 9, -1))
        assert many.pool.stats.in_use == 0


async def test_streamed_objects_are_detached(many: Database, models: ModuleType) -> None:
    """Streamed objects do not stay in the session; they can be taken up by hand."""
    async with Session(many) as session:
        kept = []
        async with session.stream(session.find(models.Note)) as stream:
            async for note in stream:
                assert state(note) is State.DETACHED
                if note.rank == 500:
                    kept.append(note)
        assert list(session) == []
        gone = weakref.ref(note)
        del note
        gc.collect()

        assert gone() is None
        kept[0].text = "changed"

        assert changes(kept[0]) == {"text": ("n0500", "changed")}
        session.add(kept[0])
        await session.commit()

    assert ("changed",) in await rows(many, models.Note.text)


async def test_stream_yields_what_is_in_the_map(many: Database, models: ModuleType) -> None:
    """A row whose object is in the session yields that object, changed as it is."""
    async with Session(many) as session:
        mine = await session.find(models.Note, models.Note.rank == 3).one()
        mine.text = "mine"
        async with session.stream(session.find(models.Note)) as stream:
            found = [note async for note in stream if note.rank == 3]

        assert found == [mine]
        assert mine.text == "mine"
        await session.rollback()


async def test_async_for_streams(many: Database, models: ModuleType, sent: Sent) -> None:
    """Trap 9: `async for` reads a batch at a time; leaving early leaves the rest unread."""
    async with Session(many) as session:
        seen = 0
        async for _ in session.find(models.Note):
            seen += 1
            if seen == 10:
                break
        assert seen == 10
        assert sent.words == ["SELECT"]
        gc.collect()
        assert await session.find(models.Note).count() == 1000
    assert many.pool.stats.in_use == 0


async def test_query_can_be_iterated_twice(many: Database, models: ModuleType) -> None:
    """Trap 5: a query iterated twice gives its rows twice, and stays what it was."""
    async with Session(many) as session:
        query = session.find(models.Note, models.Note.rank < 3)
        narrowed = query.filter(models.Note.rank > 0)
        first = [note.rank async for note in query]
        second = [note.rank async for note in query]

        assert first == second == [0, 1, 2]
        assert [note.rank async for note in narrowed] == [1, 2]
        assert len(await query.to_list()) == 3


async def test_rows_are_streamed_too(many: Database, models: ModuleType) -> None:
    """A query for columns streams rows."""
    async with Session(many) as session:
        query = session.find(models.Note).select(models.Note.rank, models.Note.text)
        async with session.stream(query, batch_size=100) as stream:
            found = [row.rank async for row in stream]
        assert found == list(range(1000))
        assert [row.text async for row in query.limit(1)] == ["n0000"]


async def test_stream_left_early(many: Database, models: ModuleType) -> None:
    """Leaving the block closes the cursor, also by an exception; the session goes on."""
    async with Session(many) as session:
        with pytest.raises(KeyError):
            async with session.stream(session.find(models.Note), batch_size=10) as stream:
                async for _ in stream:
                    raise KeyError
        assert many.pool.stats.in_use == 0
        session.add(models.Note(text="new"))
        await session.commit()

    assert ("new",) in await rows(many, models.Note.text)


async def test_stream_in_a_transaction(many: Database, models: ModuleType) -> None:
    """In a transaction a stream reads there, and sees what was flushed."""
    async with Session.begin(many) as session:
        session.add(models.Note(text="new", rank=-1))
        await session.flush()
        async with session.stream(
            session.find(models.Note, models.Note.rank < 1).order_by(models.Note.rank)
        ) as stream:
            assert [note.text async for note in stream] == ["new", "n0000"]


async def test_commit_with_an_open_stream(many: Database, models: ModuleType) -> None:
    """A commit while a stream of its transaction is open is refused; a rollback closes it."""
    async with Session(many) as session:
        session.add(models.Note(text="new"))
        await session.flush()
        async with session.stream(session.find(models.Note), batch_size=10) as stream:
            await anext(stream)
            with pytest.raises(ObjectStateError, match="stream"):
                await session.commit()

            assert session.in_transaction
        await session.commit()

        await session.flush()
        session.add(models.Note(text="undone"))
        await session.flush()
        async with session.stream(session.find(models.Note), batch_size=10) as stream:
            await anext(stream)
            await session.rollback()
            with pytest.raises(SessionClosedError):
                async for _ in stream:
                    pass
    stored = await rows(many, models.Note.text)
    assert ("new",) in stored
    assert ("undone",) not in stored


@pytest.mark.needs("two_connections")
async def test_session_is_usable_between_batches(many: Database, models: ModuleType) -> None:
    """Between the rows of a stream the session can read, write and commit."""
    async with (
        Session(many) as session,
        session.stream(session.find(models.Note), batch_size=300) as stream,
    ):
        async for note in stream:
            if note.rank % 100 == 0:
                session.add(models.Order(id=note.rank))
                await session.commit()

    assert len(await rows(many, models.Order.id)) == 10


async def test_stream_of_a_closed_session(many: Database, models: ModuleType) -> None:
    """A stream does not outlive its session."""
    async with Session(many) as session:
        query = session.find(models.Note)
        block = session.stream(query, batch_size=10)
        stream = await block.__aenter__()
        await anext(stream)
    with pytest.raises(SessionClosedError):
        async for _ in stream:
            pass
    await block.__aexit__(None, None, None)
    with pytest.raises(SessionClosedError):
        async for _ in query:
            pass

    assert many.pool.stats.in_use == 0


async def test_stream_is_entered_once(many: Database, models: ModuleType) -> None:
    """A stream is a block for one use."""
    async with Session(many) as session:
        block = session.stream(session.find(models.Note), batch_size=10)
        async with block:
            with pytest.raises(ObjectStateError):
                await block.__aenter__()
        assert many.pool.stats.in_use == 0


@pytest.mark.parametrize("size", [0, -1, True, "10", None])
async def test_batch_size_is_checked(
    many: Database, models: ModuleType, sent: Sent, size: int
) -> None:
    """A batch holds at least one row."""
    async with Session(many) as session:
        with pytest.raises(QueryError, match="batch_size"):
            async with session.stream(session.find(models.Note), batch_size=size):
                pass
    assert sent == []


async def test_stream_of_what_is_no_query(many: Database, models: ModuleType) -> None:
    """Only a query can be streamed."""
    async with Session(many) as session:
        for wrong in (models.Note, "SELECT 1", None):
            with pytest.raises(QueryError):
                async with session.stream(wrong):  # type: ignore[arg-type]
                    pass


async def test_stream_claims_the_session(many: Database, models: ModuleType) -> None:
    """U9: fetching a batch is an operation of the session like any other."""
    async with Session(many) as session:

        async def hook(given: Session) -> None:
            async with given.stream(given.find(models.Note).limit(3)) as stream:
                assert len([note async for note in stream]) == 3
            with pytest.raises(ConcurrentUseError):
                await given.commit()

        session.on("before_flush", hook)
        session.add(models.Note(text="new"))
        await session.commit()

    assert ("new",) in await rows(many, models.Note.text)


async def test_session_between_the_batches_of_a_stream(
    database: Database, models: ModuleType
) -> None:
    """A session can write while it streams, also where the store has a single connection."""
    async with Session(database) as session:
        session.add_all([models.Note(text=f"n{rank}", rank=rank) for rank in range(5)])
        await session.commit()
        seen = 0
        async with session.stream(session.find(models.Note), batch_size=2) as stream:
            async for _ in stream:
                seen += 1
                session.add(models.Note(text=f"behind {seen}", rank=-seen))
                await session.flush()
        await session.commit()

        assert seen == 5
        assert await session.find(models.Note).count() == 10
