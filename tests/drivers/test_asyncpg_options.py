"""What can be asked of the PostgreSQL driver, and what is made of it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from uow.database import Database
from uow.drivers._asyncpg_options import AsyncpgOptions
from uow.drivers.asyncpg import AsyncpgDriver, create
from uow.errors import ValidationError
from uow.url import parse_url


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine's user has set for libpq is not under test."""
    for name in ("PGHOST", "PGPORT", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


def arguments(text: str, **options: Any) -> dict[str, Any]:
    """What asyncpg is given for a URL and options."""
    url = parse_url(text)
    return AsyncpgOptions.parse({**url.query, **options}).arguments(url)


def test_a_url_in_full() -> None:
    """Everything a URL names is passed on."""
    made = arguments("postgresql://ann:s%40crt@localhost:6543/shop?application_name=till")

    assert made["host"] == ["localhost"]
    assert made["port"] == [6543]
    assert (made["user"], made["password"], made["database"]) == ("ann", "s@crt", "shop")
    assert made["server_settings"] == {"application_name": "till", "TimeZone": "UTC"}
    assert made["ssl"] is False


def test_a_socket() -> None:
    """A folder of a socket is a host."""
    made = arguments("postgresql://ann@/shop?host=/var/run/postgresql&port=6543")

    assert (made["host"], made["port"]) == (["/var/run/postgresql"], [6543])


def test_several_hosts() -> None:
    """Hosts have ports of their own or one for all."""
    made = arguments(
        "postgres://127.0.0.1:1,127.0.0.2,[::1]:3/x?port=9&target_session_attrs=read_write"
    )

    assert made["host"] == ["127.0.0.1", "127.0.0.2", "::1"]
    assert made["port"] == [1, 9, 3]
    assert made["target_session_attrs"] == "read-write"
    listed = arguments("postgresql:///x?host=localhost,127.0.0.1&port=5,6")
    assert (listed["host"], listed["port"]) == (["localhost", "127.0.0.1"], [5, 6])


def test_nothing_said() -> None:
    """Without a host asyncpg looks on this machine; the name on the server is ours."""
    made = arguments("postgresql://")

    assert "host" not in made
    assert made["server_settings"]["application_name"] == "uow"
    assert made["ssl"] is False


def test_the_environment_names_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that PGHOST names is held to the same rules as one in the URL."""
    monkeypatch.setenv("PGHOST", "db.example.org")
    monkeypatch.setenv("PGPORT", "7")
    made = arguments("postgresql:///shop")

    assert (made["host"], made["port"]) == (["db.example.org"], [7])
    assert made["ssl"].check_hostname


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [("5", 5000), (0.25, 250), ("500ms", 500), ("2min", 120_000), ("1 h", 3_600_000), (0, 0),
     ("1us", 1)],
)  # fmt: skip
def test_durations(given: object, milliseconds: int) -> None:
    """Durations are seconds or have a unit, and reach the server in its own."""
    made = arguments("postgresql://localhost/x", statement_timeout=given, lock_timeout=given)

    assert made["server_settings"]["statement_timeout"] == str(milliseconds)
    assert made["server_settings"]["lock_timeout"] == str(milliseconds)


def test_settings_of_the_session() -> None:
    """What concerns the server's session is sent when it begins."""
    made = arguments(
        "postgresql://localhost/x?search_path=a,b&options=-c%20jit%3Doff"
        "&idle_in_transaction_session_timeout=60&connect_timeout=3&timeout=4"
        "&command_timeout=5&statement_cache_size=0"
    )

    assert made["server_settings"] == {
        "application_name": "uow",
        "TimeZone": "UTC",
        "search_path": "a,b",
        "options": "-c jit=off",
        "idle_in_transaction_session_timeout": "60000",
    }
    assert (made["timeout"], made["command_timeout"], made["statement_cache_size"]) == (4, 5, 0)


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "statement_timeout=soon",
        "statement_timeout=-1",
        "connect_timeout=0",
        "statement_cache_size=-1",
        "statement_cache_size=many",
        "target_session_attrs=master",
        "sslmode=maybe",
        "insecure_tls=perhaps",
        "port=70000",
        "port=1,2",
        "application_name=",
        "channel_binding=require",
        "gssencmode=require",
        "gssencmode=maybe",
        "client_encoding=LATIN1",
        "keepalives=maybe",
        "keepalives_idle=-1",
        "keepalives_count=few",
        "sslmode=1",
        "search_path=a%00b",
        "sslmode=verify-full&sslrootcert=/no/such/file",
    ],
)
def test_wrong_options(query: str) -> None:
    """An option that is unknown or wrong is refused by its name, before any connection."""
    name = query.rpartition("&")[2].partition("=")[0]
    with pytest.raises(ValidationError, match=name):
        create(parse_url(f"postgresql://localhost/x?{query}"), {})


def test_what_libpq_has_and_asyncpg_has_not() -> None:
    """What asks for nothing that cannot be had is taken, so URLs made for libpq go through."""
    made = arguments(
        "postgresql+asyncpg://localhost/x?channel_binding=prefer&gssencmode=disable"
        "&client_encoding=utf-8&fallback_application_name=till&ssl=false"
    )

    assert made["server_settings"]["application_name"] == "till"
    assert made["ssl"] is False
    named = arguments("postgresql://localhost/x?fallback_application_name=a&application_name=b")
    assert named["server_settings"]["application_name"] == "b"
    with pytest.raises(ValidationError, match="asyncpg has no channel binding"):
        arguments("postgresql://localhost/x?channel_binding=require")


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+asyncpg", "POSTGRES+asyncpg"]
)
def test_schemes(scheme: str) -> None:
    """The client may be named in the scheme, as URLs of other libraries do."""
    assert isinstance(Database(f"{scheme}://localhost/x").driver, AsyncpgDriver)


@pytest.mark.parametrize(
    ("query", "idle", "is_on"),
    [
        ("", None, False),
        ("keepalives=1", None, True),
        ("keepalives=0&keepalives_idle=5", None, False),
        ("keepalives_idle=2min&keepalives_interval=0&keepalives_count=3", 120, True),
    ],
)
def test_keepalives(query: str, idle: int | None, is_on: bool) -> None:
    """Whether the system looks after a silent server is said as libpq has it."""
    options = AsyncpgOptions.parse(parse_url(f"postgresql://localhost/x?{query}").query)
    with socket.socket() as made:
        usual = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        for option in options.socket_options():
            made.setsockopt(*option)

        assert bool(made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is is_on
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == (idle or usual)
        if idle is not None:
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3


# -- TLS


@pytest.mark.parametrize("value", ["true", "True", True])
def test_ssl_is_true(value: Any) -> None:
    """D11: `ssl=true` asks for all of it."""
    assert arguments("postgresql://localhost/x", ssl=value)["ssl"].check_hostname
    with pytest.raises(ValidationError, match="insecure_tls"):
        arguments("postgresql://db.example.org/x?ssl=false")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "/socket"])
def test_this_machine_needs_no_tls(host: str) -> None:
    """What does not leave the machine is not encrypted unless asked for."""
    text = f"postgresql://{host}/x" if host[0] != "/" else f"postgresql:///x?host={host}"

    assert arguments(text)["ssl"] is False
    assert arguments(text, sslmode="prefer")["ssl"] == "prefer"
    assert arguments(text, sslmode="verify-full")["ssl"].check_hostname


def test_another_machine_is_verified() -> None:
    """D11: without a word the other machine must prove that it is who it is."""
    context = arguments("postgresql://db.example.org/x")["ssl"]

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    named = arguments("postgresql://10.0.0.1/x?sslmode=verify-ca")["ssl"]
    assert named.verify_mode is ssl.CERT_REQUIRED
    assert not named.check_hostname


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
@pytest.mark.parametrize("hosts", ["db.example.org", "10.0.0.1", "localhost,db.example.org"])
def test_modes_that_verify_nothing(mode: str, hosts: str) -> None:
    """D11: a mode that lets anybody answer is refused off this machine, unless said by name."""
    text = f"postgresql://ann:secret@{hosts}/x?sslmode={mode}"
    with pytest.raises(ValidationError, match="insecure_tls") as caught:
        arguments(text)

    assert "secret" not in str(caught.value)
    allowed = arguments(f"{text}&insecure_tls=true")["ssl"]
    if mode == "require":
        assert allowed.verify_mode is ssl.CERT_NONE
    else:
        assert allowed == (False if mode == "disable" else mode)


def test_an_authority_of_ones_own(tmp_path: Path) -> None:
    """With an authority named, `require` verifies it, as libpq does."""
    authority = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    if not Path(authority).exists():
        authority = str(tmp_path / "none.pem")
        Path(authority).write_text("")
        pytest.skip("this machine has no file of authorities")
    made = arguments("postgresql://db.example.org/x", sslmode="require", sslrootcert=authority)

    assert made["ssl"].verify_mode is ssl.CERT_REQUIRED
    assert not made["ssl"].check_hostname


# -- secrets


def test_passwords_are_not_shown() -> None:
    """D11: neither the driver nor its options show a password."""
    driver = create(
        parse_url("postgresql://ann:hunter2@localhost/x?sslpassword=hunter2"),
        {"password": "hunter2"},
    )

    assert "hunter2" not in repr(driver)
    assert "hunter2" not in repr(driver.options)
    assert "hunter2" not in str(driver.url)


def test_a_password_made_when_needed() -> None:
    """A function gives the password of each new connection."""

    def password() -> str:
        return "hunter2"

    assert arguments("postgresql://ann@localhost/x", password=password)["password"] is password
