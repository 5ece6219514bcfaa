"""What is wrong with a value, and the path to where it is."""

from __future__ import annotations

from uow.values.scalars import kind_of

__all__ = ["DepthError", "PathError", "at", "described", "wrong"]


class PathError(ValueError):
    """A problem inside of a value.

    Attributes:
        problem: what is wrong.
        steps: how to get there from the value, the last step first.
    """

    def __init__(self, problem: str, *steps: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps = [*steps]

    def __str__(self) -> str:
        return f"at {self.path}: {self.problem}" if self.steps else self.problem

    @property
    def path(self) -> str:
        """The way to it, as Python would write it: `.tags[3]`."""
        return "".join(reversed(self.steps))


class DepthError(PathError):
    """There are too many levels; how many is known where the walk began."""

    def __init__(self) -> None:
        super().__init__("too many levels")


def at(step: str, error: ValueError) -> PathError:
    """The problem, seen from one step further up."""
    if not isinstance(error, PathError):
        return PathError(str(error), step)
    error.steps.append(step)
    return error


def described(place: object, error: Exception) -> str:
    """One line that says what is wrong with the value of a field, and where.

    >>> described("Person.settings", PathError("expected str, got int", "[3]", ".tags"))
    'Person.settings.tags[3]: expected str, got int'
    """
    if isinstance(error, PathError):
        return f"{place}{error.path}: {error.problem}"
    return f"{place}: {error}"


def wrong(expected: str, value: object) -> PathError:
    """The problem of a value of the wrong kind."""
    return PathError(f"expected {expected}, got {kind_of(value)}")
