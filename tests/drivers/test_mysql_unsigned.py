"""Whole numbers without a sign: MySQL and MariaDB have them, others refuse them by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import mysql
from uow import (
    Column,
    Database,
    Mapped,
    MappingError,
    Registry,
    Session,
    Table,
    ValidationError,
    apply_schema,
    diff_schema,
    func,
    inspect_schema,
    select,
    sql,
)
from uow.schema.model_text import models_text
from uow.schema.steps import RunSQL
from uow.types import UnsignedInteger

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

MOST = 2**64 - 1
HALF = 2**63


class Big(Table):
    """Numbers of all sizes."""

    class Settings:
        name = "bigs"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True, type=UnsignedInteger(64))
    number: Mapped[int | None] = Column(type=UnsignedInteger(64), default=None)
    small: Mapped[int] = Column(type=UnsignedInteger(32), default=0)
    version: Mapped[int] = Column(version=True)


@pytest.fixture(params=["mysql", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of MySQL or MariaDB."""
    found: str = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """An empty database of MySQL or MariaDB."""
    await mysql.clear(url)
    async with Database(url) as database:
        yield database


async def test_reading_and_writing(database: Database) -> None:
    """Values over 2^63 are keys and values as others: in batches, filters, lists and sums."""
    await database.create_all([Big])
    async with Session.begin(database) as session:
        rows = [{"id": HALF + i, "number": MOST - i, "small": 2**32 - 1} for i in range(5)]
        session.add_all([Big(**row) for row in rows])
    async with Session.begin(database) as session:
        found = await session.find(Big).order_by(Big.id).to_list()
        assert [(one.id, one.number) for one in found] == [(HALF + i, MOST - i) for i in range(5)]
        for one in found:
            assert one.number is not None
            one.number -= 10
        await session.flush()
        assert await session.get(Big, HALF) is found[0]
        assert await session.find(Big, Big.number == MOST - 10).one() is found[0]
        wanted = [HALF + i for i in range(300)]
        assert await session.find(Big, Big.id.in_(wanted)).count() == 5
        query = session.find(Big).select(func.sum(Big.small), func.max(Big.number))
        assert [tuple(row) for row in await query.to_list()] == [(5 * (2**32 - 1), MOST - 10)]
        new = Big(number=None)
        session.add(new)
        await session.flush()
        assert new.id == HALF + 5
        page = await session.find(Big).order_by(-Big.id).page(size=2)
        after = await session.find(Big).order_by(-Big.id).page(size=1, after=page.next)
        assert [one.id for one in after.items] == [HALF + 3]
        await session.find(Big).update({Big.number: Big.number - 1}, all=True)
        await session.refresh(found[0])
        session.delete(found[0])
    async with Session.begin(database) as session:
        numbers = [one.number for one in await session.find(Big).order_by(Big.id).to_list()]
        raw = await session.execute(sql("SELECT max(number) FROM bigs"))

    assert numbers == [*[MOST - 11 - i for i in range(1, 5)], None]
    assert [tuple(row) for row in raw] == [(MOST - 12,)]


@pytest.mark.parametrize(
    ("value", "said"), [(-1, "a negative int"), (2**64, "an int of more than 64 bits")]
)
async def test_what_does_not_fit(database: Database, value: int, said: str) -> None:
    """It is refused by name before anything is sent, as values of other columns are."""
    with pytest.raises(ValidationError, match=rf"Big\.number: {said}"):
        Big(number=value)
    await database.create_all([Big])
    async with Session(database) as session:
        with pytest.raises(ValidationError, match=said):
            await session.find(Big, Big.number == value).to_list()


async def test_tables_of_others(database: Database) -> None:
    """Models that are written of such a table hold its values, and are no difference from it."""
    text = "CREATE TABLE others (id BIGINT UNSIGNED PRIMARY KEY, n BIGINT UNSIGNED, m INT UNSIGNED)"
    await apply_schema(database, [RunSQL((text,))])

    written = models_text(await inspect_schema(database), database.dialect.definitions)
    assert "id: Mapped[int] = Column(primary_key=True, type=UnsignedInteger(64))" in written
    module = ModuleType("others_read")
    exec(written, module.__dict__)
    assert await diff_schema(database, [module.Others]) == []
    async with Session.begin(database) as session:
        session.add(module.Others(id=MOST, n=MOST, m=2**32 - 1))
    async with Session(database) as session:
        found = await session.get_one(module.Others, MOST)
        assert (found.n, found.m) == (MOST, 2**32 - 1)


async def test_stores_without_them(tmp_path: Path) -> None:
    """Others refuse the table, and the value where somebody else made a table of that name."""
    async with Database(f"sqlite:///{tmp_path}/x.db") as other:
        with pytest.raises(MappingError, match=r"Big\.id: SQLite cannot keep a UnsignedInteger"):
            await other.create_all([Big])
        await apply_schema(other, [RunSQL(("CREATE TABLE bigs (id INTEGER PRIMARY KEY)",))])
        async with Session(other) as session:
            with pytest.raises(MappingError, match="SQLite cannot keep a UnsignedInteger"):
                await session.find(Big, Big.id == 3).to_list()
    with pytest.raises(MappingError, match="PostgreSQL cannot keep a UnsignedInteger"):
        select(Big.number.cast(UnsignedInteger(64))).compile("postgresql")
