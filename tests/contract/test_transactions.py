"""Transactions: when they begin, how they end, and the blocks around them (U3, U9)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import anyio
import pytest

from tests.contract.backends import Backend
from tests.contract.sent import Sent, rows
from uow import (
    Column,
    ConcurrentUseError,
    ConstraintError,
    Database,
    Mapped,
    ObjectStateError,
    Outcome,
    QueryError,
    RetryableError,
    Session,
    State,
    Table,
    TransactionPoisonedError,
    UncommittedChangesWarning,
    UowError,
    begin_transaction,
    on_commit,
    pg_transaction,
    run,
    sql,
    state,
    transaction,
    update,
)

pytestmark = pytest.mark.anyio


async def store(database: Database, *objects: Any) -> None:
    """Store objects with a session of their own."""
    async with Session.begin(database) as session:
        session.add_all(objects)


# -- when a transaction begins


@pytest.mark.needs("numbered_keys")
async def test_reads_before_the_first_write(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """A read before the first write begins nothing and holds no connection (U3)."""
    async with Session(database) as session:
        await session.find(models.Note).to_list()
        await session.get(models.Note, 1)

        assert not session.in_transaction
        assert database.pool.stats.in_use == 0
    assert sent.words == ["SELECT", "SELECT"]


@pytest.mark.parametrize("start", ["bulk", "insert", "lock", "flush", "nested"])
@pytest.mark.needs("savepoints")
async def test_first_write_begins(
    database: Database, models: ModuleType, sent: Sent, start: str
) -> None:
    """The first flush, bulk statement, lock or savepoint begins the transaction (U3)."""
    async with Session(database) as session:
        match start:
            case "bulk":
                await session.execute(update(models.Note).set(rank=1).all())
            case "insert":
                await session.find(models.Note).delete(all=True)
            case "lock":
                await session.find(models.Note).for_update().to_list()
            case "flush":
                session.add(models.Note(text="a"))
                await session.flush()
            case _:
                async with session.begin_nested():
                    pass
        assert session.in_transaction
        assert sent.words[0] == "BEGIN"
        assert sent.words.count("BEGIN") == 1
        await session.rollback()

        assert not session.in_transaction
        assert sent.words[-1] == "ROLLBACK"


@pytest.mark.parametrize("how", ["Session.begin", "session.begin", "isolation", "read_only"])
async def test_first_statement_begins(
    database: Database, models: ModuleType, sent: Sent, how: str
) -> None:
    """Explicit transactions begin at the first statement, not before (U3)."""

    async def read(session: Session) -> None:
        assert sent == []
        await session.find(models.Note).to_list()
        await session.find(models.Note).count()

        assert session.in_transaction
        assert sent.words == ["BEGIN", "SELECT", "SELECT"]

    if how == "Session.begin":
        async with Session.begin(database) as session:
            await read(session)
    elif how == "session.begin":
        async with Session(database) as session, session.begin():
            await read(session)
    elif how == "isolation":
        async with Session(database, isolation="serializable") as session:
            await read(session)
            await session.commit()
    else:
        async with Session(database, read_only=True) as session:
            await read(session)
            await session.commit()
    assert sent.words == ["BEGIN", "SELECT", "SELECT", "COMMIT"]


async def test_block_without_statements_sends_nothing(database: Database, sent: Sent) -> None:
    """A transaction in which nothing was done is never begun."""
    async with Session.begin(database):
        pass
    async with Session(database) as session, session.begin():
        pass
    async with transaction(database):
        pass

    assert sent == []


async def test_session_begin_commits(database: Database, models: ModuleType) -> None:
    """`Session.begin` commits on a clean exit and rolls back on an exception."""
    async with Session.begin(database) as session:
        session.add(models.Note(text="a"))
    with pytest.raises(KeyError):
        async with Session.begin(database) as session:
            session.add(models.Note(text="b"))
            await session.flush()
            raise KeyError

    assert await rows(database, models.Note.text) == [("a",)]
    assert session.is_closed


async def test_one_transaction_in_a_longer_session(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """`session.begin()` is one transaction; the session goes on after it, whatever became of it."""
    async with Session(database) as session:
        note = models.Note(text="a")
        async with session.begin():
            session.add(note)

        assert not session.in_transaction
        assert state(note) is State.PERSISTENT
        with pytest.raises(KeyError):
            async with session.begin():
                note.text = "b"
                await session.flush()
                raise KeyError
        assert note.text == "a"
        sent.clear()
        await session.find(models.Note).to_list()

        assert sent.words == ["SELECT"]  # not a transaction any more
        async with session.begin():
            note.text = "c"

    assert await rows(database, models.Note.text) == [("c",)]


async def test_begin_in_a_transaction(database: Database, models: ModuleType) -> None:
    """A transaction cannot be begun in a transaction; a savepoint is offered instead."""
    async with Session(database) as session:
        session.add(models.Note(text="a"))
        await session.flush()
        with pytest.raises(ObjectStateError, match="begin_nested"):
            async with session.begin():
                pass
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


async def test_failed_commit_of_a_block(database: Database, models: ModuleType) -> None:
    """A block whose commit fails is rolled back, raises the error, and the session goes on."""
    await store(database, models.Slot(id=1, position=1))
    async with Session(database) as session:
        with pytest.raises(ConstraintError):
            async with session.begin():
                clash = models.Slot(id=2, position=1)
                session.add(clash)
        assert state(clash) is State.TRANSIENT
        async with session.begin():
            session.add(models.Slot(id=3, position=3))

    assert await rows(database, models.Slot.id) == [(1,), (3,)]


async def test_outcome(database: Database, models: ModuleType) -> None:
    """`session.outcome` says what is known of the last unit."""
    await store(database, models.Slot(id=1, position=1))
    async with Session(database) as session:
        assert session.outcome is None
        session.add(models.Note(text="a"))
        await session.commit()

        assert session.outcome is Outcome.APPLIED
        session.add(models.Slot(id=2, position=1))
        with pytest.raises(ConstraintError) as caught:
            await session.commit()

        assert caught.value.outcome is Outcome.NOT_APPLIED
        assert session.outcome is Outcome.NOT_APPLIED
        await session.rollback()

        assert session.outcome is Outcome.NOT_APPLIED


async def test_commit_then_go_on(database: Database, models: ModuleType) -> None:
    """A session can commit many times; objects are not expired by it."""
    async with Session(database) as session:
        notes = []
        for text in "abc":
            note = models.Note(text=text)
            session.add(note)
            await session.commit()
            notes.append(note)

        assert [note.text for note in notes] == ["a", "b", "c"]
        assert [await session.get(models.Note, note.id) for note in notes] == notes


@pytest.mark.needs("reopening")
async def test_commits_outlive_the_database(
    backend: Backend, models: ModuleType, url: str, anyio_backend: str
) -> None:
    """What was committed is there when the database is opened again, and nothing else."""
    if backend.server is not None:
        await backend.server.empty(url)
    async with Database(url) as database:
        await database.create_all(backend.tables)
        async with Session(database) as session:
            session.add(models.Note(text="kept"))
            await session.commit()
            session.add(models.Note(text="undone"))
            await session.flush()
            await session.rollback()
    async with Database(url) as database:
        assert await rows(database, models.Note.text) == [("kept",)]


# -- isolation and read-only


@pytest.mark.needs("deferrable")
async def test_deferrable(database: Database, models: ModuleType) -> None:
    """U3: a transaction that only reads may wait for a safe snapshot; no other can."""
    for options in ({}, {"read_only": True}, {"isolation": "SERIALIZABLE"}):
        with pytest.raises(QueryError, match="deferrable"):
            Session(database, deferrable=True, **options)
    async with Session.begin(
        database, isolation="SERIALIZABLE", read_only=True, deferrable=True
    ) as session:
        assert await session.find(models.Note).count() == 0


async def test_isolation_is_checked(database: Database) -> None:
    """An isolation level that does not exist is refused at once."""
    for wrong in ("SERIALISABLE", "", "snapshot please"):
        with pytest.raises(QueryError, match="isolation"):
            Session(database, isolation=wrong)


@pytest.mark.parametrize("level", ["SERIALIZABLE", "serializable", "Repeatable_Read"])
@pytest.mark.needs("verbs")
async def test_isolation_levels(database: Database, models: ModuleType, level: str) -> None:
    """A level is given in any spelling; the store gives it, or one that is at least as strict."""
    async with Session.begin(database, isolation=level) as session:
        session.add(models.Note(text="a"))
    async with transaction(isolation=level):
        await models.Note.insert(text="b")

    assert await rows(database, models.Note.text) == [("a",), ("b",)]


@pytest.mark.needs("sql")
async def test_read_only_sessions(database: Database, models: ModuleType, sent: Sent) -> None:
    """A read-only session refuses flushes and bulk statements before anything is sent (U5)."""
    await store(database, models.Note(text="a"))
    async with Session(database, read_only=True) as session:
        note = await session.find(models.Note).one()
        note.text = "b"
        sent.clear()
        for write in (
            session.flush,
            session.commit,
            lambda: session.find(models.Order).delete(all=True),
            lambda: session.execute(update(models.Order).set(customer="x").all()),
        ):
            with pytest.raises(QueryError, match="read-only"):
                await write()
        assert sent == []
        with pytest.raises(UowError):
            await session.execute(sql("DELETE FROM notes"))
        await session.rollback()

        assert (await session.find(models.Note).one()).text == "a"

    assert await rows(database, models.Note.text) == [("a",)]


# -- poison


@pytest.mark.needs("sql")
async def test_swallowed_statement_error_poisons(database: Database, models: ModuleType) -> None:
    """Trap 29: after a failed statement the commit says so, the error swallowed or not."""
    await store(database, models.Slot(id=1, position=1))
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.flush()
        with pytest.raises(ConstraintError):
            await session.execute(sql("INSERT INTO slots (id, position, name) VALUES (2, 1, 'x')"))
        assert session.is_poisoned
        with pytest.raises(TransactionPoisonedError) as caught:
            await session.commit()

        assert isinstance(caught.value.__cause__, ConstraintError)
        with pytest.raises(TransactionPoisonedError):
            await session.find(models.Note).to_list()
        await session.rollback()

        assert not session.is_poisoned
        session.add(note)
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


async def test_poisoned_block_raises(database: Database, models: ModuleType) -> None:
    """Trap 29: a block with a swallowed error does not exit cleanly with no rows."""
    await store(database, models.Slot(id=1, position=1), models.Slot(id=2, position=2))
    with pytest.raises(TransactionPoisonedError):
        async with Session.begin(database) as session:
            session.add(models.Note(text="a"))
            await session.flush()
            with pytest.raises(ConstraintError):
                await session.find(models.Slot).update({"position": 5}, all=True)

    assert await rows(database, models.Note.text) == []


@pytest.mark.needs("sql")
async def test_savepoint_heals_poison(database: Database, models: ModuleType) -> None:
    """Trap 29: a savepoint around the failed statement heals the transaction."""
    await store(database, models.Slot(id=1, position=1))
    async with Session.begin(database) as session:
        session.add(models.Note(text="a"))
        with pytest.raises(ConstraintError):
            async with session.begin_nested():
                await session.execute(
                    sql("INSERT INTO slots (id, position, name) VALUES (2, 1, 'x')")
                )
        assert not session.is_poisoned
        async with session.begin_nested() as savepoint:
            with pytest.raises(ConstraintError):
                await session.execute(
                    sql("INSERT INTO slots (id, position, name) VALUES (2, 1, 'x')")
                )
            assert session.is_poisoned
            await savepoint.rollback()

            assert not session.is_poisoned
            session.add(models.Note(text="b"))

    assert await rows(database, models.Note.text) == [("a",), ("b",)]


class Absent(Table):
    """A class of which no database has the table."""

    id: Mapped[int] = Column(primary_key=True)


@pytest.mark.needs("failing_whole")
async def test_swallowed_read_error_poisons(database: Database, models: ModuleType) -> None:
    """F43: where a failed read takes its transaction with it, the commit says so."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.flush()
        with pytest.raises(QueryError):
            await session.find(Absent).to_list()
        assert session.is_poisoned
        with pytest.raises(TransactionPoisonedError) as caught:
            await session.commit()

        assert isinstance(caught.value.__cause__, QueryError)
        await session.rollback()
        assert not session.is_poisoned
        session.add(note)
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


@pytest.mark.needs("failing_whole")
async def test_swallowed_stream_error_poisons(database: Database, models: ModuleType) -> None:
    """F43: a stream that failed in a transaction is a read that failed there."""
    async with Session(database) as session:
        session.add(models.Note(text="a"))
        await session.flush()
        with pytest.raises(QueryError):
            async with session.stream(session.find(Absent)) as found:
                async for _ in found:
                    pass
        assert session.is_poisoned
        with pytest.raises(TransactionPoisonedError):
            await session.commit()
        await session.rollback()

    assert await rows(database, models.Note.text) == []


async def test_failed_read_in_a_savepoint(database: Database, models: ModuleType) -> None:
    """F44: a read that failed in a savepoint harms nothing outside of it, on any store."""
    async with Session.begin(database) as session:
        session.add(models.Note(text="a"))
        with pytest.raises(QueryError):
            async with session.begin_nested():
                session.add(models.Note(text="b"))
                await session.flush()
                await session.find(Absent).to_list()
        assert not session.is_poisoned
        session.add(models.Note(text="c"))

    assert await rows(database, models.Note.text) == [("a",), ("c",)]


@pytest.mark.needs("table_classes")
async def test_failed_read_before_a_transaction(database: Database, models: ModuleType) -> None:
    """A read on its own that failed leaves the session as it was."""
    async with Session(database) as session:
        session.add(models.Note(text="a"))
        with pytest.raises(QueryError):
            await session.find(Absent).to_list()
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


# -- transactions of the seeds


@pytest.mark.needs("verbs")
async def test_transaction_of_verbs(database: Database, models: ModuleType, sent: Sent) -> None:
    """Active-record verbs inside `transaction()` are one transaction (U3)."""
    async with transaction() as tx:
        await models.Note.insert(text="a")
        await models.Note.insert(text="b")

        assert not tx.is_over
    assert tx.is_over
    assert sent.words == ["BEGIN", "INSERT", "INSERT", "COMMIT"]
    assert pg_transaction is transaction
    assert await rows(database, models.Note.text) == [("a",), ("b",)]


@pytest.mark.needs("verbs")
async def test_transaction_rolls_back_on_exceptions(database: Database, models: ModuleType) -> None:
    """An exception out of the block rolls all of it back, in memory too."""
    note = models.Note(text="a")
    with pytest.raises(KeyError):
        async with transaction():
            await note.save()
            raise KeyError

    assert await rows(database, models.Note.text) == []
    assert state(note) is State.TRANSIENT
    assert note.id is None


@pytest.mark.needs("verbs")
async def test_savepoints_of_a_transaction(database: Database, models: ModuleType) -> None:
    """`tx.savepoint` and `tx.rollback_to` go back to where it was set, as often as one likes."""
    async with transaction() as tx:
        note = await models.Note.insert(text="0")
        savepoint = await tx.savepoint("before")
        for text in "12":
            await note.update(text=text)
            await models.Note.insert(text="x")
            inner = await tx.savepoint("inner")
            await note.update(text="deep")
            await tx.rollback_to(savepoint)

            assert note.text == "0"
            with pytest.raises(ObjectStateError):
                await tx.rollback_to(inner)
        await note.update(text="3")

    assert await rows(database, models.Note.text) == [("3",)]
    with pytest.raises(ObjectStateError):
        await tx.rollback_to(savepoint)


@pytest.mark.needs("verbs")
async def test_rollback_to_wants_a_savepoint(database: Database, models: ModuleType) -> None:
    """`rollback_to` takes what `savepoint` gave, of the same transaction."""
    async with transaction() as tx:
        with pytest.raises(QueryError):
            await tx.rollback_to("before")  # type: ignore[arg-type]
        with pytest.raises(QueryError):
            await tx.savepoint(3)  # type: ignore[arg-type]
        await models.Note.insert(text="a")

    assert await rows(database, models.Note.text) == [("a",)]


@pytest.mark.needs("verbs")
async def test_begin_transaction(database: Database, models: ModuleType) -> None:
    """`begin_transaction` is ended by hand, by commit or rollback, and only once."""
    tx = await begin_transaction()
    await models.Note.insert(text="a")
    await tx.commit()
    tx2 = await begin_transaction()
    await models.Note.insert(text="b")
    await tx2.rollback()
    await tx2.rollback()

    assert await rows(database, models.Note.text) == [("a",)]
    with pytest.raises(ObjectStateError, match="over"):
        await tx.commit()
    with pytest.raises(ObjectStateError, match="over"):
        await tx2.savepoint()
    assert database.pool.stats.in_use == 0


@pytest.mark.needs("verbs")
async def test_manual_end_inside_a_block(database: Database, models: ModuleType) -> None:
    """A transaction that was ended by hand inside its block is left as it is."""
    async with transaction() as tx:
        await models.Note.insert(text="a")
        await tx.rollback()
    async with transaction() as tx:
        await models.Note.insert(text="b")
        await tx.commit()

    assert await rows(database, models.Note.text) == [("b",)]


@pytest.mark.needs("verbs")
async def test_nested_transactions_are_savepoints(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """`transaction()` inside another one is a savepoint of it."""
    async with transaction():
        await models.Note.insert(text="a")
        with pytest.raises(KeyError):
            async with transaction():
                await models.Note.insert(text="b")
                raise KeyError
        async with transaction():
            await models.Note.insert(text="c")

    assert sent.words.count("BEGIN") == sent.words.count("COMMIT") == 1
    assert sent.words.count("SAVEPOINT") == 2
    assert await rows(database, models.Note.text) == [("a",), ("c",)]


@pytest.mark.needs("verbs")
async def test_manual_rollback_of_a_nested_transaction(
    database: Database, models: ModuleType
) -> None:
    """`tx.rollback` of an inner transaction undoes the inner one, and only that."""
    async with transaction():
        await models.Note.insert(text="a")
        async with transaction() as inner:
            await models.Note.insert(text="b")
            await inner.rollback()
        await models.Note.insert(text="c")

    assert await rows(database, models.Note.text) == [("a",), ("c",)]


@pytest.mark.needs("verbs")
async def test_manual_commit_of_a_nested_transaction(
    database: Database, models: ModuleType
) -> None:
    """`tx.commit` of an inner transaction keeps its savepoint, not the outer transaction."""
    with pytest.raises(KeyError):
        async with transaction():
            await models.Note.insert(text="a")
            async with transaction() as inner:
                await models.Note.insert(text="b")
                await inner.commit()
            raise KeyError

    assert await rows(database, models.Note.text) == []


async def test_transaction_in_a_session(database: Database, models: ModuleType) -> None:
    """Inside a session `transaction()` is that session's."""
    async with Session(database) as session:
        async with transaction() as tx:
            assert tx.session is session
            session.add(models.Note(text="a"))
        assert not session.in_transaction
        assert session.outcome is Outcome.APPLIED
        with pytest.raises(QueryError, match="isolation"):
            async with transaction(isolation="SERIALIZABLE"):
                pass

    assert await rows(database, models.Note.text) == [("a",)]


@pytest.mark.needs("verbs")
async def test_begin_transaction_in_a_transaction(database: Database, models: ModuleType) -> None:
    """A second manual transaction in one is refused, and the first goes on."""
    tx = await begin_transaction()
    await models.Note.insert(text="a")
    with pytest.raises(ObjectStateError):
        await begin_transaction()
    await tx.commit()

    assert await rows(database, models.Note.text) == [("a",)]


async def test_failed_commit_of_a_transaction(database: Database, models: ModuleType) -> None:
    """A commit that fails ends the transaction: rolled back, and the connection given back."""
    await store(database, models.Slot(id=1, position=1))
    tx = await begin_transaction()
    tx.session.add(models.Slot(id=2, position=1))
    with pytest.raises(ConstraintError):
        await tx.commit()

    assert tx.is_over
    assert database.pool.stats.in_use == 0
    assert await rows(database, models.Slot.id) == [(1,)]


# -- after the commit, and again


async def test_on_commit(database: Database, models: ModuleType) -> None:
    """`on_commit` runs after a commit that is known, once, in order; never after a rollback."""
    seen: list[str] = []

    async def later() -> None:
        seen.append("async")

    async with Session(database) as session:
        session.on_commit(lambda: seen.append("dropped"))
        session.add(models.Note(text="a"))
        await session.flush()
        await session.rollback()

        assert seen == []
        session.on_commit(lambda: seen.append("first"))

        @on_commit
        def second() -> None:
            seen.append("second")

        session.on_commit(later)
        session.add(models.Note(text="b"))
        await session.commit()

        assert seen == ["first", "second", "async"]
        await session.commit()

    assert seen == ["first", "second", "async"]
    with pytest.raises(ObjectStateError):
        on_commit(lambda: None)


@pytest.mark.needs("savepoints")
async def test_on_commit_of_a_savepoint(database: Database, models: ModuleType) -> None:
    """What a savepoint promised for after the commit goes with it when it is rolled back."""
    seen: list[str] = []
    async with Session.begin(database) as session:
        async with session.begin_nested():
            session.on_commit(lambda: seen.append("kept"))
        async with session.begin_nested() as savepoint:
            session.on_commit(lambda: seen.append("undone"))
            await savepoint.rollback()

    assert seen == ["kept"]


async def test_on_commit_survives_a_failed_flush(database: Database, models: ModuleType) -> None:
    """A repaired unit still does what was promised for after its commit (U6)."""
    seen: list[str] = []
    await store(database, models.Slot(id=1, position=1))
    async with Session(database) as session:
        clash = models.Slot(id=2, position=1)
        session.add(clash)
        session.on_commit(lambda: seen.append("done"))
        with pytest.raises(ConstraintError):
            await session.commit()

        assert seen == []
        clash.position = 2
        await session.commit()

    assert seen == ["done"]


@pytest.mark.needs("table_classes")
async def test_run_retries_with_a_fresh_session(database: Database, models: ModuleType) -> None:
    """`run` repeats the whole unit with a new session on a retryable error (U12)."""
    sessions: list[Session] = []

    async def work(session: Session) -> str:
        sessions.append(session)

        assert list(session) == []
        session.add(models.Note(text=str(len(sessions))))
        await session.flush()
        if len(sessions) < 3:
            raise RetryableError("again")
        return "done"

    assert await run(work, database) == "done"
    assert len({id(session) for session in sessions}) == 3
    assert await rows(database, models.Note.text) == [("3",)]


async def test_run_gives_up(database: Database, models: ModuleType) -> None:
    """`run` raises the last error when the tries are used up, and others at once."""
    tries: list[type[Exception]] = []

    async def work(error: type[Exception]) -> None:
        tries.append(error)
        raise error("no")

    with pytest.raises(RetryableError):
        await run(lambda _: work(RetryableError), database, retries=2)
    with pytest.raises(KeyError):
        await run(lambda _: work(KeyError), database, retries=2)
    with pytest.raises(QueryError):
        await run(lambda _: work(KeyError), database, retries=-1)

    assert tries == [RetryableError] * 3 + [KeyError]


# -- one task at a time


@pytest.mark.needs("numbered_keys")
async def test_second_task_is_refused(database: Database, models: ModuleType, sent: Sent) -> None:
    """U9, trap 42: of two tasks in one session the second is refused before any byte."""
    errors: list[BaseException] = []
    async with Session(database) as session:
        session.add(models.Note(text="a"))

        async def flush() -> None:
            try:
                await session.flush()
            except ConcurrentUseError as error:
                errors.append(error)

        entered = anyio.Event()
        go_on = anyio.Event()

        async def hold(_: Session) -> None:
            entered.set()
            await go_on.wait()

        session.on("before_flush", hold)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flush)
            await entered.wait()
            sent.clear()
            for use in (
                session.flush,
                session.commit,
                session.rollback,
                lambda: session.get(models.Note, 1),
                lambda: session.find(models.Note).to_list(),
            ):
                with pytest.raises(ConcurrentUseError):
                    await use()
            for change in (
                lambda: session.add(models.Note(text="b")),
                session.clear,
                session.flush_plan,
            ):
                with pytest.raises(ConcurrentUseError):
                    change()
            assert sent == []
            go_on.set()

        assert errors == []
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


async def test_session_may_be_handed_on(database: Database, models: ModuleType) -> None:
    """U9: another task may use the session between operations; overlap is the error."""
    async with Session(database) as session:

        async def add() -> None:
            session.add(models.Note(text="a"))
            await session.flush()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(add)
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


@pytest.mark.needs("verbs")
async def test_child_tasks_do_not_inherit_the_session(
    database: Database, models: ModuleType
) -> None:
    """Trap 42: a task started inside a session does not share it silently."""
    caught: list[BaseException] = []

    async def save() -> None:
        try:
            await models.Note.insert(text="a")
        except ConcurrentUseError as error:
            caught.append(error)

    async with Session(database) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(save)
            tasks.start_soon(save)
        await session.commit()

    assert len(caught) == 2
    assert await rows(database, models.Note.text) == []


@pytest.mark.needs("two_connections")
async def test_child_tasks_with_sessions_of_their_own(
    database: Database, models: ModuleType
) -> None:
    """Tasks with a session each work side by side."""

    async def save(text: str) -> None:
        async with Session.begin(database) as session:
            session.add(models.Note(text=text))

    async with Session(database) as session:
        await session.find(models.Note).to_list()
        async with anyio.create_task_group() as tasks:
            for text in "abcdef":
                tasks.start_soon(save, text)

    assert len(await rows(database, models.Note.text)) == 6


@pytest.mark.needs("verbs")
async def test_verbs_join_the_transaction(database: Database, models: ModuleType) -> None:
    """Trap 42: a verb inside a transaction never goes round it."""
    with pytest.raises(KeyError):
        async with Session.begin(database):
            note = await models.Note.insert(text="a")
            await note.update(text="b")
            await models.Note.find(models.Note.text == "b").update({"rank": 3})
            raise KeyError

    assert await rows(database, models.Note.text) == []


async def test_uncommitted_transaction_warns(database: Database, models: ModuleType) -> None:
    """Leaving a session with a bulk statement not committed warns and rolls back."""
    await store(database, models.Note(text="a"))
    with pytest.warns(UncommittedChangesWarning):
        async with Session(database) as session:
            await session.execute(update(models.Note).set(text="b").all())

    assert await rows(database, models.Note.text) == [("a",)]
