"""Settings of a project: what is in pyproject.toml is seen from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from uow.config import load_config
from uow.errors import ValidationError


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite:///%3Amemory%3A", "sqlite://"])
def test_a_database_in_memory_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """From a folder below, a file is seen from the project; what is in memory stays there."""
    (tmp_path / "pyproject.toml").write_text(f'[tool.uow]\nurl = "{url}"\n', encoding="utf-8")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert load_config(environment={}).url == url


def test_a_file_is_seen_from_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is one from pyproject.toml."""
    text = '[tool.uow]\nurl = "sqlite:///x.db?mode=ro"\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert load_config(environment={}).url == f"sqlite:///{tmp_path.resolve()}/x.db?mode=ro"


@pytest.mark.parametrize(
    ("text", "variable", "found"),
    [
        ("", None, ()),
        ('ignore = ["celery_*", "audit.*"]', None, ("celery_*", "audit.*")),
        ('ignore = "celery_*"', None, ("celery_*",)),
        ('ignore = ["celery_*"]', "a_*, b_*", ("a_*", "b_*")),
    ],
)
def test_tables_of_others(
    tmp_path: Path, text: str, variable: str | None, found: tuple[str, ...]
) -> None:
    """Patterns are a list in the file, and have commas in the variable, which goes before."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.uow]\n{text}\n", encoding="utf-8")
    environment = {} if variable is None else {"UOW_IGNORE": variable}

    assert load_config(tmp_path, environment).ignore == found


@pytest.mark.parametrize("text", ["ignore = 3", 'ignore = [""]', "ignore = [1]"])
def test_patterns_that_are_none(tmp_path: Path, text: str) -> None:
    """They are refused by the setting's name."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.uow]\n{text}\n", encoding="utf-8")
    with pytest.raises(ValidationError, match='"ignore" of uow is a list of patterns'):
        load_config(tmp_path, {})
