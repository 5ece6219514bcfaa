"""Events: what handlers are marked with, and what they are called for."""

from typing import Final

from uow.documents.actions import (
    ActionConflictResolution,
    ActionDirections,
    EventTypes,
    after_event,
    before_event,
)

__all__ = [
    "ActionConflictResolution", "ActionDirections", "After", "Before", "Delete", "EventTypes",
    "Insert", "Replace", "Save", "SaveChanges", "Update", "ValidateOnSave", "after_event",
    "before_event",
]  # fmt: skip

Insert: Final = EventTypes.INSERT
Replace: Final = EventTypes.REPLACE
Save: Final = EventTypes.SAVE
SaveChanges: Final = EventTypes.SAVE_CHANGES
ValidateOnSave: Final = EventTypes.VALIDATE_ON_SAVE
Delete: Final = EventTypes.DELETE
Update: Final = EventTypes.UPDATE

Before: Final = ActionDirections.BEFORE
After: Final = ActionDirections.AFTER
