"""The objects of a class by key, where keys are ObjectIds."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from uow import Document
from uow.dialects.base import dialect_for
from uow.mapping.identity_map import ObjectIdMap, new_identity_map
from uow.mapping.mapper import mapper_of
from uow.session.codec import Codecs
from uow.tracking.state import TRANSIENT


class Note(Document):
    text: str


class Numbered(Document):
    id: int
    text: str


MANY = 1_200


def hydrate(class_: type[Document], rows: list[Any], objects: dict[Any, Any]) -> list[Any]:
    """Make objects of documents."""
    codec = Codecs(dialect_for("mongodb")).of(mapper_of(class_))
    return codec.hydrate(rows, objects, TRANSIENT)


def documents(count: int = MANY) -> list[dict[str, Any]]:
    """Documents with keys of their own."""
    return [{"_id": ObjectId(), "text": str(number)} for number in range(count)]


def test_which_map() -> None:
    """Only keys that are ObjectIds need one of their own."""
    assert type(new_identity_map(mapper_of(Note))) is ObjectIdMap
    assert type(new_identity_map(mapper_of(Numbered))) is dict


def test_it_is_asked_by_key() -> None:
    """Equal keys are one, and others than ObjectIds do not meet them."""
    objects = ObjectIdMap()
    key = ObjectId()
    same = ObjectId(key.binary)
    objects[key] = 1
    objects[key.binary] = 2
    objects[str(key)] = 3

    assert objects[same] == objects.get(same) == objects.setdefault(same, 9) == 1
    assert (objects[key.binary], objects[str(key)]) == (2, 3)
    assert same in objects
    assert (key,) not in objects
    assert objects.get(ObjectId()) is None
    assert objects.get(None, 5) == 5
    del objects[same]
    assert objects.pop(same, None) is None
    with pytest.raises(KeyError):
        objects[same]
    with pytest.raises(KeyError):
        objects.pop(same)
    with pytest.raises(TypeError, match="unhashable"):
        objects.get([])
    objects.update([(key, 4), (1, 5)])
    assert list(objects.values()) == [2, 3, 4, 5]


@pytest.mark.parametrize("count", [1, 49, 50, 500, 501, MANY])
def test_objects_of_documents(count: int) -> None:
    """They come in order, and are found by their keys."""
    objects = new_identity_map(mapper_of(Note))
    rows = documents(count)
    keys = [row["_id"] for row in rows]
    found = hydrate(Note, rows, objects)

    assert [note.id for note in found] == keys
    assert [note.text for note in found] == [str(number) for number in range(count)]
    assert [objects.get(ObjectId(key.binary)) for key in keys] == found
    assert len(objects) == count
    again = hydrate(Note, [{"_id": ObjectId(key.binary), "text": "new"} for key in keys], objects)
    assert all(one is other for one, other in zip(again, found, strict=True))


@pytest.mark.parametrize("class_", [Note, Numbered])
def test_documents_that_come_twice(class_: type[Document]) -> None:
    """The first one is the object, whatever lot the other is in."""
    rows = documents()
    if class_ is Numbered:
        rows = [{**row, "_id": number} for number, row in enumerate(rows)]
    rows[700] = {**rows[3], "text": "other"}
    rows[4] = {**rows[3], "text": "other"}
    objects = new_identity_map(mapper_of(class_))
    found = hydrate(class_, rows, objects)

    assert found[700] is found[4] is found[3]
    assert found[3].text == "3"
    assert len(objects) == MANY - 2
    assert [objects.get(one.id) for one in found] == found


def test_keys_of_other_classes() -> None:
    """What somebody else stored under another key is an object too."""
    rows = documents()
    rows[5]["_id"] = "five"
    rows[900]["_id"] = rows[0]["_id"].binary
    objects = new_identity_map(mapper_of(Note))
    found = hydrate(Note, rows, objects)

    assert objects.get("five") is found[5]
    assert len({id(one) for one in found}) == len(objects) == MANY
