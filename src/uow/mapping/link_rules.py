"""What a verb of a document does about the documents it links to."""

from enum import StrEnum

__all__ = ["DeleteRules", "WriteRules"]


class WriteRules(StrEnum):
    """What is done about linked documents when a document is written."""

    DO_NOTHING = "DO_NOTHING"
    """They must be stored already."""
    WRITE = "WRITE"
    """They are written too, and those that they link to."""


class DeleteRules(StrEnum):
    """What is done about linked documents when a document is deleted."""

    DO_NOTHING = "DO_NOTHING"
    """They stay."""
    DELETE_LINKS = "DELETE_LINKS"
    """They are deleted too, and those that they link to."""
