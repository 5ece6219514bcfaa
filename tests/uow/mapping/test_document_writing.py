"""What turns rows of a flush into writes of documents."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from uow import Column, Document, Mapped
from uow.debug import generated
from uow.mapping.document_writing import make_inserter, make_updater
from uow.mapping.mapper import Mapper, mapper_of


def mapper() -> Mapper:
    """A class with a version, a name of its own in the store, and keys without a field."""

    class Note(Document):
        class Settings:
            name = "notes"

        model_config = pydantic.ConfigDict(extra="allow")

        text: str
        odd: Mapped[int | None] = Column(name="it's {odd}", default=None)
        version: Mapped[int] = Column(version=True, default=1)

    return mapper_of(Note)


@pytest.mark.parametrize(
    ("keeps_nulls", "document"),
    [
        (True, {"more": 1, "_id": 7, "text": "x", "it's {odd}": None}),
        (False, {"more": 1, "_id": 7, "text": "x"}),
    ],
)
def test_inserts(keeps_nulls: bool, document: Any) -> None:
    """Fields stand under the store's names, what has no field beside them, and the key before."""
    note = mapper()
    by_name = note.by_attribute
    columns = [by_name["text"], by_name["odd"], by_name["model_extra"]]
    insert = make_inserter(note, columns, brings_key=False, keeps_nulls=keeps_nulls)

    rows = [("x", None, {"more": 1, "text": "lost"}), ("y", 2, None)]
    first, second = insert([7, 8], rows)
    assert first == ("insert", document)
    assert second == ("insert", {"_id": 8, "text": "y", "it's {odd}": 2})


def test_inserts_with_keys() -> None:
    """Rows that bring their keys; a class may have nothing else."""
    note = mapper()
    columns = [note.key[0], note.by_attribute["text"]]
    insert = make_inserter(note, columns, brings_key=True, keeps_nulls=True)
    bare = make_inserter(note, [], brings_key=False, keeps_nulls=True)

    assert insert((), [(7, "x")]) == [("insert", {"_id": 7, "text": "x"})]
    assert bare([7, 8], [(), ()]) == [("insert", {"_id": 7}), ("insert", {"_id": 8})]


def test_updates() -> None:
    """A row holds what is set, and then what finds the document."""
    note = mapper()
    text, version, key = note.by_attribute["text"], note.by_attribute["version"], note.key[0]
    plain = make_updater(note, [text], [key])
    counted = make_updater(note, [text, version], [key, version])

    assert plain([("x", 7)]) == [("update", {"_id": 7}, {"$set": {"text": "x"}}, False, False)]
    assert counted([("x", 3, 7, 2)]) == [
        ("update", {"_id": 7, "version": 2}, {"$set": {"text": "x", "version": 3}}, False, False)
    ]


def test_the_text_can_be_looked_at() -> None:
    """Like all that is generated."""
    note = mapper()
    make_updater(note, [note.by_attribute["text"]], note.key)

    assert "{\"$set\": {'text': v0}}" in generated(note.class_)["updates(text)"]
