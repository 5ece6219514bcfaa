"""What PyMongo, Motor and the server raise, as errors of this library."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson.errors import InvalidBSON
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DuplicateKeyError,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WTimeoutError,
)

from tests.support.mongodb import database_of, fail_point
from uow.drivers._pymongo_connection import MongoDBConnection
from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers._pymongo_errors import _CODES, cause_of, error_for, was_not_done
from uow.drivers.base import TransactionOptions
from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    DriverError,
    LockTimeoutError,
    Outcome,
    PoolTimeoutError,
    QueryError,
    ResourceError,
    RetryableError,
    StatementTimeoutError,
    UowError,
    ValidationError,
)
from uow.operations import Aggregate, BulkWrite, Command, Find, FindAndModify, Operation

pytestmark = pytest.mark.anyio

WRITE = TransactionOptions()

MakeDriver = Callable[..., MongoDBDriver]

SECRET = "hush-hush"


@pytest.fixture
def anyio_backend() -> str:
    """PyMongo runs under asyncio alone."""
    return "asyncio"


@pytest.fixture
async def people(mongodb_driver: MakeDriver) -> AsyncIterator[MongoDBConnection]:
    """A connection to a database with a collection, unique indexes and a validator."""
    connection = await mongodb_driver().connect()
    index = {"unique": True, "sparse": True}
    indexes = [
        {"key": {"name": 1}, "name": "names", **index},
        {"key": {"a.b": 1, "c": -1}, "name": "two words", **index},
        {"key": {"caseless": 1}, "name": "cl", **index, "collation": {"locale": "en"}},
        {"key": {"place": "2dsphere"}, "name": "places"},
    ]
    await connection.execute(Command({"createIndexes": "strict", "indexes": indexes}))
    await connection.execute(
        Command({"collMod": "strict", "validator": {"age": {"$not": {"$lt": 0}}}})
    )
    yield connection
    await connection.aclose()


def insert(**values: Any) -> BulkWrite:
    """One new document."""
    return BulkWrite("strict", [("insert", values)])


def shown(error: BaseException) -> str:
    """All that a log would hold of an error."""
    text = "".join(traceback.format_exception(error))
    for one in (error, error.__cause__, error.__context__):
        text += f"{one!r} {vars(one) if one is not None else ''}"
        text += str(getattr(one, "details", ""))
    return text


# -- constraints


@pytest.mark.parametrize(
    ("values", "constraint", "columns"),
    [
        ({"_id": SECRET}, "_id_", ("_id",)),
        ({"_id": 2, "name": SECRET}, "names", ("name",)),
        ({"_id": 2, "a": {"b": SECRET}, "c": 1}, "two words", ("a.b", "c")),
        ({"_id": 2, "caseless": SECRET}, "cl", ("caseless",)),
    ],
)
@pytest.mark.parametrize("in_transaction", [True, False])
async def test_unique(
    people: MongoDBConnection, values: Any, constraint: str, columns: Any, in_transaction: bool
) -> None:
    """The index and its fields are named, and nowhere a value is shown."""
    first = {"name": SECRET, "a": {"b": SECRET}, "c": 1, "caseless": SECRET}
    await people.execute(insert(_id=SECRET, **first))
    if in_transaction:
        await people.begin(WRITE)
    writes: list[Operation] = [
        insert(**values),
        BulkWrite("strict", [("replace", {"_id": 9}, {**values, "_id": 9}, True)]),
        FindAndModify("strict", {"_id": 9}, replacement={**values, "_id": 9}, upsert=True),
    ]
    for write in writes if constraint != "_id_" else writes[:1]:
        with pytest.raises(ConstraintError) as caught:
            await people.execute(write)
        error = caught.value
        assert (error.kind, error.constraint) == (ConstraintKind.UNIQUE, constraint)
        assert (error.table, error.columns) == ("strict", columns)
        assert (error.outcome, error.retryable) == (Outcome.NOT_APPLIED, False)
        assert isinstance(error.__cause__, PyMongoError)
        assert SECRET not in shown(error)
        if in_transaction:
            await people.rollback()
            await people.begin(WRITE)
    await people.rollback()


async def test_validators(people: MongoDBConnection) -> None:
    """A document that the collection's validator refuses is a check, and is not shown."""
    await people.execute(insert(_id=1))
    for write in (
        insert(_id=2, age=-1, name=SECRET),
        BulkWrite("strict", [("update", {"_id": 1}, {"$set": {"age": -77777}}, False, False)]),
        FindAndModify("strict", {"_id": 1}, update={"$set": {"age": -77777}}),
    ):
        with pytest.raises(ConstraintError, match="check constraint failed: strict") as caught:
            await people.execute(write)
        assert caught.value.kind is ConstraintKind.CHECK
        assert SECRET not in shown(caught.value)
        assert "77777" not in shown(caught.value).replace(str(write), "")


# -- values


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (2**63, "64 bits"),
        (-(2**70), "64 bits"),
        ("\ud800", "surrogate"),
        (Decimal(1), "type decimal.Decimal"),
        ({1, 2}, "type set"),
        ({"a\0b": 1}, "no form"),
        ({1: SECRET}, "no form"),
        (object(), "type object"),
    ],
)
async def test_values_without_a_form(people: MongoDBConnection, wrong: Any, message: str) -> None:
    """F70-F72: they are refused before anything is sent, named by their type and not shown."""
    await people.begin(WRITE)
    await people.execute(insert(_id=1))
    operations: list[Operation] = [
        Find("strict", {"n": wrong}),
        Aggregate("strict", [{"$match": {"n": wrong}}]),
        FindAndModify("strict", {"_id": 1}, update={"$set": {"x": SECRET, "n": wrong}}),
    ]
    for operation in operations:
        with pytest.raises(ValidationError, match=message) as caught:
            await people.fetch(operation)
        assert SECRET not in shown(caught.value)
        assert str(2**63) not in shown(caught.value).replace(repr(operation), "")
        assert caught.value.outcome is Outcome.NOT_APPLIED
        assert not people.has_failed
    await people.commit()

    assert await people.execute(Find("strict", {})) == 1
    with pytest.raises(ValidationError, match=message):
        await people.execute(insert(_id=2, name=SECRET, n=wrong))
    assert await people.execute(Find("strict", {})) == 1


async def test_documents_that_are_too_large(people: MongoDBConnection) -> None:
    """F63: over 16 MB nothing is sent, and what was written before is rolled back."""
    await people.begin(WRITE)
    await people.execute(insert(_id=1))
    large = "x" * (16 * 1024 * 1024)
    with pytest.raises(ValidationError, match="16 MB") as caught:
        await people.execute(insert(_id=2, text=large))
    assert len(shown(caught.value)) < 10_000
    await people.rollback()
    assert await people.execute(Find("strict", {})) == 0

    half = "x" * (9 * 1024 * 1024)
    await people.execute(insert(_id=1, a=half))
    grow = BulkWrite("strict", [("update", {"_id": 1}, {"$set": {"b": half}}, False, False)])
    with pytest.raises(ValidationError, match="larger than MongoDB stores"):
        await people.execute(grow)


async def test_documents_that_are_too_deep(people: MongoDBConnection) -> None:
    """F63: the server refuses them, or already the client."""
    for depth in (250, 100_000):
        deep: Any = {}
        for _ in range(depth):
            deep = {"a": deep}
        with pytest.raises(ValidationError, match=r"deep"):
            await people.execute(insert(_id=1, deep=deep))
        while deep:  # freeing it at once would recurse as well
            deep = deep.pop("a")
    assert await people.execute(Find("strict", {})) == 0


async def test_wrong_updates(people: MongoDBConnection) -> None:
    """Values that an update cannot work on are not shown."""
    await people.execute(insert(_id=SECRET, text=SECRET, n=1))
    changes: list[tuple[Any, type[UowError]]] = [
        ({"$inc": {"text": 1}}, QueryError),
        ({"$push": {"text": 1}}, QueryError),
        ({"$set": {"_id": "another"}}, ValidationError),
        ({"$frob": {"n": 1}}, QueryError),
        ({"$set": {"n": 1}, "$inc": {"n": 1}}, QueryError),
        ({"$set": {"place": {"type": "Point", "coordinates": [1000, SECRET]}}}, UowError),
    ]
    for change, kind in changes:
        update = BulkWrite("strict", [("update", {"_id": SECRET}, change, False, False)])
        with pytest.raises(kind) as caught:
            await people.execute(update)
        assert SECRET not in shown(caught.value), change
    # The client looks at these itself.
    for change in ({"n": 1}, {}):
        with pytest.raises(QueryError, match="the client refused the call"):
            await people.execute(
                BulkWrite("strict", [("update", {"_id": SECRET}, change, False, False)])
            )


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Find("strict", {"n": {"$frob": SECRET}}), r"unknown operator: \$frob"),
        (Find("strict", {"$frob": SECRET}), r"\$frob"),
        (Find("strict", {"n": {"$in": SECRET}}), r"\$in"),
        (Find("strict", {"n": {"$regex": "("}}), "refused"),
        (Aggregate("strict", [{"$frob": {"x": SECRET}}]), r"\$frob"),
        (Aggregate("strict", [{"$group": {"x": SECRET}}]), "refused"),
        (Aggregate("strict", [{"$project": {"x": {"$toInt": SECRET}}}]), "converted"),
        (
            Command({"createIndexes": "strict", "indexes": [{"key": {"n": SECRET}}]}),
            "such an index",
        ),
        (Command({"collMod": "nothing_there"}), "no such collection"),
        (Command({"create": "strict"}), "such a collection already"),
    ],
)
async def test_wrong_operations(
    people: MongoDBConnection, operation: Operation, message: str
) -> None:
    """What is wrong is told with names of operators, and without values."""
    await people.execute(insert(_id=1))
    with pytest.raises(QueryError, match=message) as caught:
        await people.fetch(operation)

    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Find("strict", {}, options={"frob": 1}), "frob"),
        (Find("", {}), "empty"),
        (Find("a..b", {}), "empty"),
        (BulkWrite("strict", [("replace", {}, {"$set": {"n": 1}}, False)]), r"\$ operators"),
        (BulkWrite("strict", [("delete", {}, False, {"frob": 1})]), "frob"),
    ],
)
async def test_wrong_calls(people: MongoDBConnection, operation: Operation, message: str) -> None:
    """What the client refuses is a wrong call, and the transaction goes on."""
    await people.begin(WRITE)
    await people.execute(insert(_id=1))
    with pytest.raises(QueryError, match=message):
        await people.fetch(operation)
    if isinstance(operation, Find):
        assert not people.has_failed
    await people.rollback()


async def test_stored_values_without_a_counterpart(
    people: MongoDBConnection, mongodb_database: str
) -> None:
    """A date after the year 9999 cannot be read as what it is, and says so."""
    await people.execute(insert(_id=1, at=datetime(9999, 1, 1, tzinfo=UTC)))
    with database_of(mongodb_database) as database:
        database["strict"].update_one({}, [{"$set": {"at": {"$add": ["$at", 10**14]}}}])
    with pytest.raises(ValidationError, match="no counterpart"):
        await people.fetch(Find("strict", {}))
    assert await people.fetch(Find("strict", {}, projection={"_id": 1})) == [{"_id": 1}]


# -- failures of the server and of the way to it, made on purpose


@pytest.fixture
async def failing(
    mongodb_driver: MakeDriver, mongodb_database: str
) -> AsyncIterator[tuple[MongoDBConnection, Callable[..., Any]]]:
    """A connection, and what makes commands of it alone fail."""
    driver = mongodb_driver()
    connection = await driver.connect()
    app = driver.options.keywords["appname"]
    yield connection, lambda *names, **data: fail_point(mongodb_database, *names, app=app, **data)
    await connection.aclose()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (24, LockTimeoutError),
        (50, StatementTimeoutError),
        (91, RetryableError),
        (112, RetryableError),
        (189, RetryableError),
        (251, RetryableError),
        (262, StatementTimeoutError),
        (292, ResourceError),
        (10107, RetryableError),
        (11602, RetryableError),
        (13, DriverError),
        (43, RetryableError),
        (8000, QueryError),
    ],
)
async def test_codes_of_reads(failing: Any, code: int, kind: type[UowError]) -> None:
    """What the server says of a read; some of it the client tries again once by itself."""
    connection, fail = failing
    with fail("find", errorCode=code, times=2), pytest.raises(kind) as caught:
        await connection.fetch(Find("strict", {}))

    assert type(caught.value) is kind
    assert caught.value.outcome in {Outcome.NOT_APPLIED, None}
    assert await connection.fetch(Find("strict", {"_id": 0})) == []


@pytest.mark.parametrize(
    ("code", "kind", "outcome"),
    [
        (10107, RetryableError, Outcome.NOT_APPLIED),
        (91, ConnectionLostError, Outcome.UNKNOWN),
        (11602, ConnectionLostError, Outcome.UNKNOWN),
        (112, RetryableError, Outcome.NOT_APPLIED),
    ],
)
async def test_codes_of_single_writes(
    failing: Any, code: int, kind: type[UowError], outcome: Outcome
) -> None:
    """A write that a server refused is not done; one that was ended on the way may be."""
    connection, fail = failing
    with fail("insert", errorCode=code, times=2), pytest.raises(kind) as caught:
        await connection.execute(insert(_id=1))

    assert (type(caught.value), caught.value.outcome) == (kind, outcome)


async def test_single_writes_are_sent_again(failing: Any, mongodb_database: str) -> None:
    """One loss is made good by the client, with the same number: the write is done once."""
    connection, fail = failing
    await connection.execute(insert(_id=1, n=0))
    change = {"$inc": {"n": 1}}
    for data in ({"closeConnection": True}, {"errorCode": 91}, {"errorCode": 11602}):
        with fail("update", **data, errorLabels=["RetryableWriteError"]):
            await connection.execute(
                BulkWrite("strict", [("update", {"_id": 1}, change, False, False)])
            )

    assert await connection.fetch(Find("strict", {}, fields=("n",))) == [(3,)]


async def test_single_writes_whose_answer_is_lost(failing: Any) -> None:
    """Nobody knows what became of them."""
    connection, fail = failing
    with (
        fail("insert", closeConnection=True, times=2),
        pytest.raises(ConnectionLostError) as caught,
    ):
        await connection.execute(insert(_id=1))

    assert caught.value.outcome is Outcome.UNKNOWN
    assert not connection.is_closed
    assert await connection.execute(insert(_id=1)) == 1


async def test_single_writes_without_a_majority(failing: Any) -> None:
    """What is not on enough servers in time may be undone: that is no success."""
    connection, fail = failing
    concern = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"}
    with (
        fail("insert", writeConcernError={**concern, "errInfo": {"wtimeout": True}}),
        pytest.raises(DriverError, match="acknowledged") as caught,
    ):
        await connection.execute(insert(_id=1))

    assert caught.value.outcome is Outcome.UNKNOWN


async def test_reads_are_sent_again(failing: Any) -> None:
    """A read that was lost, once."""
    connection, fail = failing
    with fail("find", closeConnection=True):
        assert await connection.fetch(Find("strict", {})) == []
    with fail("find", closeConnection=True, times=2), pytest.raises(ConnectionLostError):
        await connection.fetch(Find("strict", {}))


async def test_statements_that_take_too_long(mongodb_driver: MakeDriver) -> None:
    """The server's limit, and the client's, are told apart from a cancellation."""
    driver = mongodb_driver(socketTimeoutMS=200)
    connection = await driver.connect()
    await connection.execute(insert(_id=1))
    slow: Any = {
        "$expr": {"$function": {"body": "function(){sleep(2000)}", "args": [], "lang": "js"}}
    }
    limited = Find("strict", slow, options={"max_time_ms": 50})
    with pytest.raises(StatementTimeoutError):
        await connection.fetch(limited)
    with pytest.raises(StatementTimeoutError, match="did not answer"):
        await connection.fetch(Find("strict", slow))
    await connection.begin(WRITE)
    with pytest.raises(StatementTimeoutError) as caught:
        await connection.fetch(Find("strict", slow))
    assert caught.value.retryable
    assert connection.has_failed
    await connection.rollback()
    assert await connection.execute(Find("strict", {})) == 1
    await connection.aclose()


# -- the table


def failure(code: int | None, *labels: str, **details: Any) -> OperationFailure:
    """What PyMongo makes of a server's answer."""
    answer = {"ok": 0, "errmsg": f"it said {SECRET}", "code": code, "errorLabels": list(labels)}
    return OperationFailure(f"it said {SECRET}", code, {**answer, **details})


@pytest.mark.parametrize("code", sorted({*_CODES, 4711}))
def test_every_code_has_a_class(code: int) -> None:
    """It is one of ours, and neither it nor its cause holds what the server quoted."""
    answer = failure(code)
    mapped = error_for(answer)
    cause = cause_of(answer)

    assert type(mapped) is not UowError
    quotes = {2, 9, 13, 14, 18, 20, 26, 27, 48, 59, 61, 67, 68, 72, 73, 79, 85, 86, 100, 115, 166,
              167, 168, 263, 40324}  # fmt: skip
    if code not in quotes:
        assert SECRET not in f"{mapped} {cause} {cause!r}"
    assert SECRET not in str(getattr(cause, "details", ""))


def test_what_is_told_holds_no_quotations() -> None:
    """Of texts that are told, what stands in quotes, brackets or behind a colon is left out."""
    text = 'bad {a: "x"}: 12 and [1, 2] and "y" of $op: -3.5'
    error = OperationFailure(text, 2, {"errmsg": text})

    assert str(error_for(error)) == (
        "an operation has a wrong argument: bad ... and ... of $op..."
    ) or "12" not in str(error_for(error))
    for value in ('"x"', '"y"', "1, 2", "-3.5"):
        assert value not in str(error_for(error))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AutoReconnect("gone"), ConnectionLostError),
        (NotPrimaryError("no", {"code": 10107}), RetryableError),
        (NotPrimaryError("no"), RetryableError),
        (ServerSelectionTimeoutError("none"), RetryableError),
        (WaitQueueTimeoutError("full"), PoolTimeoutError),
        (NetworkTimeout("slow"), StatementTimeoutError),
        (WTimeoutError("slow", 64), DriverError),
        (ConfigurationError("wrong"), DriverError),
        (InvalidOperation("Cannot use AsyncMongoClient after close"), ConnectionLostError),
        (InvalidOperation("other"), QueryError),
        (InvalidBSON("x"), ValidationError),
        (DuplicateKeyError("x", 11000, {"errmsg": "x"}), ConstraintError),
        (BulkWriteError({}), DriverError),
        (OSError("x"), ConnectionLostError),
        (RecursionError(), ValidationError),
        (MemoryError(), ResourceError),
        (TypeError("x"), ValidationError),
        (PyMongoError("x"), DriverError),
        (KeyError("x"), DriverError),
        (QueryError("ours"), QueryError),
    ],
)
def test_errors_of_the_client(error: Exception, kind: type[UowError]) -> None:
    """Each becomes one of ours, alone and with a cleaned cause."""
    assert type(error_for(error)) is kind
    cause_of(error)


def test_labels() -> None:
    """What the server says can be run again is told so, whatever its code is."""
    assert type(error_for(failure(4711, "TransientTransactionError"))) is RetryableError
    assert type(error_for(failure(50, "TransientTransactionError"))) is StatementTimeoutError
    assert error_for(failure(50, "TransientTransactionError")).retryable
    assert not error_for(failure(50)).retryable
    assert type(error_for(failure(4711, "RetryableError"))) is RetryableError


def test_what_was_sent() -> None:
    """Only what surely was not done leaves a transaction, or a single write, as it was."""
    for error in (
        OverflowError(),
        TypeError(),
        ServerSelectionTimeoutError(),
        NotPrimaryError("no", {"code": 13435}),
        InvalidOperation("x"),
    ):
        assert was_not_done(error)
    for sent in (AutoReconnect(), InvalidBSON(), failure(2), NotPrimaryError("no", {"code": 91})):
        assert not was_not_done(sent)
