"""What a setting may be, and the one error for all that are something else.

Settings of classes and of databases are looked at where they are given. One that means nothing
would be met much later, by somebody else, as an error of another kind or as none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

import attrs

from uow.errors import UowError

__all__ = [
    "FLAG",
    "NON_EMPTY_TEXT",
    "SECONDS",
    "SOME_SECONDS",
    "Allowed",
    "check_settings",
    "instance_of",
    "list_of",
    "mapping_of",
    "one_of",
    "time_span",
    "whole",
]

LONGEST_SHOWN: Final = 60


@attrs.frozen
class Allowed:
    """What a setting may be.

    Attributes:
        text: that in words, as they follow "must be".
        holds: whether a value is that.
    """

    text: str
    holds: Callable[[Any], bool]

    def or_none(self) -> Allowed:
        """The same, or None."""
        return Allowed(self.text, lambda value: value is None or self.holds(value))


def check_settings(
    owner: str,
    values: Mapping[str, Any],
    allowed: Mapping[str, Allowed],
    error: type[UowError],
) -> None:
    """Refuse settings that are not what they may be.

    Args:
        owner: whose they are; begins the message.
        values: the settings by name.
        allowed: what each may be. Others are not looked at.
        error: the class of the error.

    Raises:
        UowError: of that class; it names the setting, what it may be and what was given.
    """
    for name, rule in allowed.items():
        if name in values and not rule.holds(values[name]):
            raise error(f"{owner}{name} must be {rule.text}, got {_shown(values[name])}")


def _shown(value: object) -> str:
    """Show what is short and says something; of all else, its kind."""
    if isinstance(value, (bool, int, float, str, timedelta)) or value is None:
        try:
            text = repr(value)
        except ValueError:  # a number of too many digits
            return type(value).__name__
        if len(text) <= LONGEST_SHOWN:
            return text
    return type(value).__name__


def instance_of(*kinds: type) -> Allowed:
    """A value of one of some classes."""
    text = "a " + " or ".join(kind.__name__ for kind in kinds)
    return Allowed(text, lambda value: isinstance(value, kinds))


def one_of(*words: str) -> Allowed:
    """One of some words."""
    spelled = tuple(map(str, words))  # as members of an enum of texts are, too
    return Allowed(f"one of {', '.join(map(repr, spelled))}", lambda value: value in spelled)


def whole(what: str, least: int) -> Allowed:
    """A whole number from one on. `what` says of what, or is empty."""
    return Allowed(
        " ".join(filter(None, ("a whole number", what, f"of at least {least}"))),
        lambda value: type(value) is int and value >= least,
    )


def time_span() -> Allowed:
    """A `timedelta` that does not go back."""
    return Allowed(
        "a timedelta that is not negative",
        lambda value: isinstance(value, timedelta) and value >= timedelta(0),
    )


def list_of(text: str, holds: Callable[[Any], bool]) -> Allowed:
    """A list, or a tuple, of what `text` says."""

    def is_it(value: Any) -> bool:
        return isinstance(value, (list, tuple)) and all(map(holds, cast("list[Any]", value)))

    return Allowed(f"a list of {text}", is_it)


def mapping_of(
    text: str, is_key: Callable[[Any], bool], is_value: Callable[[Any], bool]
) -> Allowed:
    """A mapping of what `text` says."""

    def is_it(value: Any) -> bool:
        if not isinstance(value, Mapping):
            return False
        items = cast("Mapping[Any, Any]", value).items()  # type: ignore[redundant-cast]  # not to pyright
        return all(is_key(key) and is_value(item) for key, item in items)

    return Allowed(f"a Mapping of {text}", is_it)


def _seconds(value: Any) -> float:
    """Give a number of seconds, or NaN, which compares with nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("nan")


FLAG: Final = Allowed("a bool", lambda value: isinstance(value, bool))
NON_EMPTY_TEXT: Final = Allowed(
    "a str that is not empty", lambda value: isinstance(value, str) and bool(value)
)
SECONDS: Final = Allowed(
    "a number of seconds that is not negative", lambda value: _seconds(value) >= 0
)
SOME_SECONDS: Final = Allowed("a number of seconds above 0", lambda value: _seconds(value) > 0)
