"""What can be asked of the MySQL driver, by keyword or in the query of the URL."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from uow.drivers._options import (
    Password,
    as_password,
    as_path,
    as_positive,
    as_text,
    as_truth,
    as_whole,
    converted,
    is_this_machine,
    one_of,
    tls_context,
)
from uow.errors import ValidationError
from uow.url import URL

__all__ = ["MySQLOptions", "Password"]

TLS_MODES: Final = ("disabled", "required", "verify-ca", "verify-identity")
_VERIFIED: Final = frozenset({"verify-ca", "verify-identity"})

ISOLATION_LEVELS: Final = ("READ COMMITTED", "REPEATABLE READ")

FOUND_ROWS: Final = 1 << 1
"""The capability of the protocol under which an UPDATE counts the rows it matched."""


def _whole_seconds(name: str, value: Any) -> int:
    seconds = as_positive(name, value)
    if seconds != int(seconds):
        raise ValidationError(f"{name} is a whole number of seconds: the server counts in those")
    return int(seconds)


def _port(name: str, value: Any) -> int:
    port = as_whole(1)(name, value)
    if port > 65535:
        raise ValidationError(f"{name} is a number from 1 to 65535")
    return port


def _isolation(name: str, value: Any) -> str:
    text = str(value).upper().replace("-", " ").replace("_", " ")
    if text not in ISOLATION_LEVELS:
        raise ValidationError(f"{name} is one of {', '.join(ISOLATION_LEVELS)}")
    return text


@attrs.frozen(kw_only=True)
class MySQLOptions:
    """What can be asked of the driver. Durations are seconds, or have a unit: `500ms`, `5min`.

    Attributes:
        host: a host, if the URL names none.
        port: its port, if the URL names none.
        unix_socket: the path of a socket, in place of a host.
        user: who logs in, if the URL does not say.
        password: a password, or a function that gives one for each new connection.
        database: the database, if the URL does not say.
        program_name: how the connections are called on the server.
        connect_timeout: how long opening a connection may take.
        command_timeout: how long the client waits for an answer to a statement; the connection
            is closed then.
        statement_timeout: how long the server lets a statement run (on MySQL: one that reads).
        lock_timeout: how long the server lets a statement wait for a lock on a row, in seconds.
        isolation: what a transaction has that names none.
        statement_cache_size: prepared statements a connection keeps.
        sslmode: as the server's own client has it. By default `verify-identity`, against the
            system's authorities, where a host is not this machine; else `disabled`.
        insecure_tls: allows a mode under which a host that is not this machine can be another.
        sslrootcert: a file of authorities to trust in place of the system's.
        sslcert: a file with the client's certificate.
        sslkey: a file with its key, if that is not in `sslcert`.
        sslpassword: the key's password.
    """

    host: str | None = None
    port: int | None = None
    unix_socket: str | None = None
    user: str | None = None
    password: Password = attrs.field(default=None, repr=False)
    database: str | None = None
    program_name: str = "uow"
    connect_timeout: float = 10.0
    command_timeout: float | None = None
    statement_timeout: float | None = None
    lock_timeout: int | None = None
    isolation: str = "REPEATABLE READ"
    statement_cache_size: int = 128
    sslmode: str | None = None
    insecure_tls: bool = False
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = attrs.field(default=None, repr=False)

    @staticmethod
    def parse(given: Mapping[str, Any]) -> MySQLOptions:
        """Check options and convert them from text.

        Raises:
            ValidationError: a name is unknown, or a value does not fit.
        """
        values = converted("MySQL", given, _ALIASES, _CONVERTERS)
        return MySQLOptions(**values)

    def arguments(self, url: URL) -> dict[str, Any]:
        """Give what `asyncmy.connect` takes, with what the URL itself says.

        Raises:
            ValidationError: there are several hosts, or TLS would protect nothing.
        """
        if len(url.hosts) > 1:
            raise ValidationError("MySQL takes one host; name replicas with replicas=")
        host = url.host or self.host or "localhost"
        password = self.password if url.password is None else url.password
        arguments: dict[str, Any] = {
            "host": host,
            "port": url.port or self.port or 3306,
            "unix_socket": self.unix_socket,
            "user": url.username or self.user,
            "database": url.database or self.database,
            "program_name": self.program_name,
            "charset": "utf8mb4",
            "autocommit": None,
            "client_flag": FOUND_ROWS,
            "local_infile": False,
            "ssl": self._tls(None if self.unix_socket else host),
        }
        arguments["password_creator" if callable(password) else "password"] = password
        return {name: value for name, value in arguments.items() if value is not None}

    def _tls(self, host: str | None) -> ssl.SSLContext | None:
        """Say how to encrypt; None: not at all. With a context nothing goes without TLS."""
        is_far = host is not None and not is_this_machine(host)
        mode = self.sslmode or ("verify-identity" if is_far or self.sslrootcert else "disabled")
        if is_far and mode not in _VERIFIED and not self.insecure_tls:
            raise ValidationError(
                f"sslmode={mode} does not make sure that {host} is who answers: use verify-identity"
                " (with sslrootcert= for an authority of your own), or say insecure_tls=true"
            )
        return None if mode == "disabled" else self._context(mode)

    def _context(self, mode: str) -> ssl.SSLContext:
        return tls_context(
            authorities=self.sslrootcert,
            certificate=self.sslcert,
            key=self.sslkey,
            password=self.sslpassword,
            verifies=mode != "required",
            checks_host=mode == "verify-identity",
        )


_ALIASES: Final = {
    "db": "database",
    "passwd": "password",
    "socket": "unix_socket",
    "ssl_ca": "sslrootcert",
    "ssl_cert": "sslcert",
    "ssl_key": "sslkey",
    "ssl_mode": "sslmode",
    "timeout": "connect_timeout",
    "username": "user",
}

_CONVERTERS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "host": as_text,
    "port": _port,
    "unix_socket": as_path,
    "user": as_text,
    "password": as_password,
    "database": as_text,
    "program_name": as_text,
    "connect_timeout": as_positive,
    "command_timeout": as_positive,
    "statement_timeout": as_positive,
    "lock_timeout": _whole_seconds,
    "isolation": _isolation,
    "statement_cache_size": as_whole(1),
    "sslmode": one_of(*TLS_MODES),
    "insecure_tls": as_truth,
    "sslrootcert": as_path,
    "sslcert": as_path,
    "sslkey": as_path,
    "sslpassword": as_text,
}
