"""The text of a migration of collections, from steps: a class that a person could have written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from uow.errors import MappingError
from uow.schema.collection_steps import (
    ChangeValidation,
    CollectionStep,
    CreateCollection,
    CreateCollectionIndex,
    DropCollection,
    DropCollectionIndex,
)
from uow.schema.description import Schema
from uow.schema.source import call, class_name, one_line, quoted
from uow.schema.steps import Step, reversed_all

__all__ = ["collection_migration_text"]

_INDENT: Final = 8
_WIDTH: Final = 88


def collection_migration_text(steps: Iterable[Step], *, version: str, name: str) -> str:
    """Write a file with one `Migration`, whose `up` takes the steps and whose `down` goes back.

    Args:
        steps: in order, as `diff_schema` gives them.
        version: the migration's version.
        name: what it does, in words; makes the name of the class.

    Raises:
        MappingError: a validator or an index holds a value that cannot be written as Python.
    """
    steps = list(steps)
    words = name.replace("_", " ").strip() or "change the collections"
    sentence = (words[0].upper() + words[1:]).replace('"""', "'''").replace("\\", "/")
    source = _Source()
    up = source.body(steps)
    down = source.body(reversed_all(steps, Schema(dialect="mongodb")))
    own = sorted(source.imports)
    return (
        f'"""{sentence}."""\n\n'
        + "".join(f"{line}\n" for line in own)
        + ("\n" if own else "")
        + "from uow import Migration\n\n\n"
        + f"class {class_name(words)}(Migration):\n"
        + f"    version = {quoted(version)}\n\n"
        + f"    async def up(self) -> None:\n{up}\n"
        + f"    async def down(self) -> None:\n{down}"
    )


class _Source:
    """Writes calls, and remembers what they need."""

    def __init__(self) -> None:
        self.imports: set[str] = set()

    def body(self, steps: Sequence[Step]) -> str:
        """Write the body of a method."""
        lines: list[str] = []
        for step in steps:
            if step.is_destructive:
                lines.append(f"# Loses data: {one_line(str(step))}.")
            if isinstance(step, CollectionStep):
                lines.append(self._call(step))
        return "".join([f"{' ' * _INDENT}{line}\n" for line in lines or ["pass"]])

    def _call(self, step: CollectionStep) -> str:
        name = quoted(step.collection)
        match step:
            case CreateCollection(options=options):
                named = [self._named(key, value) for key, value in options.items()]
                return self._helper("create_collection", name, *named)
            case DropCollection():
                return self._helper("drop_collection", name)
            case ChangeValidation(after=after):
                named = [
                    self._named(argument, after[key])
                    for key, argument, usual in _ARGUMENTS
                    if after.get(key, usual) != usual
                ]
                validator = self._value(after.get("validator") or None)
                return self._helper("set_validator", name, validator, *named)
            case CreateCollectionIndex(index=index):
                return self._index(step.collection, index)
            case DropCollectionIndex(index=index):
                return self._helper("drop_index", name, quoted(str(index["name"])))
            case _:
                return self._helper("execute", self._value(step.command))

    def _index(self, collection: str, index: Mapping[str, Any]) -> str:
        """Write an index; the helper takes fields that go up or down."""
        options = {key: value for key, value in index.items() if key not in {"key", "name"}}
        ways = {key: int(way) for key, way in index["key"].items() if way in {1, -1}}
        is_plain = len(ways) == len(index["key"]) and all(
            key.isidentifier() for key in (*options, *[k.replace(".", "_") for k in ways])
        )
        if not is_plain:
            step = CreateCollectionIndex(collection, index)
            return self._helper("execute", self._value(step.command))
        fields = [f"{'-' if way < 0 else ''}{key}" for key, way in ways.items()]
        named = [f"name={quoted(str(index['name']))}"]
        if options.pop("unique", False):
            named.append("unique=True")
        named += [self._named(key, value) for key, value in options.items()]
        return self._helper("create_index", quoted(collection), self._value(fields), *named)

    @staticmethod
    def _helper(name: str, *arguments: str) -> str:
        return call(f"await self.{name}", arguments, indent=_INDENT)

    def _named(self, name: str, value: object) -> str:
        self._look(value)
        return f"{name}={_written(value, _INDENT + 4)}"

    def _value(self, value: object) -> str:
        self._look(value)
        return _written(value, 0 if isinstance(value, Mapping) else _INDENT + 4)  # `call` moves it

    def _look(self, value: Any) -> None:
        """Remember what a value is written with.

        Raises:
            MappingError: it cannot be written.
        """
        inner: Any = value
        match value:
            case None | bool() | int() | float() | str() | bytes():
                return
            case Mapping():
                for key, one in inner.items():
                    self._look(key)
                    self._look(one)
            case list() | tuple():
                for one in inner:
                    self._look(one)
            case datetime() | date() | timedelta():
                self.imports.add("import datetime")
            case re.Pattern():
                self.imports.add("import re")
            case Decimal():
                self.imports.add("from decimal import Decimal")
            case UUID():
                self.imports.add("from uuid import UUID")
            case _ if type(value).__module__.partition(".")[0] == "bson":
                class_: type[Any] = inner.__class__
                self.imports.add(f"from {class_.__module__} import {class_.__name__}")
            case _:
                raise MappingError(
                    f"a {type(value).__name__} cannot be written into a migration; write it by hand"
                )


_ARGUMENTS: Final = (
    ("validationLevel", "level", "strict"),
    ("validationAction", "action", "error"),
)


def _written(value: Any, indent: int) -> str:
    """Write a value as Python, a member a line if it is too long for one."""
    inner: Any = value
    match value:
        case Mapping():
            pairs = [
                f"{_written(key, indent)}: {_written(one, indent + 4)}"
                for key, one in inner.items()
            ]
            return _bracketed("{", pairs, "}", indent)
        case list() | tuple():
            return _bracketed("[", [_written(one, indent + 4) for one in inner], "]", indent)
        case str():
            return quoted(value, short=True)
        case bool() | None:
            return repr(value)
        case int():
            return repr(int(value))  # a client's class of integers is one
        case float():
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        case re.Pattern():
            return _pattern(inner)
        case _:
            return repr(value)


def _pattern(pattern: re.Pattern[Any]) -> str:
    """Write an expression in full: its `repr` is cut where it is long."""
    text = pattern.pattern
    flags = re.RegexFlag(pattern.flags)
    if isinstance(text, str):
        flags &= ~re.RegexFlag.UNICODE  # which texts have anyway
    source = quoted(text, short=True) if isinstance(text, str) else repr(text)
    names = " | ".join([f"re.{flag.name}" for flag in flags])
    return f"re.compile({source}, {names})" if names else f"re.compile({source})"


def _bracketed(start: str, members: Sequence[str], end: str, indent: int) -> str:
    line = f"{start}{', '.join(members)}{end}"
    if len(line) + indent < _WIDTH and "\n" not in line:
        return line
    space = " " * indent
    lines = "".join([f"{space}    {one},\n" for one in members])
    return f"{start}\n{lines}{space}{end}"
