"""Input that means harm, through a whole session: nothing is sent, and the unit goes on."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.models import Account, Entry
from tests.faults.world import World
from uow import (
    ConstraintError,
    ConstraintKind,
    Session,
    UowError,
    ValidationError,
    begin_transaction,
    func,
    insert_many,
    sql,
    update,
)

pytestmark = pytest.mark.anyio

EVIL = '"; DROP TABLE fault_accounts; --'
Attempt = Callable[[Any], Any]
AnyAccount: Any = Account

ATTEMPTS: dict[str, Attempt] = {
    "order_by a string": lambda s: s.find(Account).order_by(EVIL).to_list(),
    "select a string": lambda s: s.find(Account).select(EVIL).to_list(),
    "group_by a string": lambda s: s.find(Account).group_by(EVIL).to_list(),
    "filter a string": lambda s: s.find(Account, EVIL).to_list(),
    "filter a dict": lambda s: s.find(Account, {"name": {"$ne": None}}).to_list(),
    "update an unknown name": lambda s: s.find(Account).filter(Account.id == 1).update({EVIL: 1}),
    "set an unknown name": lambda s: s.execute(update(Account).set({EVIL: 1}).all()),
    "a limit that is text": lambda s: s.find(Account).limit("1; DROP").to_list(),
    "a function's name": lambda s: s.find(Account).select(getattr(func, EVIL)(1)).to_list(),
    "a label": lambda s: s.find(Account).select(Account.id.label(EVIL)).to_list(),
    "execute a string": lambda s: s.execute(f"SELECT 1{EVIL}"),
    "an isolation level": lambda s: Session(s.database, isolation=EVIL),
    "two statements": lambda s: s.execute(sql("SELECT 1; DROP TABLE fault_accounts")),
    "constructor keywords": lambda s: s.add(AnyAccount(email="x", name="x", _connector=1)),
    "state by keyword": lambda s: s.add(AnyAccount(email="x", name="x", _uow_state=1)),
    "rows with control keywords": lambda s: s.execute(
        insert_many(Account, [{"email": "x", "name": "x", "_negated": True}])
    ),
    "find with keywords": lambda s: s.find(Account, _connector="OR 1=1").to_list(),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_names_are_looked_up_and_never_sent(stored: World, attempt: str) -> None:
    """F66, F67: a name that is not mapped, or a control keyword, is refused and never sent."""
    sent: list[object] = []
    async with Session(stored.database) as session:
        ann = stored.see(await session.get_one(Account, 1))
        ann.amount = 11
        stored.database.observers.append(sent.append)
        with pytest.raises((UowError, TypeError)):
            answer = ATTEMPTS[attempt](session)
            if hasattr(answer, "__await__"):
                await answer
        assert not any("DROP" in str(one) for one in sent) or attempt == "two statements"
        if session.is_poisoned:
            await session.rollback()
            ann.amount = 11
        await session.commit()

    assert stored.rows()["ann@x.org"][1] == 11
    assert len(stored.rows()) == 4
    stored.assert_quiet()


async def test_values_are_only_values(stored: World) -> None:
    """F66, F69: quotes, wildcards and SQL in values are stored, found and compared literally."""
    texts = [EVIL, "100%", "a_b", "c\\", "d!e", "[f]", "'g'", "%", "_", "!"]
    async with Session(stored.database) as session:
        for number, text in enumerate(texts):
            session.add(Account(email=f"{number}@x.org", name=f"<{text}>", tags=[text]))
        await session.commit()
        session.clear()
        for number, text in enumerate(texts):
            found = await session.find(Account, Account.name.contains(f"<{text}>")).to_list()

            assert [(one.email, one.tags) for one in found] == [(f"{number}@x.org", [text])]
            assert await session.find(Account, Account.name.startswith(f"<{text}>")).count() == 1
            assert await session.find(Account, Account.name.endswith(f"<{text}>")).count() == 1
            assert await session.find(Account, Account.name == f"<{text}>").count() == 1
        savepoint = await (tx := await begin_transaction()).savepoint(EVIL)
        await tx.rollback_to(savepoint)
        await tx.commit()
    stored.assert_quiet()


BAD: dict[str, tuple[str, Any]] = {
    "NUL in text": ("name", "a\0b"),
    "a lone surrogate": ("name", "\ud800"),
    "an integer of 65 bits": ("amount", 2**63),
    "a bool for an integer": ("amount", True),
    "a float for an integer": ("amount", 1.0),
    "too long a text": ("email", "x" * 101),
    "a dict for a text": ("name", {"$ne": None}),
    "NaN in JSON": ("tags", [float("nan")]),
    "a NUL in JSON": ("tags", ["a\0b"]),
    "a lone surrogate in JSON": ("tags", ["\ud800"]),
    "a circle in JSON": ("tags", None),
}


@pytest.mark.parametrize("bad", BAD)
async def test_bad_value_in_a_unit(stored: World, bad: str) -> None:
    """F70-F73, F76: what cannot be stored exactly is refused unsent; mended, the unit goes on."""
    field, value = BAD[bad]
    if bad == "a circle in JSON":
        value = []
        value.append(value)
    sent: list[object] = []
    async with Session(stored.database) as session:
        ann = stored.see(await session.get_one(Account, 1))
        ann.amount = 11
        good = stored.see(Account(email="new@x.org", name="New"))
        session.add(good)
        kept = getattr(good, field)
        stored.database.observers.append(sent.append)
        with pytest.raises(ValidationError) as caught:
            setattr(good, field, value)
            await session.flush()
        assert sent == []
        assert "Account." in str(caught.value)
        setattr(good, field, kept)
        await session.commit()

    assert stored.rows()["ann@x.org"][1] == 11
    assert "new@x.org" in stored.rows()
    stored.assert_agrees()
    stored.assert_quiet()


async def test_more_parameters_than_the_store_takes(stored: World) -> None:
    """F77, trap 8: what is sent in parts is one unit; a clash in the last stores nothing."""
    keys = list(range(100_000))
    async with Session(stored.database) as session:
        found = await session.find(Account, Account.id.in_(keys)).to_list()
        assert len(found) == 3
        clash = Account(email="ann@x.org", name="Clash")
        session.add_all([Account(email=f"{n}@x.org", name="Many") for n in range(12_000)])
        session.add(clash)
        with pytest.raises(ConstraintError):
            await session.commit()
        assert len(stored.rows()) == 4
        assert len(session.new) == 12_001
        clash.email = "last@x.org"
        await session.commit()
        ids = {one.id for one in session if isinstance(one, Account)}

        assert len(ids) == 12_004
        assert None not in ids
    assert len(stored.rows()) == 12_005
    stored.assert_quiet()


async def test_secrets_stay_where_they_are(stored: World, caplog: pytest.LogCaptureFixture) -> None:
    """F78: no error, log or repr shows a value that a user stored."""
    secret = "hunter2-secret"
    shown: list[str] = []
    stored.database.observers.append(lambda sent: shown.append(repr(sent)))
    with caplog.at_level(logging.DEBUG):
        async with Session(stored.database) as session:
            session.add_all(
                [
                    Account(email=secret, name=secret, tags=[secret]),
                    Account(email=secret, name="Clash"),
                ]
            )
            with pytest.raises(ConstraintError) as clash:
                await session.flush()
            assert clash.value.kind is ConstraintKind.UNIQUE
            shown += [repr(session), repr(session.flush_plan()), str(session.flush_plan())]
            shown += [repr(one) for one in session.new]
            await session.rollback()
            with pytest.raises(ValidationError) as long:
                Account(email=secret * 20, name="x")
            ann = await session.get_one(Account, 1)
            ann.name = secret + "\0"
            with pytest.raises(ValidationError) as nul:
                await session.flush()
            await session.rollback()
            with pytest.raises(UowError) as raw:
                await session.execute(sql("INSERT INTO no_such VALUES ({it})", it=secret))
            with pytest.raises(ConstraintError) as key:
                session.add(Entry(code=secret, account_id=999))
                await session.rollback()
                session.add(Entry(code=secret, account_id=999))
                await session.flush()
            await session.rollback()
    for error in (clash.value, long.value, nul.value, raw.value, key.value):
        shown += [str(error), repr(error)]
        cause = error.__cause__
        shown += [] if cause is None else traceback.format_exception_only(cause)

    assert secret not in "\n".join(shown)
    assert secret not in caplog.text
    stored.assert_quiet()
