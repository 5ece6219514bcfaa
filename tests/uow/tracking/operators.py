"""A small model of how MongoDB applies update operators, with the refusals that matter here."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["RefusedError", "applied"]


class RefusedError(Exception):
    """A server would not do it."""


def applied(operators: dict[str, dict[str, Any]], document: Any) -> Any:
    """Give the document after the operators."""
    paths = [path for arguments in operators.values() for path in arguments]
    for one in paths:
        if any(step == "" or step.startswith("$") for step in one.split(".")):
            raise RefusedError(f"no field of that name: {one!r}")
        for other in paths:
            if one is not other and (other == one or other.startswith(f"{one}.")):
                raise RefusedError(f"{one!r} and {other!r} conflict")
    made = copy.deepcopy(document)
    for operator, arguments in operators.items():
        for path, argument in arguments.items():
            *steps, last = path.split(".")
            place = made
            for step in steps:
                place = place[_step(place, step)]
            _apply(operator, place, _step(place, last), copy.deepcopy(argument))
    return made


def _step(place: Any, step: str) -> Any:
    if isinstance(place, dict):
        return step
    if isinstance(place, list) and step.isdecimal() and int(step) < len(place):
        return int(step)
    raise RefusedError(f"cannot create field {step!r} in {place!r}")


def _apply(operator: str, place: Any, step: Any, argument: Any) -> None:
    if operator == "$set":
        place[step] = argument
        return
    if operator == "$unset":
        if isinstance(place, dict):
            del place[step]
        else:
            place[step] = None
        return
    items = place[step]
    if not isinstance(items, list):
        raise RefusedError("must be an array")
    if operator == "$push":
        _push(items, argument)
    elif operator in {"$pull", "$pullAll"}:
        gone = argument if operator == "$pullAll" else [argument]
        items[:] = [item for item in items if not any(_equal(item, one) for one in gone)]
    else:
        raise RefusedError(f"unknown modifier {operator}")


def _push(items: list[Any], argument: Any) -> None:
    each = isinstance(argument, dict) and "$each" in argument
    modifiers: dict[str, Any] = argument if each else {"$each": [argument]}
    place = modifiers.get("$position", len(items))
    items[place:place] = modifiers["$each"]


def _equal(one: Any, other: Any) -> bool:
    """Numbers of all sizes are equal to a server, and truth is none of them."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
