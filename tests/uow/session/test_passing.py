"""The identity map of streams: it answers for the objects of a session and keeps no others."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from uow import Column, Document, Mapped, Table
from uow.dialects.base import dialect_for
from uow.mapping.identity_map import new_identity_map
from uow.mapping.mapper import mapper_of
from uow.session.codec import Codecs
from uow.session.streaming import Passing
from uow.tracking.state import TRANSIENT


class Note(Document):
    text: str


class Numbered(Document):
    id: int
    text: str


class Row(Table):
    id: Mapped[int] = Column(primary_key=True)
    text: Mapped[str]


MANY = 60
"""So many that a hydrator would look whether all of them are new."""


@pytest.mark.parametrize("model", [Note, Numbered, Row])
def test_many_rows_that_pass(model: Any) -> None:
    """What the session holds is that object; all others are made, once each, and forgotten."""
    mapper = mapper_of(model)
    codec = Codecs(dialect_for("sqlite" if model is Row else "mongodb")).of(mapper)
    keys = [ObjectId() if model is Note else number for number in range(MANY)]

    def rows() -> list[Any]:
        if model is Row:
            return [(key, "x") for key in keys]
        return [{"_id": key, "text": "x"} for key in keys]

    objects = new_identity_map(mapper)
    (held,) = codec.hydrate(rows()[7:8], objects, TRANSIENT)
    passing = Passing(objects)
    found = codec.hydrate(rows(), passing, TRANSIENT)

    assert found[7] is held
    assert [one.id for one in found] == keys
    assert len(passing) == 0
    assert list(objects.values()) == [held]
    assert passing
