"""Conditions to filters: what a find matches documents by.

A value that stands beside a path is never an operator: one that BSON would take for one (a dict,
a list, a pattern) is put behind `$eq`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from uow.dialects._mongodb_expressions import computed, raw_computed, raw_key, raw_value
from uow.dialects._mongodb_paths import Encoders, encoded, encoders_of, path_of
from uow.dialects._mongodb_patterns import regex_of
from uow.errors import QueryError, ValidationError
from uow.expressions.keyset import After, written_out
from uow.expressions.nodes import (
    And,
    Between,
    Compare,
    Contains,
    Exists,
    Expression,
    In,
    InSubquery,
    IsNull,
    Label,
    Like,
    Literal,
    Not,
    Or,
    RawFilter,
    Restated,
    TruthValue,
)
from uow.mapping.mapper import Mapper
from uow.types import Boolean

__all__ = ["NEVER", "all_of", "filter_of", "merged", "of_class"]

AnyExpression: TypeAlias = Expression[Any]
Filter: TypeAlias = dict[str, Any]

NEVER: Final[Mapping[str, Any]] = {"_id": {"$in": []}}
"""What no document matches; the server knows that without looking."""

_OPERATORS: Final = {"=": "$eq", "<>": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_TURNED: Final = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def all_of(conditions: Iterable[AnyExpression]) -> Filter:
    """Give the filter of conditions that must all hold."""
    return merged([filter_of(condition) for condition in conditions])


def of_class(mapper: Mapper, classes: Sequence[Mapper] | None = None) -> Filter:
    """Give the filter of the documents of a class, where its collection has others.

    Args:
        mapper: the class.
        classes: of which of those below it; None for all of them.
    """
    told_by = mapper.discriminator
    if told_by is None or (classes is None and mapper.root is mapper):
        return {}
    family = mapper.family if classes is None else tuple(classes)
    if family == mapper.root.family:
        return {}
    (first, *others) = [one.discriminator_value for one in family]
    return {told_by.name: {"$in": [first, *others]} if others else first}


def merged(filters: list[Filter]) -> Filter:
    """Put filters together; those of one path stand side by side, and none is lost."""
    found = [one for one in filters if one]
    keys = [key for one in found for key in one]
    if len(set(keys)) == len(keys):
        return {key: value for one in found for key, value in one.items()}
    parts: list[Filter] = []
    for one in found:
        parts += cast("list[Filter]", one["$and"]) if one.keys() == {"$and"} else [one]
    return {"$and": parts}


def filter_of(node: AnyExpression) -> Filter:
    """Give the filter of one condition.

    Raises:
        QueryError: a document store cannot ask that.
    """
    match node:
        case Compare():
            return _compare(node)
        case And():
            return all_of(node.operands)
        case Or():
            return {"$or": [filter_of(one) for one in node.operands]}
        case Not():
            return _not(filter_of(node.operand))
        case IsNull():
            return _is_null(node)
        case In():
            return _in(node)
        case Between():
            return _between(node)
        case Like():
            return _like(node)
        case Contains():
            return _contains(node)
        case TruthValue():
            return {} if node.value else dict(NEVER)
        case After():
            return filter_of(written_out(node, nulls_are_greatest=False, row_values=False))
        case RawFilter():
            return raw_filter(node.query, runs_code=node.runs_code)
        case Label() | Restated():
            return filter_of(node.operand)
        case InSubquery() | Exists():
            raise QueryError("MongoDB has no subqueries in filters: read the values first")
        case _:
            path = path_of(node)
            if path is not None and (node.type is None or isinstance(node.type, Boolean)):
                return {path: True}
            return {"$expr": computed(node)}


def raw_filter(query: Mapping[Any, Any], *, runs_code: bool = False) -> Filter:
    """Give a user's own filter, in which fields of classes may stand for their paths.

    Args:
        query: the filter.
        runs_code: it may be a program that the server runs.

    Raises:
        QueryError: a key is neither a text nor a field, or stands for a program.
    """
    found: Filter = {}
    for key, value in query.items():
        name = _key_of(key)
        if name == "$where" and not runs_code:
            raise QueryError(
                "a filter given as a dict cannot hold $where, which the server runs as a program;"
                " if that is meant, say uow.beanie.operators.Where(...)"
            )
        if name in found:
            raise QueryError(f"a filter names {name!r} twice")
        found[name] = _raw_test(name, value, encoders_of(key))
    return found


_OF_FILTERS: Final = frozenset({"$and", "$or", "$nor"})


def _raw_test(name: str, value: Any, encoders: Encoders) -> Any:
    if name == "$expr":
        return raw_computed(value, runs_code=False)
    if name in _OF_FILTERS and isinstance(value, list | tuple):
        parts = cast("Iterable[Any]", value)
        return [_raw_part(part, encoders) for part in parts]
    try:
        tested = raw_value(value, filter_of, encoders)
    except ValidationError as error:
        raise ValidationError(f"{name}: {error}") from error
    return {"$eq": tested} if isinstance(value, Literal) and _needs_eq(tested) else tested


def _raw_part(part: Any, encoders: Encoders) -> Any:
    """Give one of several filters: a user's own, or a condition."""
    given = part  # the check below would make it a mapping of what nobody knows
    if isinstance(part, Mapping):
        return raw_filter(given)
    return raw_value(given, filter_of, encoders)


def _not(asked: Filter) -> Filter:
    """What does not match: of one path what stands there, of anything else the whole."""
    if len(asked) == 1:
        ((path, test),) = asked.items()
        if not path.startswith("$"):
            return {path: {"$not": test if _is_test(test) else {"$eq": test}}}
    return {"$nor": [asked]}


def _is_test(value: Any) -> bool:
    """Whether what stands beside a path is no value: operators, or a pattern."""
    given: Any = value
    if isinstance(value, Mapping):
        return any(str(key).startswith("$") for key in given)
    return _needs_eq(given) and not isinstance(given, list)


def _key_of(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    found = raw_key(key) if isinstance(key, Expression) else None
    if not isinstance(found, str):
        raise QueryError("a filter has texts and fields as keys, and nothing else")
    return found


def _compare(node: Compare) -> Filter:
    left, right, op = node.left, node.right, node.op
    if isinstance(left, Literal) and not isinstance(right, Literal):
        left, right, op = right, left, _TURNED[op]
    path = path_of(left)
    if path is None or not isinstance(right, Literal):
        return {"$expr": computed(node)}
    value = encoded(right.value, right.type, encoders_of(left))
    if op == "=" and not _needs_eq(value):
        return {path: value}
    return {path: {_OPERATORS[op]: value}}


def _needs_eq(value: Any) -> bool:
    return isinstance(value, (Mapping, list, re.Pattern)) or type(value).__module__ == "bson.regex"


def _is_null(node: IsNull) -> Filter:
    path = path_of(node.operand)
    if path is None:
        return {"$expr": computed(node)}
    return {path: {"$ne": None}} if node.is_negated else {path: None}


def _in(node: In) -> Filter:
    path = path_of(node.operand)
    if path is None or (
        node.expressions and not all(isinstance(one, Literal) for one in node.expressions)
    ):
        return {"$expr": computed(node)}
    encoders = encoders_of(node.operand)
    values = [encoded(value, node.value_type, encoders) for value in node.values]
    literals: Any = node.expressions
    values += [encoded(one.value, one.type, encoders) for one in literals]
    return {path: {"$nin" if node.is_negated else "$in": values}}


def _between(node: Between) -> Filter:
    path = path_of(node.operand)
    low, high = node.low, node.high
    if path is None or not isinstance(low, Literal) or not isinstance(high, Literal):
        return {"$expr": computed(node)}
    encoders = encoders_of(node.operand)
    ends = [encoded(one.value, one.type, encoders) for one in (low, high)]
    return {path: {"$gte": ends[0], "$lte": ends[1]}}


def _like(node: Like) -> Filter:
    path = path_of(node.operand)
    if path is None:
        return {"$expr": computed(node)}
    pattern, options = regex_of(node)
    return {path: {"$regex": pattern, "$options": options}}


def _contains(node: Contains) -> Filter:
    path = path_of(node.operand)
    if path is None or not isinstance(node.value, Literal):
        return {"$expr": computed(node)}
    value = encoded(node.value.value, node.value.type, encoders_of(node.operand))
    return _holding(path, value)


def _holding(path: str, value: Any) -> Filter:
    """What holds a value: an array one of its elements or several, an object another."""
    given: Any = value
    if isinstance(value, list):
        if not given:
            return {path: {"$type": "array"}}
        return merged([_holding(path, item) for item in given])
    if isinstance(value, Mapping):
        return merged([_holding(f"{path}.{key}", item) for key, item in given.items()])
    return {path: {"$eq": given}}
