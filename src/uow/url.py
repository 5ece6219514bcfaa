"""Where a database is: the URL a user writes, taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

import attrs

from uow.errors import ValidationError

__all__ = ["URL", "parse_url"]

HIDDEN: Final = "***"
"""What stands for a password wherever a URL is shown."""

SECRET_OPTIONS: Final = frozenset({"password", "passwd", "pwd", "token", "sslpassword", "secret"})
"""Names in the query of a URL whose values are never shown."""


@attrs.frozen
class URL:
    """A database URL in its parts. `str()` and `repr()` never show a password.

    Attributes:
        scheme: the driver's name in lower case, as `"sqlite"` or `"mongodb+motor"`.
        username: who logs in.
        password: kept out of `repr`; `render(hide_password=False)` writes it.
        hosts: `(host, port)` pairs in order, empty for a file; several where a store has them.
        database: what follows the third slash, undone of percent escapes: a database's name, or
            a path (`sqlite:///a.db` is relative, `sqlite:////a.db` absolute).
        query: what follows the question mark; the last of two values of a name counts.
    """

    scheme: str
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    hosts: tuple[tuple[str, int | None], ...] = ()
    database: str | None = None
    query: Mapping[str, str] = attrs.field(
        factory=lambda: MappingProxyType({}), hash=False, repr=False
    )

    @property
    def host(self) -> str | None:
        """The first host."""
        return self.hosts[0][0] if self.hosts else None

    @property
    def port(self) -> int | None:
        """The first host's port."""
        return self.hosts[0][1] if self.hosts else None

    def render(self, *, hide_password: bool = True) -> str:
        """Write the URL.

        Args:
            hide_password: put asterisks for the password and for secrets in the query.
        """
        parts = [self.scheme, "://", self._user(hide_password)]
        parts.append(",".join(_render_host(host, port) for host, port in self.hosts))
        if self.database is not None:
            parts += ["/", quote(self.database, safe="/:\\ ~+=@,()[]")]
        if self.query:
            pairs = (
                f"{quote(name, safe='')}="
                + (HIDDEN if hide_password and name.lower() in SECRET_OPTIONS else quote(value))
                for name, value in self.query.items()
            )
            parts += ["?", "&".join(pairs)]
        return "".join(parts)

    def _user(self, hide_password: bool) -> str:
        if self.username is None and self.password is None:
            return ""
        user = quote(self.username or "", safe="")
        if self.password is None:
            return f"{user}@"
        return f"{user}:{HIDDEN if hide_password else quote(self.password, safe='')}@"

    def __str__(self) -> str:
        return self.render()


def _render_host(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else quote(host, safe="")
    return name if port is None else f"{name}:{port}"


def parse_url(text: str | URL) -> URL:
    """Take a URL apart.

    Args:
        text: as SQLAlchemy writes them: `sqlite:///relative.db`, `sqlite://` (memory),
            `postgresql://user:password@host:5432/name?option=value`,
            `postgresql://user@/name?host=/socket/folder`, `mongodb://a:27017,b:27017/name`.

    Raises:
        ValidationError: it is no URL. The message shows nothing of a password.

    Example:
        >>> parse_url("postgresql://ann:secret@db:5432/shop?application_name=x")
        URL(scheme='postgresql', username='ann', hosts=(('db', 5432),), database='shop')
    """
    if isinstance(text, URL):
        return text
    if not isinstance(text, str):
        raise ValidationError(f"a database URL is a string, not {type(text).__name__}")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or not scheme.replace("+", "").replace("-", "").isalnum():
        raise ValidationError("a database URL reads scheme://..., as in 'sqlite:///shop.db'")
    rest, _, query = rest.partition("?")
    # The user's part ends at the last "@" before the path, for passwords with a bare "@" in them.
    authority, slash, database = rest.partition("/")
    user, _, hosts = authority.rpartition("@")
    username, colon, password = user.partition(":")
    return URL(
        scheme=scheme,
        username=unquote(username) or None,
        password=unquote(password) if colon else None,
        hosts=tuple(_parse_host(host) for host in hosts.split(",")) if hosts else (),
        database=(unquote(database) or None) if slash else None,
        query=MappingProxyType(_parse_query(query)),
    )


def _parse_host(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        name, bracket, after = text[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise ValidationError("a host in brackets is not closed in the database URL")
        port = after[1:]
    else:
        name, _, port = text.partition(":")
    if not name:
        raise ValidationError("a host without a name in the database URL")
    if not port:
        return unquote(name), None
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        # Not shown: with a bare "/" in a password, what stands here is part of it.
        raise ValidationError("a port in the database URL is no number from 1 to 65535")
    return unquote(name), int(port)


def _parse_query(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)))
    except ValueError:
        raise ValidationError("the query of the database URL is not name=value&...") from None
