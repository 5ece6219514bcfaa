"""The command line, `uow`. It needs the extra `cli`; `uow demo` needs the extra `demo`."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

_EXTRA_OF = {"airportsdata": "demo", "apsw": "sqlite", "cyclopts": "cli", "rich": "cli"}


def main() -> None:
    """Run the program `uow`; exits with its code."""
    try:
        from uow.cli.app import app

        app()
    except BrokenPipeError:
        # Who reads our output has had enough; nothing more may be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = _EXTRA_OF.get(package)
        if extra is None:
            raise
        sys.exit(f"uow: {package} is not installed; get it with: pip install 'uow[{extra}]'")
