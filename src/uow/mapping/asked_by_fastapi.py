"""What FastAPI finds out about documents by asking whether they are dataclasses.

It asks so of the parameters of a function, and of what is to be written as JSON. There is no
registration for either that does not depend on what is imported first, so it is told by who asks.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

__all__ = ["asks_for_a_body"]

_BETWEEN = frozenset({__name__, "uow.mapping.model", "dataclasses"})


def asks_for_a_body(class_: type[Any]) -> bool:
    """Whether FastAPI asks, when it looks at parameters.

    Where it is about to write an answer without a type (`async def one(): return document`), it is
    told how: as `model_dump` does, without what is excluded.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in _BETWEEN:
        frame = frame.f_back
    asking = "" if frame is None else str(frame.f_globals.get("__name__"))
    if asking != "fastapi.encoders":
        return asking.partition(".")[0] == "fastapi"
    sys.modules[asking].ENCODERS_BY_TYPE.setdefault(class_, _as_json)
    return False


def _as_json(obj: Any) -> Any:
    return obj.model_dump(mode="json", by_alias=True)
