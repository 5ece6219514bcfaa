"""Who wins when an object is brought up to date."""

from enum import StrEnum

__all__ = ["MergeStrategy"]


class MergeStrategy(StrEnum):
    """Who wins when an object is brought up to date by `sync`."""

    remote = "remote"
    """What is stored; changes of the object are dropped."""
    local = "local"
    """Changes of the object stay changes; all else is what is stored."""
