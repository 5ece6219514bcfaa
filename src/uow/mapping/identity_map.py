"""Identity maps: the objects of a class in a session, by key.

They are plain dicts, but for keys that are ObjectIds. These compute their hash and compare in
Python, which for each document that is read takes longer than all else about the map; so there
their bytes are the keys of the dict, and nobody else notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, final

from uow.types import ObjectIdType

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = [
    "BYTES_OF_KEY",
    "ObjectIdMap",
    "has_object_ids",
    "new_identity_map",
    "take_back",
    "taking_back",
]

BYTES_OF_KEY = "_ObjectId__id"
"""Where an ObjectId has its bytes; its public `binary` is a property, and as slow as the hash.

Keys without it are of other classes, or of a client that renamed it, and stand for themselves.
"""


def has_object_ids(mapper: Mapper) -> bool:
    """Whether the keys of a class are ObjectIds."""
    return mapper.document is not None and isinstance(mapper.key[0].type, ObjectIdType)


def new_identity_map(mapper: Mapper) -> dict[Any, Any]:
    """Make an empty map for the objects of a class and those below it."""
    if mapper.document is None:
        return {}
    return ObjectIdMap() if has_object_ids(mapper) else {}


def take_back(identity: dict[Any, Any], count: int) -> None:
    """Take out what a reading put in that has failed: all that came after the first `count`."""
    while len(identity) > count:
        identity.popitem()


def taking_back(lines: Sequence[str]) -> list[str]:
    """Give lines of a hydrator, of which a failure leaves `identity` as it was.

    `take_back` is theirs as `_uow_take_back`.
    """
    return [
        "count = len(identity)",
        "try:",
        *(f"    {line}" for line in lines),
        "except BaseException:",
        "    _uow_take_back(identity, count)",
        "    raise",
    ]


def _plain(key: Any) -> Any:
    """What stands for a key; of one that is no ObjectId nothing that could be its bytes."""
    try:
        return key._ObjectId__id
    except AttributeError:
        return (key,)


_get: Callable[..., Any] = vars(dict)["get"]
_set: Callable[..., None] = vars(dict)["__setitem__"]


@final
class ObjectIdMap(dict[Any, Any]):
    """Objects by key, where keys are ObjectIds. It is asked by key, and never for its keys."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(_plain(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        _set(self, _plain(key), value)

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(_plain(key))

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(_plain(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """Give the object with a key."""
        return _get(self, _plain(key), default)

    def pop(self, key: Any, *default: Any) -> Any:
        """Take out the object with a key."""
        return super().pop(_plain(key), *default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Give the object with a key; one that is put there, if there is none."""
        return super().setdefault(_plain(key), default)

    def update(self, pairs: Iterable[tuple[Any, Any]]) -> None:  # type: ignore[override]
        """Put objects under their keys."""
        super().update([(_plain(key), value) for key, value in pairs])

    def adopt(self, objects: dict[Any, Any]) -> None:
        """Take in objects by what stands for their keys."""
        super().update(objects)
