"""Compile generated functions, and keep their text for tracebacks and `uow.debug`."""

from __future__ import annotations

import itertools
import linecache
import weakref
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["compile_function"]

_numbers = itertools.count(1)


def compile_function(
    source: str, name: str, variables: Mapping[str, object], *, title: str
) -> Callable[..., Any]:
    """Compile `source` and answer the function `name` it defines.

    Args:
        source: the text of one `def` statement.
        name: the name it defines.
        variables: the globals the function sees.
        title: what tracebacks show as its file, such as `Author.__init__`.
    """
    filename = f"<uow {title} {next(_numbers)}>"
    code = compile(source, filename, "exec")
    # With mtime None the entry survives linecache.checkcache().
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    namespace: dict[str, Any] = dict(variables)
    exec(code, namespace)  # noqa: S102 - our own text, made from checked identifiers
    function: Callable[..., Any] = namespace[name]
    weakref.finalize(function, linecache.cache.pop, filename, None).atexit = False
    return function
