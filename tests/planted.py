"""Plants defects into a copy of the source and shows that the suite catches each of them.

`python -m tests.planted` (or `make planted`) copies the tree, makes one change, runs the few tests
that are named for it, and complains if they pass. A defect whose text is not found any more has to
be written anew, which `tests/faults/test_planted_defects.py` says at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import attrs

ROOT: Final = Path(__file__).resolve().parents[1]

SWEEP: Final = "tests/faults/test_cancel_sweep.py"
CANCELLATION: Final = "tests/faults/test_cancellation.py"
FAILED: Final = "tests/faults/test_failed_units.py"
STATEFUL: Final = "tests/faults/test_stateful.py"
UNKNOWN: Final = "tests/faults/test_commit_unknown.py"
RETRY: Final = "tests/faults/test_retry.py"
LIMITS: Final = "tests/faults/test_sqlite_limits.py"
ABUSE: Final = "tests/faults/test_abuse.py"

FAILS: Final = 1
"""pytest's exit code when tests ran and some of them failed."""


@attrs.frozen
class Change:
    """A text in a file of the source, and what is put in its place."""

    file: str
    old: str
    new: str

    def found(self, root: Path) -> int:
        """How often the text is there."""
        return (root / self.file).read_text(encoding="utf-8").count(self.old)

    def apply(self, root: Path) -> None:
        """Make the change."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


@attrs.frozen
class Defect:
    """A defect, and the tests that must fail because of it."""

    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


CHANNEL: Final = "src/uow/session/channel.py"
SESSION: Final = "src/uow/session/session.py"
UNIT: Final = "src/uow/session/unit.py"
LEDGER: Final = "src/uow/session/ledger.py"
TRANSACTIONS: Final = "src/uow/session/transactions.py"
JOURNAL: Final = "src/uow/tracking/journal.py"
STATE: Final = "src/uow/tracking/state.py"

DEFECTS: Final = (
    Defect(
        "no undo: a failed flush leaves the books as if it had succeeded",
        (
            Change(
                JOURNAL,
                "            self.entries.pop().undo(ledger)",
                "            self.entries.pop()",
            ),
        ),
        (
            f"{FAILED}::test_flush_that_dies_at_any_point",
            f"{FAILED}::test_failed_flush_is_not_forgotten",
        ),
    ),
    Defect(
        "no old value: the first write notes the new one",
        (Change(STATE, "record.noted = {name: old}\n", "record.noted = {name: value}\n"),),
        (f"{FAILED}::test_written_twice_then_rolled_back",),
    ),
    Defect(
        "old value overwritten: each write notes what the one before wrote",
        (Change(STATE, "        if noted is None or name not in noted:\n", "        if True:\n"),),
        (f"{FAILED}::test_written_twice_then_rolled_back",),
    ),
    Defect(
        "no claim: two tasks in one session",
        (
            Change(
                SESSION,
                "        if outer is not None or self._life is not Life.OPEN or",
                "        if self._life is not Life.OPEN or",
            ),
        ),
        (f"{CANCELLATION}::test_second_task_while_reading",),
    ),
    Defect(
        "COMMIT is not shielded",
        (
            Change(
                CHANNEL,
                "        end = await finish(action, self.database.commit_timeout)\n",
                "        end: End[T] = End()\n"
                "        try:\n"
                "            end.result, end.is_done = await action(), True\n"
                "        except Exception as raised:\n"
                "            end.error = raised\n",
            ),
        ),
        (f"{CANCELLATION}::test_cancelled_in_commit",),
    ),
    Defect(
        "COMMIT is shielded without a budget",
        (
            Change(
                CHANNEL,
                "        end = await finish(action, self.database.commit_timeout)\n",
                "        end = await finish(action, 20)\n",
            ),
        ),
        (f"{CANCELLATION}::test_commit_that_never_ends",),
    ),
    Defect(
        "a lost answer to COMMIT counts as a refusal",
        (
            Change(
                CHANNEL,
                "SAYS_NOTHING: Final = (ConnectionLostError, DriverError)",
                "SAYS_NOTHING: Final = (ZeroDivisionError,)",
            ),
        ),
        (f"{UNKNOWN}::test_lost_acknowledgement",),
    ),
    Defect(
        "release before rollback, and no reset",
        (
            Change(
                CHANNEL,
                "        try:\n"
                "            await self._roll_back(connection)\n"
                "        finally:\n"
                "            await self.release(connection)\n",
                "        await self.release(connection)\n",
            ),
            Change(
                "src/uow/pool.py",
                "            connection.needs_reset\n            or ",
                "            ",
            ),
        ),
        (f"{SWEEP}::test_cancelled_at_any_await", "-k", "rolled_back"),
    ),
    Defect(
        "a cancelled rollback does not give the connection back",
        (
            Change(
                CHANNEL,
                "        try:\n"
                "            await self._roll_back(connection)\n"
                "        finally:\n"
                "            await self.release(connection)\n",
                "        await self._roll_back(connection)\n"
                "        await self.release(connection)\n",
            ),
        ),
        (f"{SWEEP}::test_cancelled_at_any_await", "-k", "rolled_back"),
    ),
    Defect(
        "`except Exception` in the cleanup of a flush: a cancellation goes round it",
        (
            Change(
                UNIT,
                "        except BaseException as error:\n"
                "            await self._undo_flush(error)\n",
                "        except Exception as error:\n            await self._undo_flush(error)\n",
            ),
        ),
        (f"{FAILED}::test_flush_that_is_cancelled_at_any_await",),
    ),
    Defect(
        "another try goes on in the session of the one before",
        (
            Change(
                TRANSACTIONS,
                "    async with Session.begin(database, isolation=isolation, verify_commit=True) as"
                " session:\n",
                "    session = globals().setdefault('_one', Session(database))\n"
                "    if not session.is_closed and session._life.value == 'new':\n"
                "        await session.__aenter__()\n"
                "    if True:\n",
            ),
        ),
        (f"{RETRY}::test_fresh_session_for_every_try",),
    ),
    Defect(
        "a unit is run again though its commit was stored",
        (
            Change(
                TRANSACTIONS,
                "        return error.outcome is Outcome.NOT_APPLIED\n",
                "        return True\n",
            ),
        ),
        (
            f"{RETRY}::test_work_that_commits_by_itself",
            f"{RETRY}::test_commit_whose_outcome_cannot_be_found_out",
        ),
    ),
    Defect(
        "BEGIN DEFERRED",
        (
            Change(
                "src/drivers/_sqlite_connection.py",
                'self._database.execute("BEGIN IMMEDIATE")',
                'self._database.execute("BEGIN DEFERRED")',
            ),
        ),
        (f"{LIMITS}::test_begin_while_another_process_writes",),
    ),
    Defect(
        "`in_transaction` is not looked at after an error",
        (
            Change(
                CHANNEL,
                "(connection.is_closed or not connection.in_transaction)",
                "connection.is_closed",
            ),
        ),
        (f"{FAILED}::test_read_that_cost_the_transaction",),
    ),
    Defect(
        "a failed statement does not poison its transaction",
        (
            Change(
                UNIT,
                "            self.ledger.frames[-1].poison = error\n",
                "            pass\n",
            ),
        ),
        (f"{FAILED}::test_swallowed_statement_error",),
    ),
    Defect(
        "LIKE is not escaped",
        (
            Change(
                "src/uow/expressions/patterns.py",
                '        text = text.replace(character, "!" + character)\n',
                "        pass\n",
            ),
        ),
        (f"{ABUSE}::test_values_are_only_values",),
    ),
    Defect(
        "identifiers are not quoted",
        (
            Change(
                "src/dialects/_names.py",
                'f"{self._quote}{name}{self._quote}"',
                "name",
            ),
        ),
        ("tests/dialects/test_names.py", "tests/dialects/test_compiled_text.py"),
    ),
    Defect(
        "a generated key stays on an object whose INSERT was undone",
        (
            Change(
                JOURNAL,
                "        column.set_slot(obj, None)\n        return\n",
                "        return\n",
            ),
        ),
        (f"{SWEEP}::test_cancelled_at_any_await", "-k", "rolled_back"),
    ),
    Defect(
        "the version is not in the WHERE",
        (
            Change(
                "src/uow/session/codec.py",
                "self.locator = (*mapper.key, *version)",
                "self.locator = mapper.key",
            ),
        ),
        (f"{FAILED}::test_two_writers_of_one_row",),
    ),
    Defect(
        "a unique value is taken before it is released",
        (
            Change(
                "src/uow/session/edges.py",
                "            if taken in self._releasing:\n",
                "            if False:\n",
            ),
        ),
        ("tests/contract/test_flush.py", "-k", "unique_value"),
    ),
    Defect(
        "a savepoint keeps nothing of what was not flushed",
        (
            Change(
                LEDGER,
                "        waiting = [*self.new.values()]\n",
                "        return self.frames.append(frame) or frame\n",
            ),
        ),
        (STATEFUL, f"{SWEEP}::test_cancelled_at_any_await"),
    ),
    Defect(
        "hooks are called before the commit is known",
        (
            Change(
                UNIT,
                "                if self.is_begun:\n"
                "                    await self._commit_transaction()\n",
                "                for frame in self.ledger.frames:\n"
                "                    for function in frame.callbacks:\n"
                "                        function()\n"
                "                if self.is_begun:\n"
                "                    await self._commit_transaction()\n",
            ),
        ),
        (f"{UNKNOWN}::test_hooks_of_what_is_not_committed",),
    ),
)


CONTROL: Final = Defect(
    "nothing: the copy as it is passes",
    (),
    (FAILED, CANCELLATION, UNKNOWN, RETRY, ABUSE, "tests/dialects/test_names.py"),
)
"""Shows that it is the defects that fail, and not the copy."""


def plant(defect: Defect, folder: Path) -> None:
    """Copy the tree, with one defect in it."""
    for name in ("src", "tests"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    for change in defect.changes:
        change.apply(folder)


def catches(defect: Defect) -> tuple[Defect, bool, str, float]:
    """Run a defect's tests on a tree that has it.

    Returns:
        The defect, whether some test failed, which ones, and how many seconds it took.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="uow-planted-") as name:
        folder = Path(name)
        plant(defect, folder)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=no"]
        command += ["-p", "no:cacheprovider", "--timeout=180", *defect.tests]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder / "src"), "CI": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    shown = failed[0].split(" - ")[0] if failed else done.stdout.strip().splitlines()[-1]
    return defect, done.returncode == FAILS, shown, time.monotonic() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the defects, two at a time.

    Returns:
        How many were not caught.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only defects whose name holds one of these")
    words = parser.parse_args(arguments).words
    chosen = [one for one in DEFECTS if not words or any(word in one.name for word in words)]
    missed = 0
    _, fails, shown, seconds = catches(CONTROL)
    print(f"{'FAILS ' if fails else 'passes'}  {CONTROL.name} ({seconds:.0f} s)\n        {shown}")
    if fails:
        return 1
    with ThreadPoolExecutor(2) as threads:
        for defect, is_caught, shown, seconds in threads.map(catches, chosen):
            missed += not is_caught
            print(f"{'caught' if is_caught else 'MISSED'}  {defect.name} ({seconds:.0f} s)")
            print(f"        {shown}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} defects were caught")
    return missed


def misplaced() -> Iterator[str]:
    """Say which changes do not fit the source any more."""
    for defect in DEFECTS:
        for change in defect.changes:
            found = change.found(ROOT)
            if found != 1:
                yield f"{defect.name}: its text is {found} times in {change.file}"


if __name__ == "__main__":
    sys.exit(min(main(), 1))
