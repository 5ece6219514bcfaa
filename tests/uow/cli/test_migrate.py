"""G4: `uow migrate`, `uow check` and `uow completion`, called in this process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.uow.cli.conftest import Program


def write(project: Path, version: str, up: str, down: str = "pass") -> Path:
    """Write a migration."""
    path = project / "migrations" / f"{version}_step.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "from uow import Migration\n"
        f"class Step(Migration):\n    version = {version!r}\n"
        f"    async def up(self):\n        {up}\n"
        f"    async def down(self):\n        {down}\n",
        encoding="utf-8",
    )
    return path


def tables(project: Path) -> set[str]:
    """Which tables there are."""
    with closing(sqlite3.connect(project / "shop.db")) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master")}


def test_the_whole_way(project: Path, uow: Program) -> None:
    """A new file is written, run, shown and taken back; results and remarks are apart."""
    made = uow("migrate", "new", "Add  the users!")
    assert (made.code, made.out.strip()) == (0, str(project / "migrations/001_add_the_users.py"))
    text = (project / "migrations/001_add_the_users.py").read_text(encoding="utf-8")
    assert "class AddTheUsers(Migration)" in text
    assert 'version = "001"' in text
    write(
        project,
        "002",
        'await self.create_table("users", {"id": "INTEGER"})',
        'await self.drop_table("users")',
    )
    paper = uow("migrate", "up", "--dry-run")
    assert paper.code == 0
    assert 'CREATE TABLE "users"' in paper.out
    assert paper.out.count(";") == 1
    assert "pending" in uow("migrate", "status").out
    assert uow("migrate", "status", "--check").code == 1

    run = uow("migrate", "up")
    assert (run.code, run.out) == (0, "")
    assert "up 002_step" in run.err
    assert "users" in tables(project)
    shown = uow("migrate", "status", "--check")
    assert shown.code == 0
    assert shown.out.count("applied") == 2
    assert "nothing to run" in uow("migrate", "up").err

    assert "down 002_step" in uow("migrate", "down").err
    assert "users" not in tables(project)
    assert uow("migrate", "up", "--to", "001").code == 0
    assert uow("migrate", "down", "--to", "base").code == 0
    assert "nothing to take back" in uow("migrate", "down").err


def test_json(project: Path, uow: Program) -> None:
    """With --json the output is one document, errors too, and nothing is said beside it."""
    made = uow("migrate", "new", "one", "--json")
    assert made.json["version"] == "001"
    run = uow("migrate", "up", "--json")
    assert (run.err, run.json[0]["version"], run.json[0]["direction"]) == ("", "001", "up")
    status = uow("migrate", "status", "--json").json
    assert (status["current"], status["pending"], status["problems"]) == ("001", [], [])
    assert status["history"][0]["state"] == "applied"
    Path(made.json["path"]).unlink()
    gone = uow("migrate", "up", "--json")
    assert (gone.code, gone.err) == (1, "")
    assert gone.json["error"]["kind"] == "MigrationError"
    assert gone.json["error"]["version"] == "001"


def test_versions_of_new_files(project: Path, uow: Program) -> None:
    """The next number comes after all others, as wide as they are; times never meet."""
    write(project, "0009", "pass")
    assert uow("migrate", "new", "a", "--json").json["version"] == "0010"
    first = uow("migrate", "new", "b", "--timestamp", "--json").json["version"]
    second = uow("migrate", "new", "c", "--json").json["version"]
    assert len(first) == len(second) == 14
    assert first < second
    assert uow("migrate", "new", "!?").code == 2


def test_errors_are_a_line_and_a_code(project: Path, uow: Program) -> None:
    """What fails says so in one line, with a code for each kind; no traceback."""
    bad = write(project, "001", 'await self.execute("CREATE WRONG")')
    failed = uow("migrate", "up")
    assert failed.code == 1
    assert "001_step.py" in failed.err
    assert "CREATE WRONG" in failed.err
    assert "Traceback" not in failed.err
    bad.write_text("1 / 0", encoding="utf-8")
    assert "001_step.py cannot be loaded" in uow("migrate", "status").err

    assert uow("migrate", "up", "--to").code != 0
    assert uow("migrate", "upp").code != 0
    refused = uow("migrate", "resolve", "001")
    assert (refused.code, "--undone" in refused.err) == (2, True)
    bad.unlink()
    assert "nothing to resolve" in uow("migrate", "resolve", "001", "--done").err
    lost = uow("check", "postgresql://nobody@127.0.0.1:1/none")
    assert lost.code == 3
    assert uow("check", "nonsense://x").code == 2
    missing = uow("check", "sqlite:///misspelt.db")
    assert (missing.code, "no file" in missing.err) == (3, True)
    assert not (project / "misspelt.db").exists()


def test_settings(project: Path, uow: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable wins over the file, an option over both; what is wrong is named."""
    file = project / "pyproject.toml"
    monkeypatch.setenv("UOW_MIGRATIONS", "steps")
    made = uow("migrate", "new", "one", "--json").json
    assert made["path"] == str(project / "steps/001_one.py")
    inside = project / "deep" / "down"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert uow("migrate", "status", "--json").json["pending"] == ["001"]
    monkeypatch.setenv("UOW_URL", f"sqlite:///{project / 'other.db'}")
    assert uow("check", "--json").json["database"].endswith("other.db")
    third = f"sqlite:///{project / 'third.db'}"
    assert uow("check", "--url", third, "--json").json["database"].endswith("third.db")

    monkeypatch.setenv("UOW_LOCK_TIMEOUT", "soon")
    wrong = uow("migrate", "up")
    assert (wrong.code, "lock_timeout" in wrong.err) == (2, True)
    monkeypatch.delenv("UOW_LOCK_TIMEOUT")
    for text, message in {
        "[tool.uow]\nurll = 1": "no setting urll",
        "[tool.uow]\nurl = 1": "'url'",
        "[tool.uow]\nmodels = 1": '"models"',
        "[tool]\nuow = 1": "[tool.uow] is a table",
        "[tool.uow": "cannot be read",
    }.items():
        file.write_text(text, encoding="utf-8")
        monkeypatch.delenv("UOW_URL", raising=False)
        wrong = uow("migrate", "up")
        assert wrong.code == 2, text
        assert message in wrong.err
    file.write_text("", encoding="utf-8")
    wrong = uow("migrate", "up")
    assert (wrong.code, "--url" in wrong.err) == (2, True)


def test_check(project: Path, uow: Program) -> None:
    """A database that answers is told about, its migrations too."""
    write(project, "001", "pass")
    facts = uow("check", "--json").json
    assert (facts["dialect"], facts["version"], facts["pending"]) == ("sqlite", None, 1)
    assert facts["round_trip_ms"] >= 0
    uow("migrate", "up")
    shown = uow("check")
    assert shown.code == 0
    assert "001" in shown.out
    write(project, "001", "self.changed = True")
    broken = uow("check")
    assert (broken.code, "has changed" in broken.err) == (1, True)


def test_help_has_examples(uow: Program) -> None:
    """Every command has a help with an example."""
    for command in ("new", "up", "down", "status", "resolve"):
        shown = uow("migrate", command, "--help")
        assert "For example: uow migrate" in " ".join(shown.out.split()), command
    assert "For example: uow check" in " ".join(uow("check", "--help").out.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(uow: Program, shell: str) -> None:
    """The script of a shell knows the commands."""
    script = uow("completion", shell).out
    for word in ("migrate", "status", "resolve", "--dry-run"):
        assert word.lstrip("-") in script


def test_no_colours_but_on_a_terminal(project: Path) -> None:
    """A program that reads the output gets no codes of colours, and the exit code."""
    write(project, "001", 'await self.execute("CREATE WRONG")')
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "uow.cli", "migrate", "up"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert run.returncode == 1
    assert "\x1b" not in run.stdout + run.stderr
    assert "CREATE WRONG" in run.stderr
