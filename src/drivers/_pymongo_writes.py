"""The writes of a transaction as commands of the server, each a message of writes of one kind.

What the client does beside that for `insert_many` and `bulk_write` costs more than encoding: it
looks at each document, wraps each update, numbers them, and splits what the server would not take
in one message. In a transaction nothing is sent a second time by itself, so none of it is needed
but the last. So all is encoded once before anything is sent, which tells how large it is, and that
it can be encoded at all; what is out of the ordinary goes the client's way (`runs_of` says so).

"Database Commands: insert, update, delete",
https://www.mongodb.com/docs/manual/reference/command/nav-crud/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final, final

from bson import CodecOptions, encode
from pymongo.errors import BulkWriteError

from uow.operations import BulkWrite, Write, Written

__all__ = ["Run", "Tally", "runs_of"]

_MOST_WRITES: Final = 10_000
"""How many go into a message; the server takes ten times as many, in messages of 48 MB."""

_MOST_BYTES: Final = 16 << 20
"""How large the client lets a command be, beside 16 kB for its head."""

_PART: Final = 100
"""So many documents of 16 MB are less than the 2 GB that can be encoded."""


@final
class Run:
    """Writes of one kind, in a row.

    Attributes:
        place: the place of the first one among all writes of the operation.
        command: the name of the command.
        field: where the command has its writes.
        writes: them, as the server takes them.
    """

    __slots__ = ("command", "field", "place", "writes")

    def __init__(self, place: int, command: str, field: str, writes: list[Any]) -> None:
        self.place = place
        self.command = command
        self.field = field
        self.writes = writes

    def body(self, bulk: BulkWrite) -> dict[str, Any]:
        """Give the command, which the client may add to."""
        return {self.command: bulk.collection, "ordered": True, self.field: self.writes}


def runs_of(bulk: BulkWrite, codec: CodecOptions[Any]) -> list[Run] | None:
    """Give the writes as they are sent; None if the client has to look at them.

    That is where they bring options, or none has to wait for another, where the client would
    refuse one or complete it, and where some together are larger than a message.

    Args:
        bulk: the operation.
        codec: how values are encoded.

    Raises:
        BSONError: a value cannot be encoded; so does whatever else the client raises then.
    """
    if bulk.options or not bulk.ordered:
        return None
    runs: list[Run] = []
    place = 0
    for kind, group in groupby(bulk.operations, key=_kind_of):
        known = _KINDS.get(kind)
        if known is None:
            return None
        command, field, convert = known
        for some in _in_lots(group):
            writes = convert(some)
            if writes is None or not _fits(writes, codec):
                return None
            runs.append(Run(place, command, field, writes))
            place += len(some)
    return runs


_class_of: Callable[[Any], Any] = type
_kind_of: Final[Callable[[Write], Any]] = itemgetter(0)


def _in_lots(writes: Iterator[Write]) -> Iterator[list[Write]]:
    while lot := list(islice(writes, _MOST_WRITES)):
        yield lot


def _fits(writes: Sequence[Any], codec: CodecOptions[Any]) -> bool:
    """Whether they go into a message; a part at a time, so that little is encoded in vain."""
    size = 0
    for start in range(0, len(writes), _PART):
        size += len(encode({"": writes[start : start + _PART]}, False, codec))
        if size > _MOST_BYTES:
            return False
    return True


def _inserts(writes: Sequence[Write]) -> list[Any] | None:
    documents: list[Any] = [document for _, document in writes]
    # The client gives a document its key, and writes it first, if it is a dict.
    keyed = [one for one in documents if _class_of(one) is dict and "_id" in one]
    return documents if len(keyed) == len(documents) else None


def _updates(writes: Sequence[Write]) -> list[Any] | None:
    try:
        made = [
            {"q": found, "u": change, "multi": many, "upsert": upsert}
            if many or upsert
            else {"q": found, "u": change}
            for _, found, change, many, upsert in writes
        ]
    except ValueError:  # one brings options
        return None
    unclear = [one for one in made if not _is_change(one["u"])]
    return None if unclear else made


def _replaces(writes: Sequence[Write]) -> list[Any] | None:
    try:
        made = [{"q": found, "u": new, "upsert": upsert} for _, found, new, upsert in writes]
    except ValueError:
        return None
    unclear = [one for one in made if _class_of(one["u"]) is not dict or _is_change(one["u"])]
    return None if unclear else made


def _deletes(writes: Sequence[Write]) -> list[Any] | None:
    try:
        return [{"q": found, "limit": 0 if many else 1} for _, found, many in writes]
    except ValueError:
        return None


def _is_change(change: Any) -> bool:
    """Whether an update says what to do; the server would take another one for a replacement."""
    if _class_of(change) is dict:
        return str(next(iter(change), "")).startswith("$")
    return _class_of(change) is list and bool(change)


_KINDS: Final[Mapping[str, tuple[str, str, Callable[[Sequence[Write]], list[Any] | None]]]] = {
    "insert": ("insert", "documents", _inserts),
    "update": ("update", "updates", _updates),
    "replace": ("update", "updates", _replaces),
    "delete": ("delete", "deletes", _deletes),
}


@final
class Tally:
    """What the commands of an operation did, added up."""

    __slots__ = ("_counts", "_modified", "_upserted")

    def __init__(self) -> None:
        self._counts = {"insert": 0, "update": 0, "delete": 0}
        self._modified = 0
        self._upserted: dict[int, Any] = {}

    def take(self, run: Run, reply: Mapping[str, Any]) -> None:
        """Take in the answer to a command.

        Raises:
            BulkWriteError: the server refused one of the writes, and did none after it.
        """
        failures = reply.get("writeErrors")
        if failures:
            found = [{**one, "index": one["index"] + run.place} for one in failures]
            raise BulkWriteError({"writeErrors": found})
        upserted = reply.get("upserted") or ()
        self._upserted.update({one["index"] + run.place: one["_id"] for one in upserted})
        self._modified += reply.get("nModified", 0)
        self._counts[run.command] += reply["n"] - len(upserted)

    @property
    def written(self) -> Written:
        """The sum."""
        return Written(
            inserted=self._counts["insert"],
            matched=self._counts["update"],
            modified=self._modified,
            deleted=self._counts["delete"],
            upserted=self._upserted,
        )
