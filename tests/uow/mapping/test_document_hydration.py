"""Documents of which one does not fit its class, among few and many."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from bson import ObjectId

from uow import Document, Registry
from uow.dialects.base import dialect_for
from uow.errors import ValidationError
from uow.mapping.identity_map import new_identity_map
from uow.mapping.mapper import mapper_of
from uow.session.codec import Codecs
from uow.tracking.state import TRANSIENT

registry = Registry()


class Kind(enum.Enum):
    """Kept by its text."""

    GOOD = "good"


class Note(Document):
    class Settings:
        registry = registry

    kind: Kind


class Numbered(Document):
    class Settings:
        registry = registry

    id: int
    kind: Kind


class Animal(Document):
    class Settings:
        is_root = True
        registry = registry

    id: int
    kind: Kind


class Cat(Animal):
    pass


@pytest.mark.parametrize("count", [10, 60, 1200])
@pytest.mark.parametrize("has_others", [False, True])
@pytest.mark.parametrize("model", [Note, Numbered])
def test_misfit(model: Any, has_others: bool, count: int) -> None:
    """The field is named, however many documents there are; the identity map is as it was."""
    mapper = mapper_of(model)
    codec = Codecs(dialect_for("mongodb")).of(mapper)
    keys = range(count) if model is Numbered else [ObjectId() for _ in range(count)]
    rows: list[Any] = [{"_id": key, "kind": "good"} for key in keys]
    rows[count // 2]["kind"] = "bad"
    identity, other = new_identity_map(mapper), object()
    if has_others:
        identity[-1] = other
    with pytest.raises(ValidationError, match=rf"{model.__name__}\.kind: a stored str does not"):
        codec.hydrate(rows, identity, TRANSIENT)

    assert list(identity.values()) == ([other] if has_others else [])


@pytest.mark.parametrize("has_others", [False, True])
@pytest.mark.parametrize("model", [Note, Numbered])
def test_document_without_key(model: Any, has_others: bool) -> None:
    """What is parsed late has its key at once; one that has none leaves the map as it was."""
    mapper = mapper_of(model)
    codec = Codecs(dialect_for("mongodb")).of(mapper)
    rows: list[Any] = [
        {"_id": number if model is Numbered else ObjectId(), "kind": "bad"} for number in range(3)
    ]
    rows.append({"kind": "good"})
    identity, other = new_identity_map(mapper), object()
    if has_others:
        identity[-1] = other
    with pytest.raises((KeyError, ValidationError)):
        codec.lazy_hydrator(None)(rows, identity, TRANSIENT)

    assert list(identity.values()) == ([other] if has_others else [])


def test_misfit_of_a_family() -> None:
    """What was made of one class is given up with what cannot be made of another."""
    mapper = mapper_of(Animal)
    hydrate = Codecs(dialect_for("mongodb")).of(mapper).hydrator()
    rows: list[Any] = [
        {"_id": 1, "_class_id": mapper.discriminator_value, "kind": "good"},
        {"_id": 2, "_class_id": mapper_of(Cat).discriminator_value, "kind": "bad"},
    ]
    identity: dict[Any, Any] = {}
    with pytest.raises(ValidationError, match=r"Cat\.kind: a stored str|Animal\.kind: a stored"):
        hydrate(rows, identity, TRANSIENT)

    assert identity == {}
