"""What a project says about itself: `[tool.uow]` in pyproject.toml, and environment variables.

    [tool.uow]
    url = "postgresql://localhost/shop"     # UOW_URL
    migrations = "migrations"               # UOW_MIGRATIONS
    models = ["shop.models"]                # UOW_MODELS, with commas
    ignore = ["celery_*"]                   # UOW_IGNORE, with commas
    lock_timeout = 60                       # UOW_LOCK_TIMEOUT, seconds

A variable wins over the file. Folders, and the file of a SQLite database, are seen from where the
file is.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote, unquote

import attrs

from uow.errors import ValidationError

__all__ = ["Config", "load_config"]

DEFAULT_FOLDER: Final = "migrations"

DEFAULT_LOCK_TIMEOUT: Final = 60.0

_NAMES: Final = ("url", "migrations", "models", "ignore", "lock_timeout")


@attrs.frozen(kw_only=True)
class Config:
    """The settings of a project.

    Attributes:
        url: the database, or None. It may hold a password, so it is not shown.
        migrations: the folder with migrations.
        models: the modules that define mapped classes.
        ignore: patterns of tables of other programs, which comparisons leave alone.
        lock_timeout: seconds a runner of migrations waits for another one.
        root: the folder of pyproject.toml, else the one that was asked about.
    """

    url: str | None = attrs.field(default=None, repr=False)
    migrations: Path
    models: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT
    root: Path


def load_config(
    folder: Path | str | None = None, environment: Mapping[str, str] | None = None
) -> Config:
    """Read the settings of the project that a folder belongs to.

    Args:
        folder: where to look for pyproject.toml, there and in the folders above; where we are, if
            None.
        environment: the variables; those of the process if None.

    Raises:
        ValidationError: the file cannot be read, or a setting is unknown or of another kind.
    """
    start = Path.cwd() if folder is None else Path(folder)
    variables = os.environ if environment is None else environment
    file = _pyproject(start)
    root = start if file is None else file.parent
    found = {} if file is None else _settings(file)
    if isinstance(found.get("url"), str):
        found["url"] = _seen_from(found["url"], root)
    for name in _NAMES:
        value = variables.get(f"UOW_{name.upper()}")
        if value:
            found[name] = value
    return Config(
        url=_text(found, "url"),
        migrations=root / (_text(found, "migrations") or DEFAULT_FOLDER),
        models=_texts(found, "models", "names of modules"),
        ignore=_texts(found, "ignore", "patterns of names of tables"),
        lock_timeout=_seconds(found),
        root=root,
    )


def _seen_from(url: str, root: Path) -> str:
    """Lead a URL to the SQLite file of a project, whichever of its folders we are in."""
    start, scheme, rest = url.partition("sqlite:///")
    path, sign, options = rest.partition("?")
    is_relative = not start and scheme and path and not path.startswith("/")
    if not is_relative or unquote(path) == ":memory:" or root.resolve() == Path.cwd():
        return url
    place = (root.resolve() / unquote(path)).as_posix()
    return f"sqlite:///{quote(place)}{sign}{options}"


def _pyproject(start: Path) -> Path | None:
    start = start.resolve()
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return file
    return None


def _settings(file: Path) -> dict[str, Any]:
    try:
        whole: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValidationError(f"{file} cannot be read: {error}") from error
    tools = whole.get("tool", {})
    found: Any = cast("dict[str, Any]", tools).get("uow", {}) if isinstance(tools, dict) else {}
    if not isinstance(found, dict):
        raise ValidationError(f"{file}: [tool.uow] is a table of settings")
    settings = dict(cast("dict[str, Any]", found))
    unknown = sorted(settings.keys() - set(_NAMES))
    if unknown:
        raise ValidationError(
            f"{file}: [tool.uow] has no setting {', '.join(unknown)}; there are {', '.join(_NAMES)}"
        )
    return settings


def _text(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise ValidationError(f"the setting {name!r} of uow is a text that is not empty")
    return value


def _texts(found: Mapping[str, Any], name: str, what: str) -> tuple[str, ...]:
    value: Any = found.get(name, ())
    if isinstance(value, str):
        value = [text.strip() for text in value.split(",") if text.strip()]
    if not isinstance(value, list | tuple):
        value = [None]
    texts = cast("list[Any]", value)
    if not all(isinstance(text, str) and text for text in texts):
        raise ValidationError(f'the setting "{name}" of uow is a list of {what}')
    return tuple(texts)


def _seconds(found: Mapping[str, Any]) -> float:
    value: Any = found.get("lock_timeout", DEFAULT_LOCK_TIMEOUT)
    try:
        seconds = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValidationError('the setting "lock_timeout" of uow is a number of seconds')
    return seconds
