"""What changes the collections of a document store: steps, as those of tables are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final

import attrs

from uow.schema.description import Schema
from uow.schema.steps import Step

__all__ = [
    "ChangeValidation",
    "CollectionStep",
    "CreateCollection",
    "CreateCollectionIndex",
    "DropCollection",
    "DropCollectionIndex",
]


@attrs.frozen
class CollectionStep(Step):
    """A change of one collection.

    Attributes:
        collection: its name.
    """

    collection: str

    @property
    @abstractmethod
    def command(self) -> dict[str, Any]:
        """What the server is told."""

    def apply(self, schema: Schema) -> Schema:
        """Change nothing that is known of: a schema is about tables."""
        return schema


@attrs.frozen
class CreateCollection(CollectionStep):
    """Make a collection, or a view.

    Attributes:
        options: what it is made with besides its name, as `create` takes it.
    """

    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def __str__(self) -> str:
        kind = "view" if "viewOn" in self.options else "collection"
        return f"create the {kind} {self.collection}"

    @property
    def command(self) -> dict[str, Any]:
        """`create`."""
        return {"create": self.collection, **self.options}

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Drop it."""
        return (DropCollection(self.collection),)


@attrs.frozen
class DropCollection(CollectionStep):
    """Drop a collection with all its documents.

    Attributes:
        options: what it was made with, by which it is made again.
        indexes: those that it has, which are made again too.
    """

    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    indexes: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"drop the collection {self.collection}"

    @property
    def is_destructive(self) -> bool:
        """Its documents are lost."""
        return True

    @property
    def command(self) -> dict[str, Any]:
        """`drop`."""
        return {"drop": self.collection}

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Make it again, empty."""
        made = CreateCollection(self.collection, self.options)
        return (made, *[CreateCollectionIndex(self.collection, one) for one in self.indexes])


@attrs.frozen
class ChangeValidation(CollectionStep):
    """Change what documents are checked for when they are written; those that are there stay.

    Attributes:
        before: `validator`, `validationLevel` and `validationAction` as they are; nothing for none.
        after: as they are to be.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __str__(self) -> str:
        if not self.after:
            return f"drop the validator of {self.collection}"
        if not self.before:
            return f"add a validator to {self.collection}"
        names = [name for name in _WORDS if self.before.get(name) != self.after.get(name)]
        what = " and ".join([_WORDS[name] for name in names]) or "validator"
        return f"change the {what} of {self.collection}"

    @property
    def command(self) -> dict[str, Any]:
        """`collMod`; without a validator all else is as it is at first."""
        usual: dict[str, Any] = {
            "validator": {},
            "validationLevel": "strict",
            "validationAction": "error",
        }
        return {"collMod": self.collection, **usual, **self.after}

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Make it as it was."""
        return (ChangeValidation(self.collection, self.after, self.before),)


_WORDS: Final = {
    "validator": "validator",
    "validationLevel": "level of validation",
    "validationAction": "action of validation",
}


@attrs.frozen
class CreateCollectionIndex(CollectionStep):
    """Make an index of a collection.

    Attributes:
        index: its keys, its name and its options, as `createIndexes` takes them.
    """

    index: Mapping[str, Any]

    def __str__(self) -> str:
        return f"create the index {self.index['name']} on {self.collection}"

    @property
    def command(self) -> dict[str, Any]:
        """`createIndexes`."""
        return {"createIndexes": self.collection, "indexes": [dict(self.index)]}

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Drop it."""
        return (DropCollectionIndex(self.collection, self.index),)


@attrs.frozen
class DropCollectionIndex(CollectionStep):
    """Drop an index of a collection; documents stay.

    Attributes:
        index: as it is, by which it is made again.
    """

    index: Mapping[str, Any]

    def __str__(self) -> str:
        return f"drop the index {self.index['name']} of {self.collection}"

    @property
    def command(self) -> dict[str, Any]:
        """`dropIndexes`."""
        return {"dropIndexes": self.collection, "index": self.index["name"]}

    def reversed(self, before: Schema) -> tuple[Step, ...]:  # noqa: ARG002
        """Make it as it was."""
        return (CreateCollectionIndex(self.collection, self.index),)
