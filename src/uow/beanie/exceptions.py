"""The errors that a program written for Beanie catches, by its names for them.

Each is a class of ours, and some names share one: what is raised has our fields and messages.
"""

from typing import Final

from uow.documents.actions import MergeConflictError
from uow.documents.states import StateManagementOffError, StateNotSavedError
from uow.errors import (
    AmbiguousRowError,
    MappingError,
    NotFoundError,
    ObjectStateError,
    PoolClosedError,
    QueryError,
    StaleObjectError,
)

__all__ = [
    "ApplyChangesException",
    "CollectionWasNotInitialized",
    "Deprecation",
    "DocWasNotRegisteredInUnionClass",
    "DocumentAlreadyCreated",
    "DocumentNotFound",
    "DocumentWasNotSaved",
    "MergeConflictError",
    "MigrationException",
    "MongoDBVersionError",
    "NotSupported",
    "ReplaceError",
    "RevisionIdWasChanged",
    "StateManagementIsTurnedOff",
    "StateNotSaved",
    "UnionDocNotInited",
    "UnionHasNoRegisteredDocs",
    "ViewHasNoSettings",
    "ViewWasNotInitialized",
    "WrongDocumentUpdateStrategy",
]

ApplyChangesException: Final = StaleObjectError
"""What was changed in a value has no place in what is stored now."""

CollectionWasNotInitialized: Final = PoolClosedError
"""A class was used that no database is there for: `init_beanie` was not called."""

Deprecation: Final = MappingError
"""A class is written as it was for an earlier release."""

DocWasNotRegisteredInUnionClass: Final = AmbiguousRowError
"""A document in the collection is of no class that is known here."""

DocumentAlreadyCreated: Final = ObjectStateError
"""A document that is stored was inserted."""

DocumentNotFound: Final = NotFoundError
"""There is no such document."""

DocumentWasNotSaved: Final = ObjectStateError
"""What was asked needs a document that is stored."""

NotSupported: Final = QueryError
"""What was asked cannot be done."""

ReplaceError: Final = NotFoundError
"""Some of the documents that were to be replaced are not there."""

RevisionIdWasChanged: Final = StaleObjectError
"""Someone else changed the document in between."""

StateManagementIsTurnedOff: Final = StateManagementOffError
"""The class does not say `use_state_management = True`."""

StateNotSaved: Final = StateNotSavedError
"""The document was never stored, so there is no saved state."""

MigrationException: Final = MappingError
"""A migration is not as it must be, or is missing."""

MongoDBVersionError: Final = QueryError
"""The server is too old for what was asked."""

UnionHasNoRegisteredDocs: Final = MappingError
"""A union has no classes."""

WrongDocumentUpdateStrategy: Final = QueryError
"""There is no such way to bring a document up to date."""

UnionDocNotInited: Final = PoolClosedError
"""A union was used that no database is there for."""

ViewHasNoSettings: Final = MappingError
"""A view does not say what it shows."""

ViewWasNotInitialized: Final = PoolClosedError
"""A view was used that no database is there for."""
