"""G2: migrations go up, down and up again on every SQL store, and the history is right."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.uow.migrations.support import Folder, Middle, Store
from uow import (
    ConstraintError,
    ConstraintKind,
    Database,
    LockTimeoutError,
    MigrationError,
    MigrationEvent,
    Outcome,
    get_migration_status,
    resolve_migration,
    revert_migrations,
    run_migrations,
    sql,
)
from uow import Session as UnitOfWork

pytestmark = pytest.mark.anyio

USERS = """
    await self.create_table(
        "users",
        {
            "id": "SERIAL PRIMARY KEY",
            "email": "VARCHAR(255) NOT NULL",
            "made": "TIMESTAMP DEFAULT NOW()",
        },
        "CHECK (email <> '')",
        comment="it's people",
    )
    await self.create_index("users", ["email"], unique=True)
"""


async def rows(database: Database, text: str) -> list[tuple[Any, ...]]:
    """Read what is stored, over another connection than the runner's."""
    async with UnitOfWork(database) as session:
        found = [tuple(row) for row in await session.execute(sql(text))]
        await session.rollback()
        return found


async def test_up_down_up(database: Database, folder: Folder) -> None:
    """Each way changes the schema, whatever was done before; history has the row exactly then."""
    folder.add("001", USERS, 'await self.drop_table("users")')
    folder.add(
        "2",
        """
        await self.add_column("users", "age", "INTEGER NULL")
        await self.execute("INSERT INTO users (email) VALUES ({email})", email="a@x.org")
        await self.rename_column("users", "age", "years")
        await self.create_index("users", ["years DESC", "email"], name="by_age")
        await self.rename_table("users", "people")
        """,
        """
        await self.rename_table("people", "users")
        await self.drop_index("users", "by_age")
        await self.drop_column("users", "years")
        await self.execute("DELETE FROM users")
        """,
    )
    folder.add("10", 'await self.execute("UPDATE people SET years = 3")', "pass")
    for _ in range(2):
        done = await run_migrations(database, folder.path)
        status = await get_migration_status(database, folder.path)

        assert [one.version for one in done] == ["001", "2", "10"]
        assert (status.current, status.pending, status.problems) == ("10", (), ())
        assert [entry.version for entry in status.history] == ["001", "2", "10"]
        assert all(entry.seconds > 0 and len(entry.checksum) == 64 for entry in status.history)
        assert await rows(database, "SELECT email, years FROM people") == [("a@x.org", 3)]
        assert await run_migrations(database, folder.path) == []

        back = await revert_migrations(database, folder.path)
        assert [one.version for one in back] == ["10"]
        assert (await get_migration_status(database, folder.path)).current == "2"
        back = await revert_migrations(database, folder.path, target="base")
        assert [one.version for one in back] == ["2", "001"]
        status = await get_migration_status(database, folder.path)
        assert (status.current, status.history) == (None, ())
        assert status.pending == ("001", "2", "10")


async def test_targets(database: Database, folder: Folder) -> None:
    """A target is the last version that is run, and the one that stays on the way back."""
    for number in "123":
        folder.add(number, f'await self.create_table("t{number}", {{"id": "INTEGER"}})',
                   f'await self.drop_table("t{number}")')  # fmt: skip
    up = await run_migrations(database, folder.path, target="2")
    assert [one.version for one in up] == ["1", "2"]
    assert await run_migrations(database, folder.path, target="1") == []
    assert (await get_migration_status(database, folder.path)).pending == ("3",)
    await run_migrations(database, folder.path)
    back = await revert_migrations(database, folder.path, target="1")

    assert [one.version for one in back] == ["3", "2"]
    assert (await get_migration_status(database, folder.path)).applied == ("1",)
    with pytest.raises(MigrationError, match=r"'7'.*the last one is '3'"):
        await run_migrations(database, folder.path, target="7")
    with pytest.raises(MigrationError, match="'7'"):
        await revert_migrations(database, folder.path, target="7")


async def test_dry_runs_send_nothing(database: Database, folder: Folder) -> None:
    """What would be sent is said; the store stays as it is, without a history too."""
    folder.add(
        "1",
        USERS
        + """
    async def fill(session): ...
    await self.run(fill)
    await self.fetch("SELECT 1")
    await self.drop_table("users")
    """,
        'await self.drop_table("users")',
    )
    (paper,) = await run_migrations(database, folder.path, dry_run=True)
    status = await get_migration_status(database, folder.path)

    assert paper.statements[0].startswith("CREATE TABLE ")
    assert "CREATE UNIQUE INDEX" in " ".join(paper.statements)
    assert "-- what fill writes" in paper.statements
    assert paper.statements[-1].startswith("-- what comes now depends on what is read")
    assert not any("DROP" in text for text in paper.statements)
    assert status.history == ()
    with pytest.raises(Exception, match="users"):
        await rows(database, "SELECT * FROM users")


async def test_sessions_are_in_the_transaction(
    store: Store, database: Database, folder: Folder
) -> None:
    """What a session writes is stored with the migration; `run` does that on every store."""
    model = """
    class User(Table):
        class Settings:
            name = "users"
            registry = Registry()
        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        email: Mapped[str]
    """
    folder.add("1", USERS, 'await self.drop_table("users")')
    path = folder.add(
        "2",
        """
        async def fill(session):
            session.add(User(email="a"))
            await session.commit()
            session.add(User(email="b"))
            await session.rollback()
            await User(email="c").save()
        await self.run(fill)
        """,
    )
    text = path.read_text(encoding="utf-8")
    head, _, tail = text.partition("class M2")
    path.write_text(head + textwrap.dedent(model) + "\nclass M2" + tail, encoding="utf-8")
    await run_migrations(database, folder.path)
    assert await rows(database, "SELECT email FROM users ORDER BY email") == [("a",), ("c",)]

    folder.add(
        "3",
        """
        async with self.session() as session:
            await session.execute(sql("DELETE FROM users"))
        await self.execute("SELECT nothing FROM nowhere")
        """,
    )
    with pytest.raises(MigrationError, match=r"self\.run" if not store.takes_back else "nowhere"):
        await run_migrations(database, folder.path)

    assert len(await rows(database, "SELECT email FROM users")) == 2
    assert (await get_migration_status(database, folder.path)).applied == ("1", "2")


async def test_a_failure_leaves_nothing_or_says_what_stands(
    store: Store, database: Database, folder: Folder
) -> None:
    """In a transaction nothing stays; without one the next run goes on where it failed."""
    folder.add("1", USERS)
    bad = USERS.replace("users", "posts") + '\n    await self.execute("CREATE WRONG")'
    folder.add("2", bad)
    with pytest.raises(MigrationError, match=r"2_step\.py.* step \d .*CREATE WRONG") as caught:
        await run_migrations(database, folder.path)
    status = await get_migration_status(database, folder.path)

    assert caught.value.version == "2"
    assert caught.value.__cause__ is not None
    assert status.applied == ("1",)
    assert status.pending == ("2",)
    if store.takes_back:
        assert caught.value.outcome is Outcome.NOT_APPLIED
        assert [entry.version for entry in status.history] == ["1"]
    else:
        entry = status.history[-1]
        assert "2 steps of it were done; the next run goes on with step 3" in str(caught.value)
        assert (entry.stage, len(entry.done), entry.doing) == ("going up", 2, None)
        assert entry.problem is not None
        assert "CREATE WRONG" in entry.problem or "syntax" in entry.problem.lower()
        with pytest.raises(MigrationError, match=r"middle, going up.*migrate up"):
            await revert_migrations(database, folder.path)
        folder.add("2", USERS)  # another first step
        with pytest.raises(MigrationError, match="step 1 of the migration 2 was done"):
            await run_migrations(database, folder.path)
        folder.add("2", 'await self.execute("SELECT 1")')
        with pytest.raises(MigrationError, match="step 1 of the migration 2 was done"):
            await run_migrations(database, folder.path)
    folder.add("2", bad.replace("CREATE WRONG", "INSERT INTO posts (email) VALUES ('x')"))
    await run_migrations(database, folder.path)
    assert await rows(database, "SELECT email FROM posts") == [("x",)]
    assert (await get_migration_status(database, folder.path)).applied == ("1", "2")


async def test_a_failure_going_down(store: Store, database: Database, folder: Folder) -> None:
    """The same on the way back: nothing, or a place to go on from."""
    down = """
        await self.drop_table("b")
        await self.execute("DROP WRONG")
        await self.drop_table("a")
    """
    up = """
        await self.create_table("a", {"id": "INTEGER"})
        await self.create_table("b", {"id": "INTEGER"})
    """
    path = folder.add("1", up, down)
    await run_migrations(database, folder.path)
    with pytest.raises(MigrationError, match="going down in step 2"):
        await revert_migrations(database, folder.path)
    status = await get_migration_status(database, folder.path)
    if store.takes_back:
        assert status.applied == ("1",)
        return
    assert status.history[0].stage == "going down"
    with pytest.raises(MigrationError, match="migrate down"):
        await run_migrations(database, folder.path)
    path.write_text(path.read_text().replace("DROP WRONG", "SELECT 1"))
    await revert_migrations(database, folder.path)
    assert (await get_migration_status(database, folder.path)).history == ()
    assert [one.version for one in await run_migrations(database, folder.path)] == ["1"]


async def test_changed_and_missing_files(database: Database, folder: Folder) -> None:
    """A file of an applied version that has changed, or is gone, is an error that names it."""
    folder.add("1", 'await self.create_table("a", {"id": "INTEGER"})')
    path = folder.add("2", 'await self.create_table("b", {"id": "INTEGER"})')
    await run_migrations(database, folder.path)
    before = path.read_bytes()
    path.write_bytes(before.replace(b"\n", b"\r\n"))
    assert await run_migrations(database, folder.path) == []  # ends of lines are no change

    path.write_bytes(before + b"# more\n")
    for call in (run_migrations, revert_migrations):
        with pytest.raises(MigrationError, match=r"migration 2 .*2_step\.py has changed") as caught:
            await call(database, folder.path)
        assert caught.value.version == "2"
    assert "2_step.py" in (await get_migration_status(database, folder.path)).problems[0]
    path.unlink()
    with pytest.raises(MigrationError, match=r"2_step\.py is missing"):
        await run_migrations(database, folder.path)
    path.write_bytes(before)
    assert await run_migrations(database, folder.path) == []


async def test_two_runners(database: Database, folder: Folder) -> None:
    """Of two at once one works and the other waits; each migration is run once."""
    folder.add(
        "1",
        """
        await self.create_table("a", {"id": "INTEGER"})
        await Middle.current.wait()
        """,
    )
    folder.add("2", 'await self.execute("INSERT INTO a (id) VALUES (1)")')
    middle = Middle()
    done: dict[str, list[str]] = {}
    ended: dict[str, list[str | None]] = {"first": [], "second": []}
    url = database.url

    async def runner(name: str) -> None:
        def progress(event: MigrationEvent) -> None:
            if event.kind == "waiting":
                assert name == "second"
                middle.passed.set()
            if event.kind == "end":
                ended[name].append(event.version)

        async with Database(url) as mine:
            runs = await run_migrations(mine, folder.path, progress=progress)
            done[name] = [one.version for one in runs]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(runner, "first")
        await middle.reached.wait()
        tasks.start_soon(runner, "second")
    assert done == {"first": ["1", "2"], "second": []}
    assert ended == done  # nobody tells of what the other one did
    assert await rows(database, "SELECT id FROM a") == [(1,)]
    assert [entry.version for entry in (await get_migration_status(database, folder.path)).history
            ] == ["1", "2"]  # fmt: skip


async def test_waiting_has_a_limit(database: Database, folder: Folder) -> None:
    """Who waits too long gets an error that says for whom; the other is not disturbed."""
    folder.add(
        "1",
        """
        await self.create_table("a", {"id": "INTEGER"})
        await Middle.current.wait()
        """,
    )
    middle = Middle()
    kinds: list[str] = []

    async def late() -> None:
        options: Any = {"busy_timeout": 0.1} if database.url.scheme == "sqlite" else {}
        async with Database(database.url, **options) as mine:
            await middle.reached.wait()
            with pytest.raises(LockTimeoutError, match=r"another runner .* within 0\.2 seconds"):
                await run_migrations(
                    mine,
                    folder.path,
                    lock_timeout=0.2,
                    progress=lambda event: kinds.append(event.kind),
                )
            assert mine.pool.stats.in_use == 0
        middle.passed.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(late)
        runs = await run_migrations(database, folder.path)

    assert [one.version for one in runs] == ["1"]
    assert "waiting" in kinds


async def test_cancelled_in_the_middle(store: Store, database: Database, folder: Folder) -> None:
    """A cancellation between steps leaves nothing, or the steps that were done."""
    path = folder.add(
        "1",
        """
        await self.create_table("a", {"id": "INTEGER"})
        await Middle.current.wait()
        await self.create_table("b", {"id": "INTEGER"})
        """,
    )
    middle = Middle()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_migrations, database, path.parent)
        await middle.reached.wait()
        tasks.cancel_scope.cancel()
    status = await get_migration_status(database, folder.path)

    assert tasks.cancel_scope.cancelled_caught
    assert database.pool.stats.in_use == 0
    assert len(status.history) == (0 if store.takes_back else 1)
    middle.passed.set()
    await run_migrations(database, folder.path)
    assert await rows(database, "SELECT * FROM b") == []
    assert (await get_migration_status(database, folder.path)).applied == ("1",)


async def test_resolving(store: Store, database: Database, folder: Folder) -> None:
    """Only what stands in its middle can be resolved."""
    folder.add("1", 'await self.create_table("a", {"id": "INTEGER"})\nawait self.execute("WRONG")')
    with pytest.raises(MigrationError):
        await run_migrations(database, folder.path)
    if store.takes_back:
        with pytest.raises(MigrationError, match="nothing to resolve"):
            await resolve_migration("1", "forget", database)
        return
    with pytest.raises(MigrationError, match="all of the migration 1 is known"):
        await resolve_migration("1", "done", database)
    await resolve_migration("1", "forget", database)
    assert (await get_migration_status(database, folder.path)).history == ()


async def test_changes_of_tables_with_rows(database: Database, folder: Folder) -> None:
    """Columns and constraints are changed on every store; rows stay, of other tables too."""
    folder.add(
        "1",
        """
        await self.create_table(
            "users", {"id": "INTEGER PRIMARY KEY", "email": "VARCHAR(20) NOT NULL", "n": "INTEGER"}
        )
        await self.create_table(
            "posts",
            {"id": "INTEGER PRIMARY KEY", "user_id": "INTEGER NOT NULL"},
            "FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE",
        )
        await self.create_index("users", ["email"], unique=True)
        await self.execute("INSERT INTO users (id, email, n) VALUES (1, 'a', 3)")
        await self.execute("INSERT INTO posts (id, user_id) VALUES (7, 1)")
        """,
        'await self.drop_table("posts")\nawait self.drop_table("users")',
    )
    folder.add(
        "2",
        """
        await self.add_column("users", "made", "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP")
        await self.alter_column("users", "n", "BIGINT NOT NULL DEFAULT 5")
        await self.add_constraint("users", "ck_n", "CHECK (n > 0)")
        await self.add_constraint("users", "uq_n", "UNIQUE (n)")
        await self.execute("INSERT INTO users (id, email) VALUES (2, 'b')")
        """,
        """
        await self.execute("DELETE FROM users WHERE id = 2")
        await self.drop_constraint("users", "uq_n")
        await self.drop_constraint("users", "ck_n")
        await self.alter_column("users", "n", "INTEGER")
        await self.drop_column("users", "made")
        """,
    )
    for _ in range(2):
        await run_migrations(database, folder.path)
        assert await rows(database, "SELECT id, n FROM users ORDER BY id") == [(1, 3), (2, 5)]
        assert await rows(database, "SELECT id FROM posts") == [(7,)]
        await revert_migrations(database, folder.path)
        assert await rows(database, "SELECT id, email, n FROM users") == [(1, "a", 3)]
        assert await rows(database, "SELECT id FROM posts") == [(7,)]
    (paper,) = await run_migrations(database, folder.path, dry_run=True)
    assert any("BIGINT" in text.upper() for text in paper.statements)
    folder.add("3", 'await self.alter_column("users", "nothing", "INTEGER")')
    with pytest.raises(MigrationError, match="users has no column 'nothing'"):
        await run_migrations(database, folder.path)


async def test_rows_without_a_value(database: Database, folder: Folder) -> None:
    """G2: a column that takes no NULL and has no default is refused where there are rows."""
    folder.add(
        "1",
        """
        await self.create_table("a", {"id": "INTEGER PRIMARY KEY"})
        await self.add_column("a", "early", "INTEGER NOT NULL")
        await self.execute("INSERT INTO a (id, early) VALUES (1, 1)")
        """,
    )
    folder.add("2", 'await self.add_column("a", "late", "INTEGER NOT NULL")')
    with pytest.raises(MigrationError) as caught:
        await run_migrations(database, folder.path)
    cause = caught.value.__cause__
    assert isinstance(cause, ConstraintError)
    assert (cause.kind, cause.columns) == (ConstraintKind.NOT_NULL, ("late",))
    assert (await get_migration_status(database, folder.path)).applied == ("1",)
    folder.add("2", 'await self.add_column("a", "late", "INTEGER NOT NULL DEFAULT 7")')
    await run_migrations(database, folder.path)
    assert await rows(database, "SELECT late FROM a") == [(7,)]


async def test_rows_that_would_refer_to_none(tmp_path: Path) -> None:
    """Where tables are built anew foreign keys are off, and looked at before the end."""
    folder = Folder(tmp_path / "m")
    folder.add(
        "1",
        """
        await self.create_table("a", {"id": "INTEGER PRIMARY KEY", "n": "INTEGER"})
        await self.create_table("b", {"a_id": "INTEGER REFERENCES a (id)"})
        await self.execute("INSERT INTO a VALUES (1, 1)")
        await self.execute("INSERT INTO b VALUES (1)")
        """,
    )
    async with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        await run_migrations(database, folder.path)
        folder.add(
            "2",
            """
            try:
                await self.alter_column("a", "n", "INTEGER NOT NULL DEFAULT 0")
            except Exception:
                pass
            await self.execute("DELETE FROM a")
            """,
        )
        with pytest.raises(MigrationError, match="rows of b refer to rows that are not there"):
            await run_migrations(database, folder.path)

        assert await rows(database, "SELECT n FROM a") == [(1,)]
        folder.add("2", 'await self.alter_column("a", "n", "INTEGER NOT NULL DEFAULT 0")')
        await run_migrations(database, folder.path)
        async with UnitOfWork(database) as session:  # foreign keys are on again
            with pytest.raises(ConstraintError):
                await session.execute(sql("INSERT INTO b VALUES (9)"))
            await session.rollback()
