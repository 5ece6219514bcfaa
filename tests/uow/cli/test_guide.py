"""G4: what the guide shows of the command line is what it does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.support.imports import ROOT
from tests.uow.cli.conftest import Program
from uow.config import load_config

PAGE = ROOT / "docs" / "migrations.md"


def blocks(language: str) -> list[str]:
    """The blocks of the page in a language."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_settings_and_commands(project: Path, uow: Program) -> None:
    """The settings are understood, and each command ends well, in the order of the page."""
    (settings,) = blocks("toml")
    (project / "pyproject.toml").write_text(settings, encoding="utf-8")
    package = project / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(
        "from uow import Column, Mapped, Table\n"
        "class GuideShop(Table):\n"
        "    id: Mapped[int] = Column(primary_key=True)\n",
        encoding="utf-8",
    )
    config = load_config(project)
    commands = [shlex.split(line, comments=True)[1:] for text in blocks("sh")
                for line in text.splitlines()]  # fmt: skip
    ended = [(" ".join(words), uow(*words)) for words in commands]

    assert config.models == ("shop.models",)
    assert len(ended) >= 8
    assert [(words, call.err) for words, call in ended if call.code] == []
