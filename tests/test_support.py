"""The tools of the tests themselves: what they hide from one test, another may rely on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.imports import ROOT
from uow import Column, Mapped, Table
from uow.mapping.registry import default_registry

TARGETS = ["demo", "test", "check", "fix", "types", "cov", "bench"]


class OfThisModule(Table):
    """A model that the tests of this module share."""

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)


@pytest.mark.parametrize("turn", [1, 2])
def test_models_of_a_test_are_gone_after_it(turn: int) -> None:
    """Two tests may each define a class for the same table."""
    kept: list[type[Table]] = []

    class Passing(Table):
        id: Mapped[int] = Column(primary_key=True, auto_increment=True)

    kept.append(Passing)

    assert default_registry.find("passing") is not None


def test_only_models_of_the_module_are_registered() -> None:
    """A test sees what its own module and the helpers defined, nothing of other test modules."""
    modules = {mapper.class_.__module__ for mapper in default_registry.mappers()}
    of_tests = {name for name in modules if name.rpartition(".")[2].startswith("test_")}

    assert default_registry.find("of_this_module") is not None
    assert of_tests == {__name__}


def test_make_has_every_command() -> None:
    """Each documented target exists and is listed by `make help`."""
    run = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in run.stdout.splitlines()}

    assert set(TARGETS) <= listed


def fake_python(folder: Path, name: str, version: str | None) -> None:
    """Put a `python` on a PATH: one that says it has this version, or one that always fails."""
    script = folder / name
    if version is None:
        script.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    else:
        major, minor = version.split(".")
        script.write_text(
            "#!/bin/sh\n"
            f'case "$2" in *sys.executable*) echo "{script}"; exit 0;; esac\n'
            f'[ "$4" = same ] && {{ [ "$3" = "{version}" ]; exit; }}\n'
            f'[ {minor} -ge "${{3#{major}.}}" ]\n',
            encoding="utf-8",
        )
    script.chmod(0o755)


def pythons(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """Run `.ci/pythons` with nothing but this folder and the system's tools."""
    run = subprocess.run(
        [str(ROOT / ".ci" / "pythons"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C"},
    )
    return run.returncode, run.stdout.split()


def test_pythons_that_fail_are_passed_over(tmp_path: Path) -> None:
    """A shim on PATH that does not run is not taken for an interpreter."""
    fake_python(tmp_path, "python3.12", None)
    fake_python(tmp_path, "python3.13", "3.13")

    assert pythons(tmp_path, "3.12", "3.13") == (0, [str(tmp_path / "python3.13")])


def test_python_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    """When `python3` is too old a newer one is looked for by its version's name."""
    fake_python(tmp_path, "python3", "3.9")
    fake_python(tmp_path, "python3.13", "3.13")

    assert pythons(tmp_path, "--oldest", "3.11") == (0, [str(tmp_path / "python3.13")])
