"""A project in a folder, and a way to call the program in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.support.mongodb import own_mongodb_database
from uow.cli.app import app
from uow.mapping.registry import default_registry

__all__ = ["Called", "Program", "own_mongodb_database"]


@attrs.frozen
class Called:
    """How a call ended: its code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it wrote, as JSON."""
        return json.loads(self.out)


Program = Callable[..., Called]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a SQLite file."""
    for name in ("UOW_URL", "UOW_MIGRATIONS", "UOW_MODELS", "UOW_IGNORE", "UOW_LOCK_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    text = f'[tool.uow]\nurl = "sqlite:///{tmp_path / "shop.db"}"\nmodels = ["shop_models"]\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    default_registry._entries.clear()  # `isolated_models` puts back what was there
    yield tmp_path

    for name in set(sys.modules) - before:
        if name.startswith("shop"):
            del sys.modules[name]


@pytest.fixture
def uow(project: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    """Call the program, in the project."""

    def call(*tokens: str) -> Called:
        try:
            code = app(tokens, result_action="return_value")
        except SystemExit as ended:
            code = ended.code
        written = capsys.readouterr()
        return Called(int(code or 0), written.out, written.err)

    return call
