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
FINISH_TESTS: Final = "tests/uow/session/test_finish.py"
CANCELLATION: Final = "tests/faults/test_cancellation.py"
FIRST_STATEMENT: Final = "tests/faults/test_postgresql_first_statement.py"
FAILED: Final = "tests/faults/test_failed_units.py"
STATEFUL: Final = "tests/faults/test_stateful.py"
UNKNOWN: Final = "tests/faults/test_commit_unknown.py"
RETRY: Final = "tests/faults/test_retry.py"
LIMITS: Final = "tests/faults/test_sqlite_limits.py"
ABUSE: Final = "tests/faults/test_abuse.py"
HEALTH: Final = "tests/uow/test_pool_health.py"
MONGO_TESTS: Final = "tests/drivers/test_pymongo.py"
MONGO_ERROR_TESTS: Final = "tests/drivers/test_pymongo_errors.py"
MONGO_LOSSES: Final = "tests/drivers/test_pymongo_losses.py"
MONGO_CANCELLATION: Final = "tests/drivers/test_pymongo_cancellation.py"
PG_LOSSES: Final = "tests/faults/test_postgresql_losses.py"
PG_POOL: Final = "tests/faults/test_postgresql_pool.py"
PG_UNITS: Final = "tests/faults/test_postgresql_units.py"
PG_CANCELLATION: Final = "tests/faults/test_postgresql_cancellation.py"
PG_CRASHES: Final = "tests/faults/test_postgresql_crashes.py"
REPLICAS: Final = "tests/uow/test_replicas.py"

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
FINISH: Final = "src/uow/session/finish.py"
HELD: Final = "src/uow/session/held.py"
STATE: Final = "src/uow/tracking/state.py"
NESTED: Final = "src/uow/tracking/nested"
FLUSH: Final = "src/uow/session/flush.py"
TOKENS: Final = "src/uow/session/tokens.py"
ASYNCPG: Final = "src/drivers/_asyncpg_connection.py"
ASYNCPG_TEXT: Final = "src/drivers/_asyncpg_text.py"
MONGO: Final = "src/drivers/_pymongo_connection.py"
MONGO_ERRORS: Final = "src/drivers/_pymongo_errors.py"
POOL: Final = "src/uow/pool/pool.py"
ROUTE: Final = "src/uow/pool/replicas.py"

DEFECTS: Final = (
    Defect(
        "relations stay: a rollback leaves lists and references as they are",
        (
            Change(
                JOURNAL,
                "                restore_slot(obj, relation, memo)\n",
                "                pass\n",
            ),
        ),
        (
            "tests/contract/test_relations.py::test_rollback_restores_relations",
            "-k",
            "sqlite-file-asyncio",
        ),
    ),
    Defect(
        "relations forgotten: a failed flush does not note again what was to be written",
        (
            Change(
                "src/uow/session/moves.py",
                "            record.moved = {**moved, **(record.moved or {})}\n",
                "",
            ),
        ),
        (
            "tests/contract/test_relations.py::test_a_failed_flush_can_be_tried_again",
            "-k",
            "sqlite-file-asyncio",
        ),
    ),
    Defect(
        "relations out of step: a list is not told of what is set on the other side",
        (
            Change(
                "src/uow/tracking/relations.py",
                "            held.put_raw(item)\n            if isinstance(held, UnreadMembers):\n",
                "            if isinstance(held, UnreadMembers):\n",
            ),
        ),
        ("tests/uow/mapping/test_relations.py::test_both_sides_are_in_step",),
    ),
    Defect(
        "relations loaded over: what was moved in memory is where the store has it",
        (
            Change(
                "src/uow/session/holding.py",
                "            _regroup(groups, by_key, moved)\n",
                "            pass\n",
            ),
        ),
        (
            "tests/contract/test_loading.py::test_changes_in_memory_are_true_of_what_is_loaded",
            "-k",
            "sqlite-file-asyncio",
        ),
    ),
    Defect(
        "half a read: objects stay where what is joined to them cannot be made",
        (
            Change(
                LEDGER,
                "                take_back(objects, counts.get(mapper, 0))\n",
                "                pass\n",
            ),
        ),
        ("tests/uow/session/test_taking_in.py::test_joined",),
    ),
    Defect(
        "half a family: objects of one class stay where those of another cannot be made",
        (
            Change(
                "src/uow/session/polymorphic.py",
                "                take_back(identity, count)\n",
                "                pass\n",
            ),
        ),
        ("tests/uow/session/test_taking_in.py::test_classes_of_a_hierarchy",),
    ),
    Defect(
        "tables of others: they are dropped for all that",
        (
            Change(
                "src/uow/schema/ignoring.py",
                "name not in asked and is_ignored(name, patterns)",
                "name not in asked and is_ignored(name, [OWN])",
            ),
        ),
        ("tests/uow/schema/test_ignoring.py::test_tables_of_others", "-k", "sqlite"),
    ),
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
        (Change(STATE, "notes[obj] = column.get_slot(obj)\n", "notes[obj] = value\n"),),
        (f"{FAILED}::test_written_twice_then_rolled_back",),
    ),
    Defect(
        "old value overwritten in a record: each write notes what the one before wrote",
        (Change(STATE, "        if noted is None or name not in noted:\n", "        if True:\n"),),
        (f"{FAILED}::test_written_twice_then_rolled_back",),
    ),
    Defect(
        "old value overwritten: each write notes what the one before wrote",
        (Change(STATE, "            if obj not in notes:\n", "            if True:\n"),),
        (f"{FAILED}::test_written_twice_then_rolled_back",),
    ),
    Defect(
        "a popped member still dirties its former owner",
        (
            Change(
                f"{NESTED}/lists.py",
                "            value = list.pop(self, index)\n            token.touch()\n            release(",  # noqa: E501
                "            value = list.pop(self, index)\n            token.touch()\n            max(",  # noqa: E501
            ),
        ),
        ("tests/uow/tracking/test_containers.py::test_two_owners",),
    ),
    Defect(
        "a dirty value that is put into a clean one is forgotten",
        (
            Change(
                f"{NESTED}/tokens.py",
                "            if self.dirty is not None:\n                owner.touch()",
                "            if False:\n                owner.touch()",
            ),
        ),
        ("tests/uow/tracking/test_containers.py::test_a_dirty_value_is_put_into_a_clean_one",),
    ),
    Defect(
        "a field that was told of once is not told of again",
        (Change(STATE, "            token.rearm()\n", ""),),
        ("tests/contract/test_nested.py::test_put_in_after_loading",),
    ),
    Defect(
        "nested values are compared with what was stored before the last flush",
        (Change(FLUSH, "                hold_stored(obj, column, sent)\n", ""),),
        ("tests/contract/test_nested.py::test_set_then_revert",),
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
                "            end = await finish(\n"
                "                connection.commit,\n"
                "                self.database.commit_timeout,\n"
                "                is_plain=connection.commits_plainly,\n"
                "            )\n",
                "            end = End()\n"
                "            try:\n"
                "                end.result, end.is_done = await connection.commit(), True\n"
                "            except Exception as raised:\n"
                "                end.error = raised\n",
            ),
        ),
        (f"{CANCELLATION}::test_cancelled_in_commit",),
    ),
    Defect(
        "COMMIT is shielded from scopes alone, not from task.cancel()",
        (Change(FINISH, "        await ended\n", "        await task\n"),),
        (f"{CANCELLATION}::test_cancelled_in_commit",),
    ),
    Defect(
        "what COMMIT waits for is cancelled with the task that waits by proxy",
        (
            Change(
                HELD,
                "        self.wake()\n        return False\n",
                "        return self._future.cancel(msg)\n",
            ),
        ),
        (f"{FINISH_TESTS}::test_task_cancelled", f"{CANCELLATION}::test_cancelled_in_commit"),
    ),
    Defect(
        "a cancellation in the tick in which the budget ends is lost",
        (
            Change(
                HELD,
                "        self.wake()\n        return False\n",
                "        self.wake()\n        return True\n",
            ),
        ),
        (f"{FINISH_TESTS}::test_cancelled_in_the_tick_of_the_budget",),
    ),
    Defect(
        "COMMIT is shielded without a budget",
        (
            Change(
                CHANNEL,
                "                self.database.commit_timeout,\n"
                "                is_plain=connection.commits_plainly,\n",
                "                20,\n                is_plain=connection.commits_plainly,\n",
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
                POOL,
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
                "        except BaseException as error:\n            if not channel.options.atomic",
                "        except Exception as error:\n            if not channel.options.atomic",
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
                "src/uow/session/meetings.py",
                "            for earlier in self._releasing.get(taken, ()):\n",
                "            for earlier in list[Op]():\n",
            ),
        ),
        ("tests/contract/test_flush.py", "-k", "unique_value"),
    ),
    Defect(
        "what is NULL for a while stays NULL",
        (
            Change(
                "src/uow/session/edges.py",
                "*_aside(Role.FIXUP, steps, late)",
                "",
            ),
        ),
        ("tests/contract/test_flush_graphs.py", "-k", "sqlite-memory"),
    ),
    Defect(
        "a parked value may be another row's",
        (
            Change(
                "src/uow/session/lots.py",
                "            if value not in taken:\n",
                "            if value not in used:\n",
            ),
        ),
        ("tests/contract/test_flush_circles.py", "-k", "nobodys"),
    ),
    Defect(
        "a key of a row that was not stored stays with those that refer to it",
        (
            Change(
                JOURNAL,
                "            if read_slot(obj, column) == handed:\n",
                "            if False:\n",
            ),
        ),
        ("tests/contract/test_flush_circles.py", "-k", "keys_back"),
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
                "                if self.channel.connection is not None:\n"
                "                    await self._commit_transaction(",
                "                for frame in self.ledger.frames:\n"
                "                    for function in frame.callbacks:\n"
                "                        function()\n"
                "                if self.channel.connection is not None:\n"
                "                    await self._commit_transaction(",
            ),
        ),
        (f"{UNKNOWN}::test_hooks_of_what_is_not_committed",),
    ),
    Defect(
        "a cancellation that is there before COMMIT is not heard",
        (
            Change(
                CHANNEL,
                "        if looks:\n            await checkpoint_if_cancelled()\n",
                "",
            ),
        ),
        (
            f"{CANCELLATION}::test_cancelled_before_commit_is_sent",
            f"{FIRST_STATEMENT}::test_cancelled_before_commit_is_sent",
        ),
    ),
    Defect(
        "a BEGIN that went ahead of what was not sent is forgotten",
        (
            Change(
                ASYNCPG,
                "            if not (self.in_transaction or self.is_closed):\n"
                "                await self._come_to_rest()\n",
                "",
            ),
        ),
        ("tests/drivers/test_asyncpg_short_ways.py::test_a_statement_that_was_not_sent",),
    ),
    Defect(
        "a first statement that fails loses its transaction",
        (
            Change(
                CHANNEL,
                "            if not has_begun:\n",
                "            if isinstance(error, Exception):\n",
            ),
        ),
        (f"{FIRST_STATEMENT}::test_first_statement_that_fails",),
    ),
    Defect(
        "who waits for COMMIT is woken late, or never",
        (Change("src/uow/session/alarm.py", "            sleeper.wake()\n", ""),),
        ("tests/uow/session/test_alarm.py", FINISH_TESTS),
    ),
    Defect(
        "after one loss the idle connections are given out untested",
        (Change(POOL, "            and slot.since > self._doubted\n", ""),),
        (HEALTH,),
    ),
    Defect(
        "a connection that died in the pool is the unit's trouble",
        (
            Change(
                "src/uow/pool/lender.py",
                "lender.give_up(connection, error) or number == MOST_REPLACED:\n",
                "lender.give_up(connection, error) or True:\n",
            ),
        ),
        ("tests/uow/test_idle_connections.py",),
    ),
    Defect(
        "a session goes back from the primary to a replica that is older",
        (Change(ROUTE, "            self._is_at_primary = True\n", ""),),
        (f"{REPLICAS}::test_a_replica_that_stays_behind",),
    ),
    Defect(
        "a replica is read before it has come as far as it must",
        (
            Change(
                ROUTE,
                "            is_there = await _reaches(connection, self._after, late)\n",
                "            is_there = True\n",
            ),
        ),
        (REPLICAS, "-k", "behind"),
    ),
    Defect(
        "PostgreSQL: the tag of COMMIT is not looked at",
        (Change(ASYNCPG, '        if answer != "COMMIT":\n', "        if False:\n"),),
        (f"{PG_UNITS}::test_commit_of_a_failed_transaction",),
    ),
    Defect(
        "PostgreSQL: a connection is given on without a reset of its session",
        (
            Change(
                ASYNCPG,
                "            await self._at_last(_RESET)\n",
                "            pass\n",
            ),
        ),
        (f"{PG_POOL}::test_next_borrower_sees_none_of_it",),
    ),
    Defect(
        "PostgreSQL: the reset is asyncpg's own, which leaves roles and temporary tables",
        (
            Change(
                ASYNCPG,
                '"RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *;"',
                '"RESET ALL; CLOSE ALL; UNLISTEN *;"',
            ),
        ),
        (f"{PG_POOL}::test_next_borrower_sees_none_of_it",),
    ),
    Defect(
        "PostgreSQL: release before rollback: an open transaction goes to the next borrower",
        (
            Change(
                ASYNCPG,
                "self._effect is not Effect.NOTHING or self._streams > 0 or self.in_transaction",
                "self._effect is not Effect.NOTHING or self._streams > 0",
            ),
        ),
        (f"{PG_POOL}::test_connection_in_other_hands",),
    ),
    Defect(
        "PostgreSQL: a read that failed leaves its transaction as good as before",
        (
            Change(
                UNIT, "        elif not keeps or channel.has_failed:\n", "        elif not keeps:\n"
            ),
        ),
        (f"{PG_UNITS}::test_swallowed_error",),
    ),
    Defect(
        "PostgreSQL: a cancelled call goes on before the server has answered it",
        (
            Change(
                ASYNCPG,
                "        if isinstance(error, asyncio.CancelledError):\n"
                "            await self._come_to_rest()\n",
                "        if isinstance(error, asyncio.CancelledError):\n",
            ),
        ),
        (f"{PG_CANCELLATION}::test_cancelled_at_any_message",),
    ),
    Defect(
        "PostgreSQL: a server that does not answer a cancelled call is waited for",
        (
            Change(
                ASYNCPG,
                "            with anyio.move_on_after(REST_SECONDS, shield=True):\n"
                "                try:\n",
                "            with anyio.move_on_after(20 * REST_SECONDS, shield=True):\n"
                "                try:\n",
            ),
        ),
        (f"{PG_LOSSES}::test_nobody_there_in_a_query",),
    ),
    Defect(
        "PostgreSQL: a commit under way counts as one that was rolled back",
        (
            Change(
                TOKENS,
                "answer == self._status.open:\n            return None\n",
                "answer == self._status.open:\n            return Outcome.NOT_APPLIED\n",
            ),
        ),
        (f"{PG_LOSSES}::test_verify_while_the_transaction_is_open",),
    ),
    Defect(
        "PostgreSQL: a number that was given again after a crash vouches for the one before",
        (
            Change(
                TOKENS,
                "if life == self._life and answer == self._status.committed",
                "if answer == self._status.committed",
            ),
        ),
        (f"{PG_CRASHES}::test_verify_across_a_crash",),
    ),
    Defect(
        "MongoDB: an error of the server leaves the transaction as it was",
        (
            Change(
                MONGO,
                "            self._has_failed = True\n        elif",
                "            self._has_failed = False\n        elif",
            ),
        ),
        (f"{MONGO_TESTS}::test_failed_statements_fail_the_transaction",),
    ),
    Defect(
        "MongoDB: COMMIT is sent once, whatever the label says",
        (Change(MONGO, "if not has_label(error, UNKNOWN_COMMIT):", "if True:"),),
        (f"{MONGO_LOSSES}::test_commit_is_sent_again",),
    ),
    Defect(
        "MongoDB: a second loss begins the transaction anew, without what came first",
        (
            Change(
                MONGO,
                "        self._has_sent = True\n        await self._again()",
                "        await self._again()",
            ),
        ),
        (f"{MONGO_LOSSES}::test_the_second_statement_is_lost_after_the_first",),
    ),
    Defect(
        "MongoDB: a rollback waits for the statement that was cancelled",
        (Change(MONGO, "                if self._is_interrupted:", "                if False:"),),
        (f"{MONGO_CANCELLATION}::test_long_writes",),
    ),
    Defect(
        "MongoDB: a connection that is cut off leaves its transaction to the server",
        (
            Change(
                MONGO,
                "        if is_at_work and self._process == os.getpid():",
                "        if False:",
            ),
        ),
        (f"{MONGO_TESTS}::test_terminate", f"{MONGO_TESTS}::test_terminate_from_a_thread"),
    ),
    Defect(
        "MongoDB: a single write without an answer counts as not done",
        (Change(MONGO_ERRORS, "        mapped.outcome = Outcome.UNKNOWN", "        pass"),),
        (f"{MONGO_ERROR_TESTS}::test_single_writes_whose_answer_is_lost",),
    ),
    Defect(
        "MongoDB: the cause shows what the server quoted",
        (
            Change(
                MONGO_ERRORS,
                "            shown._OperationFailure__details = kept",
                "            pass",
            ),
        ),
        (f"{MONGO_ERROR_TESTS}::test_unique",),
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
