"""Python as a person would write it: texts in quotes, calls that are broken where they are long."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["call", "class_name", "field_name", "mapping", "one_line", "quoted"]

WIDTH: Final = 100


def quoted(text: str, *, short: bool = False) -> str:
    """Write a text as Python, in double quotes where that needs no escapes, else as it is needed.

    Args:
        text: any.
        short: on one line, for what will be moved to the right.

    >>> print(quoted("it's"), quoted('say "x"'))
    "it's" 'say "x"'
    """
    # A reader of source takes other breaks for "\n", and refuses what is not to be seen.
    is_plain = text.replace("\n", "").isprintable() and '"""' not in text and "\\" not in text
    if "\n" in text and is_plain and not short and not text.endswith('"'):
        return f'"""{text}"""'
    if '"' in text and "'" not in text:
        return repr(text)
    body = repr(f"'{text}")  # which makes the quotes double ones
    return f'"{body[2:]}' if body.startswith("\"'") else repr(text)


def one_line(text: str) -> str:
    r"""Make one line of any text, for a comment: names of a store may hold line breaks.

    >>> one_line("two\u2028 lines")
    'two lines'
    """
    return " ".join(text.split())  # which parts it at whatever any reader takes for a line break


def call(name: str, arguments: Iterable[str], *, indent: int) -> str:
    """Write a call, an argument a line if it is too long for one.

    Args:
        name: what is called, with what stands before it.
        arguments: each as source.
        indent: how many spaces stand before it.
    """
    arguments = list(arguments)
    short = f"{name}({', '.join(arguments)})"
    if len(short) + indent <= WIDTH and "\n" not in short:
        return short
    space = " " * (indent + 4)
    lines = [f"{space}{_moved(argument, indent + 4)},\n" for argument in arguments]
    return f"{name}(\n{''.join(lines)}{' ' * indent})"


def _moved(argument: str, indent: int) -> str:
    """Move the lines of a dict to the right; those of a text are its own."""
    if not argument.startswith("{"):
        return argument
    return argument.replace("\n", f"\n{' ' * indent}")


def mapping(items: Mapping[str, str]) -> str:
    """Write a dict of texts, a line each."""
    lines = [
        f"    {quoted(key, short=True)}: {quoted(value, short=True)},\n"
        for key, value in items.items()
    ]
    return f"{{\n{''.join(lines)}}}"


def class_name(text: str) -> str:
    """Make the name of a class: `order_lines` gives `OrderLines`."""
    parts = [part for part in re.split(r"\W+|_", text) if part]
    name = "".join([part[0].upper() + part[1:] for part in parts]) or "Table"
    return f"T{name}" if name[0].isdigit() or keyword.iskeyword(name) else name


def field_name(text: str) -> str:
    """Make the name of an attribute; a word of Python gets a line behind it."""
    name = re.sub(r"\W", "_", text)
    if not name or name[0].isdigit() or name.startswith("_"):
        name = f"f_{name.lstrip('_')}"
    return f"{name}_" if keyword.iskeyword(name) else name
