"""The names that a program written for Beanie imports: its port is a change of the import line.

```python
from uow.beanie import Document, Indexed, init_beanie
from uow.beanie.operators import In, Set
```

They are the classes and functions of `uow`, so that both stand in one program.
"""

from uow.beanie.exceptions import MergeConflictError
from uow.beanie.migrations.controllers.free_fall import free_fall_migration
from uow.beanie.migrations.controllers.iterative import iterative_migration
from uow.beanie.odm.actions import (
    ActionConflictResolution,
    After,
    Before,
    Delete,
    Insert,
    Replace,
    Save,
    SaveChanges,
    Update,
    ValidateOnSave,
    after_event,
    before_event,
)
from uow.beanie.odm.bulk import BulkWriter
from uow.beanie.odm.custom_types import BsonBinary, DecimalAnnotation
from uow.beanie.odm.documents import Document, DocumentWithSoftDelete, MergeStrategy
from uow.beanie.odm.enums import SortDirection
from uow.beanie.odm.fields import (
    BackLink,
    BeanieObjectId,
    DeleteRules,
    Indexed,
    Link,
    PydanticObjectId,
    WriteRules,
)
from uow.beanie.odm.queries.update import UpdateResponse
from uow.beanie.odm.settings.timeseries import Granularity, TimeSeriesConfig
from uow.beanie.odm.union_doc import UnionDoc
from uow.beanie.odm.utils.init import init_beanie
from uow.beanie.odm.views import View

__all__ = [
    "ActionConflictResolution",
    "After",
    "BackLink",
    "BeanieObjectId",
    "Before",
    "BsonBinary",
    "BulkWriter",
    "DecimalAnnotation",
    "Delete",
    "DeleteRules",
    "Document",
    "DocumentWithSoftDelete",
    "Granularity",
    "Indexed",
    "Insert",
    "Link",
    "MergeConflictError",
    "MergeStrategy",
    "PydanticObjectId",
    "Replace",
    "Save",
    "SaveChanges",
    "SortDirection",
    "TimeSeriesConfig",
    "UnionDoc",
    "Update",
    "UpdateResponse",
    "ValidateOnSave",
    "View",
    "WriteRules",
    "after_event",
    "before_event",
    "free_fall_migration",
    "init_beanie",
    "iterative_migration",
]
