"""What values the columns take: the checks that are the same for every store.

A message of a check says what was expected and what kind of value came, never the value itself:
it may be a secret.
"""

from uow.values.checks import check_value, checker_for
from uow.values.hints import python_type, split_optional, type_from_hint
from uow.values.ranges import Range, canonical_range, empty_range
from uow.values.scalars import Checker, check_text, kind_of

__all__ = [
    "Checker",
    "Range",
    "canonical_range",
    "check_text",
    "check_value",
    "checker_for",
    "empty_range",
    "kind_of",
    "python_type",
    "split_optional",
    "type_from_hint",
]
