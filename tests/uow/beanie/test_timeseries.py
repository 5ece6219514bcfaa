"""Collections of measurements, and what of a document is refused; numbers are the inventory's."""
# mypy: disable-error-code="arg-type"
# pyright: reportArgumentType=false

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.mongodb import database_of
from uow import Database, Document, MappingError, Session, ValidationError
from uow.beanie import Granularity, TimeSeriesConfig

pytestmark = pytest.mark.anyio


class Measured(Document):
    """A measurement."""

    class Settings:
        name = "measured"
        timeseries = TimeSeriesConfig(
            time_field="ts",
            meta_field="source",
            granularity=Granularity.minutes,
            expire_after_seconds=3600,
        )

    ts: datetime
    source: str = ""
    value: float = 0.0


class Held(Document):
    """Holds whatever is given."""

    value: Any = None
    number: int = 0


ALL = (Measured, Held)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


async def test_time_series(bound: Database) -> None:
    """87, 270, 271: the collection is made as the settings say, and takes many at once."""
    with database_of(str(bound.url)) as store:
        (found,) = store.list_collections(filter={"name": "measured"})
    assert found["type"] == "timeseries"
    assert found["options"]["timeseries"]["timeField"] == "ts"
    assert found["options"]["timeseries"]["metaField"] == "source"
    assert found["options"]["timeseries"]["granularity"] == "minutes"
    assert found["options"]["expireAfterSeconds"] == 3600

    now = datetime.now(UTC)
    source = uuid4().hex
    await Measured(ts=now, source="a", value=1).insert()
    await Measured.insert_many(
        [Measured(ts=now + timedelta(seconds=n), source=source, value=n) for n in range(3)]
    )
    assert await Measured.find({"source": source}).sum("value") == 3
    assert [one.value for one in await Measured.find({"source": source}).sort("-ts").to_list()] == [
        2, 1, 0,
    ]  # fmt: skip
    assert await Measured.find({"source": source}).delete() == 3
    assert await Measured.find({"source": source}).count() == 0
    with pytest.raises(MappingError, match="timeseries must be a TimeSeriesConfig"):

        class Wrong(Document):
            class Settings:
                timeseries = {"time_field": "ts"}  # noqa: RUF012

            ts: datetime


def nested(depth: int) -> Any:
    """A value of so many levels."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"$set": 1}, "dollar"),
        ({"a.b": 1}, "dot"),
        ({"a": [{"$ne": 1}]}, "dollar"),
        ({"": 1}, "empty"),
        ({3: 1}, "str"),
        (2**63, "64 bits"),
        ([{"a": -(2**63) - 1}], "64 bits"),
        (nested(120), "levels"),
        ({"a": "x\0"}, "NUL"),
        (object(), "object"),
    ],
)
async def test_refused_values(bound: Database, value: Any, problem: str) -> None:
    """F63, F68, F70, F72: what a store would misread or refuse is told before anything is sent."""
    with pytest.raises(ValidationError, match=rf"Held\.value.*({problem}|{problem.lower()})"):
        await Held(value=value).insert()

    made = await Held().insert()
    with pytest.raises(ValidationError, match=r"Held\.value"):
        made.value = value
        await made.save()
    assert (await Held.find_all().to_list())[0].value is None
    assert await Held.count() == 1


async def test_too_large(bound: Database) -> None:
    """F63: a document of more than 16 MB is refused by name, and the unit is as before."""
    async with Session(bound) as session:
        small, large = Held(value="x"), Held(value="x" * (17 << 20))
        session.add_all([small, large])
        with pytest.raises(ValidationError, match=r"Held: a document of 17\.0 MB.*16 MB"):
            await session.flush()
        assert {small, large} == session.new
        session.expunge(large)
        await session.commit()
    assert await Held.count() == 1
