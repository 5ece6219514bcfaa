"""Relations against a store: what a flush writes of them, cascades, and the way back (R2)."""

from __future__ import annotations

from typing import Any, cast

import anyio
import pytest

from tests.contract.related import (
    City,
    Country,
    Crate,
    Event,
    Genre,
    Item,
    Membership,
    Novel,
    Passport,
    Person,
    Place,
    Team,
    Writer,
)
from tests.contract.sent import Sent, rows
from uow import (
    ConstraintError,
    Database,
    InvalidUnitError,
    NotLoadedError,
    ObjectStateError,
    Session,
    State,
    ValidationError,
    changes,
    select,
    state,
)

pytestmark = [pytest.mark.anyio, pytest.mark.needs("table_classes")]


def novel_genres() -> Any:
    """The link table that was made by name."""
    Novel.genres.any()  # which configures the class
    link = Novel._uow_mapper.relations["genres"].link
    return link.class_


async def test_one_flush_stores_a_graph_with_keys_of_the_store(
    database: Database, sent: Sent
) -> None:
    """New parents give their keys to new children, in one flush: a statement a table (U7)."""
    fantasy, crime = Genre(name="fantasy"), Genre(name="crime")
    writers = [Writer(name=f"w{n}") for n in range(3)]
    for writer in writers:
        writer.novels = [Novel(title=f"{writer.name}-{n}", genres=[fantasy]) for n in range(4)]
    writers[0].novels[0].genres.append(crime)
    async with Session(database) as session:
        session.add_all(writers)
        assert len(session.new) == 3 + 12 + 2
        await session.flush()
        inserts = sent.words.count("INSERT")
        await session.commit()

    for writer in writers:
        assert [novel.writer_id for novel in writer.novels] == [writer.id] * 4
    assert inserts <= 4
    assert len(await rows(database, Novel.id)) == 12
    link = novel_genres()
    assert len(await rows(database, link.novel_id, link.genre_id)) == 13


async def test_a_child_needs_no_key_of_its_own(database: Database) -> None:
    """`Book(author=ann)` needs no `author_id`, and a key that is still missing is the error."""
    async with Session(database) as session:
        ann = Writer(name="ann")
        novel = Novel(title="a", writer=ann)
        session.add(novel)
        assert ann in session
        await session.commit()
        assert novel.writer_id == ann.id

        session.add(Novel(title="b"))
        with pytest.raises((InvalidUnitError, ConstraintError), match="writer_id"):
            await session.flush()
        session.clear()


async def test_a_key_and_a_relation_that_contradict_are_refused(database: Database) -> None:
    """Setting both to different things is one clear error, and setting both alike is none."""
    async with Session(database) as session:
        ann, bob = Writer(name="ann"), Writer(name="bob")
        session.add_all([ann, bob])
        await session.flush()
        session.add(Novel(title="fits", writer=ann, writer_id=ann.id))
        await session.flush()
        wrong = Novel(title="a", writer=ann, writer_id=bob.id)
        session.add(wrong)
        with pytest.raises(InvalidUnitError, match=r"Novel\.writer_id was set to another value"):
            await session.flush()
        await session.rollback()


async def test_what_nobody_touched_writes_no_key(database: Database, sent: Sent) -> None:
    """A relation that was loaded and left alone is no change."""
    async with Session(database) as session:
        session.add(Writer(name="ann", novels=[Novel(title="a")]))
        await session.commit()
    async with Session(database) as session:
        ann = await session.find(Writer).load(Writer.novels).one()
        assert ann.novels[0].writer is ann
        sent.clear()
        await session.commit()

        assert not sent.writes
        assert not session.dirty


async def test_a_moved_child_updates_its_key_alone(database: Database, sent: Sent) -> None:
    """Taking a child over changes one column of one row, and both lists at once."""
    async with Session(database) as session:
        ann, bob = Writer(name="ann", novels=[Novel(title="a")]), Writer(name="bob")
        session.add_all([ann, bob])
        await session.commit()
        novel = ann.novels[0]
        sent.clear()
        bob.novels.append(novel)
        assert ann.novels == []
        assert novel.writer is bob
        assert session.is_modified(novel)
        await session.commit()

        assert sent.writes == ["UPDATE"]
        assert novel.writer_id == bob.id
        assert state(novel) is State.PERSISTENT
    assert await rows(database, Novel.writer_id) == [(bob.id,)]


async def test_an_orphan_is_deleted(database: Database) -> None:
    """What is taken out of a list with delete-orphan and put nowhere is deleted."""
    async with Session(database) as session:
        ann = Writer(name="ann", novels=[Novel(title="a"), Novel(title="b")])
        session.add(ann)
        await session.commit()
        gone = ann.novels.pop(0)
        never = Novel(title="c")
        ann.novels.append(never)
        ann.novels.remove(never)
        await session.commit()

        assert gone not in session
        assert state(never) is State.TRANSIENT
    assert await rows(database, Novel.title) == [("b",)]


async def test_deleting_deletes_children_that_are_not_loaded(database: Database) -> None:
    """With a delete cascade the flush reads and deletes what nobody loaded, and links with it."""
    async with Session(database) as session:
        genre = Genre(name="g")
        ann = Writer(name="ann", passport=Passport(number="1"))
        ann.novels = [Novel(title="a", genres=[genre]), Novel(title="b", genres=[genre])]
        ann.events.add(Event(text="x"))
        session.add(ann)
        await session.commit()
        number = ann.id
    async with Session(database) as session:
        ann = await session.get_one(Writer, number)
        session.delete(ann)
        await session.commit()
    assert await rows(database, Novel.id) == []
    assert await rows(database, Passport.id) == []
    assert await rows(database, Event.id) == []
    assert await rows(database, novel_genres().novel_id) == []
    assert await rows(database, Genre.name) == [("g",)]


async def test_deleting_sets_others_free(database: Database) -> None:
    """Without a delete cascade a nullable key of related objects becomes NULL, loaded or not."""
    async with Session(database) as session:
        ann, bob = Writer(name="ann"), Writer(name="bob")
        novels = [Novel(title=t, writer=ann, editor=bob) for t in "ab"]
        session.add_all(novels)
        await session.commit()
        number = bob.id
    async with Session(database) as session:
        await session.get(Novel, novels[0].id)
        session.delete(await session.get_one(Writer, number))
        await session.commit()
    assert await rows(database, Novel.title, Novel.editor_id) == [("a", None), ("b", None)]


async def test_passive_leaves_it_to_the_store(database: Database, sent: Sent) -> None:
    """`passive=True`: what is not loaded is not read; ON DELETE does it."""
    async with Session(database) as session:
        team = Team(name="t")
        session.add(Membership(team=team, person=Person(name="p")))
        await session.commit()
        number = team.id
    async with Session(database) as session:
        team = await session.get_one(Team, number)
        session.delete(team)
        sent.clear()
        await session.commit()
        assert sent.writes == ["DELETE"]
        assert "rel_memberships" not in "".join(sent.texts)
    assert await rows(database, Membership.team_id) == []


async def test_many_to_many_from_both_sides(database: Database, sent: Sent) -> None:
    """Links put in on one side and taken out on the other are rows of the link table, batched."""
    async with Session(database) as session:
        genres = [Genre(name=f"g{n}") for n in range(3)]
        novels = [Novel(title=f"n{n}", writer=Writer(name="w"), genres=genres) for n in range(3)]
        session.add_all(novels)
        await session.commit()
        sent.clear()
        genres[0].novels.remove(novels[0])
        novels[1].genres.remove(genres[1])
        genres[2].novels = novels[:1]
        assert novels[0].genres == [genres[1], genres[2]]
        await session.flush()
        assert set(sent.writes) == {"DELETE"}
        again = novels[0]
        again.genres.append(genres[0])
        again.genres.remove(genres[0])
        sent.clear()
        await session.commit()
        assert not sent.writes
    link = novel_genres()
    found = await rows(database, link.novel_id, link.genre_id)
    n, g = [one.id for one in novels], [one.id for one in genres]
    assert found == sorted([(n[0], g[1]), (n[0], g[2]), (n[1], g[0]), (n[2], g[0]), (n[2], g[1])])


async def test_a_class_links_to_itself(database: Database) -> None:
    """A link table between objects of one class keeps its two directions apart."""
    async with Session(database) as session:
        ann, bob = Person(name="ann"), Person(name="bob")
        ann.follows.append(bob)
        assert bob.followers == [ann]
        bob.follows.append(ann)
        ann.follows.append(ann)
        session.add(ann)
        await session.commit()
        numbers = ann.id, bob.id
    async with Session(database) as session:
        ann = await session.get_one(Person, numbers[0], load=[Person.follows, Person.followers])
        assert {one.name for one in ann.follows} == {"ann", "bob"}
        assert {one.name for one in ann.followers} == {"ann", "bob"}
        ann.follows.clear()
        await session.commit()
        bob = await session.get_one(Person, numbers[1], load=[Person.followers])
        assert bob.followers == []


async def test_an_association_object(database: Database) -> None:
    """A link that is a class: made whole, or by way of the list of what it links."""
    async with Session(database) as session:
        team, ann, bob = Team(name="t"), Person(name="ann"), Person(name="bob")
        ann.memberships.append(Membership(team=team, role="lead"))
        team.people.append(bob)
        session.add_all([team, ann, bob])
        await session.commit()
        found = await rows(database, Membership.person_id, Membership.role)
        assert found == [(ann.id, "lead"), (bob.id, "member")]
        session.delete(ann.memberships[0])
        await session.commit()
        assert ann.memberships == []
        team.people.remove(bob)
        await session.commit()
    assert await rows(database, Membership.role) == []


async def test_a_tree_of_generated_keys(database: Database) -> None:
    """Rows of one class that refer to each other are stored level by level, in one flush."""
    root = Place(name="root")
    for name in "ab":
        child = Place(name=name, parent=root)
        child.children = [Place(name=f"{name}{n}") for n in range(3)]
    async with Session(database) as session:
        session.add(root)
        await session.commit()
        number = root.id
    async with Session(database) as session:
        found = await session.get_one(Place, number, load=[Place.children.children])
        assert sorted(c.name for c in found.children) == ["a", "b"]
        assert sorted(g.name for c in found.children for g in c.children) == [
            "a0", "a1", "a2", "b0", "b1", "b2",
        ]  # fmt: skip
        session.delete(found)
        await session.commit()
    assert await rows(database, Place.id) == []


async def test_deep_chains_do_not_overflow(database: Database) -> None:
    """Cascades along a chain of 1,500 objects are no recursion (trap 36)."""
    root = place = Place(name="0")
    for number in range(1, 1500):
        place.children.append(Place(name=str(number)))
        place = place.children[0]
    async with Session(database) as session:
        session.add(root)
        assert len(session.new) == 1500
        session.expunge(root)
        session.add(root)
        session.delete(root)
        assert not session.new
        await session.commit()


async def test_two_that_refer_to_each_other(database: Database) -> None:
    """A cascade in a circle ends (trap 36)."""
    ann, bob = Person(name="ann"), Person(name="bob")
    ann.follows, bob.follows = [bob], [ann]
    async with Session(database) as session:
        session.add(ann)
        assert session.new == {ann, bob}
        await session.commit()


async def test_composite_and_unique_targets(database: Database) -> None:
    """Keys of several columns, and unique fields that are no key."""
    async with Session(database) as session:
        crate = Crate(row=1, place=2, items=[Item(name="a"), Item(name="b")])
        dk = Country(code="DK", cities=[City(name="Aarhus"), City(name="Odense")])
        session.add_all([crate, dk])
        await session.commit()
        assert {(item.crate_row, item.crate_place) for item in crate.items} == {(1, 2)}
    async with Session(database) as session:
        crate = await session.get_one(Crate, (1, 2), load=[Crate.items])
        assert {item.name for item in crate.items} == {"a", "b"}
        item = await session.find(Item, Item.name == "a").load(Item.crate).one()
        assert item.crate is crate
        dk = await session.find(Country).load(Country.cities).one()
        assert [city.name for city in dk.cities] == ["Odense", "Aarhus"]
        city = await session.find(City, City.name == "Odense").one()
        assert city.country is dk
        crate.items.remove(item)
        await session.commit()
    assert await rows(database, Item.name, Item.crate_row) == [("a", None), ("b", 1)]


async def test_one_to_one(database: Database) -> None:
    """Of one object there is one; another one takes its place, and the first is set free."""
    async with Session(database) as session:
        ann = Writer(name="ann")
        first, second = Passport(number="1"), Passport(number="2")
        ann.passport = first
        assert first.writer is ann
        session.add(ann)
        await session.commit()
        ann.passport = second
        assert first.writer is None
        await session.commit()
        assert first.writer_id is None
        assert second.writer_id == ann.id
    async with Session(database) as session:
        found = await session.find(Writer).load(Writer.passport).one()
        assert found.passport is not None
        assert found.passport.number == "2"
        assert found.passport.writer is found


async def test_write_only_lists_are_never_loaded(database: Database, sent: Sent) -> None:
    """`write_only`: add, remove and queries; nothing reads the list."""
    async with Session(database) as session:
        ann = Writer(name="ann")
        first = Event(text="a")
        ann.events.add(first)
        session.add(ann)
        await session.commit()
        number = ann.id
    async with Session(database) as session:
        ann = await session.get_one(Writer, number)
        sent.clear()
        ann.events.add(Event(text="b"))
        assert len(session.new) == 1
        await session.commit()
        assert "SELECT" not in sent.words
        with pytest.raises(NotLoadedError, match=r"Writer\.events\.of"):
            list(cast("Any", ann.events))
        for ask in (len, bool, lambda events: events[0], lambda events: first in events):
            with pytest.raises(NotLoadedError, match=r"Writer\.events is write_only"):
                ask(cast("Any", ann.events))
        found = await session.find(Event, Writer.events.of(ann)).order_by(Event.text).to_list()
        assert [event.text for event in found] == ["a", "b"]
        assert await session.count_related([ann], Writer.events) == [2]


async def test_rollback_restores_relations(database: Database) -> None:
    """After a rollback lists and references are what they were, flushed or not."""
    async with Session(database) as session:
        ann = Writer(name="ann", novels=[Novel(title="a"), Novel(title="b")])
        bob = Writer(name="bob")
        genre = Genre(name="g", novels=[ann.novels[0]])
        session.add_all([ann, bob, genre])
        await session.commit()
        books = list(ann.novels)
        members = ann.novels
        bob.novels.append(books[0])
        books[0].genres = []
        new = Novel(title="c")
        ann.novels.insert(0, new)
        await session.flush()
        bob.novels.clear()
        await session.rollback()

        assert ann.novels is members
        assert ann.novels == books
        assert bob.novels == []
        assert books[0].writer is ann
        assert books[0].writer_id == ann.id
        assert books[0].genres == [genre]
        assert genre.novels == [books[0]]
        assert state(new) is State.TRANSIENT
        assert not session.dirty
        assert not session.new
        await session.commit()
    assert len(await rows(database, Novel.id)) == 2


async def test_a_new_object_can_be_added_again_after_a_rollback(database: Database) -> None:
    """What was related to it still is, and is in step again when it comes back."""
    async with Session(database) as session:
        ann = Writer(name="ann")
        session.add(ann)
        await session.commit()
        novel = Novel(title="a", writer=ann)
        assert ann.novels == [novel]
        await session.flush()
        await session.rollback()
        assert ann.novels == []
        session.add(novel)
        assert ann.novels == [novel]
        await session.commit()
    assert await rows(database, Novel.title) == [("a",)]


async def test_a_savepoint_restores_relations(database: Database) -> None:
    """A savepoint goes back to the moment it was set, pending changes included."""
    async with Session(database) as session:
        ann = Writer(name="ann", novels=[Novel(title="a")])
        bob = Writer(name="bob")
        session.add_all([ann, bob])
        await session.commit()
        novel = ann.novels[0]
        pending = Novel(title="p", writer=ann)
        with pytest.raises(ZeroDivisionError):
            async with session.begin_nested():
                bob.novels = [novel, pending]
                await session.flush()
                raise ZeroDivisionError
        assert ann.novels == [novel, pending]
        assert bob.novels == []
        assert pending.writer is ann
        assert pending in session.new
        await session.commit()
    assert await rows(database, Novel.title, Novel.writer_id) == [("a", ann.id), ("p", ann.id)]


async def test_a_failed_flush_can_be_tried_again(database: Database) -> None:
    """After a failed flush relations are as the user left them; the next one stores them."""
    async with Session(database) as session:
        denmark = Country(code="DK")
        session.add(denmark)
        await session.commit()
        twin = Country(code="DK", cities=[City(name="c")])
        writer = Writer(name="w", novels=[Novel(title="n", genres=[Genre(name="g")])])
        session.add_all([writer, twin])
        with pytest.raises(ConstraintError):
            await session.flush()
        novel = writer.novels[0]
        assert writer.id is None
        assert len(novel.genres) == 1
        assert len(session.new) == 5
        twin.code = "SE"
        await session.commit()
        assert novel.writer_id == writer.id
        assert twin.cities[0].country_code == "SE"
    link = novel_genres()
    assert len(await rows(database, link.novel_id)) == 1


async def test_objects_of_another_session_are_refused(database: Database) -> None:
    """Two sessions do not share objects, and nothing is changed by the try."""
    async with Session(database) as one, Session(database) as other:
        ann, novel = Writer(name="ann"), Novel(title="a")
        one.add(ann)
        other.add(novel)
        with pytest.raises(ObjectStateError, match="another open session"):
            ann.novels.append(novel)
        assert ann.novels == []
        assert novel.writer is None
        one.clear()
        other.clear()


async def test_values_of_the_wrong_kind_are_refused(database: Database) -> None:
    """Whatever is no object of the class is refused where it is set."""
    novel = Novel(title="a")
    wrong: Any = Genre(name="g")
    with pytest.raises(ValidationError, match=r"Novel\.writer: expected Writer"):
        novel.writer = wrong
    with pytest.raises(ValidationError, match=r"Writer\.novels: expected Novel"):
        Writer(name="w").novels.append(wrong)
    with pytest.raises(ValidationError, match="expected objects of Novel"):
        Writer(name="w", novels=wrong)


async def test_a_deleted_object_leaves_the_lists(database: Database) -> None:
    """Once its row is deleted, an object is in no list; a rollback brings it back."""
    async with Session(database) as session:
        ann = Writer(name="ann", novels=[Novel(title="a"), Novel(title="b")])
        session.add(ann)
        await session.commit()
        first, second = ann.novels
        session.delete(first)
        await session.flush()
        assert ann.novels == [second]
        await session.rollback()
        assert ann.novels == [first, second]


async def test_changes_and_expire_know_of_relations(database: Database) -> None:
    """An object whose relation was changed is changed: it is not expired by the way."""
    async with Session(database) as session:
        ann, bob = Writer(name="ann", novels=[Novel(title="a")]), Writer(name="bob")
        session.add_all([ann, bob])
        await session.commit()
        novel = ann.novels[0]
        novel.writer = bob
        with pytest.raises(ObjectStateError, match="holds changes"):
            session.expire(novel)
        session.expire(novel, discard=True)
        assert not changes(novel)
        assert not session.dirty
        await session.refresh(novel)
        assert novel.writer_id == ann.id
        await session.rollback()
        assert novel.writer is ann


async def test_refresh_reads_loaded_relations_again(database: Database) -> None:
    """What was loaded of an object's relations is read again with it."""
    async with Session(database) as session:
        ann = Writer(name="ann", novels=[Novel(title="a")])
        session.add(ann)
        await session.commit()
        async with Session.begin(database) as other:
            other.add(Novel(title="b", writer_id=ann.id))
        await session.refresh(ann)
        assert [novel.title for novel in ann.novels] == ["a", "b"]


async def test_merge_goes_along(database: Database) -> None:
    """`merge` copies what is loaded of relations that cascade it."""
    async with Session(database) as session:
        ann = Writer(name="ann", novels=[Novel(title="a"), Novel(title="b")])
        session.add(ann)
        await session.commit()
    ann.novels[0].title = "a2"
    del ann.novels[1]
    async with Session(database) as session:
        merged = await session.merge(ann)
        assert [novel.title for novel in merged.novels] == ["a2"]
        assert merged is not ann
        await session.commit()
    assert await rows(database, Novel.title) == [("a2",)]


async def test_counts_in_queries(database: Database) -> None:
    """`any`, `has` and `count` filter and count without loading."""
    async with Session(database) as session:
        ann = Writer(name="ann", novels=[Novel(title="a", price=5), Novel(title="b")])
        bob = Writer(name="bob", novels=[Novel(title="c")])
        cy = Writer(name="cy")
        session.add_all([ann, bob, cy])
        await session.commit()
        dear = await session.find(Writer, Writer.novels.any(Novel.price > 3)).to_list()
        assert dear == [ann]
        none = await session.find(Writer, ~Writer.novels.any()).to_list()
        assert none == [cy]
        of_bob = await session.find(Novel, Novel.writer.has(Writer.name == "bob")).to_list()
        assert [novel.title for novel in of_bob] == ["c"]
        uncut = await session.find(Novel, ~Novel.editor.has()).count()
        assert uncut == 3
        counted = await session.execute(
            select(Writer.name, Writer.novels.count().label("n")).order_by(Writer.name)
        )
        assert [tuple(row) for row in counted] == [("ann", 2), ("bob", 1), ("cy", 0)]
        assert await session.count_related([cy, ann], Writer.novels) == [0, 2]
        dear_path = Writer.novels.where(Novel.price > 3)
        assert await session.count_related([cy, ann], dear_path) == [0, 1]


async def test_a_flush_that_is_cut_short_leaves_relations_to_be_stored(
    database: Database, sent: Sent
) -> None:
    """Cancelled after any of its statements, the next flush stores the same graph, once (F)."""
    async with Session.begin(database) as session:
        session.add(Writer(name="old", novels=[Novel(title="old")]))
    for stop in range(1, 5):
        async with Session(database) as session:
            old = await session.find(Writer, Writer.name == "old").load(Writer.novels).one()
            taken = old.novels[0]
            new = Writer(name=f"new{stop}", passport=Passport(number="1"))
            new.novels = [taken, Novel(title="x", genres=[Genre(name="g")])]
            session.add(new)
            sent.clear()
            with anyio.CancelScope() as scope:
                database.observers.append(_stop(scope, sent, stop))
                try:
                    await session.flush()
                finally:
                    database.observers.pop()
            if scope.cancelled_caught:
                assert not session.in_transaction
                assert new in session.new
                assert new.id is None
                assert taken.writer is new
                assert session.is_modified(taken)
            await session.commit()
            assert taken.writer_id == new.id
            taken.writer = old
            session.delete(new)
            await session.commit()
    assert await rows(database, Novel.title) == [("old",)]
    assert await rows(database, novel_genres().novel_id) == []


def _stop(scope: anyio.CancelScope, sent: Sent, number: int) -> Any:
    """Cancel when so many statements that write were sent."""

    def observe(_: object) -> None:
        if len(sent.writes) == number:
            scope.cancel()

    return observe


async def test_loaded_relations_follow_a_key_that_was_set(database: Database) -> None:
    """A foreign key set by hand moves what is loaded, on all sides, when it is stored (R2)."""
    async with Session(database) as session:
        ann, bob = Writer(name="ann", novels=[Novel(title="one")]), Writer(name="bob")
        session.add_all([ann, bob])
        await session.commit()
        novel = ann.novels[0]
        novel.writer_id = bob.id
        assert novel.writer is ann  # nothing is told before it is stored
        await session.flush()
        assert (novel.writer, ann.novels, bob.novels) == (bob, [], [novel])
        await session.rollback()
        assert (novel.writer, ann.novels, bob.novels) == (ann, [novel], [])
        assert novel.writer_id == ann.id

        new = Novel(title="two", writer_id=bob.id, editor_id=ann.id)
        session.add(new)
        await session.flush()
        assert (new.writer, bob.novels) == (bob, [new])
        with pytest.raises(ConstraintError):  # and a failure moves nothing
            new.editor_id = 10**6
            await session.flush()
            await session.commit()
        new.editor_id = ann.id
        await session.commit()
        new.writer_id = ann.id
        novel.editor_id = bob.id
        await session.commit()
        assert (new.writer, ann.novels, bob.novels) == (ann, [novel, new], [])
        session.delete(new)
        await session.commit()
        assert ann.novels == [novel]

    async with Session(database) as session:  # what the session does not hold is not loaded
        novel = await session.find(Novel).load(Novel.writer, Novel.editor).one()
        ann = novel.writer
        async with Session.begin(database) as other:
            cid = Writer(name="cid")
            other.add(cid)
        novel.writer_id, novel.editor_id = cid.id, None
        await session.commit()
        assert novel.editor is None
        with pytest.raises(NotLoadedError):
            _ = novel.writer
        await session.load(novel, Novel.writer)
        assert novel.writer.name == "cid"
        await session.load(ann, Writer.novels)
        assert ann.novels == []
        async with Session.begin(database) as other:  # and so it is when the row is read again
            (await other.find(Novel).one()).writer_id = ann.id
        await session.refresh(novel)
        assert (novel.writer, ann.novels) == (ann, [novel])


async def test_keys_of_other_kinds_are_followed(database: Database) -> None:
    """Keys of two columns, of unique fields, of the own class and of one object are as good."""
    async with Session(database) as session:
        crates = [Crate(row=1, place=1), Crate(row=1, place=2)]
        item = Item(name="i", crate=crates[0])
        no, se = Country(code="no"), Country(code="se")
        oslo = City(name="oslo", country=no)
        root, leaf = Place(name="root"), Place(name="leaf")
        ann, bob = Writer(name="ann", passport=Passport(number="1")), Writer(name="bob")
        passport = ann.passport
        session.add_all([*crates, item, no, se, oslo, root, leaf, ann, bob])
        await session.commit()
        assert passport is not None
        assert crates[1].items == []
        item.crate_place = 2
        oslo.country_code = "se"
        leaf.parent_id = root.id
        passport.writer_id = bob.id
        await session.commit()
        assert (item.crate, crates[0].items, crates[1].items) == (crates[1], [], [item])
        assert (oslo.country, no.cities, se.cities) == (se, [], [oslo])
        assert (leaf.parent, root.children) == (root, [leaf])
        assert (passport.writer, ann.passport, bob.passport) == (bob, None, passport)
        item.crate_row = None
        await session.commit()
        assert (item.crate, crates[1].items) == (None, [])
