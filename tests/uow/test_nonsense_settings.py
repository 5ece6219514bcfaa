"""Settings that mean nothing are refused by name, where they are given."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from pymongo import ASCENDING, IndexModel

from uow import Column, Database, Document, Mapped, Registry, Table
from uow.beanie import Granularity, TimeSeriesConfig
from uow.errors import MappingError, ValidationError
from uow.mapping.mapper import mapper_of

HOUR = timedelta(hours=1)


def define(base: Any, **settings: Any) -> Any:
    """Write a class statement with settings."""
    return type(base)("Bad", (base,), {"Settings": type("Settings", (), settings)})


OF_DOCUMENTS: list[tuple[str, Any, str]] = [
    ("abstract", 1, "a bool, got 1"),
    ("action_conflict_resolution", "SOMEBODY", "one of 'UPDATE_WINS', "),
    ("bson_encoders", {"int": str}, "a Mapping of classes to functions, got dict"),
    ("bson_encoders", {int: "str"}, "a Mapping of classes to functions, got dict"),
    ("cache_capacity", -1, "a whole number of answers of at least 0, got -1"),
    ("cache_capacity", True, "a whole number of answers of at least 0, got True"),
    ("cache_capacity", 1.5, "a whole number of answers of at least 0, got 1.5"),
    ("cache_expiration_time", -HOUR, "a timedelta that is not negative, got datetime.timedelta"),
    ("cache_expiration_time", 60, "a timedelta that is not negative, got 60"),
    ("class_id", "", "a str that can name a field, got ''"),
    ("class_id", "$kind", "a str that can name a field"),
    ("class_id", "a.b", "a str that can name a field"),
    ("class_id_value", 3, "a str that is not empty, got 3"),
    ("indexes", "name", "a list or tuple, got 'name'"),
    ("is_root", "yes", "a bool, got 'yes'"),
    ("keep_nulls", "no", "a bool, got 'no'"),
    ("lazy_parsing", 1, "a bool, got 1"),
    ("max_nesting_depth", -1, "a whole number of levels of at least 0, got -1"),
    ("max_nesting_depths_per_field", {"a": -1}, "a Mapping of names of fields, each to a whole nu"),
    ("max_nesting_depths_per_field", {1: 1}, "a Mapping of names of fields"),
    ("name", "", "a str that is not empty, got ''"),
    ("pipeline", [1], "a list of stages, got list"),
    ("primary_key", [1], "a field name or a list of them, got list"),
    ("registry", 3, "a Registry, got 3"),
    ("source", 3, "a document class, or the name of a collection, got 3"),
    ("timeseries", "time", "a TimeSeriesConfig, got 'time'"),
    ("use_cache", "yes", "a bool, got 'yes'"),
    ("validator", "x", "a Mapping, got 'x'"),
]


@pytest.mark.parametrize(
    ("name", "value", "said"), OF_DOCUMENTS, ids=[f"{s[0]}={s[1]!r}" for s in OF_DOCUMENTS]
)
def test_of_documents(name: str, value: object, said: str) -> None:
    """The error is raised by the class statement, and names class, setting, rule and value."""
    with pytest.raises(MappingError) as caught:
        define(Document, **{name: value})

    assert f"Bad.Settings.{name} must be {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"time_field": ""}, "time_field must be a str that is not empty, got ''"),
        ({"meta_field": 3}, "meta_field must be a str that is not empty, got 3"),
        ({"granularity": "days"}, "granularity must be one of 'seconds', 'minutes', 'hours', got"),
        ({"bucket_max_span_seconds": 0}, "a whole number of seconds of at least 1, got 0"),
        ({"bucket_rounding_seconds": 1.5}, "a whole number of seconds of at least 1, got 1.5"),
        ({"expire_after_seconds": -1}, "a whole number of seconds of at least 0, got -1"),
    ],
)
def test_of_measurements(given: dict[str, Any], said: str) -> None:
    """What a class says of measurements is looked at with its other settings."""
    values: dict[str, Any] = {"time_field": "at", **given}
    config = TimeSeriesConfig(**values)

    with pytest.raises(MappingError) as caught:
        define(Document, timeseries=config)

    assert "Bad.Settings.timeseries." in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ([("a", 0)], "the direction of 'a' must be a number that is not 0, or the name"),
        ([("a", None)], "the direction of 'a' must be a number that is not 0, or the name"),
        ([("a", True)], "the direction of 'a' must be a number that is not 0, or the name"),
        ({"fields": ["a"], "expireAfterSeconds": -1}, "expireAfterSeconds must be a number of sec"),
        ({"fields": ["a"], "partialFilterExpression": 3}, "partialFilterExpression must be a Map"),
        (IndexModel([("a", ASCENDING)], expireAfterSeconds=-1), "expireAfterSeconds must be a num"),
    ],
)
def test_of_indexes_of_documents(index: Any, said: str) -> None:
    """An index that no server takes is refused with its class."""
    with pytest.raises(MappingError) as caught:

        class Bad(Document):
            class Settings:
                registry = Registry()
                indexes = [index]  # noqa: RUF012 - read once, by the mapping

            a: int

    assert f"Bad.Settings.indexes: {said}" in str(caught.value)


def test_measurements_without_their_moment() -> None:
    """The field with the moment is one of the class, under the name it has in the store."""
    config = TimeSeriesConfig(time_field="at")
    with pytest.raises(MappingError, match=r"Bad\.Settings\.timeseries\.time_field: there is no f"):
        define(Document, timeseries=config, registry=Registry())

    class Good(Document):
        class Settings:
            registry = Registry()
            timeseries = config

        made: Mapped[datetime] = Column(name="at")

    assert mapper_of(Good).document is not None


def test_what_is_allowed() -> None:
    """Ends of what is allowed are; an enum's member is its text."""
    config = TimeSeriesConfig(time_field="at", granularity=Granularity.hours)

    class Good(Document):
        class Settings:
            registry = Registry()
            cache_capacity = 0
            cache_expiration_time = timedelta(0)
            max_nesting_depth = 0
            max_nesting_depths_per_field = MappingProxyType({"other": 0})
            timeseries = config

        at: datetime

    assert mapper_of(Good).name == "Good"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"abstract": None}, "abstract must be a bool, got None"),
        ({"comment": "a\0"}, "comment must be a str without NUL characters, got 'a\\x00'"),
        ({"discriminator": "", "inheritance": "single"}, "discriminator must be the name of a f"),
        ({"inheritance": ["single"]}, "inheritance must be one of 'concrete', 'joined', 'single'"),
        ({"indexes": [{"fields": "id", "name": ""}]}, "indexes: 'name' is empty"),
        ({"indexes": [{"fields": "id", "where": ""}]}, "indexes: 'where' is empty"),
        ({"constraints": [{"check": ""}]}, "constraints: 'check' is empty"),
    ],
)
def test_of_tables(settings: dict[str, Any], said: str) -> None:
    """Tables are refused in the same words."""
    with pytest.raises(MappingError) as caught:
        define(Table, **settings)

    assert f"Bad.Settings.{said}" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"collation": ""}, "collation= is empty"), ({"prefix": 3}, "prefix= begins names of")],
)
def test_of_columns(given: dict[str, Any], said: str) -> None:
    """What a column is told is looked at by the class statement, too."""
    with pytest.raises(MappingError, match=rf"Bad\.text: {said}"):

        class Bad(Table):
            id: Mapped[int] = Column(primary_key=True)
            text: Mapped[str] = Column(**given)  # type: ignore[misc]  # one at a time


OF_DATABASES: list[tuple[str, Any, str]] = [
    ("default", 1, "a bool, got 1"),
    ("pool_min", -1, "a whole number of connections of at least 0, got -1"),
    ("pool_min", True, "a whole number of connections of at least 0, got True"),
    ("pool_max", 2.0, "a whole number of connections of at least 0, got 2.0"),
    ("pool_max", "10", "a whole number of connections of at least 0, got '10'"),
    ("pool_timeout", -0.1, "a number of seconds that is not negative, got -0.1"),
    ("pool_timeout", math.nan, "a number of seconds that is not negative, got nan"),
    ("pool_timeout", 10**400, "a number of seconds that is not negative, got int"),
    ("pool_lifetime", True, "a number of seconds that is not negative, got True"),
    ("pool_idle_check", "5", "a number of seconds that is not negative, got '5'"),
    ("pool_waiters", -1, "a whole number of tasks of at least 0, got -1"),
    ("replica_timeout", 0, "a number of seconds above 0, got 0"),
    ("replica_wait", HOUR, "a number of seconds that is not negative, got datetime.timedelta"),
    ("commit_timeout", 0, "a number of seconds above 0, got 0"),
    ("commit_timeout", None, "a number of seconds above 0, got None"),
    ("cleanup_timeout", -1, "a number of seconds above 0, got -1"),
    ("atomic", "yes", "a bool, got 'yes'"),
]


@pytest.mark.parametrize(
    ("name", "value", "said"), OF_DATABASES, ids=[f"{s[0]}={str(s[1])[:9]}" for s in OF_DATABASES]
)
def test_of_databases(name: str, value: object, said: str) -> None:
    """The error is raised where the database is made."""
    with pytest.raises(ValidationError) as caught:
        Database("memory://", **{name: value})  # type: ignore[arg-type]  # wrong on purpose

    assert f"Database: {name} must be {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        ("memory://", "busy_timeout", -1),
        ("memory://", "busy_timeout", "soon"),
        ("sqlite://", "busy_timeout", True),
        ("sqlite://", "busy_timeout", math.inf),
        ("sqlite://", "busy_timeout", 10**7),
        ("sqlite://", "cache_size", 1.5),
        ("sqlite://", "cache_size", -1),
        ("sqlite://", "mmap_size", math.inf),
        ("postgresql://localhost/x", "application_name", None),
        ("postgresql://localhost/x", "connect_timeout", -1),
        ("postgresql://localhost/x", "password", 3),
        ("postgresql://localhost/x", "statement_cache_size", True),
        ("postgresql://localhost/x", "sslrootcert", b"x.pem"),
        ("mariadb://localhost/x", "port", True),
        ("mariadb://localhost/x", "command_timeout", math.nan),
        ("mariadb://localhost/x", "program_name", False),
        ("mongodb://localhost/x", "serverSelectionTimeoutMS", -1),
        ("mongodb://localhost/x", "maxPoolSize", -5),
        ("mongodb://localhost/x", "tlsCAFile", "/no/such/file"),
        ("mongodb://localhost/x", "colour", "red"),
        ("mongodb://localhost/x?maxPoolSize=-5", "maxPoolSize", None),
        ("mongodb+motor://localhost/x?retryWrites=maybe", "retryWrites", None),
    ],
)
def test_of_drivers(url: str, name: str, value: object) -> None:
    """Drivers look at their options before anything is opened."""
    with pytest.raises(ValidationError, match=name):
        Database(url, **({} if "?" in url else {name: value}))  # type: ignore[arg-type]


class Seconds(float):
    """A number as libraries of numbers have them."""


def test_options_as_they_come() -> None:
    """Numbers are taken as they are, however Python writes them; a password may be None."""
    Database("sqlite://", busy_timeout=1e-7)
    Database("sqlite://", busy_timeout="500ms")
    Database("sqlite://", pool_timeout=math.inf)
    Database("sqlite://", pool_timeout=Seconds(3.0), commit_timeout=Seconds(0.5))
    Database("postgresql://localhost/x", password=None, port=5433)
    Database("mongodb://localhost/x?colour=red")
