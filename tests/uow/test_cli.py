"""The command line: help, the demo from end to end, and what it says where a package is missing."""

from __future__ import annotations

import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

MODULE = ("-W", "error", "-m", "uow.cli")


def call(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run this Python."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `uow` as if a package were not installed."""
    code = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = {list(arguments)!r}\n"
        "from uow.cli import main; main()"
    )
    return call("-c", code)


def test_help_names_the_commands() -> None:
    """`uow --help` lists what there is."""
    run = call(*MODULE, "--help")

    assert run.returncode == 0
    assert "demo" in run.stdout


def test_unknown_command_is_an_error() -> None:
    """A command that does not exist ends with a message and a code, not with a traceback."""
    run = call(*MODULE, "dmeo")

    assert run.returncode != 0
    assert "dmeo" in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_demo_stores_and_proves(loop: str, tmp_path: Path) -> None:
    """The demo ends well on either loop; memory and file agree, and the file holds the airports."""
    path = tmp_path / "airports.db"
    run = call(*MODULE, "demo", str(path), "--loop", loop)

    assert run.returncode == 0, run.stdout + run.stderr
    assert len(re.findall(r"^agree", run.stdout, re.MULTILINE)) == 3
    assert "DIFFER" not in run.stdout
    assert str(path) in run.stdout
    with closing(sqlite3.connect(path)) as db:
        (airports,) = db.execute("SELECT count(*) FROM airports").fetchone()
        (lost,) = db.execute("SELECT count(*) FROM airports WHERE name = 'lost'").fetchone()
        orphans = db.execute("PRAGMA foreign_key_check").fetchall()
    assert airports > 28_000
    assert lost == 0
    assert not orphans
    assert [found.name for found in tmp_path.iterdir()] == ["airports.db"]


def test_demo_leaves_a_file_alone(tmp_path: Path) -> None:
    """A file that is already there is not overwritten unless that is asked for."""
    path = tmp_path / "precious.db"
    path.write_text("precious", encoding="utf-8")
    run = call(*MODULE, "demo", str(path))

    assert run.returncode == 2
    assert "--replace" in run.stdout
    assert path.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize(
    ("module", "extra"),
    [("cyclopts", "cli"), ("rich", "cli"), ("airportsdata", "demo")],
)
def test_missing_package_names_the_extra(module: str, extra: str) -> None:
    """Without an optional package the message says what to install."""
    run = without(module, "demo", "never-made.db")

    assert run.returncode == 1
    assert f"uow[{extra}]" in run.stderr
    assert "Traceback" not in run.stderr


def test_own_import_errors_are_not_hidden() -> None:
    """A module that is no optional package and is missing all the same is a plain error."""
    run = without("uow.cli.demo.run", "demo", "never-made.db")

    assert "Traceback" in run.stderr


@pytest.fixture
def hears_interrupts() -> Iterator[None]:
    """Have programs hear SIGINT; those of a shell's background job are started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(begun: Path, *arguments: str, cwd: Path) -> tuple[int, str, str]:
    """Run `uow` until a file is there, and send SIGINT; how it ended, and what it wrote."""
    command = [sys.executable, *MODULE, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=cwd) as process:
        try:
            while process.poll() is None and not begun.exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    return process.returncode, out, err


SLEEPING = """
from pathlib import Path
import anyio
from uow import Migration

class Sleeping(Migration):
    version = "001"

    async def up(self):
        await self.execute("CREATE TABLE things (id INTEGER)")
        Path("begun").touch()
        await anyio.sleep(60)

    async def down(self):
        await self.drop_table("things")
"""


@pytest.mark.usefixtures("hears_interrupts")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_interrupted_command(options: tuple[str, ...], tmp_path: Path) -> None:
    """SIGINT takes back what can be, and is told of in one line; the exit code is the shells'."""
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "001_sleeping.py").write_text(SLEEPING, encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'x.db'}"
    ended = interrupted(tmp_path / "begun", "migrate", "up", "--url", url, *options, cwd=tmp_path)

    assert ended == (130, "", "uow: interrupted\n")
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        assert not db.execute("SELECT name FROM sqlite_schema WHERE name = 'things'").fetchall()


MODELS = """
from uow import Column, Mapped, Table

class Person(Table):
    class Settings:
        name = "people"

    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str | None] = Column(default=None)
"""


@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupted_question(tmp_path: Path) -> None:
    """Who is asked something at a terminal can leave instead of answering."""
    (tmp_path / "shop_models.py").write_text(MODELS, encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        db.execute("CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, called TEXT)")
        db.commit()
    given = ["--models", "shop_models", "--url", f"sqlite:///{tmp_path / 'x.db'}"]
    command = [sys.executable, *MODULE, "schema", "diff", *given]
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            command, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, cwd=tmp_path
        ) as process:
            try:
                written = b""
                while b"people.name" not in written:
                    written += os.read(ours, 4096)
                process.send_signal(signal.SIGINT)
                code = process.wait(timeout=30)
            finally:
                process.kill()
        written += os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)

    assert code == 130
    assert written.endswith(b"uow: interrupted\r\n")


@pytest.mark.usefixtures("hears_interrupts")
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_an_interrupted_demo(loop: str, tmp_path: Path) -> None:
    """It is the same in either loop, wherever the command is."""
    path = tmp_path / "airports.db"
    code, _, err = interrupted(path, "demo", str(path), "--loop", loop, cwd=tmp_path)

    assert (code, err) == (130, "uow: interrupted\n")
