"""What can be asked of the MongoDB drivers, by keyword or in the query of the URL.

All options of PyMongo pass as they are. What is looked at here is what a unit of work rests on:
acknowledged writes, TLS where the way is not this machine's own, and how values come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
from pymongo.common import VALIDATORS, validate
from pymongo.errors import PyMongoError

from uow.drivers._options import as_positive, as_text, as_truth, is_this_machine
from uow.errors import ValidationError
from uow.url import URL

__all__ = ["MongoDBOptions"]

_OURS: Final = {
    "connect_timeout": as_positive,
    "database": as_text,
    "insecure_tls": as_truth,
    "weak_writes": as_truth,
}

_DEFAULTS: Final[dict[str, Any]] = {
    "appname": "uow",
    "maxPoolSize": 0,
    "tz_aware": True,
    "uuidRepresentation": "standard",
    "w": "majority",
}
"""What is set where nobody says otherwise. The pool above bounds how many connections there are."""

_ALIASES: Final = {"tls": "tls", "ssl": "tls", "wtimeout": "wTimeoutMS", "j": "journal"}

_WEAKENS_TLS: Final = ("tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames")


@attrs.frozen(kw_only=True)
class MongoDBOptions:
    """Where and how a client connects.

    Attributes:
        uri: what PyMongo takes, with the password in it.
        keywords: its keyword arguments.
        database: the name of the database.
        place: the hosts, for messages.
        connect_timeout: seconds until the first connection must stand.
    """

    uri: str = attrs.field(repr=False)
    keywords: Mapping[str, Any] = attrs.field(repr=False)
    database: str
    place: str
    connect_timeout: float

    @staticmethod
    def parse(url: URL, given: Mapping[str, Any]) -> MongoDBOptions:
        """Check options, and make of URL and options what PyMongo takes.

        Args:
            url: `mongodb://user:password@host:27017,host:27018/name?option=value`, or
                `mongodb+srv://user:password@cluster.example.com/name`.
            given: options by keyword; they win over the query of the URL. Ours are `database`,
                if the URL names none; `connect_timeout`, in seconds; `weak_writes`, which allows
                a write concern below a majority outside of transactions; and `insecure_tls`, which
                allows a way to another machine that is not encrypted or not verified. All others
                are PyMongo's, by its names.

        Raises:
            ValidationError: a value does not fit, there is no database, writes would not be
                acknowledged, or TLS would protect nothing.
        """
        query = dict(url.query)
        ours: dict[str, Any] = {}
        keywords: dict[str, Any] = {}
        for source in (query, dict(given)):
            for name, value in source.items():
                convert = _OURS.get(name)
                if convert is not None:
                    ours[name] = convert(name, value)
                elif source is not query:
                    keywords[name] = value
        query = {name: value for name, value in query.items() if name not in _OURS}
        database = url.database or ours.get("database")
        if not database:
            raise ValidationError(
                "the MongoDB URL names no database: write mongodb://host/database"
            )
        is_srv = url.scheme.endswith("+srv")
        known = _lowered(query) | _lowered(keywords)
        _check_concern(known, weak=bool(ours.get("weak_writes")))
        keywords |= _tls(url, known, is_srv=is_srv, insecure=bool(ours.get("insecure_tls")))
        _check_by_client(query, keywords)
        for name, value in _DEFAULTS.items():
            if name.lower() not in known:
                keywords[name] = value
        target = attrs.evolve(
            url,
            scheme="mongodb+srv" if is_srv else "mongodb",
            query=query,
            hosts=url.hosts or (("localhost", None),),
        )
        return MongoDBOptions(
            uri=target.render(hide_password=False),
            keywords=keywords,
            database=database,
            place=", ".join(
                host if port is None else f"{host}:{port}" for host, port in target.hosts
            ),
            connect_timeout=ours.get("connect_timeout", 10.0),
        )


def _lowered(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give options by the one name that PyMongo takes in any case, and has several of."""
    lowered = {name.lower(): value for name, value in options.items()}
    return {_ALIASES.get(name, name).lower(): value for name, value in lowered.items()}


def _check_concern(known: Mapping[str, Any], *, weak: bool) -> None:
    """Refuse writes of which nobody hears whether they were done, or that may be lost again."""
    acknowledged = str(known.get("w", "majority"))
    if acknowledged == "0":
        raise ValidationError(
            "w=0 asks for no answer to a write, so that a unit of work knows nothing of what became"
            " of it: leave it out"
        )
    is_weak = acknowledged == "1" or str(known.get("journal", "true")).lower() == "false"
    if is_weak and not weak:
        raise ValidationError(
            "with w=1 or journal=false a write that was acknowledged can be lost when a server"
            " fails: leave it out, or say weak_writes=true (a transaction is always committed on a"
            " majority of the servers)"
        )


def _check_by_client(query: Mapping[str, Any], keywords: Mapping[str, Any]) -> None:
    """Refuse what PyMongo refuses when it is first used, or leaves out with a warning.

    A name that it does not know is one of another client's where it stands in a URL, which many
    programs may share; the client warns of it.
    """
    for name, value in (*query.items(), *keywords.items()):
        if name in query and name.lower() not in VALIDATORS:
            continue
        try:
            validate(name, value)
        except (PyMongoError, OSError, TypeError, ValueError) as error:
            raise ValidationError(f"MongoDB: {name} is refused: {error}") from error


def _tls(url: URL, known: Mapping[str, Any], *, is_srv: bool, insecure: bool) -> dict[str, Any]:
    """Say whether to encrypt, where the options do not: always, if it goes to another machine."""
    far = sorted(host for host, _ in url.hosts if not is_this_machine(host))
    if not far and not is_srv:
        return {}
    is_off = "tls" in known and not as_truth("tls", known["tls"])
    weakened = [name for name in _WEAKENS_TLS if as_truth(name, known.get(name, False))]
    if (is_off or weakened) and not insecure:
        what = "tls=false" if is_off else weakened[0]
        raise ValidationError(
            f"{what} does not make sure that {', '.join(far)} is who answers: leave it out (with"
            " tlsCAFile= for an authority of your own), or say insecure_tls=true"
        )
    return {} if "tls" in known else {"tls": True}
