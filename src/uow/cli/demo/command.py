"""`uow demo`: its options. The work is in `run`, imported when the command is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import anyio
from cyclopts import Parameter
from rich.console import Console

__all__ = ["demo"]

DEFAULT_PATH = Path("uow-demo.db")


def demo(
    path: Path | None = None,
    *,
    replace: Annotated[bool, Parameter(negative="")] = False,
    loop: Literal["asyncio", "trio"] = "asyncio",
) -> int:
    """Store, change and query 28,000 airports in a SQLite file.

    Args:
        path: The file to make; it stays there to be looked at. Without it `uow-demo.db` in this
            folder, which is replaced.
        replace: Replace the file that is at `path`.
        loop: The event loop to run under.

    Returns:
        The exit code: 0 if memory and file agree at the end.
    """
    console = Console()
    target = path or DEFAULT_PATH
    if path is not None and path.exists() and not replace:
        console.print(f"[red]{path} exists already; --replace puts the demo in its place[/]")
        return 2
    from uow.cli.demo.run import Demo

    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    agree = anyio.run(Demo(target, console).run, backend=loop)
    console.print(f"\nThe file is yours to look at: {target.resolve()}", soft_wrap=True)
    return 0 if agree else 1
