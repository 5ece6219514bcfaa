"""What can be asked of the MySQL driver, and what is refused before anything is sent."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from uow.drivers._mysql_options import FOUND_ROWS, MySQLOptions
from uow.drivers.mysql import create
from uow.errors import ValidationError
from uow.url import parse_url


def arguments(url: str, **options: Any) -> dict[str, Any]:
    """What the client is called with."""
    parsed = parse_url(url)
    return MySQLOptions.parse({**parsed.query, **options}).arguments(parsed)


def test_the_url_and_options() -> None:
    """The URL says most, options the rest; what we rely on is always said."""
    found = arguments("mariadb://ann:s3cret@localhost:3307/shop", program_name="till")

    assert found == {
        "host": "localhost", "port": 3307, "user": "ann", "password": "s3cret",
        "database": "shop", "program_name": "till", "charset": "utf8mb4",
        "client_flag": FOUND_ROWS, "local_infile": False,
    }  # fmt: skip
    assert arguments("mysql:///x?unix_socket=/s/sock&user=bob")["unix_socket"] == "/s/sock"
    assert arguments("mysql://localhost/x", passwd="p")["password"] == "p"


def test_passwords_that_are_made() -> None:
    """A function is asked for a password each time, and none is ever shown."""
    made = arguments("mysql://localhost/x", password=lambda: "token")
    assert made["password_creator"]() == "token"
    driver = create(parse_url("mysql://ann:s3cret@localhost/x"), {})
    assert "s3cret" not in f"{driver!r} {driver.options!r}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonsense", 1),
        ("port", 0),
        ("port", 70000),
        ("connect_timeout", "0"),
        ("connect_timeout", "soon"),
        ("lock_timeout", "1500ms"),
        ("isolation", "READ UNCOMMITTED"),
        ("isolation", "SERIALIZABLE; DROP"),
        ("statement_cache_size", 0),
        ("sslmode", "preferred"),
        ("insecure_tls", "perhaps"),
        ("host", ""),
        ("local_infile", "true"),
        ("init_command", "SET sql_mode = ''"),
    ],
)
def test_wrong_options(name: str, value: object) -> None:
    """An option that is unknown or does not fit is refused by its name."""
    with pytest.raises(ValidationError, match=name):
        MySQLOptions.parse({name: value})


def test_several_hosts() -> None:
    """They are replicas, or a mistake."""
    with pytest.raises(ValidationError, match="one host"):
        arguments("mysql://a,b/x")


def test_tls() -> None:
    """Where a host is not this machine it must prove who it is, unless one says otherwise."""
    assert "ssl" not in arguments("mysql://localhost/x")
    assert "ssl" not in arguments("mysql://127.0.0.1/x")
    far = arguments("mysql://db.example.org/x")["ssl"]
    assert (far.check_hostname, far.verify_mode) == (True, ssl.CERT_REQUIRED)
    for mode in ("disabled", "required"):
        with pytest.raises(ValidationError, match="insecure_tls"):
            arguments("mysql://db.example.org/x", sslmode=mode)
    loose = arguments("mysql://db.example.org/x", sslmode="required", insecure_tls=True)["ssl"]
    assert (loose.check_hostname, loose.verify_mode) == (False, ssl.CERT_NONE)
    named = arguments("mysql://db.example.org/x?ssl_mode=VERIFY_CA")["ssl"]
    assert (named.check_hostname, named.verify_mode) == (False, ssl.CERT_REQUIRED)
    with pytest.raises(ValidationError, match="sslrootcert"):
        arguments("mysql://db.example.org/x", sslrootcert="/nothing/like/it")


def test_certificates_of_clients(tmp_path: Path) -> None:
    """A certificate of one's own is loaded with its key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("ann").private_key_and_cert_chain_pem.write_to_path(tmp_path / "ann.pem")
    found = arguments(
        "mysql://localhost/x",
        ssl_ca=str(tmp_path / "ca.pem"),
        ssl_cert=str(tmp_path / "ann.pem"),
    )
    assert found["ssl"].check_hostname
