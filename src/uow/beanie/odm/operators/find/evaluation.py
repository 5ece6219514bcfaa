"""`$regex`, `$text`, `$expr`, `$mod`, `$jsonSchema`, `$where`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from uow.beanie.odm.operators.find.base import BaseFindOperator, Field, checked_field, tested
from uow.errors import QueryError
from uow.expressions import Expression, RawFilter

__all__ = ["Expr", "JsonSchema", "Mod", "RegEx", "Text", "Where"]


class Expr(BaseFindOperator):
    """Something that the store computes is true: `Expr({"$gt": ["$spent", Order.budget]})`.

    Args:
        expression: as MongoDB has it, in which expressions of ours may stand; or one of ours.
    """

    __slots__ = ()

    def __init__(self, expression: Mapping[str, Any] | Expression[Any]) -> None:
        super().__init__(RawFilter({"$expr": expression}))


class JsonSchema(BaseFindOperator):
    """The document satisfies a JSON Schema."""

    __slots__ = ()

    def __init__(self, expression: Mapping[str, Any]) -> None:
        super().__init__(RawFilter({"$jsonSchema": expression}))


class Mod(BaseFindOperator):
    """The field divided by a number leaves a rest."""

    __slots__ = ()

    def __init__(self, field: Field, divisor: int, remainder: int) -> None:
        super().__init__(tested(field, "$mod", [divisor, remainder]))


class RegEx(BaseFindOperator):
    """The text matches a regular expression.

    Args:
        field: the field.
        pattern: a text, or what `re.compile` gives.
        options: letters of MongoDB's: `i`, `m`, `x`, `s`.

    Raises:
        QueryError: the pattern is none.
    """

    __slots__ = ()

    def __init__(
        self, field: Field, pattern: str | re.Pattern[str], options: str | None = None
    ) -> None:
        if not isinstance(pattern, str | re.Pattern) and type(pattern).__module__ != "bson.regex":
            raise QueryError(f"RegEx takes a pattern, not a {type(pattern).__name__}")
        found: dict[str, Any] = {"$regex": pattern}
        if options:
            found["$options"] = options
        super().__init__(RawFilter({checked_field(field): found}))


class Text(BaseFindOperator):
    """The document's text index finds some words.

    Args:
        search: the words; a phrase in quotes, a minus before what must be absent.
        language: whose stop words and stems count; that of the index if it is None.
        case_sensitive: whether case counts.
        diacritic_sensitive: whether accents count.
    """

    __slots__ = ()

    def __init__(
        self,
        search: str,
        language: str | None = None,
        case_sensitive: bool = False,
        diacritic_sensitive: bool = False,
    ) -> None:
        found: dict[str, Any] = {
            "$search": search,
            "$caseSensitive": case_sensitive,
            "$diacriticSensitive": diacritic_sensitive,
        }
        if language:
            found["$language"] = language
        super().__init__(RawFilter({"$text": found}))


class Where(BaseFindOperator):
    """A function in JavaScript is true. The server runs it as it is: never make it of input."""

    __slots__ = ()

    def __init__(self, expression: str) -> None:
        super().__init__(RawFilter({"$where": expression}, runs_code=True))
