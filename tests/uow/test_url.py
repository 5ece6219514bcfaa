"""Database URLs taken apart, and never shown with a password."""

from __future__ import annotations

import pytest

from uow.errors import ValidationError
from uow.url import URL, parse_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqlite:///shop.db", URL("sqlite", database="shop.db")),
        ("sqlite:////var/shop.db", URL("sqlite", database="/var/shop.db")),
        ("sqlite://", URL("sqlite")),
        ("SQLite:///a%20b.db", URL("sqlite", database="a b.db")),
        (
            "postgresql://u:p@host:5433/shop",
            URL("postgresql", "u", "p", (("host", 5433),), "shop"),
        ),
        (
            "postgresql://u@/shop?host=/run/pg",
            URL("postgresql", "u", database="shop", query={"host": "/run/pg"}),
        ),
        (
            "mongodb+motor://a:1,b:2/shop?w=majority",
            URL("mongodb+motor", None, None, (("a", 1), ("b", 2)), "shop", {"w": "majority"}),
        ),
        ("mysql://u:p%40%2F@[::1]:3306/x", URL("mysql", "u", "p@/", (("::1", 3306),), "x")),
        ("mysql://u:p@ss@host/x", URL("mysql", "u", "p@ss", (("host", None),), "x")),
    ],
)
def test_parts(text: str, expected: URL) -> None:
    """A URL is taken apart as SQLAlchemy's are, percent escapes undone."""
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop.db",
        "sqlite:/shop.db",
        "://x",
        "a b://x",
        "postgresql://u:secret@host:no/x",
        "postgresql://u:secret@host:99999/x",
        "postgresql://u:secret@,/x",
        "postgresql://u:secret@[::1/x",
        "sqlite:///x?novalue",
    ],
)
def test_bad_urls(text: str) -> None:
    """What is no URL is one clear error, which repeats nothing of a password."""
    with pytest.raises(ValidationError) as caught:
        parse_url(text)

    assert "secret" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    """Neither text nor repr of a URL holds its password, or a secret in its query."""
    url = parse_url("postgresql://ann:secret@host/db?password=hidden&ssl=require")

    assert str(url) == "postgresql://ann:***@host/db?password=***&ssl=require"
    assert "secret" not in repr(url)
    assert "hidden" not in repr(url)


def test_rendering_and_parsing_agree() -> None:
    """A URL rendered with its password is the same URL again."""
    url = parse_url("postgresql://a%40b:p%3A%2F@[::1]:5432/my%20db?x=1%262")

    assert parse_url(url.render(hide_password=False)) == url


def test_a_parsed_url_is_taken_as_it_is() -> None:
    """A URL object goes through unchanged."""
    url = parse_url("sqlite://")

    assert parse_url(url) is url
