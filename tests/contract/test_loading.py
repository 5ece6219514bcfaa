"""Loading relations: how many queries, what comes, what is left alone (R2, traps 6, 36, 41)."""

from __future__ import annotations

import warnings

import pytest

from tests.contract.related import Event, Genre, Novel, Passport, Person, Place, Writer
from tests.contract.sent import Sent
from uow import (
    Database,
    NotLoadedError,
    NPlusOneWarning,
    ObjectStateError,
    QueryError,
    Session,
    UnknownFieldError,
    joined,
)

pytestmark = [pytest.mark.anyio, pytest.mark.needs("table_classes")]


async def fill(database: Database, writers: int = 3, novels: int = 3) -> None:
    """Store writers with novels, all of one genre, each with an editor and a passport."""
    genres = [Genre(name="g0"), Genre(name="g1")]
    editor = Writer(name="editor")
    async with Session.begin(database) as session:
        for w in range(writers):
            writer = Writer(name=f"w{w}", passport=Passport(number=str(w)))
            for n in range(novels):
                writer.novels.append(
                    Novel(title=f"w{w}n{n}", price=n, editor=editor, genres=genres[: n + 1])
                )
            session.add(writer)


def titles(writer: Writer) -> list[str]:
    """The titles of a writer's novels, as loaded."""
    return [novel.title for novel in writer.novels]


async def test_one_query_a_level(database: Database, sent: Sent) -> None:
    """Select-in: as many queries as levels, whatever the number of objects (trap 36)."""
    await fill(database, 20, 3)
    async with Session(database) as session:
        sent.clear()
        found = (
            await session.find(Writer).load(Writer.novels.genres, Writer.novels.editor).to_list()
        )
        assert sent.words.count("SELECT") == 3  # the editor is one of the writers
        sent.clear()
        for writer in found:
            if writer.name != "editor":
                assert len(writer.novels) == 3
                assert [len(novel.genres) for novel in writer.novels] == [1, 2, 2]
                assert {novel.editor.name for novel in writer.novels if novel.editor} == {"editor"}
        assert not sent


async def test_loaded_later(database: Database, sent: Sent) -> None:
    """`session.load` reads for all objects at once, and what is there is not read again."""
    await fill(database)
    async with Session(database) as session:
        found = await session.find(Writer, Writer.name != "editor").to_list()
        with pytest.raises(NotLoadedError, match=r"session\.load\(obj, Writer\.novels\)"):
            titles(found[0])
        sent.clear()
        await session.load(found, Writer.novels)
        assert sent.words == ["SELECT"]
        assert [titles(writer)[0] for writer in found] == ["w0n0", "w1n0", "w2n0"]
        sent.clear()
        await session.load(found, Writer.novels)
        await session.load([novel for one in found for novel in one.novels], Novel.writer)
        assert not sent


async def test_objects_of_the_session_are_used(database: Database, sent: Sent) -> None:
    """A related object that the session holds is that one, changed as it is, at no cost."""
    await fill(database)
    async with Session(database) as session:
        editor = await session.find(Writer, Writer.name == "editor").one()
        novel = await session.find(Novel, Novel.title == "w0n0").one()
        editor.name = "changed"
        novel.title = "changed"
        sent.clear()
        await session.load(novel, Novel.editor)
        assert not sent
        assert novel.editor is editor
        writer = await session.find(Writer, Writer.name == "w0").load(Writer.novels).one()
        assert novel in writer.novels
        assert titles(writer)[0] == "changed"
        await session.rollback()


async def test_changes_in_memory_are_true_of_what_is_loaded(database: Database) -> None:
    """What was moved, added or linked and not flushed is where it was put."""
    await fill(database)
    async with Session(database) as session:
        one, other = await session.find(Writer, Writer.name.in_(["w0", "w1"])).to_list()
        moved = await session.find(Novel, Novel.title == "w0n1").load(Novel.genres).one()
        moved.writer = other
        new = Novel(title="new", writer=one)
        genre = await session.find(Genre, Genre.name == "g1").one()
        moved.genres.remove(genre)
        await session.load([one, other], Writer.novels)
        await session.load(genre, Genre.novels)
        assert set(titles(one)) == {"w0n0", "w0n2", "new"}
        assert moved in other.novels
        assert new in one.novels
        assert moved not in genre.novels
        assert len(genre.novels) == 5
        await session.commit()
        assert moved.writer_id == other.id


async def test_a_filter_an_order_and_a_limit_for_each_owner(database: Database, sent: Sent) -> None:
    """`where`, `order_by` and `limit` hold for each owner, in one query."""
    await fill(database)
    async with Session(database) as session:
        best = Writer.novels.where(Novel.price > 0).order_by(-Novel.price).limit(1)
        sent.clear()
        found = await session.find(Writer, Writer.name != "editor").load(best).to_list()
        assert sent.words == ["SELECT", "SELECT"]
        assert [titles(writer) for writer in found] == [["w0n2"], ["w1n2"], ["w2n2"]]
        await session.load(found, Writer.novels)
        assert [len(writer.novels) for writer in found] == [3, 3, 3]
        genre = await session.find(Genre, Genre.name == "g0").one()
        await session.load(genre, Genre.novels.order_by(-Novel.title).limit(2))
        assert [novel.title for novel in genre.novels] == ["w2n2", "w2n1"]


@pytest.mark.parametrize("how", ["one", "many", "link"])
async def test_joined_is_one_query(database: Database, sent: Sent, how: str) -> None:
    """`joined` reads owners and related objects in one statement, and gives the same."""
    await fill(database)
    async with Session(database) as session:
        sent.clear()
        if how == "one":
            found = (
                await session.find(Novel).load(joined(Novel.writer), joined(Novel.editor)).to_list()
            )
            assert len(found) == 9
            assert {novel.writer.name for novel in found} == {"w0", "w1", "w2"}
            assert all(novel.editor is not None for novel in found)
        elif how == "many":
            writers = (
                await session.find(Writer)
                .order_by(-Writer.name)
                .load(joined(Writer.novels))
                .to_list()
            )
            assert [titles(writer) for writer in writers] == [
                ["w2n0", "w2n1", "w2n2"], ["w1n0", "w1n1", "w1n2"], ["w0n0", "w0n1", "w0n2"], [],
            ]  # fmt: skip
        else:
            novels = await session.find(Novel).load(joined(Novel.genres)).to_list()
            assert sorted(len(novel.genres) for novel in novels) == [1] * 3 + [2] * 6
        assert sent.words == ["SELECT"]
        assert "__" in sent.texts[0]


async def test_limit_counts_owners(database: Database, sent: Sent) -> None:
    """With a joined list LIMIT and OFFSET count the owners, not the rows (trap 6)."""
    await fill(database)
    async with Session(database) as session:
        query = session.find(Writer, Writer.name != "editor").order_by(Writer.name)
        sent.clear()
        found = await query.load(joined(Writer.novels)).limit(2).offset(1).to_list()
        assert sent.words == ["SELECT"]
        assert [titles(writer) for writer in found] == [
            ["w1n0", "w1n1", "w1n2"], ["w2n0", "w2n1", "w2n2"],
        ]  # fmt: skip
        first = await query.load(joined(Writer.novels)).first()
        assert first is not None
        assert titles(first) == ["w0n0", "w0n1", "w0n2"]


async def test_several_lists_do_not_multiply(database: Database, sent: Sent) -> None:
    """Of several joined lists one is joined, the others are read after it; nothing comes twice."""
    await fill(database)
    async with Session(database) as session:
        sent.clear()
        found = await (
            session.find(Writer)
            .load(joined(Writer.novels), joined(Writer.edited), joined(Writer.passport))
            .order_by(Writer.name)
            .to_list()
        )
        assert sent.words == ["SELECT", "SELECT"]
        assert [(len(one.novels), len(one.edited)) for one in found] == [(0, 9)] + [(3, 0)] * 3
        assert [one.passport.number if one.passport else None for one in found] == [
            None, "0", "1", "2",
        ]  # fmt: skip


async def test_joined_into_the_same_class(database: Database) -> None:
    """A class joined to itself goes by another name in the statement (trap 6)."""
    async with Session.begin(database) as session:
        root = Place(name="root")
        root.children = [Place(name="a"), Place(name="b")]
        session.add(root)
    async with Session(database) as session:
        found = await session.find(Place, Place.name == "a").load(joined(Place.parent)).one()
        assert found.parent is not None
        assert found.parent.name == "root"
        tree = await session.find(Place, Place.name == "root").load(joined(Place.children)).one()
        assert {child.name for child in tree.children} == {"a", "b"}


async def test_joined_with_a_filter(database: Database) -> None:
    """The filter of a joined list leaves its owners alone."""
    await fill(database)
    async with Session(database) as session:
        path = joined(Writer.novels.where(Novel.price > 1))
        found = await session.find(Writer).load(path).to_list()
        assert sorted(len(writer.novels) for writer in found) == [0, 1, 1, 1]


async def test_counts(database: Database, sent: Sent) -> None:
    """Counts of lists are one query, and load nothing."""
    await fill(database)
    async with Session(database) as session:
        found = await session.find(Novel).order_by(Novel.title).to_list()
        sent.clear()
        assert await session.count_related(found, Novel.genres) == [1, 2, 2] * 3
        assert sent.words == ["SELECT"]
        with pytest.raises(NotLoadedError):
            assert found[0].genres


async def test_loading_one_by_one_is_told_once_for_a_place(database: Database) -> None:
    """A loop that loads one object after the other warns, with file and line (trap 41)."""
    await fill(database, 8)
    async with Session(database) as session:
        found = await session.find(Writer).to_list()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for writer in found:
                await session.load(writer, Writer.novels)
        assert [one.category for one in caught] == [NPlusOneWarning]
        assert caught[0].filename == __file__
        assert "session.load(objects, Writer.novels)" in str(caught[0].message)
        with warnings.catch_warnings():
            warnings.simplefilter("error", NPlusOneWarning)
            with pytest.raises(NPlusOneWarning):
                for writer in found:
                    await session.load(writer, Writer.passport)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # as programs have it
        for _ in range(3):  # a session a request, and the place is told of once
            async with Session(database) as session:
                for writer in await session.find(Writer).to_list():
                    await session.load(writer, Writer.edited)
        assert [(one.filename, str(one.message)[:13]) for one in caught] == [
            (__file__, "Writer.edited")
        ]


async def test_bad_paths_are_refused(database: Database, sent: Sent) -> None:
    """A path that leads nowhere is one clear error, before anything is sent."""
    async with Session(database) as session:
        ann = Writer(name="ann")
        session.add(ann)
        await session.commit()
        sent.clear()
        with pytest.raises(QueryError, match=r"Genre\.novels is no relation of Writer"):
            await session.load(ann, Genre.novels)
        with pytest.raises(QueryError, match=r"Genre\.novels is no relation of Writer"):
            await session.find(Writer).load(Genre.novels).to_list()
        with pytest.raises(UnknownFieldError, match="Novel has no relation 'nothing'"):
            _ = Writer.novels.nothing
        with pytest.raises(QueryError, match=r"Writer\.novels\.any\(Novel\.title"):
            _ = Writer.novels.title
        with pytest.raises(QueryError, match="write_only"):
            await session.load(ann, Writer.events)
        with pytest.raises(QueryError, match="relations to load"):
            await session.load(ann)
        with pytest.raises(QueryError, match="not str"):
            await session.load(ann, "novels")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        with pytest.raises(ObjectStateError, match="not in this session"):
            await session.load(Writer(name="b"), Writer.novels)
        with pytest.raises(QueryError, match="no truth value"):
            bool(Writer.novels)
        assert not sent


async def test_loading_inside_a_transaction_is_undone_with_it(database: Database) -> None:
    """A list that was loaded after a flush may show what a rollback takes back: it is forgotten."""
    async with Session.begin(database) as session:
        session.add(Person(name="ann"))
    async with Session(database) as session:
        ann = await session.find(Person).one()
        bob = Person(name="bob", followers=[ann])
        session.add(bob)
        await session.flush()
        await session.load(ann, Person.follows)
        assert ann.follows == [bob]
        await session.rollback()
        with pytest.raises(NotLoadedError):
            assert ann.follows
        await session.load(ann, Person.follows)
        assert ann.follows == []


async def test_load_with_get_and_pages(database: Database) -> None:
    """`get`, `get_one`, `page` and `fan_out` load as `find` does; a stream does not."""
    await fill(database)
    async with Session(database) as session:
        page = await session.find(Writer).order_by(Writer.name).load(Writer.novels).page(2)
        assert [len(writer.novels) for writer in page.items] == [0, 3]
        number = page.items[1].id
    async with Session(database) as session:
        found = await session.get_one(Writer, number, load=[Writer.novels.genres])
        assert len(found.novels[0].genres) == 1
        (ones,) = await session.fan_out(session.find(Novel).load(Novel.writer))
        assert {novel.writer.name for novel in ones} == {"w0", "w1", "w2"}
        with pytest.raises(QueryError, match="stream"):
            session.find(Writer).load(Writer.novels).stream()
        assert await session.find(Event, Writer.events.of(found)).to_list() == []
