"""Finds migrations: the Python files of a folder, each with one class, in the order of versions."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from inspect import iscoroutinefunction, unwrap
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Final

import attrs

from uow.errors import MigrationError
from uow.migrations.migration import Migration

__all__ = ["BASE", "Found", "discover", "order_of", "place_of"]

BASE: Final = "base"
"""What stands for "before all versions" as a target."""

MOST_CHARACTERS: Final = 100

_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", re.ASCII)
_NUMBERS: Final = re.compile(r"(\d+)")

_loaded: Final[dict[tuple[Path, str], ModuleType]] = {}
"""Modules by file and checksum: classes that a file maps must not be mapped twice."""


@attrs.frozen(kw_only=True)
class Found:
    """A migration that stands in a file.

    Attributes:
        version: its version.
        name: the name of its file, without the ending.
        path: the file.
        checksum: SHA-256 of the file's text, in hexadecimal; ends of lines count alike.
        migration: the class.
    """

    version: str
    name: str
    path: Path
    checksum: str
    migration: type[Migration]

    @property
    def can_go_down(self) -> bool:
        """Whether its class says how to take it back."""
        return self.migration.down is not Migration.down


def order_of(version: str) -> tuple[tuple[int, int, str], ...]:
    """Give what versions are sorted by: numbers in them count as numbers, so "2" before "10"."""
    return tuple(
        (0, int(piece), "") if piece.isdigit() else (1, 0, piece)
        for piece in _NUMBERS.split(version)
        if piece
    )


def discover(folder: Path | str) -> list[Found]:
    """Find the migrations of a folder, in the order of their versions.

    Every file `*.py` is one, but for those whose names begin with `_` or `.`.

    Raises:
        MigrationError: there is no such folder, a file cannot be loaded, has no class or several,
            a version is none, or is there twice.
    """
    place = Path(folder)
    if not place.is_dir():
        raise MigrationError(
            f"there is no folder {place} with migrations; `uow migrate new NAME` makes it"
        )
    found = [_read(path) for path in sorted(place.glob("*.py")) if path.name[0] not in "_."]
    found.sort(key=lambda one: order_of(one.version))
    for one, other in pairwise(found):
        if order_of(one.version) == order_of(other.version):
            raise MigrationError(
                f"{one.path.name} and {other.path.name} both have the version"
                f" {one.version!r}; give one of them another",
                version=one.version,
            )
    return found


def place_of(target: str, versions: Iterable[str], folder: Path | str) -> int:
    """Give how many versions there are up to a target, which is one of them or `BASE`.

    Raises:
        MigrationError: no file has that version.
    """
    known = list(versions)
    if target == BASE:
        return 0
    if target not in known:
        last = f"; the last one is {known[-1]!r}" if known else ""
        raise MigrationError(f"no migration in {folder} has the version {target!r}{last}")
    return known.index(target) + 1


def _read(path: Path) -> Found:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MigrationError(f"{path} cannot be read: {error}") from error
    checksum = sha256("\n".join(text.splitlines()).encode()).hexdigest()
    module = _load(path.resolve(), text, checksum)
    migration = _only_class(module, path)
    return Found(
        version=_version(migration, path),
        name=path.stem,
        path=path,
        checksum=checksum,
        migration=migration,
    )


def _load(path: Path, text: str, checksum: str) -> ModuleType:
    """Run a file as a module, once: just the text that the checksum is of, never an old copy."""
    known = _loaded.get((path, checksum))
    if known is not None:
        return known
    sign = sha256(f"{path} {checksum}".encode()).hexdigest()[:16]
    module = ModuleType(f"uow_migration_{sign}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # hints of classes are resolved by it
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - the user's program
    except Exception as error:
        del sys.modules[module.__name__]
        raise MigrationError(
            f"{path.name} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    _loaded[path, checksum] = module
    return module


def _only_class(module: ModuleType, path: Path) -> type[Migration]:
    classes: Sequence[type[Migration]] = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Migration)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    ]
    if len(classes) != 1:
        what = ", ".join(one.__name__ for one in classes) or "none"
        raise MigrationError(
            f"{path.name} has {what}: a file has one class of Migration, which is run; names of"
            " files that are no migrations begin with _, and so do classes that others derive from"
        )
    if classes[0].up is Migration.up:
        raise MigrationError(
            f"{path.name}: {classes[0].__name__} has no up(), which says what it does"
        )
    for name in ("up", "down"):
        if not iscoroutinefunction(unwrap(getattr(classes[0], name))):
            raise MigrationError(f"{path.name}: {classes[0].__name__}.{name} must be `async def`")
    return classes[0]


def _version(migration: type[Migration], path: Path) -> str:
    version = getattr(migration, "version", None)
    is_one = isinstance(version, str) and _VERSION.fullmatch(version) is not None
    if not is_one or version == BASE or len(str(version)) > MOST_CHARACTERS:
        raise MigrationError(
            f'{path.name}: {migration.__name__} needs version = "...", a text of letters, digits,'
            f" dots, dashes and underscores that is not {BASE!r}, not {version!r}"
        )
    return str(version)
