"""Relations of classes and of objects in memory: what they are, and what is refused (R2)."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest

from uow import (
    Column,
    Mapped,
    MappingError,
    NotLoadedError,
    QueryError,
    Related,
    RelatedList,
    RelationPath,
    State,
    Table,
    ValidationError,
    WriteOnlyList,
    related,
    state,
)
from uow.mapping.mapper import mapper_of
from uow.mapping.relation import Direction

if TYPE_CHECKING:
    from elsewhere import Nowhere  # type: ignore[import-not-found]


class Author(Table):
    class Settings:
        name = "map_authors"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str] = Column(default="")
    books: RelatedList[Book] = related(back="author", default=None)


class Book(Table):
    class Settings:
        name = "map_books"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    author_id: Mapped[int] = Column(foreign_key="map_authors.id", default=None)
    title: Mapped[str] = Column(default="")
    author: Related[Author] = related(default=None)
    tags: RelatedList[Tag] = related(through="map_book_tags", back="books", default=None)


class Tag(Table):
    class Settings:
        name = "map_tags"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    books: RelatedList[Book] = related(through="map_book_tags", default=None)


def make_table(name: str, namespace: dict[str, Any]) -> Any:
    """Define a class by hand."""
    metaclass: Any = type(Table)
    return metaclass(name, (Table,), namespace)


def relation(path: Any) -> Any:
    """What is known about the first relation of a path."""
    return path._uow_steps[0].relation


def test_directions_follow_from_the_keys() -> None:
    """Which side holds the key is read from the columns; naming the other side once is enough."""
    mapper_of(Book)
    mapper_of(Author)
    assert relation(Author.books).direction is Direction.FROM_OTHERS
    assert relation(Book.author).direction is Direction.TO_ONE
    assert relation(Book.author).back is relation(Author.books)
    assert relation(Book.tags).direction is Direction.THROUGH
    assert relation(Tag.books).back is relation(Book.tags)


def test_a_link_table_made_by_name_has_these_columns() -> None:
    """`book_id`, `tag_id`: class name, key name; both are the key, and refer to what they link."""
    mapper_of(Book)
    link = relation(Book.tags).link

    assert [column.name for column in link.columns] == ["book_id", "tag_id"]
    assert link.key == link.columns
    assert [key.target.name for key in link.foreign_keys] == ["Book", "Tag"]


def test_relations_are_no_fields() -> None:
    """`attrs.fields`, `asdict`, `evolve` and `repr` pass relations over."""
    ann: Any = Author(name="ann", books=[Book(title="a", author_id=1)])

    assert [field.name for field in attrs.fields(Author)] == ["id", "name"]
    assert attrs.asdict(ann) == {"id": None, "name": "ann"}
    assert attrs.evolve(ann, name="bob").books == []
    assert "books" not in repr(ann)


def test_copies_are_related_to_nothing() -> None:
    """A copy has the field values, and no relations of its own."""
    ann = Author(name="ann", books=[Book(title="a", author_id=1)])
    for made in (copy.copy(ann), copy.deepcopy(ann), pickle.loads(pickle.dumps(ann))):
        assert made.name == "ann"
        assert made.books == []
    assert type(copy.copy(ann.books)) is list
    assert type(pickle.loads(pickle.dumps([*ann.books]))) is list


def test_class_access_gives_a_path() -> None:
    """On the class a relation is a path, always the same."""
    assert isinstance(Author.books, RelationPath)
    assert Author.books is Author.books
    assert repr(Author.books.tags) == "<path Author.books.tags>"
    with pytest.raises(MappingError, match="cannot be replaced"):
        setattr(Author, "books", [])  # noqa: B010 - checkers refuse it too
    with pytest.raises(QueryError, match="one relation at a time"):
        Author.books.tags.any()


def test_new_objects_are_loaded_and_empty() -> None:
    """A new object has no related ones, and says so."""
    book = Book()
    assert book.author is None
    assert book.tags == []
    assert Author().books == []
    with pytest.raises(AttributeError):
        del book.author


def test_both_sides_are_in_step() -> None:
    """Every way to change a list changes the other side, and the list it was taken from."""
    ann, bob = Author(), Author()
    a, b, c = Book(), Book(), Book()
    ann.books.append(a)
    ann.books.extend([b, c])
    assert [one.author for one in (a, b, c)] == [ann] * 3
    ann.books.append(a)
    assert ann.books == [a, b, c]
    bob.books.insert(0, b)
    assert (ann.books, bob.books) == ([a, c], [b])
    bob.books[0] = c
    assert (ann.books, bob.books, bool(b.author)) == ([a], [c], False)
    bob.books[:] = [a, b]
    assert (ann.books, bob.books, bool(c.author)) == ([], [a, b], False)
    assert bob.books.pop() is b
    del bob.books[0]
    bob.books += [c]
    assert c.author is bob
    bob.books *= 3
    assert bob.books == [c]
    bob.books.clear()
    assert c.author is None
    c.author = ann
    assert ann.books == [c]
    c.author = bob
    assert (ann.books, bob.books) == ([], [c])
    bob.books = [a, b]
    bob.books.reverse()
    assert bob.books == [b, a]
    bob.books.sort(key=lambda book: book is b)
    assert bob.books == [a, b]
    with pytest.raises(ValueError, match="is not in"):
        bob.books.remove(c)


def test_links_are_in_step() -> None:
    """A link that one side has the other has."""
    book, one, other = Book(), Tag(), Tag()
    book.tags = [one, other]
    assert one.books == [book]
    other.books.remove(book)
    assert book.tags == [one]
    one.books = []
    assert book.tags == []


def test_a_change_of_several_is_all_or_nothing() -> None:
    """One object of the wrong kind refuses the whole, and nothing is changed."""
    ann, a = Author(), Book()
    wrong: Any = Tag()
    with pytest.raises(ValidationError, match=r"Author\.books: expected Book"):
        ann.books.extend([a, wrong])
    assert ann.books == []
    assert a.author is None
    with pytest.raises(ValidationError, match="got None"):
        ann.books.append(cast("Any", None))


def test_a_key_that_a_relation_gives_may_be_left_out() -> None:
    """A required key column has no value until the flush, and reading it says so."""

    class Owner(Table):
        id: Mapped[int] = Column(primary_key=True, auto_increment=True)

    class Thing(Table):
        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        owner_id: Mapped[int] = Column(foreign_key="owner.id")
        owner: Related[Owner] = related()

    make: Any = Thing
    thing = make(owner=Owner())
    with pytest.raises(NotLoadedError, match="a relation gives it one"):
        _ = thing.owner_id
    assert state(thing) is State.TRANSIENT


def test_a_name_known_to_checkers_only_is_found_in_the_registry() -> None:
    """Modules that import each other under TYPE_CHECKING only still find each other's classes."""

    class Here(Table):
        id: Mapped[int] = Column(primary_key=True)
        there: RelatedList[Nowhere] = related()

    with pytest.raises(MappingError, match=r"Here\.there: the type hint .* names nothing known"):
        mapper_of(Here)
    namespace = {
        "__annotations__": {"id": Mapped[int], "here_id": Mapped[int]},
        "__module__": "elsewhere",
        "__qualname__": "Nowhere",
        "id": Column(primary_key=True),
        "here_id": Column(foreign_key="here.id"),
    }
    made = make_table("Nowhere", namespace)

    assert relation(Here.there).target.class_ is made


def bad(message: str, **body: Any) -> Any:
    """A case: what a class body has besides its key, and what is wrong with it."""
    return pytest.param(body, message, id=message.replace("\\", "")[:50])


ALL: Any = "all, delete-orphan"
NUMBER: Any = 3
MANY = RelatedList[Book]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        bad("Bad.rel: Bad has no foreign key to Author", hint=Related[Author], rel=related()),
        bad("Bad.rel: Author has no foreign key to Bad", hint=RelatedList[Author], rel=related()),
        bad("is no relation to a mapped class", hint=Related[int], rel=related()),
        bad("Bad.rel: related.. needs the type hint", hint=Author, rel=related()),
        bad("cascade= knows", hint=MANY, rel=related(cascade="everything")),
        bad("delete-orphan goes with delete", hint=MANY, rel=related(cascade="delete-orphan")),
        bad("order_by= is for lists", hint=Related[Book], rel=related(order_by="title")),
        bad("write_only= is for lists", hint=Related[Book], rel=related(write_only=True)),
        bad("through= is for lists", hint=Related[Book], rel=related(through="x")),
        bad("takes the name of a table", hint=MANY, rel=related(through=NUMBER)),
        bad("objects of one owner", hint=MANY, rel=related(through="x", cascade=ALL)),
    ],
)
def test_bad_relations_are_refused(body: dict[str, Any], message: str) -> None:
    """A relation that cannot be is an error that names class and field, at first use at latest."""
    with pytest.raises(MappingError, match=message):
        _define(body)


def _define(body: dict[str, Any]) -> None:
    namespace = {
        "__annotations__": {"id": Mapped[int], "rel": body["hint"]},
        "__module__": __name__,
        "__qualname__": "Bad",
        "id": Column(primary_key=True),
        "rel": body["rel"],
    }
    mapper_of(make_table("Bad", namespace))


def test_an_ambiguous_key_needs_via() -> None:
    """Two keys to one class: the error names both, and `via=`."""

    class Editor(Table):
        id: Mapped[int] = Column(primary_key=True)
        texts: RelatedList[Text] = related(back="editor")

    class Text(Table):
        id: Mapped[int] = Column(primary_key=True)
        editor_id: Mapped[int | None] = Column(foreign_key="editor.id", default=None)
        reader_id: Mapped[int | None] = Column(foreign_key="editor.id", default=None)
        editor: Related[Editor | None] = related()

    with pytest.raises(MappingError, match=r"2 foreign keys .* 'editor_id' or 'reader_id'"):
        mapper_of(Text)


def test_the_other_side_must_fit() -> None:
    """`back` names a relation over the same key, from its other side."""

    class Shelf(Table):
        id: Mapped[int] = Column(primary_key=True)
        jars: RelatedList[Jar] = related(back="lid")
        lids: RelatedList[Jar] = related(back="nothing")

    class Jar(Table):
        id: Mapped[int] = Column(primary_key=True)
        shelf_id: Mapped[int] = Column(foreign_key="shelf.id")
        jar_id: Mapped[int | None] = Column(foreign_key="jar.id", default=None)
        lid: Related[Jar | None] = related()

    with pytest.raises(MappingError, match=r"Shelf\.jars: back='lid' leads to Jar"):
        mapper_of(Shelf)


def test_one_of_several_is_no_single_object() -> None:
    """`Related` over a key that is not unique is an error that says how to mend it."""

    class Box(Table):
        id: Mapped[int] = Column(primary_key=True)
        lid: Related[Lid | None] = related()

    class Lid(Table):
        id: Mapped[int] = Column(primary_key=True)
        box_id: Mapped[int] = Column(foreign_key="box.id")

    with pytest.raises(MappingError, match=r"not unique.*RelatedList\[Lid\]"):
        mapper_of(Box)


def test_a_link_to_its_own_class_needs_names() -> None:
    """Both columns of a link table made by name would be called alike."""

    class Friend(Table):
        id: Mapped[int] = Column(primary_key=True)
        friends: RelatedList[Friend] = related(through="friendships")

    with pytest.raises(MappingError, match=r"related\(via="):
        mapper_of(Friend)


def test_names_of_paths_are_refused() -> None:
    """A relation called as a method of paths could not be reached (trap 4)."""
    with pytest.raises(MappingError, match="paths have a method of that name"):

        class Odd(Table):
            id: Mapped[int] = Column(primary_key=True)
            limit: RelatedList[Book] = related()


def test_a_write_only_list_is_not_read() -> None:
    """It has `add` and `remove`; assigning is for new objects."""

    class Account(Table):
        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        moves: WriteOnlyList[Move] = related(back="account")

    class Move(Table):
        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        account_id: Mapped[int] = Column(foreign_key="account.id", default=None)
        account: Related[Account] = related(default=None)

    account, move = Account(), Move()
    account.moves.add(move)
    assert move.account is account
    account.moves.remove(move)
    assert move.account is None
