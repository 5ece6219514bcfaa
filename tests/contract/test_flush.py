"""What a flush sends: how much, in which order, in which batches (U7, U8, traps 21 to 25, 28)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any
from uuid import UUID

import attrs
import pytest

from tests.contract.sent import Sent, rows
from uow import (
    Column,
    ConstraintError,
    Database,
    Mapped,
    NotLoadedError,
    Registry,
    Session,
    StaleObjectError,
    Table,
    changes,
    insert_many,
    ulid,
    uuid7,
)
from uow.statement import Many, Statement

pytestmark = pytest.mark.anyio


async def store(database: Database, *objects: Any) -> None:
    """Store objects with a session of their own."""
    async with Session.begin(database) as session:
        session.add_all(objects)


class CountedCalls:
    """How many functions were called in a block: a measure of work that does not depend on load."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        self.calls += event in {"call", "c_call"}


@contextmanager
def counted_calls() -> Iterator[CountedCalls]:
    """Count the calls of a block, whatever else looks on."""
    counted = CountedCalls()
    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        yield counted
    finally:
        sys.setprofile(before)


# -- how much


async def test_nothing_to_do_sends_nothing(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Flush, commit and rollback of a session without changes send nothing (U8)."""
    note = models.Note(text="a")
    await store(database, note)
    async with Session(database) as session:
        await session.get(models.Note, note.id)
        sent.clear()
        await session.flush()
        await session.commit()
        await session.rollback()
        await session.commit()
    async with Session.begin(database):
        pass

    assert sent == []


async def test_one_statement_needs_no_transaction(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """A commit whose unit is one statement sends just that, for each kind of write."""
    note = models.Note(text="a")
    async with Session(database) as session:
        session.add(note)
        await session.commit()
        note.text = "b"
        await session.commit()
        session.delete(note)
        await session.commit()

    assert sent.words == ["INSERT", "UPDATE", "DELETE"]
    assert await rows(database, models.Note.id) == []


@pytest.mark.needs("batches")
async def test_a_batch_is_one_statement_too(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Many new rows that fit one statement need no transaction around it."""
    async with Session(database) as session:
        session.add_all([models.Note(text=str(number)) for number in range(10)])
        await session.commit()

    assert sent.words == ["INSERT"]
    assert len(await rows(database, models.Note.id)) == 10


async def test_flush_always_begins(database: Database, models: ModuleType, sent: Sent) -> None:
    """`flush` opens the transaction, which stays open until the commit."""
    async with Session(database) as session:
        session.add(models.Note(text="a"))
        await session.flush()

        assert session.in_transaction
        assert sent.words == ["BEGIN", "INSERT"]
        await session.commit()

        assert not session.in_transaction
    assert sent.words == ["BEGIN", "INSERT", "COMMIT"]


async def test_two_statements_are_a_transaction(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """More than one statement is sent between BEGIN and COMMIT."""
    async with Session(database) as session:
        session.add_all([models.Note(text="a"), models.Order(id=1)])
        await session.commit()

    assert sent.words == ["BEGIN", "INSERT", "INSERT", "COMMIT"]


@pytest.mark.needs("sql")
async def test_only_changed_columns_are_sent(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Traps 21, 22: an UPDATE sets what was changed and nothing else."""
    author = models.Author(email="a@x.org", name="Ann", age=1)
    await store(database, author)
    async with Session(database) as session:
        found = await session.get_one(models.Author, author.id)
        found.age = 2
        sent.clear()
        await session.commit()

    text = sent.text("UPDATE")
    head = text.partition("WHERE")[0]
    assert "age" in head
    assert "version" in head
    for name in ("email", "name", "tags", "joined"):
        assert name not in head


async def test_two_sessions_change_two_fields(database: Database, models: ModuleType) -> None:
    """Trap 21: who saves last does not restore the field another session changed."""
    note = models.Note(text="a", rank=1)
    await store(database, note)
    async with Session(database) as one, Session(database) as two:
        first = await one.get_one(models.Note, note.id)
        second = await two.get_one(models.Note, note.id)
        first.text = "b"
        second.rank = 2
        await one.commit()
        await two.commit()

    assert await rows(database, models.Note.text, models.Note.rank) == [("b", 2)]


@pytest.mark.needs("verbs")
async def test_unchanged_save_sends_nothing(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Trap 21: `save` of an unchanged object writes nothing."""
    author = await models.Author.insert(email="a@x.org", name="Ann")
    sent.clear()
    await author.save()

    assert sent == []
    assert author.version == 1


async def test_set_and_revert_is_no_change(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Trap 22: a field that was set back to what the store holds is not changed."""
    author = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, author)
    async with Session(database) as session:
        found = await session.get_one(models.Author, author.id)
        sent.clear()
        found.name = "Bob"
        found.name = "Ann"
        found.age = None
        found.tags.append("y")
        found.tags.pop()
        found.tags = ["x"]

        assert session.dirty == set()
        assert changes(found) == {}
        await session.flush()
        await session.commit()

        assert sent == []
        assert found.version == 1
        found.name = "Cy"
        await session.commit()

    assert await rows(database, models.Author.name) == [("Cy",)]


async def test_equal_values_of_another_kind_are_changes(
    database: Database, models: ModuleType
) -> None:
    """`0.0` and `-0.0` are equal in Python and two values in a store (U2)."""
    row = models.Everything(ratio=0.0)
    await store(database, row)
    async with Session(database) as session:
        found = await session.get_one(models.Everything, row.id)
        found.ratio = -0.0

        assert session.dirty == {found}
        assert str(changes(found)) == "{'ratio': (0.0, -0.0)}"
        await session.commit()


async def test_lists_that_were_only_read(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Reading a nested value does not make it changed; changing it in place does (T1)."""
    author = models.Author(email="a@x.org", name="Ann", tags=["x"])
    await store(database, author)
    async with Session(database) as session:
        found = await session.get_one(models.Author, author.id)
        sent.clear()

        assert found.tags == ["x"]
        await session.commit()

        assert sent == []
        found.tags.append("y")

        assert changes(found) == {"tags": (["x"], ["x", "y"])}
        await session.commit()
        found.tags.append("z")
        await session.commit()

        assert sent.words == ["UPDATE", "UPDATE"]
    assert await rows(database, models.Author.tags) == [(["x", "y", "z"],)]


async def test_nested_values_of_a_new_object(database: Database, models: ModuleType) -> None:
    """A list given to a new object is followed once it is stored (trap 30, T1)."""
    tags = ["x"]
    author = models.Author(email="a@x.org", name="Ann", tags=tags)
    async with Session(database) as session:
        session.add(author)
        await session.commit()
        author.tags.append("y")
        await session.commit()
        author.tags = ["a"]
        await session.commit()
        author.tags.append("b")
        await session.commit()

    assert await rows(database, models.Author.tags) == [(["a", "b"],)]


async def test_flush_looks_at_changed_objects_only(database: Database, models: ModuleType) -> None:
    """U8: a flush with nothing dirty costs the same whatever the session holds."""
    await store(database, *(models.Note(text=str(number)) for number in range(3000)))

    async with Session(database) as session:
        with counted_calls() as few:
            await session.flush()
        held = await session.find(models.Note).to_list()
        with counted_calls() as many:
            await session.flush()

        assert len(held) == 3000
        assert many.calls == few.calls


# -- batches


async def test_rows_alike_are_one_statement(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """U8: inserts, updates and deletes of one class and the same columns are one batch each."""
    notes = [models.Note(text=str(number), rank=number) for number in range(20)]
    async with Session(database) as session:
        session.add_all(notes)
        await session.flush()
        for note in notes:
            note.text += "!"
        await session.flush()
        for note in notes[:10]:
            session.delete(note)
        await session.commit()

    assert sent.words == ["BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT"]
    assert len(await rows(database, models.Note.id)) == 10


@pytest.mark.needs("batches")
async def test_updates_of_different_columns(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Rows whose changed fields differ are a batch for each set of fields."""
    notes = [models.Note(text=str(number), rank=number) for number in range(4)]
    async with Session(database) as session:
        session.add_all(notes)
        await session.commit()
        sent.clear()
        notes[0].text = "a"
        notes[1].rank = 10
        notes[2].text = "c"
        notes[3].text, notes[3].rank = "d", 30
        await session.commit()

    assert sent.writes == ["UPDATE"] * 3
    assert await rows(database, models.Note.text, models.Note.rank) == [
        ("1", 10),
        ("a", 0),
        ("c", 2),
        ("d", 30),
    ]


@pytest.mark.needs("batches")
async def test_more_rows_than_parameters(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Trap 8: more parameters than a statement takes are sent in chunks, in one unit."""
    limit = database.dialect.capabilities.max_parameters
    count = limit // 2 + 10
    notes = [models.Note(text=str(number), rank=number) for number in range(count)]
    async with Session(database) as session:
        session.add_all(notes)
        await session.commit()

        assert sent.words[0] == "BEGIN"
        assert sent.words[-1] == "COMMIT"
        assert set(sent.words[1:-1]) in ({"INSERT"}, {"COPY"})
        if not database.dialect.capabilities.array_binding:
            assert len(sent.writes) >= 2
        assert all(len(one.parameters) <= limit for one in sent if isinstance(one, Statement))
        assert len({note.id for note in notes}) == count

        for note in notes:
            session.delete(note)
        await session.commit()

    assert await rows(database, models.Note.id) == []


async def test_chunks_are_all_or_nothing(database: Database, models: ModuleType) -> None:
    """Trap 8: a row refused in the last chunk leaves none of the earlier ones."""
    count = database.dialect.capabilities.max_parameters // 2 + 10
    slots = [models.Slot(id=number, position=number) for number in range(count)]
    slots[-1].position = 0
    async with Session(database) as session:
        session.add_all(slots)
        with pytest.raises(ConstraintError):
            await session.commit()

        assert len(session.new) == count
        await session.rollback()

    assert await rows(database, models.Slot.id) == []


async def test_many_rows_alike(database: Database, models: ModuleType) -> None:
    """Of many rows too each has its own values, version and nested ones, and is told if stale."""
    made = [models.Author(email=f"{n}@x.org", name=f"n{n}", tags=[str(n)]) for n in range(60)]
    await store(database, *made)
    async with Session(database) as session:
        authors = await session.find(models.Author).order_by(models.Author.id).to_list()

        assert [(a.email, a.tags, a.version) for a in authors] == [
            (f"{n}@x.org", [str(n)], 1) for n in range(60)
        ]
        for number, author in enumerate(authors):
            author.name = f"n{number}" if number % 3 else f"new {number}"
            author.tags.append("y")
        authors[1].age = 7
        await session.flush()
        authors[0].tags.append("z")
        await session.commit()

        assert [a.version for a in authors] == [3, *[2] * 59]
        async with Session.begin(database) as other:
            (await other.get_one(models.Author, authors[30].id)).name = "other"
        for author in authors:
            author.age = 9
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        assert list(caught.value.objects) == [authors[30]]
        assert [a.version for a in authors] == [3, *[2] * 59]
        await session.rollback()

        assert [a.age for a in authors] == [None, 7, *[None] * 58]
    found = await rows(database, models.Author.id, models.Author.name, models.Author.age)
    wanted = [f"n{n}" if n % 3 else f"new {n}" for n in range(60)]
    wanted[30] = "other"
    assert [name for _, name, _ in found] == wanted
    assert [age for _, _, age in found] == [None, 7, *[None] * 58]


@pytest.mark.needs("returning_insert")
async def test_insert_many_gives_keys(database: Database, models: ModuleType) -> None:
    """Trap 28: a bulk insert gives the keys of its rows, in their order, when asked."""
    async with Session(database) as session:
        statement = insert_many(models.Note, [{"text": text} for text in "abc"])
        keys = [row.id for row in await session.execute(statement.returning(models.Note.id))]
        await session.commit()

    assert await rows(database, models.Note.id, models.Note.text) == list(
        zip(keys, "abc", strict=True)
    )


@pytest.mark.needs("table_classes")
async def test_add_all_sets_ids_and_calls_hooks(database: Database) -> None:
    """Trap 28: objects stored in bulk get their keys, their hooks are called, they are tracked."""
    seen: list[str] = []

    class Item(Table):
        class Settings:
            name = "hooked_items"
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        text: Mapped[str]

    await database.create_all([Item])
    async with Session(database) as session:
        session.on("before_insert", lambda _, item: seen.append(item.text))
        items = [Item(text=text) for text in "abc"]
        session.add_all(items)
        await session.commit()
        items[0].text = "z"
        await session.commit()

    assert seen == ["a", "b", "c"]
    assert sorted(item.id for item in items) == [1, 2, 3]
    assert await rows(database, Item.text) == [("b",), ("c",), ("z",)]


# -- order


@pytest.mark.needs("numbered_keys")
async def test_parents_before_children(database: Database, models: ModuleType, sent: Sent) -> None:
    """Traps 23, 25: classes are ordered by foreign keys alone, whatever the order of `add`."""
    async with Session(database) as session:
        session.add(models.Post(id=1, note_id=10))
        session.add(models.Post(id=2, note_id=11))
        session.add_all([models.Note(id=10, text="a"), models.Note(id=11, text="b")])
        await session.commit()

        assert [re.split('["`]', text)[1] for text in sent.texts if text.startswith("INSERT")] == [
            "notes",
            "a_posts",
        ]
        for post in list(await session.find(models.Post).to_list()):
            session.delete(await session.get_one(models.Note, post.note_id))
            session.delete(post)
        sent.clear()
        await session.commit()

    assert [re.split('["`]', text)[1] for text in sent.texts if text.startswith("DELETE")] == [
        "a_posts",
        "notes",
    ]
    assert await rows(database, models.Note.id) == []


@pytest.mark.needs("numbered_keys")
async def test_new_parent_for_an_old_child(database: Database, models: ModuleType) -> None:
    """Traps 23, 25: a child is moved to a new parent, and the old parent deleted, in one flush."""
    await store(database, models.Note(id=1, text="old"), models.Post(id=1, note_id=1))
    async with Session(database) as session:
        post = await session.get_one(models.Post, 1)
        session.delete(await session.get_one(models.Note, 1))
        session.add(models.Note(id=2, text="new"))
        post.note_id = 2
        await session.commit()

    assert await rows(database, models.Post.id, models.Post.note_id) == [(1, 2)]
    assert await rows(database, models.Note.id) == [(2,)]


async def test_self_reference_parents_first(database: Database, models: ModuleType) -> None:
    """Trap 23: a class that refers to itself is no cycle; parents are written first."""
    root = models.Node(name="root")
    nodes = [root]
    for number in range(30):
        nodes.append(models.Node(name=str(number), parent_id=nodes[number // 2].id))
    async with Session(database) as session:
        session.add_all(reversed(nodes))
        await session.commit()

        assert len(await rows(database, models.Node.id)) == 31
        for node in nodes:
            session.delete(node)
        await session.commit()

    assert await rows(database, models.Node.id) == []


async def test_row_that_refers_to_itself(database: Database, models: ModuleType) -> None:
    """Trap 23: a row may be its own parent."""
    node = models.Node(name="a")
    node.parent_id = node.id
    async with Session(database) as session:
        session.add_all([models.Node(name="b", parent_id=node.id), node])
        await session.commit()
        found = await session.find(models.Node).to_list()

        assert {one.parent_id for one in found} == {node.id}
        for one in found:
            session.delete(one)
        await session.commit()

    assert await rows(database, models.Node.id) == []


async def test_subtree_deleted_and_rest_moved(database: Database, models: ModuleType) -> None:
    """Trap 23: children move to a new node while their parent goes, all in one flush."""
    root, middle = models.Node(name="root"), models.Node(name="middle")
    middle.parent_id = root.id
    leaves = [models.Node(name=str(number), parent_id=middle.id) for number in range(5)]
    await store(database, root, middle, *leaves)
    async with Session(database) as session:
        found = {node.name: node for node in await session.find(models.Node).to_list()}
        session.delete(found["middle"])
        session.delete(found["4"])
        fresh = models.Node(name="fresh", parent_id=root.id)
        session.add(fresh)
        for number in range(4):
            found[str(number)].parent_id = fresh.id
        await session.commit()

    stored = dict(await rows(database, models.Node.name, models.Node.parent_id))
    assert stored == {"root": None, "fresh": root.id, **dict.fromkeys("0123", fresh.id)}


async def test_tree_turned_upside_down(database: Database, models: ModuleType) -> None:
    """Trap 23: updates of stored rows need no order, and a flush does not see a cycle in them."""
    one, two = models.Node(name="1"), models.Node(name="2")
    two.parent_id = one.id
    await store(database, one, two)
    async with Session(database) as session:
        first = await session.get_one(models.Node, one.id)
        second = await session.get_one(models.Node, two.id)
        first.parent_id, second.parent_id = second.id, None
        await session.commit()

    assert await rows(database, models.Node.name, models.Node.parent_id) == [
        ("1", two.id),
        ("2", None),
    ]


async def test_chain_is_linear(models: ModuleType, database: Database) -> None:
    """Trap 25: the cost of ordering a self-referential chain is linear in its rows."""

    def chain(count: int) -> list[Any]:
        nodes = [models.Node(name="0")]
        for number in range(1, count):
            nodes.append(models.Node(name=str(number), parent_id=nodes[-1].id))
        return nodes[::-1]

    async def cost(count: int) -> float:
        async with Session(database) as session:
            session.add_all(chain(count))
            with counted_calls() as counted:
                session.flush_plan()
            session.clear()
        return counted.calls / count

    await cost(2)  # what is made once is made now
    assert await cost(16_000) == pytest.approx(await cost(1000), rel=0.1)


async def test_deep_chain(database: Database, models: ModuleType) -> None:
    """Trap 25: a chain deeper than Python's stack is stored and deleted."""
    nodes = [models.Node(name="0")]
    for number in range(1, 3000):
        nodes.append(models.Node(name=str(number), parent_id=nodes[-1].id))
    async with Session(database) as session:
        session.add_all(nodes[::-1])
        await session.commit()
        for node in nodes:
            session.delete(node)
        await session.commit()

    assert await rows(database, models.Node.id) == []


async def test_circular_classes_with_rows_in_order(database: Database, models: ModuleType) -> None:
    """Trap 24: classes that refer to each other are ordered by their rows."""
    async with Session(database) as session:
        session.add_all(
            [
                models.Left(id=2, right_id=1),
                models.Right(id=1, left_id=1),
                models.Left(id=1),
                models.Right(id=2, left_id=2),
            ]
        )
        await session.commit()
        everything = [
            *await session.find(models.Left).to_list(),
            *await session.find(models.Right).to_list(),
        ]

        assert len(everything) == 4
        for one in everything:
            session.delete(one)
        await session.commit()

    assert await rows(database, models.Left.id) == []
    assert await rows(database, models.Right.id) == []


@pytest.mark.needs("deferrable")
async def test_circle_through_a_deferrable_key(database: Database, models: ModuleType) -> None:
    """U7: rows that refer to each other by a key that can be checked at COMMIT are stored."""
    async with Session(database) as session:
        pair = [models.Spouse(id=1, other_id=2), models.Spouse(id=2, other_id=1)]
        session.add_all(pair)
        await session.commit()
        pair[0].other_id = 1
        session.delete(pair[1])
        await session.commit()
        session.delete(pair[0])
        session.add_all([models.Spouse(id=3, other_id=4), models.Spouse(id=4, other_id=3)])
        await session.commit()
        session.add_all([models.Spouse(id=5, other_id=6), models.Spouse(id=6, other_id=7)])
        with pytest.raises(ConstraintError) as caught:
            await session.commit()

        assert caught.value.kind == "foreign_key"
        await session.rollback()
        for one in await session.find(models.Spouse).to_list():
            session.delete(one)
        await session.commit()

    assert await rows(database, models.Spouse.id) == []


async def test_swap_of_deferrable_unique_values(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """U7: values that can be checked at COMMIT are swapped as they are; elsewhere one is parked."""
    await store(database, *(models.Rank(id=number, place=number) for number in (1, 2, 3)))
    async with Session(database) as session:
        one, two, three = await session.find(models.Rank).order_by(models.Rank.id).to_list()
        one.place, two.place, three.place = 2, 3, 1
        sent.clear()
        await session.commit()

    if database.dialect.capabilities.deferrable_unique:
        assert sent.writes == ["UPDATE"]
    assert await rows(database, models.Rank.id, models.Rank.place) == [(1, 2), (2, 3), (3, 1)]


@pytest.mark.needs("partial_indexes")
async def test_what_sql_makes_unique_is_given_up_first(
    database: Database, models: ModuleType
) -> None:
    """Trap 24: where SQL decides what rows meet, all that may give up goes before what takes."""
    ticket = models.Ticket
    await store(
        database,
        ticket(id=1, code="a", is_open=True, owner="ann"),
        ticket(id=2, code="b", owner="Bob"),
        ticket(id=3, code="c", owner="Cy"),
    )
    async with Session(database) as session:
        one, two, three = await session.find(ticket).order_by(ticket.id).to_list()
        one.is_open = False
        session.add(ticket(id=4, code="a", is_open=True))
        two.owner = "dan"
        session.add(ticket(id=5, code="d", owner="BOB"))
        session.delete(three)
        session.add(ticket(id=6, code="e", owner="cy"))
        await session.commit()

        # Rows that are not in the index may swap.
        one.code, two.code = two.code, one.code
        await session.commit()

    assert await rows(database, ticket.id, ticket.code, ticket.owner) == [
        (1, "b", "ann"),
        (2, "a", "dan"),
        (4, "a", None),
        (5, "d", "BOB"),
        (6, "e", "cy"),
    ]


@pytest.mark.needs("relations")
async def test_circle_of_nullable_keys(database: Database, models: ModuleType, sent: Sent) -> None:
    """Trap 24: new rows that refer to each other by nullable keys are stored in one flush."""
    left, right = models.Left(id=1, right_id=1), models.Right(id=1, left_id=1)
    async with Session(database) as session:
        session.add_all([left, right])
        await session.commit()

        assert sent.words == ["BEGIN", "INSERT", "INSERT", "UPDATE", "COMMIT"]
        assert (left.right_id, right.left_id) == (1, 1)
        assert await rows(database, models.Left.id, models.Left.right_id) == [(1, 1)]
        assert await rows(database, models.Right.id, models.Right.left_id) == [(1, 1)]
        sent.clear()
        session.delete(left)
        session.delete(right)
        await session.commit()

    assert sent.writes == ["UPDATE", "DELETE", "DELETE"]
    assert await rows(database, models.Left.id) == []


async def test_delete_and_insert_of_one_unique_value(
    database: Database, models: ModuleType
) -> None:
    """Trap 24: a unique value of a deleted row may be taken by a new one in the same flush."""
    await store(database, models.Author(email="a@x.org", name="Ann"), models.Slot(id=1, position=1))
    async with Session(database) as session:
        session.add(models.Author(email="a@x.org", name="Bob"))
        session.add(models.Slot(id=2, position=1))
        session.delete(await session.find(models.Author).one())
        session.delete(await session.get_one(models.Slot, 1))
        await session.commit()

    assert await rows(database, models.Author.name) == [("Bob",)]
    assert await rows(database, models.Slot.id, models.Slot.position) == [(2, 1)]


async def test_delete_and_insert_of_one_key(database: Database, models: ModuleType) -> None:
    """Trap 24: a new object may take the key of one that is deleted in the same flush."""
    await store(database, models.Order(id=1, customer="old"))
    async with Session(database) as session:
        old = await session.get_one(models.Order, 1)
        session.delete(old)
        new = models.Order(id=1, customer="new")
        session.add(new)
        await session.commit()

        assert await session.get_one(models.Order, 1) is new
        assert old not in session

    assert await rows(database, models.Order.id, models.Order.customer) == [(1, "new")]


async def test_delete_and_insert_of_one_key_rolled_back(
    database: Database, models: ModuleType
) -> None:
    """After a rollback the key is the old object's again, and the new one is let go."""
    await store(database, models.Order(id=1, customer="old"))
    async with Session(database) as session:
        old = await session.get_one(models.Order, 1)
        session.delete(old)
        new = models.Order(id=1, customer="new")
        session.add(new)
        await session.flush()
        await session.rollback()

        assert await session.get_one(models.Order, 1) is old
        assert new not in session
        old.customer = "still"
        await session.commit()

    assert await rows(database, models.Order.id, models.Order.customer) == [(1, "still")]


async def test_unique_values_passed_on(database: Database, models: ModuleType) -> None:
    """Trap 24: a chain in which each row takes the value the next one gives up (shift)."""
    await store(database, *(models.Slot(id=number, position=number) for number in range(20)))
    async with Session(database) as session:
        for slot in await session.find(models.Slot).to_list():
            slot.position += 1
        await session.commit()

        for slot in await session.find(models.Slot).to_list():
            slot.position -= 1
        session.add(models.Slot(id=100, position=20))
        await session.commit()

    assert await rows(database, models.Slot.id, models.Slot.position) == [
        *((number, number) for number in range(20)),
        (100, 20),
    ]


async def test_unique_value_freed_by_an_update(database: Database, models: ModuleType) -> None:
    """Trap 24: a value that an update gives up may be taken by an insert, and by an update."""
    await store(database, *(models.Slot(id=number, position=number) for number in (1, 2, 3)))
    async with Session(database) as session:
        one, two, three = await session.find(models.Slot).order_by(models.Slot.id).to_list()
        session.add(models.Slot(id=4, position=1))
        one.position = None
        two.position = 3
        session.delete(three)
        await session.commit()

    assert await rows(database, models.Slot.id, models.Slot.position) == [(1, None), (2, 3), (4, 1)]


async def test_unique_over_two_fields_passed_on(database: Database, models: ModuleType) -> None:
    """Trap 24: unique indexes over several fields are passed on as well."""
    await store(database, *(models.Seat(id=number, row="a", number=number) for number in (1, 2, 3)))
    async with Session(database) as session:
        for seat in await session.find(models.Seat).to_list():
            seat.number += 1
        session.add(models.Seat(id=4, row="a", number=1))
        await session.commit()

    assert await rows(database, models.Seat.id, models.Seat.number) == [
        (1, 2),
        (2, 3),
        (3, 4),
        (4, 1),
    ]


@pytest.mark.needs("batches")
async def test_swap_of_unique_values(database: Database, models: ModuleType, sent: Sent) -> None:
    """Trap 24: in a swap one of the values gives way to NULL for a while."""
    await store(database, *(models.Slot(id=number, position=number) for number in (1, 2)))
    async with Session(database) as session:
        one, two = await session.find(models.Slot).order_by(models.Slot.id).to_list()
        one.position, two.position = 2, 1
        sent.clear()
        await session.commit()

    assert sum(len(s.rows) if isinstance(s, Many) else 1 for s in sent if "UPDATE" in str(s)) == 3
    assert await rows(database, models.Slot.id, models.Slot.position) == [(1, 2), (2, 1)]


async def test_values_that_compare_equal_in_the_store(
    database: Database, models: ModuleType
) -> None:
    """A unique value set and set back by another row is still no conflict (trap 24)."""
    await store(database, models.Slot(id=1, position=1), models.Slot(id=2, position=2))
    async with Session(database) as session:
        one = await session.get_one(models.Slot, 1)
        one.position = 5
        await session.flush()
        two = await session.get_one(models.Slot, 2)
        two.position = 1
        await session.flush()
        one.position = 2
        await session.commit()

    assert await rows(database, models.Slot.id, models.Slot.position) == [(1, 2), (2, 1)]


@pytest.mark.needs("relations")
async def test_order_does_not_depend_on_add(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Rows of one class are written in the order of `add`; classes in a fixed order (U7)."""
    async with Session(database) as session:
        session.add(models.Slot(id=2))
        session.add(models.Order(id=1))
        session.add(models.Slot(id=1))
        session.add(models.Log(id="x"))
        await session.commit()

    tables = [re.split('["`]', text)[1] for text in sent.texts if text.startswith("INSERT")]
    assert tables == ["logs", "orders", "slots"]


# -- what the store makes


@pytest.mark.needs("store_values", "returning_insert")
async def test_server_defaults(database: Database, models: ModuleType, sent: Sent) -> None:
    """A default of the store is filled in by the flush, without a further query."""
    author = models.Author(email="a@x.org", name="Ann")
    with pytest.raises(NotLoadedError, match="flush"):
        _ = author.joined
    async with Session(database) as session:
        session.add(author)
        await session.commit()

        assert author.joined.tzinfo is not None
        assert sent.words == ["INSERT"]
    stored = await rows(database, models.Author.joined)
    assert stored == [(author.joined,)]


@pytest.mark.needs("store_values")
async def test_server_default_given(database: Database, models: ModuleType) -> None:
    """A value given for a column with a default of the store is what is stored."""
    given, left = models.Counter(hits=1), models.Counter()
    async with Session(database) as session:
        session.add_all([given, left])
        await session.commit()

        assert (given.hits, left.hits) == (1, 7)
    assert await rows(database, models.Counter.hits) == [(1,), (7,)]


@pytest.mark.needs("store_values")
async def test_rows_without_any_value(database: Database, models: ModuleType, sent: Sent) -> None:
    """Rows for which the store makes everything are inserted, each with its own key."""
    counters = [models.Counter() for _ in range(3)]
    async with Session(database) as session:
        session.add_all(counters)
        await session.commit()

        assert sorted(counter.id for counter in counters) == [1, 2, 3]
        assert {counter.hits for counter in counters} == {7}


@pytest.mark.needs("numbered_keys")
async def test_keys_given_and_generated(database: Database, models: ModuleType) -> None:
    """A key that is given is kept, one that is not is generated, in one flush."""
    given, generated = models.Note(id=100, text="a"), models.Note(text="b")
    async with Session(database) as session:
        session.add_all([given, generated])
        await session.commit()

        assert given.id == 100
        assert generated.id not in (None, 100)
    assert len(await rows(database, models.Note.id)) == 2


@pytest.mark.needs("composite_keys")
async def test_generated_columns(database: Database, models: ModuleType) -> None:
    """A column the store computes is read back on insert and on update, and cannot be set."""
    await store(database, models.Order(id=1))
    lines = [models.Line(order_id=1, no=number, quantity=number, price=10) for number in range(5)]
    async with Session(database) as session:
        session.add_all(lines)
        await session.commit()

        assert [line.total for line in lines] == [0, 10, 20, 30, 40]
        for line in lines[1:]:
            line.price = 100
        await session.commit()

        assert [line.total for line in lines] == [0, 100, 200, 300, 400]
    assert [total for _, total in await rows(database, models.Line.no, models.Line.total)] == [
        0, 100, 200, 300, 400,
    ]  # fmt: skip


@pytest.mark.needs("composite_keys")
async def test_composite_keys_are_written(database: Database, models: ModuleType) -> None:
    """Trap 6: updates and deletes by a composite key look at every part of it."""
    await store(database, models.Order(id=1), models.Order(id=2))
    await store(database, *(models.Line(order_id=o, no=n) for o in (1, 2) for n in (1, 2)))
    async with Session(database) as session:
        (await session.get_one(models.Line, (1, 2))).quantity = 5
        session.delete(await session.get_one(models.Line, (2, 1)))
        await session.commit()

    assert await rows(database, models.Line.order_id, models.Line.no, models.Line.quantity) == [
        (1, 1, 1),
        (1, 2, 5),
        (2, 2, 1),
    ]


async def test_client_keys(database: Database, models: ModuleType, sent: Sent) -> None:
    """Keys made in Python are there before the flush, sort by time, and are never made twice."""
    author = models.Author(email="a@x.org", name="Ann")
    await store(database, author)
    books = [models.Book(author_id=author.id, title=str(number)) for number in range(10)]
    logs = [models.Log() for _ in range(10)]
    keys = [book.id for book in books] + [log.id for log in logs]

    assert [book.id for book in books] == sorted(book.id for book in books)
    assert [log.id for log in logs] == sorted(log.id for log in logs)
    assert all(isinstance(book.id, UUID) and book.id.version == 7 for book in books)

    async with Session(database) as session:
        session.add_all([*books, *logs])
        await session.commit()

        assert [book.id for book in books] + [log.id for log in logs] == keys
        assert await session.get_one(models.Book, books[0].id) is books[0]
    assert uuid7() > books[-1].id
    assert ulid() > logs[-1].id


async def test_written_while_the_flush_is_under_way(database: Database, models: ModuleType) -> None:
    """A change made between two flushes of one transaction is written by the second."""
    note = models.Note(text="a")
    async with Session(database) as session:
        session.add(note)
        await session.flush()
        note.text = "b"

        assert session.dirty == {note}
        await session.flush()
        note.text = "c"
        await session.commit()

    assert await rows(database, models.Note.text) == [("c",)]


@pytest.mark.needs("numbered_keys")
async def test_flush_plan_shows_what_would_be_sent(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """The plan of a flush can be looked at, and looking changes nothing."""
    async with Session(database) as session:
        session.add_all([models.Post(id=1, note_id=1), models.Note(id=1, text="a")])
        plan = session.flush_plan()
        again = str(session.flush_plan())

        assert str(plan) == again
        assert [step.mapper.name for step in plan.steps] == ["Note", "Post"]
        assert sent == []
        await session.commit()

        assert str(session.flush_plan()) == "nothing to flush"


async def test_evolved_copies_are_new(database: Database, models: ModuleType) -> None:
    """`attrs.evolve` of a stored object is a new object with values of its own (trap 32)."""
    author = models.Author(email="a@x.org", name="Ann", tags=["x"])
    async with Session(database) as session:
        session.add(author)
        await session.commit()
        copy = attrs.evolve(author, id=None, email="b@x.org")
        session.add(copy)
        await session.commit()

        assert copy.id != author.id
    assert await rows(database, models.Author.email) == [("a@x.org",), ("b@x.org",)]


async def test_updates_by_row_or_batch(database: Database, models: ModuleType, sent: Sent) -> None:
    """U8: a batch of updates counts the version up and is checked row by row."""
    authors = [models.Author(email=f"{number}@x.org", name="x") for number in range(10)]
    async with Session(database) as session:
        session.add_all(authors)
        await session.commit()
        sent.clear()
        for number, author in enumerate(authors):
            author.name = str(number)
        await session.commit()

        assert sent.writes == ["UPDATE"]
        assert all(author.version == 2 for author in authors)
        batch = next(one for one in sent if not isinstance(one, str))
        if isinstance(batch, Many):
            assert len(batch.rows) == 10
    assert await rows(database, models.Author.version, models.Author.name) == [
        (2, str(number)) for number in range(10)
    ]
