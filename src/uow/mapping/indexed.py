"""`Indexed`: an index on one field of a document, said with its type hint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, cast

import attrs

__all__ = ["IndexMark", "Indexed"]

ASCENDING: Final = 1


@attrs.frozen(eq=False)
class IndexMark:
    """What `Indexed` says, in `Annotated`.

    Attributes:
        direction: 1, -1, or the name of a kind of index (`"text"`, `"2dsphere"`, `"hashed"`).
        options: those of the index, by the names that MongoDB has for them.
    """

    direction: Any = ASCENDING
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


def Indexed(  # noqa: N802 - read as a type in class bodies
    typ: Any = None, index_type: Any = ASCENDING, **options: Any
) -> Any:
    """Ask for an index on a field of a document.

    ```python
    class Person(Document):
        email: Annotated[str, Indexed(unique=True)]
        born: Annotated[int, Indexed(index_type=-1)]
    ```

    Args:
        typ: the type of the field, where it stands for a hint: `email: Indexed(str, unique=True)`.
        index_type: 1, -1, or the name of a kind of index: `"text"`, `"2dsphere"`, `"hashed"`.
        **options: what MongoDB's createIndexes takes: `unique`, `sparse`, `expireAfterSeconds`,
            `partialFilterExpression`, `name`, `collation`, ...
    """
    mark = IndexMark(index_type, options)
    return mark if typ is None else cast("Any", Annotated[typ, mark])
