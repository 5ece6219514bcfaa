"""What can be asked of the PostgreSQL driver, by keyword or in the query of the URL."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from uow.drivers._options import (
    Password,
    as_password,
    as_path,
    as_positive,
    as_seconds,
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

__all__ = ["AsyncpgOptions", "Password"]

TLS_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_VERIFIED: Final = frozenset({"verify-ca", "verify-full"})

ATTRIBUTES: Final = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")


def _milliseconds(name: str, value: Any) -> int:
    seconds = as_seconds(name, value)
    # The server takes 0 for "never", which what was asked for is not.
    return max(1, round(seconds * 1000)) if seconds else 0


def _without(feature: str) -> Callable[[str, Any], str]:
    """Take a mode of libpq for what asyncpg has not: all but to insist on it."""

    def convert(name: str, value: Any) -> str:
        text = str(value).lower()
        if text == "require":
            raise ValidationError(f"{name}=require cannot be had: asyncpg has no {feature}")
        return one_of("disable", "prefer")(name, value)

    return convert


def _utf8(name: str, value: Any) -> str:
    if str(value).lower().replace("-", "") not in {"utf8", "unicode"}:
        raise ValidationError(f"{name} is UTF8, whatever the database is kept in")
    return "UTF8"


def _sslmode(_name: str, value: Any) -> str:
    # `ssl=true`, as many clients have it: with all that makes TLS worth it.
    meant = {"true": "verify-full", "false": "disable"}
    return one_of(*TLS_MODES)("sslmode", meant.get(str(value).lower(), value))


@attrs.frozen(kw_only=True)
class AsyncpgOptions:
    """What can be asked of the driver. Durations are seconds, or have a unit: `500ms`, `5min`.

    Attributes:
        host: a host, several with commas, or the folder of a socket; if the URL names none.
        port: a port, or one a host with commas.
        user: who logs in, if the URL does not say.
        password: a password, or a function that gives one for each new connection.
        database: the database, if the URL does not say.
        passfile: a file of passwords in libpq's form.
        application_name: how the connections are called on the server.
        fallback_application_name: the same, if `application_name` is not given.
        search_path: the schemas in which names are looked up.
        options: command-line options of the server's process, as `-c jit=off`.
        connect_timeout: how long opening a connection may take.
        command_timeout: how long the client waits for an answer to a statement.
        statement_timeout: how long the server lets a statement run.
        lock_timeout: how long the server lets a statement wait for a lock.
        idle_in_transaction_session_timeout: how long the server keeps a transaction that idles.
        statement_cache_size: prepared statements a connection keeps. 0 behind a pooler in
            transaction mode, as pgbouncer's: then no statement has a name.
        target_session_attrs: which of several hosts will do: `primary`, `standby`, ...
        keepalives: whether the system looks after a silent server, which it does not by default.
        keepalives_idle: how long the server may be silent before that; 0 is as the system has it.
        keepalives_interval: how long an answer may take before the next look.
        keepalives_count: how many answers may be missing.
        client_encoding: UTF8.
        channel_binding: `disable` or `prefer`; asyncpg has none.
        gssencmode: `disable` or `prefer`; asyncpg has none.
        sslmode: as libpq has it, or `true` or `false`. By default `verify-full`, against the
            system's authorities, where a host is not this machine; else `disable`.
        insecure_tls: allows a mode under which a host that is not this machine can be another.
        sslrootcert: a file of authorities to trust in place of the system's.
        sslcert: a file with the client's certificate.
        sslkey: a file with its key, if that is not in `sslcert`.
        sslpassword: the key's password.
    """

    host: str | None = None
    port: str | None = None
    user: str | None = None
    password: Password = attrs.field(default=None, repr=False)
    database: str | None = None
    passfile: str | None = None
    application_name: str | None = None
    fallback_application_name: str = "uow"
    search_path: str | None = None
    options: str | None = None
    connect_timeout: float = 10.0
    command_timeout: float | None = None
    statement_timeout: int | None = None
    lock_timeout: int | None = None
    idle_in_transaction_session_timeout: int | None = None
    statement_cache_size: int = 256
    target_session_attrs: str = "any"
    keepalives: bool | None = None
    keepalives_idle: float | None = None
    keepalives_interval: float | None = None
    keepalives_count: int | None = None
    client_encoding: str = "UTF8"
    channel_binding: str = "prefer"
    gssencmode: str = "prefer"
    sslmode: str | None = None
    insecure_tls: bool = False
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = attrs.field(default=None, repr=False)

    @staticmethod
    def parse(given: Mapping[str, Any]) -> AsyncpgOptions:
        """Check options and convert them from text.

        Raises:
            ValidationError: a name is unknown, or a value does not fit.
        """
        values = converted("PostgreSQL", given, _ALIASES, _CONVERTERS)
        return AsyncpgOptions(**values)

    def arguments(self, url: URL) -> dict[str, Any]:
        """Give what `asyncpg.connect` takes, with what the URL itself says.

        Raises:
            ValidationError: the hosts and ports do not fit, or TLS would protect nothing.
        """
        hosts, ports = self._addresses(url)
        arguments: dict[str, Any] = {
            "host": hosts,
            "port": ports,
            "user": url.username or self.user,
            "password": self.password if url.password is None else url.password,
            "database": url.database or self.database,
            "passfile": self.passfile,
            "timeout": self.connect_timeout,
            "command_timeout": self.command_timeout,
            "statement_cache_size": self.statement_cache_size,
            # Text is all that tells statements apart, and ours are few: none is dropped for its
            # length or age.
            "max_cached_statement_lifetime": 0,
            "max_cacheable_statement_size": 0,
            "target_session_attrs": self.target_session_attrs,
            "ssl": self._tls(hosts or []),
            "server_settings": self._settings(),
        }
        return {name: value for name, value in arguments.items() if value is not None}

    def socket_options(self) -> list[tuple[int, int, int]]:
        """Give what `setsockopt` takes for a connection over TCP.

        What the system does not have is left out.
        """
        times = {
            "TCP_KEEPIDLE": self.keepalives_idle,
            "TCP_KEEPINTVL": self.keepalives_interval,
            "TCP_KEEPCNT": self.keepalives_count,
        }
        given = {name: value for name, value in times.items() if value}  # 0: as the system has it
        is_on = bool(given) if self.keepalives is None else self.keepalives
        if not is_on:
            return []
        found = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        for name, value in given.items():
            if hasattr(socket, name):
                number = max(1, round(value))  # whole seconds
                found.append((socket.IPPROTO_TCP, getattr(socket, name), number))
        return found

    def _addresses(self, url: URL) -> tuple[list[str] | None, list[int] | None]:
        hosts: list[str] = [host for host, _ in url.hosts]
        named = [port for _, port in url.hosts]
        if not hosts:
            text = self.host or os.environ.get("PGHOST") or ""
            hosts = [host for host in text.split(",") if host]
            named = [None] * len(hosts)
        if not hosts:
            # asyncpg looks for the sockets of this machine, and for localhost.
            return None, None if self.port is None else _ports(self.port, 1)
        # PGPORT is for where nothing is said.
        default = self.port or os.environ.get("PGPORT") or "5432"
        ports = _ports(default, len(hosts))
        return hosts, [own or port for own, port in zip(named, ports, strict=True)]

    def _tls(self, hosts: list[str]) -> Any:
        """Say how to encrypt: False, a mode in which asyncpg may go without, or a context."""
        far = [host for host in hosts if not is_this_machine(host)]
        mode = self.sslmode or ("verify-full" if far or self.sslrootcert else "disable")
        if mode == "require" and self.sslrootcert is not None:
            mode = "verify-ca"  # as libpq takes it
        if far and mode not in _VERIFIED and not self.insecure_tls:
            raise ValidationError(
                f"sslmode={mode} does not make sure that {far[0]} is who answers: use verify-full"
                " (with sslrootcert= for an authority of your own), or say insecure_tls=true"
            )
        if mode == "disable":
            return False
        if mode in {"allow", "prefer"}:
            return mode
        return self._context(mode)

    def _context(self, mode: str) -> ssl.SSLContext:
        return tls_context(
            authorities=self.sslrootcert,
            certificate=self.sslcert,
            key=self.sslkey,
            password=self.sslpassword,
            verifies=mode != "require",
            checks_host=mode == "verify-full",
        )

    def _settings(self) -> dict[str, str]:
        settings: dict[str, Any] = {
            "application_name": self.application_name or self.fallback_application_name,
            # Functions of dates mean the same on every machine.
            "TimeZone": "UTC",
            "search_path": self.search_path,
            "options": self.options,
            "statement_timeout": self.statement_timeout,
            "lock_timeout": self.lock_timeout,
            "idle_in_transaction_session_timeout": self.idle_in_transaction_session_timeout,
        }
        return {name: str(value) for name, value in settings.items() if value is not None}


_ALIASES: Final = {
    "dbname": "database",
    "ssl": "sslmode",
    "timeout": "connect_timeout",
    "username": "user",
}

_CONVERTERS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "host": as_text,
    "port": as_text,
    "user": as_text,
    "password": as_password,
    "database": as_text,
    "passfile": as_path,
    "application_name": as_text,
    "fallback_application_name": as_text,
    "search_path": as_text,
    "options": as_text,
    "connect_timeout": as_positive,
    "command_timeout": as_positive,
    "statement_timeout": _milliseconds,
    "lock_timeout": _milliseconds,
    "idle_in_transaction_session_timeout": _milliseconds,
    "statement_cache_size": as_whole(0),
    "target_session_attrs": one_of(*ATTRIBUTES),
    "keepalives": as_truth,
    "keepalives_idle": as_seconds,
    "keepalives_interval": as_seconds,
    "keepalives_count": as_whole(0),
    "client_encoding": _utf8,
    "channel_binding": _without("channel binding"),
    "gssencmode": _without("encryption by GSSAPI"),
    "sslmode": _sslmode,
    "insecure_tls": as_truth,
    "sslrootcert": as_path,
    "sslcert": as_path,
    "sslkey": as_path,
    "sslpassword": as_text,
}


def _ports(text: str, count: int) -> list[int]:
    parts = text.split(",")
    if len(parts) == 1:
        parts *= count
    if len(parts) != count or not all(
        part.isascii() and part.isdigit() and 0 < int(part) < 65536 for part in parts
    ):
        raise ValidationError("port is a number from 1 to 65535, or one for each host")
    return [int(part) for part in parts]
