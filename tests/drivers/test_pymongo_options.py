"""What can be asked of the MongoDB drivers, before anything is opened."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from uow.database import Database
from uow.drivers._pymongo_options import MongoDBOptions
from uow.errors import ValidationError
from uow.url import parse_url


def parse(url: str, **options: Any) -> MongoDBOptions:
    """What the drivers make of a URL and options."""
    return MongoDBOptions.parse(parse_url(url), options)


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("mongodb://localhost/shop", "mongodb://localhost/shop"),
        ("mongodb:///shop", "mongodb://localhost/shop"),
        ("mongodb+motor://localhost:1/shop", "mongodb://localhost:1/shop"),
        ("mongodb+srv://a.example.com/shop", "mongodb+srv://a.example.com/shop"),
        ("mongodb+motor+srv://a.example.com/shop", "mongodb+srv://a.example.com/shop"),
        (
            "mongodb://ann:p%40ss@127.0.0.1:1,localhost:2/shop?replicaSet=rs&authSource=admin",
            "mongodb://ann:p%40ss@127.0.0.1:1,localhost:2/shop?replicaSet=rs&authSource=admin",
        ),
        ("mongodb://[::1]:5/shop", "mongodb://[::1]:5/shop"),
        ("mongodb://localhost/shop?connect_timeout=3&weak_writes=no", "mongodb://localhost/shop"),
    ],
)
def test_urls(url: str, uri: str) -> None:
    """They go to the client as they are, but for the scheme and what is ours."""
    options = parse(url)

    assert (options.uri, options.database) == (uri, "shop")


def test_defaults() -> None:
    """What is set where nobody says otherwise; whoever does, in whatever case, goes before."""
    assert parse("mongodb://localhost/x").keywords == {
        "appname": "uow",
        "maxPoolSize": 0,
        "tz_aware": True,
        "uuidRepresentation": "standard",
        "w": "majority",
    }
    given = parse(
        "mongodb://localhost/x?APPNAME=a&maxpoolsize=5&w=3",
        tz_aware=False,
        UUIDRepresentation="pythonLegacy",
        retryWrites=False,
    )
    assert given.keywords == {
        "tz_aware": False,
        "UUIDRepresentation": "pythonLegacy",
        "retryWrites": False,
    }


def test_the_database() -> None:
    """It is named, in the URL or by option."""
    assert parse("mongodb://localhost", database="x").database == "x"
    assert parse("mongodb://localhost/y", database="x").database == "y"
    with pytest.raises(ValidationError, match="names no database"):
        parse("mongodb://localhost/")


def test_timeouts() -> None:
    """Ours take a unit."""
    assert parse("mongodb://localhost/x").connect_timeout == 10
    assert parse("mongodb://localhost/x?connect_timeout=1500ms").connect_timeout == 1.5
    with pytest.raises(ValidationError, match="connect_timeout"):
        parse("mongodb://localhost/x", connect_timeout="soon")


@pytest.mark.parametrize("query", ["w=0", "w=0&weak_writes=true"])
def test_writes_without_an_answer(query: str) -> None:
    """F64: of them nobody knows anything: never."""
    with pytest.raises(ValidationError, match="w=0"):
        parse(f"mongodb://localhost/x?{query}")
    with pytest.raises(ValidationError, match="w=0"):
        parse("mongodb://localhost/x", w=0, weak_writes=True)


@pytest.mark.parametrize("option", ["w=1", "journal=false", "j=false", "W=1"])
def test_writes_that_may_be_lost(option: str) -> None:
    """F64: they are refused, unless they are asked for by name."""
    with pytest.raises(ValidationError, match="weak_writes=true"):
        parse(f"mongodb://localhost/x?{option}")
    assert "weak_writes" not in parse(f"mongodb://localhost/x?{option}&weak_writes=true").uri
    for fine in ("w=majority", "w=2", "journal=true", "w=rack"):
        parse(f"mongodb://localhost/x?{fine}")


def test_tls() -> None:
    """What goes to another machine is encrypted and verified, unless the user says otherwise."""
    assert "tls" not in parse("mongodb://localhost,127.0.0.1/x").keywords
    assert parse("mongodb://localhost,db.example.com/x").keywords["tls"] is True
    assert "tls" not in parse("mongodb://db.example.com/x?ssl=true").keywords
    assert parse("mongodb+srv://db.example.com/x").keywords["tls"] is True
    for option in (
        "tls=false",
        "ssl=false",
        "tlsInsecure=true",
        "tlsAllowInvalidCertificates=true",
        "tlsAllowInvalidHostnames=true",
    ):
        with pytest.raises(ValidationError, match=r"db\.example\.com"):
            parse(f"mongodb://db.example.com/x?{option}")
        parse(f"mongodb://db.example.com/x?{option}&insecure_tls=true")
        parse(f"mongodb://localhost/x?{option}")
    with pytest.raises(ValidationError, match="tls is true or false"):
        parse("mongodb://db.example.com/x?tls=perhaps")


def test_secrets() -> None:
    """No password is shown."""
    options = parse("mongodb://ann:hush@localhost/x", tlsCertificateKeyFilePassword="hush")

    assert "hush" not in repr(options)


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        ("mongodb", "pymongo"),
        ("mongodb+srv", "pymongo"),
        ("mongodb+motor", "motor"),
        ("mongodb+motor+srv", "motor"),
    ],
)
def test_schemes(scheme: str, name: str) -> None:
    """The URL says which client library; nothing is opened."""
    database = Database(f"{scheme}://localhost/x")

    assert database.driver.name == name
    assert database.driver.max_connections is None


@pytest.mark.parametrize("name", ["pymongo", "motor"])
def test_a_client_of_the_users(name: str) -> None:
    """Writes that are not acknowledged are refused there too."""
    library: Any = import_module(f"uow.drivers.{name}")
    refused: Any = type("Database", (), {})()
    refused.name = "x"
    refused.write_concern = import_module("pymongo").WriteConcern(w=0)

    with pytest.raises(ValidationError, match="w=0"):
        library.over(refused)
