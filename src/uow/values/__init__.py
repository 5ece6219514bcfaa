"""What values the columns take: the checks that are the same for every store.

A message of a check says what was expected and what kind of value came, never the value itself:
it may be a secret.
"""

from uow.values.checks import check_value, checker_for
from uow.values.composites import CompositeField, composite_fields, composite_reader
from uow.values.documents import is_document_key
from uow.values.hints import concrete, literal_choices, python_type, split_optional, type_from_hint
from uow.values.json.check import JsonChecker
from uow.values.json.keys import KeyForm, has_plain_keys, key_form, key_hint, key_text, replaced
from uow.values.json.levels import Known
from uow.values.json.problems import PathError, at, described
from uow.values.ranges import Range, canonical_range, empty_range
from uow.values.scalars import Checker, check_text, kind_of

__all__ = [
    "Checker",
    "CompositeField",
    "JsonChecker",
    "KeyForm",
    "Known",
    "PathError",
    "Range",
    "at",
    "canonical_range",
    "check_text",
    "check_value",
    "checker_for",
    "composite_fields",
    "composite_reader",
    "concrete",
    "described",
    "empty_range",
    "has_plain_keys",
    "is_document_key",
    "key_form",
    "key_hint",
    "key_text",
    "kind_of",
    "literal_choices",
    "python_type",
    "replaced",
    "split_optional",
    "type_from_hint",
]
