"""Units of work that a sweep runs again and again; each is stored whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from tests.faults.models import Account, Entry
from tests.faults.world import World
from uow import Session, begin_transaction, run, sql, transaction, update
from uow.database import default_database

Program = Callable[[World], Coroutine[Any, Any, None]]


async def one_of_everything(world: World) -> None:
    """Read, flush, query, savepoints kept and rolled back, commit."""
    async with Session.begin(world.database) as session:
        ann = world.see(await session.get_one(Account, 1))
        bob = world.see(await session.get_one(Account, 2))
        ann.amount += 1
        ann.tags.append("b")
        new = Account(email="new@x.org", name="New", tags=["n"])
        world.see(new)
        session.add(new)
        await session.flush()
        session.add(world.see(Entry(code="two", account_id=new.id, text="second")))
        world.see(*await session.find(Account, Account.amount > 10).to_list())
        async with session.begin_nested():
            bob.name = "Robert"
            session.add(world.see(Account(email="kept@x.org", name="Kept")))
        async with session.begin_nested() as savepoint:
            bob.name = "Nobody"
            session.delete(ann)
            session.add(world.see(Account(email="lost@x.org", name="Lost")))
            await session.find(Entry, Entry.code == "one").delete()
            await session.flush()
            await savepoint.rollback()
        cy = world.see(await session.get_one(Account, 3))
        session.delete(cy)
        new.name = "Newer"


async def one_insert(world: World) -> None:
    """A unit of one statement, which is its own transaction."""
    async with Session(world.database) as session:
        session.add(world.see(Account(email="new@x.org", name="New")))
        await session.commit()


async def one_update(world: World) -> None:
    """A read that is its own transaction, and a unit of one statement."""
    async with Session(world.database) as session:
        ann = world.see(await session.get_one(Account, 1))
        ann.tags = ["z"]
        await session.commit()


async def rolled_back(world: World) -> None:
    """A flush is taken back, and something else is stored by the same session."""
    async with Session(world.database) as session:
        ann = world.see(await session.get_one(Account, 1))
        ann.amount = 99
        session.add(world.see(Account(email="new@x.org", name="New")))
        await session.flush()
        await session.rollback()
        ann.name = "Anna"
        session.add(world.see(Entry(code="two", account_id=1)))
        await session.commit()


async def streamed(world: World) -> None:
    """Cursors, one on a connection of its own, one in the transaction, left early."""
    async with Session(world.database) as session:
        async with session.stream(session.find(Account), batch_size=1) as rows:
            async for row in rows:
                await session.get(Account, row.id)
                break
        world.see(await session.get_one(Account, 1)).amount += 1
        await session.flush()
        async with session.stream(session.find(Account), batch_size=2) as rows:
            assert len([row async for row in rows]) == 3
        await session.commit()


async def in_transactions(world: World) -> None:
    """The ambient session, savepoints by hand."""
    tx = await begin_transaction(world.database)
    try:
        ann = world.see(await Account.get(1))
        await ann.update(amount=11)
        savepoint = await tx.savepoint()
        await ann.update(amount=12)
        await tx.rollback_to(savepoint)
        async with transaction():
            await ann.update(name="Anna")
        await tx.commit()
    finally:
        await tx.rollback()


async def on_the_default_database(world: World) -> None:
    """Active record verbs, each a unit of its own, of which one writes; and a loop left early."""
    assert world.database is default_database()
    async for account in Account.find(Account.id > 0).order_by(Account.id):
        assert account.id == 1
        break
    ann = world.see(await Account.get(1))
    assert await Account.count() == 3
    await ann.update(amount=12, tags=["x"])


async def in_bulk(world: World) -> None:
    """Statements over many rows, raw SQL, and a lock."""
    async with Session(world.database) as session:
        ann = world.see(await session.get_one(Account, 1, for_update=True))
        await session.execute(update(Account).set({Account.amount: 7}).where(Account.id > 1))
        await session.execute(sql("UPDATE fault_entries SET text = {text}", text="bulk"))
        await session.refresh(ann)  # where no rows come back every account was expired
        ann.name = "Anna"
        world.see(await session.get_one(Account, 2))
        await session.commit()


async def run_again(world: World) -> None:
    """A unit that leaves a token of its commit."""

    async def work(session: Session) -> None:
        ann = world.see(await session.get_one(Account, 1))
        ann.amount += 1
        session.add(world.see(Account(email="new@x.org", name="New")))

    await run(work, world.database)


async def side_by_side(world: World) -> None:
    """Reads at the same time, then a write."""
    async with Session(world.database) as session:
        accounts, entries = await session.fan_out(
            session.find(Account).order_by(Account.id), session.find(Entry).order_by(Entry.code)
        )
        world.see(*accounts, *entries)
        entries[0].text = "changed"
        accounts[0].amount += 5
        await session.commit()


async def in_blocks(world: World) -> None:
    """One transaction in a longer session that is given up, and one that is kept."""
    async with Session(world.database) as session:
        ann = world.see(await session.get_one(Account, 1))
        with suppress(ZeroDivisionError):
            async with session.begin():
                ann.amount = 99
                session.delete(world.see(await session.get_one(Entry, "one")))
                await session.flush()
                ann.amount //= 0
        await session.refresh(ann)
        async with session.begin():
            ann.amount += 1
            session.add(world.see(Account(email="new@x.org", name="New")))


async def flushed_by_queries(world: World) -> None:
    """A session whose queries flush first; an object is deleted and lives again."""
    async with Session(world.database, autoflush=True) as session:
        ann = world.see(await session.get_one(Account, 1))
        ann.name = "Anna"
        session.add(world.see(Account(email="new@x.org", name="New")))
        assert await session.find(Account, Account.name == "Anna").count() == 1
        entry = world.see(await session.get_one(Entry, "one"))
        session.delete(entry)
        assert not await session.find(Entry).exists()
        session.add(entry)
        entry.text = "again"
        await session.commit()


PROGRAMS: Final[dict[str, Program]] = {
    program.__name__: program
    for program in (
        one_of_everything,
        one_insert,
        one_update,
        rolled_back,
        streamed,
        in_transactions,
        in_blocks,
        flushed_by_queries,
        on_the_default_database,
        in_bulk,
        run_again,
        side_by_side,
    )
}
