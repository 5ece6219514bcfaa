"""The command line, `uow`. It needs the extra `cli`; `uow demo` needs the extra `demo`."""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

__all__ = ["main"]

_EXTRA_OF = {"airportsdata": "demo", "apsw": "sqlite", "cyclopts": "cli", "rich": "cli"}

INTERRUPTED: Final = 130
"""The exit code after SIGINT, as shells give it: 128 and the signal's number."""


def main() -> None:
    """Run the program `uow`; exits with its code."""
    try:
        from uow.cli.app import app

        app()
    except KeyboardInterrupt:
        _interrupted()
    except BaseExceptionGroup as errors:  # from within task groups of trio
        if errors.split(KeyboardInterrupt)[1] is not None:
            raise
        _interrupted()
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


def _interrupted() -> NoReturn:
    sys.stderr.write("uow: interrupted\n")
    sys.exit(INTERRUPTED)
