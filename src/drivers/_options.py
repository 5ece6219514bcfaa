"""Options of drivers that reach servers: from text to values, and TLS that keeps its promise."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias

from uow.errors import ValidationError

__all__ = [
    "Converter",
    "Password",
    "as_password",
    "as_path",
    "as_positive",
    "as_seconds",
    "as_text",
    "as_truth",
    "as_whole",
    "converted",
    "is_this_machine",
    "one_of",
    "tls_context",
]

Password: TypeAlias = str | Callable[[], Any] | None
"""A password, or what gives one (or an awaitable of one) each time a connection is opened."""

Converter: TypeAlias = Callable[[str, Any], Any]
"""Takes an option's name and what was given for it. Raises ValidationError, without the value."""

_DURATION: Final = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>us|ms|s|min|h|d)?")
LONGEST: Final = (2**31 - 1) // 1000
"""Seconds: SQLite and PostgreSQL count milliseconds in 32 bits."""

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def as_text(name: str, value: Any) -> str:
    """Take a text, a number or a path. None is no text: a variable that was not set, perhaps."""
    is_text = isinstance(value, (str, int, PurePath)) and not isinstance(value, bool)
    text = str(value) if is_text else ""
    if not text or "\0" in text:
        raise ValidationError(f"{name} is a text that is not empty and holds no NUL")
    return text


def as_path(name: str, value: Any) -> str:
    """Take a path; it is absolute now, as the process may change its folder later."""
    return str(Path(as_text(name, value)).expanduser().absolute())


def as_seconds(name: str, value: Any) -> float:
    """Take a number of seconds, or one with a unit."""
    if type(value) in (int, float) and 0 <= value <= LONGEST:
        return float(value)
    found = _DURATION.fullmatch(str(value).strip())
    if found is None:
        raise ValidationError(f"{name} is a number of seconds, or one with a unit, as in 500ms")
    seconds = float(found["number"]) * _SECONDS[found["unit"] or "s"]
    if seconds > LONGEST:
        raise ValidationError(f"{name} is at most {LONGEST} seconds")
    return seconds


def as_positive(name: str, value: Any) -> float:
    """Take a number of seconds that is not 0."""
    seconds = as_seconds(name, value)
    if not seconds > 0:
        raise ValidationError(f"{name} is more than 0")
    return seconds


def as_whole(least: int) -> Callable[[str, Any], int]:
    """Take a whole number from one on."""

    def convert(name: str, value: Any) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise ValidationError(f"{name} is a whole number of at least {least}")
        return int(text)

    return convert


def as_truth(name: str, value: Any) -> bool:
    """Take true or false, in the spellings of URLs."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    found = known.get(str(value).lower())
    if found is None:
        raise ValidationError(f"{name} is true or false")
    return found


def as_password(name: str, value: Any) -> Any:
    """Take a password, or what gives one; None where there is none."""
    if value is None or callable(value) or isinstance(value, str):
        return value
    raise ValidationError(f"{name} is a text, or a function that gives one")


def one_of(*allowed: str) -> Callable[[str, Any], str]:
    """Take one of some words, in any case; it is given back as it stands here."""
    known = {word.lower(): word for word in allowed}

    def convert(name: str, value: Any) -> str:
        found = known.get(str(value).lower().replace("_", "-"))
        if found is None:
            raise ValidationError(f"{name} is one of {', '.join(allowed)}")
        return found

    return convert


def converted(
    server: str,
    given: Mapping[str, Any],
    aliases: Mapping[str, str],
    converters: Mapping[str, Converter],
) -> dict[str, Any]:
    """Check options and convert them from text.

    Raises:
        ValidationError: a name is unknown, or a value does not fit.
    """
    renamed = {aliases.get(name, name): value for name, value in given.items()}
    unknown = sorted(set(renamed) - set(converters))
    if unknown:
        raise ValidationError(
            f"{server} has no option {', '.join(unknown)}; there are {', '.join(converters)}"
        )
    return {name: converters[name](name, value) for name, value in renamed.items()}


def is_this_machine(host: str) -> bool:
    """Whether what is sent to a host, or to a socket's folder, stays on this machine."""
    if host.startswith("/") or host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def tls_context(
    *,
    authorities: str | None,
    certificate: str | None,
    key: str | None,
    password: str | None,
    verifies: bool,
    checks_host: bool,
) -> ssl.SSLContext:
    """Make the context in which a connection is encrypted.

    Args:
        authorities: a file of authorities to trust in place of the system's.
        certificate: a file with the client's certificate.
        key: a file with its key, if that is not in `certificate`.
        password: the key's password.
        verifies: whether an authority must vouch for the server.
        checks_host: whether its certificate must be for the host that was named.

    Raises:
        ValidationError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=authorities)
        context.check_hostname = checks_host
        if not verifies:
            context.verify_mode = ssl.CERT_NONE
        if certificate is not None:
            context.load_cert_chain(certificate, key, password)
    except OSError as error:
        raise ValidationError(
            f"the files of sslrootcert, sslcert and sslkey cannot be used: {error.strerror}"
        ) from error
    return context
