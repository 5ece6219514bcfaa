"""Random edits of a graph of objects: both sides in step, and the store as memory says (R2)."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.contract.related import Genre, Novel, Passport, Writer
from uow import Database, RelationPath, Session, State, state
from uow.mapping.mapper import mapper_of

few = st.integers(0, 3)
EDITS = st.one_of(
    st.tuples(st.just("edit"), few, st.none() | few),
    st.tuples(st.just("append"), few, few),
    st.tuples(st.just("remove"), few, few),
    st.tuples(st.just("replace"), few, st.lists(few, max_size=3)),
    st.tuples(st.just("link"), few, few),
    st.tuples(st.just("link_back"), few, few),
    st.tuples(st.just("unlink"), few, few),
    st.tuples(st.just("relink"), few, st.lists(few, max_size=3)),
    st.tuples(st.just("new"), few, few),
    st.tuples(st.just("delete"), few, few),
    st.tuples(st.just("load"), few, few),
    st.tuples(st.just("expire"), few, few),
    st.tuples(st.just("key"), few, st.none() | few),
)
ENDS = st.tuples(
    st.sampled_from(["flush", "commit", "rollback", "savepoint", "undone savepoint"]), few, few
)
STEPS = st.lists(EDITS | ENDS, max_size=25)


class World:
    """Objects of a session, and what the store held when it was last committed."""

    def __init__(self, database: Database, session: Session) -> None:
        self.database = database
        self.session = session
        self.owner = Writer(name="owner")
        self.writers = [Writer(name=f"w{n}") for n in range(4)]
        self.novels = [Novel(title=f"n{n}", writer=self.owner) for n in range(4)]
        self.genres = [Genre(name=f"g{n}") for n in range(4)]

    async def begin(self) -> None:
        """Store the first objects, and load everything."""
        self.session.add_all([*self.writers, *self.novels, *self.genres])
        await self.session.commit()

    def alive(self, objects: list[Any], number: int) -> Any:
        """One of the objects that are in the session and not deleted."""
        found = [o for o in objects if state(o) in {State.PENDING, State.PERSISTENT}]
        return found[number % len(found)] if found else None

    async def loaded(self, obj: Any) -> Any:
        """An object with its relations loaded."""
        if obj is not None and state(obj) is State.PERSISTENT:
            paths: dict[Any, list[RelationPath[Any]]] = {
                Writer: [Writer.edited],
                Novel: [Novel.editor, Novel.genres],
                Genre: [Genre.novels],
            }
            if not all(column.is_loaded(obj) for column in mapper_of(obj).columns):
                await self.session.refresh(obj)
            await self.session.load([obj], *paths[type(obj)])
        return obj

    async def step(self, kind: str, one: int, other: Any) -> None:
        """Do one thing."""
        session = self.session
        if kind in {"edit", "append", "remove", "replace"}:
            await self._edit(kind, one, other)
        elif kind in {"link", "link_back", "unlink", "relink"}:
            await self._link(kind, one, other)
        elif kind == "new":
            editor = await self.loaded(self.alive(self.writers, one))
            genre = await self.loaded(self.alive(self.genres, other))
            new = Novel(title="new", writer=self.owner, editor=editor, genres=[genre])
            assert new in session
            self.novels.append(new)
        elif kind == "delete":
            novel = self.alive(self.novels, one)
            if novel is not None:
                session.delete(novel)
        elif kind == "load":
            await self.loaded(self.alive(self.writers, one))
            await self.loaded(self.alive(self.genres, other))
        elif kind == "expire":
            writer = self.alive(self.writers, one)
            if state(writer) is State.PERSISTENT and not session.is_modified(writer):
                session.expire(writer)
        elif kind == "key":
            await session.flush()
            novel = self.alive(self.novels, one)
            editor = None if other is None else self.alive(self.writers, other)
            if novel is not None:
                novel.editor_id = None if editor is None else editor.id
                await session.flush()
                assert self.held(novel, "editor") in {None, editor}
        elif kind in {"savepoint", "undone savepoint"}:
            async with session.begin_nested() as savepoint:
                await self._edit("append", one, other)
                await session.flush()
                await self._link("link", other, one)
                if kind == "undone savepoint":
                    await savepoint.rollback()
        else:
            await getattr(session, kind)()

    async def _edit(self, kind: str, one: int, other: Any) -> None:
        if kind == "edit":
            novel = await self.loaded(self.alive(self.novels, one))
            editor = None if other is None else self.alive(self.writers, other)
            if novel is not None:
                novel.editor = editor
            return
        writer = await self.loaded(self.alive(self.writers, one))
        if kind == "replace":
            novels = [await self.loaded(self.alive(self.novels, number)) for number in other]
            writer.edited = [novel for novel in novels if novel is not None]
            return
        novel = await self.loaded(self.alive(self.novels, other))
        if kind == "append" and novel is not None:
            writer.edited.append(novel)
        elif kind == "remove" and novel in writer.edited:
            writer.edited.remove(novel)

    async def _link(self, kind: str, one: int, other: Any) -> None:
        novel = await self.loaded(self.alive(self.novels, one))
        if novel is None:
            return
        if kind == "relink":
            novel.genres = [self.alive(self.genres, number) for number in other]
            return
        genre = self.alive(self.genres, other)
        if kind == "link":
            novel.genres.append(genre)
        elif kind == "link_back":
            (await self.loaded(genre)).novels.append(novel)
        elif genre in novel.genres:
            novel.genres.remove(genre)

    # -- what must be true

    def held(self, obj: Any, name: str) -> Any:
        """What is loaded of a relation; None where nothing is."""
        relation = mapper_of(obj).relations[name]
        return getattr(obj, name) if relation.is_loaded(obj) else None

    def here(self, objects: list[Any]) -> list[Any]:
        """The objects that are in the session and alive."""
        return [o for o in objects if state(o) in {State.PENDING, State.PERSISTENT}]

    def assert_in_step(self) -> None:
        """Whatever is loaded on both sides says the same on both sides, and nothing twice."""
        for writer in self.here(self.writers):
            edited = self.held(writer, "edited")
            if edited is None:
                continue
            assert len({id(novel) for novel in edited}) == len(edited)
            for novel in edited:
                if state(novel) is not State.DELETED:
                    assert novel.editor is writer
            for novel in self.here(self.novels):
                if self.held(novel, "editor") is writer:
                    assert novel in edited
        for genre in self.here(self.genres):
            novels = self.held(genre, "novels")
            for novel in self.here(self.novels):
                genres = self.held(novel, "genres")
                if novels is not None and genres is not None:
                    assert (novel in novels) is (genre in genres)

    async def assert_stored(self) -> None:
        """A second connection sees what memory says."""
        async with Session(self.database) as other:
            novels = await other.find(Novel).load(Novel.genres).to_list()
            seen = {n.id: (n.editor_id, sorted(g.id for g in n.genres)) for n in novels}
        mine = self.here(self.novels)
        assert set(seen) == {novel.id for novel in mine}
        for novel in mine:
            await self.loaded(novel)
            editor = None if novel.editor is None else novel.editor.id
            assert seen[novel.id] == (editor, sorted(g.id for g in novel.genres))
            assert novel.editor_id == editor


@pytest.mark.filterwarnings("ignore::uow.NPlusOneWarning")
@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(steps=STEPS)
@example(steps=[("new", 0, 0), ("delete", 0, 0), ("delete", 3, 0)])
def test_random_edits_keep_memory_and_store_together(steps: list[tuple[str, int, Any]]) -> None:
    """After every step both sides agree; after a commit or rollback so does the store."""

    async def run() -> None:
        async with Database("memory://") as database:
            await database.create_all([Writer, Novel, Genre, Passport])
            async with Session(database) as session:
                world = World(database, session)
                await world.begin()
                for kind, one, other in steps:
                    await world.step(kind, one, other)
                    world.assert_in_step()
                    if kind in {"commit", "rollback"}:
                        await world.assert_stored()
                        world.assert_in_step()
                await session.commit()
                await world.assert_stored()
                world.assert_in_step()

    anyio.run(run)
