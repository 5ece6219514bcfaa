"""The list of planted defects; `make planted` runs the tests that must catch them."""

from __future__ import annotations

from pathlib import Path

from tests.planted import DEFECTS, ROOT, misplaced


def test_defects_can_be_planted() -> None:
    """Every defect still has a place in the source, just one."""

    assert list(misplaced()) == []


def test_tests_that_catch_them_exist() -> None:
    """Every test file that is to catch a defect is there, and the test in it."""
    for defect in DEFECTS:
        for test in defect.tests:
            if not test.startswith("tests/"):
                continue
            file, _, name = test.partition("::")
            text = Path(ROOT / file).read_text(encoding="utf-8")

            assert not name or f"def {name}(" in text, f"{defect.name}: {test}"
