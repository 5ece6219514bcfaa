"""What a class statement makes: a mapper, an attrs class, native reads (M1, M2, M3)."""

from __future__ import annotations

import abc
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from types import MemberDescriptorType
from typing import Annotated, Any, ClassVar, Generic, NewType, TypeVar

import attrs
import pytest

from tests.uow.mapping.base import Base
from uow.errors import MappingError, NotLoadedError, ValidationError
from uow.expressions import ColumnExpression
from uow.mapping.columns import Column, Mapped
from uow.mapping.mapper import mapper_of
from uow.mapping.model import ModelStorage
from uow.mapping.registry import Registry
from uow.types import Array, EnumType, Integer, Json, Text

T = TypeVar("T")
UserId = NewType("UserId", int)


NOW = datetime(2024, 1, 1, tzinfo=UTC)


class Author(Base):
    """A writer."""

    class Settings:
        name = "authors"
        schema = "library"
        indexes = ({"fields": ["name", "age"]}, ["email"], {"fields": "age", "unique": True})
        constraints = (
            {"unique": ["name", "email"], "name": "uq_who"},
            {"check": "age > 0", "name": "ck_age"},
        )

    kinds: ClassVar[int] = 3
    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(unique=True, max_length=255)
    name: Mapped[str] = Column(name="full_name", index=True)
    age: Mapped[int | None] = Column(default=None, check="age < 200")
    joined: Mapped[datetime] = Column(server_default="current_timestamp")
    version: Mapped[int] = Column(version=True)

    @property
    def shout(self) -> str:
        return self.name.upper()


def test_mapper() -> None:
    """The mapper says what the class says, in the order of definition."""
    mapper = mapper_of(Author)

    assert (mapper.name, mapper.table_name, mapper.schema) == ("Author", "authors", "library")
    assert [column.attribute for column in mapper.columns] == [
        "id", "email", "name", "age", "joined", "version",
    ]  # fmt: skip
    assert [column.position for column in mapper.columns] == list(range(6))
    assert mapper.by_name["full_name"] is mapper.by_attribute["name"]
    assert mapper.key == (mapper.by_attribute["id"],)
    assert mapper.version is mapper.by_attribute["version"]
    assert mapper.generated_on_insert == (mapper.column("id"), mapper.column("joined"))
    assert mapper.root is mapper
    assert mapper is mapper_of(Author(email="a", name="b"))
    assert repr(mapper) == "<Mapper Author -> library.authors>"
    assert str(mapper.column("age")) == "Author.age"
    assert repr(mapper.column("age")) == "<MappedColumn Author.age>"


def test_columns() -> None:
    """A column says what its hint and its `Column(...)` say."""
    columns = mapper_of(Author).by_attribute

    assert columns["email"].type == Text(255)
    assert columns["email"].unique
    assert not columns["email"].nullable
    assert columns["age"].type == Integer()
    assert columns["age"].nullable
    assert columns["joined"].server_default == "CURRENT_TIMESTAMP"
    assert columns["joined"].server_default_known
    assert columns["id"].auto_increment
    with pytest.raises(MappingError, match="Author has no field 'nope'"):
        mapper_of(Author).column("nope")


def test_constraints() -> None:
    """Constraints of columns and settings are told together."""
    mapper = mapper_of(Author)

    assert [(i.name, [c.attribute for c in i.columns], i.unique) for i in mapper.indexes] == [
        ("ix_authors_full_name", ["name"], False),
        ("ix_authors_full_name_age", ["name", "age"], False),
        ("ix_authors_email", ["email"], False),
        ("ix_authors_age", ["age"], True),
    ]
    assert [(u.name, [c.attribute for c in u.columns]) for u in mapper.uniques] == [
        (None, ["email"]),
        ("uq_who", ["name", "email"]),
    ]
    assert [(c.sql, c.name) for c in mapper.checks] == [("age < 200", None), ("age > 0", "ck_age")]


def test_class_access() -> None:
    """A column read on the class is an expression, always the same; on an object the value (M2)."""
    author = Author(email="a@x.org", name="Ann")

    assert isinstance(Author.age, ColumnExpression)
    assert Author.age is Author.age
    assert Author.age.column is mapper_of(Author).column("age")
    assert Author.age.table is mapper_of(Author)
    assert author.name == "Ann"
    assert author.shout == "ANN"
    assert Author.kinds == author.kinds == 3


def test_native_reads() -> None:
    """Reading an attribute is reading a slot: no Python code runs."""
    mapper = mapper_of(Author)

    assert isinstance(vars(mapper.storage)["name"], MemberDescriptorType)
    for class_ in Author.__mro__:
        assert "__getattribute__" not in vars(class_) or class_ is object
        assert "__getattr__" not in vars(class_)
        assert class_ is mapper.storage or "name" not in vars(class_)
    assert not hasattr(Author(email="a", name="b"), "__dict__")


def test_attrs_class() -> None:
    """A model is an attrs class (M1)."""
    author = attrs.evolve(Author(email="a@x.org", name="Ann"), joined=NOW, version=1)  # type: ignore[misc]

    assert attrs.has(Author)
    assert [field.name for field in attrs.fields(Author)] == list(mapper_of(Author).by_attribute)
    assert attrs.asdict(author)["name"] == "Ann"
    assert attrs.fields_dict(Author)["age"].default is None


def test_identity_of_objects() -> None:
    """Objects are equal to themselves only, can be hashed and referred to weakly."""
    one, other = Author(email="a", name="b"), Author(email="a", name="b")

    assert one != other
    assert len({one, other, one}) == 2
    assert weakref.ref(one)() is one


def test_repr() -> None:
    """Only the key is shown: other values may be secret (F78)."""
    author = Author(email="secret@x.org", name="Ann")

    assert repr(author) == "<Author id=None>"


def test_isinstance() -> None:
    """Objects are instances of their class and its bases, complete or not."""
    author = Author(email="a", name="b")

    assert type(author) is mapper_of(Author).partial
    assert isinstance(author, Author)
    assert isinstance(author, Base)
    assert issubclass(Author, Base)
    assert type(author).__name__ == "Author"
    assert Author.__doc__ == "A writer."


def test_missing_columns() -> None:
    """What the store makes is not there before a flush, and reading it names the remedy."""
    author = Author(email="a", name="b")

    with pytest.raises(NotLoadedError, match=r"Author.joined is made by the store.*flush\(\)"):
        author.joined  # noqa: B018 - reading it is the point
    with pytest.raises(AttributeError, match="'Author' object has no attribute 'nope'"):
        author.nope  # type: ignore[attr-defined]  # noqa: B018

    mapper_of(Author).column("age").unload(author)

    with pytest.raises(NotLoadedError, match=r"Author.age is not loaded: await session.refresh"):
        author.age  # noqa: B018


def test_snake_case_name() -> None:
    """The table is called as the class, in snake_case."""

    class HTTPServerLog(Base):
        id: int = Column(primary_key=True)

    assert mapper_of(HTTPServerLog).table_name == "http_server_log"


def test_plain_annotations() -> None:
    """Plain hints work as `Mapped` does at run time."""

    class User(Base):
        class Settings:
            primary_key = "id"

        id: int
        email: str = Column(unique=True)
        age: int = Column(nullable=True)
        name: str | None = None
        created_at: datetime = Column(default="NOW()")

    columns = mapper_of(User).by_attribute

    assert columns["id"].primary_key
    assert columns["name"].nullable
    assert columns["age"].nullable
    assert (columns["created_at"].server_default, columns["created_at"].default_factory) == (
        "NOW()",
        None,
    )
    assert User(id=1, email="x").age is None  # type: ignore[call-arg]


def test_composite_key() -> None:
    """Several key columns make a tuple, in the order they were given (M5)."""

    class Line(Base):
        order_id: Mapped[int] = Column(primary_key=True)
        no: Mapped[int] = Column(primary_key=True)

    mapper = mapper_of(Line)

    assert [column.attribute for column in mapper.key] == ["order_id", "no"]
    assert mapper.identity(Line(order_id=1, no=2)) == (1, 2)


def test_annotated() -> None:
    """`Annotated` can carry the column or its type."""

    class Tag(Base):
        id: Annotated[int, Column(primary_key=True)]
        name: Annotated[str, Column(max_length=10)] = "none"
        small: Annotated[int, Integer(16)]
        user: UserId

    columns = mapper_of(Tag).by_attribute

    assert columns["id"].primary_key
    assert (columns["name"].type, columns["name"].default) == (Text(10), "none")
    assert columns["small"].type == Integer(16)
    assert columns["user"].type == Integer()


def test_given_types() -> None:
    """`type=` says more than the hint can."""

    class Given(Base):
        id: Mapped[int] = Column(primary_key=True, type=Integer(32))
        tags: Mapped[list[str]] = Column(type=Array(str))
        any: Mapped[Any] = Column(type=Json)
        whole: Mapped[str | list[int]] = Column(type=Json)

    columns = mapper_of(Given).by_attribute

    assert columns["id"].type == Integer(32)
    assert columns["tags"].type == Array(Text())
    assert columns["any"].type == Json(Any)
    assert columns["whole"].type == Json(str | list[int])


class Timestamps:
    """A mixin without slots."""

    created: Mapped[int] = Column(default=0)
    updated: Mapped[int] = Column(default=0)

    def age(self) -> int:
        return self.updated - self.created


class Keyed(Base):
    """An abstract base."""

    class Settings:
        abstract = True
        schema = "app"
        indexes = ("id",)

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)

    def double(self) -> int:
        return self.id * 2


def test_mixin() -> None:
    """Mixins give columns, methods and, having no slots, a `__dict__`."""

    class Note(Timestamps, Base):
        id: Mapped[int] = Column(primary_key=True)
        updated: Mapped[int] = Column(default=5)

    note = Note(id=1)
    note.extra = "x"  # type: ignore[attr-defined]

    assert [c.attribute for c in mapper_of(Note).columns] == ["created", "updated", "id"]
    assert note.age() == 5
    assert isinstance(note, Timestamps)
    assert isinstance(Note.created, ColumnExpression)
    assert copy.copy(note).extra == "x"  # type: ignore[attr-defined]
    assert Timestamps.updated.default == 0  # type: ignore[attr-defined]  # the mixin is left alone


def test_mixin_after_base() -> None:
    """The order of the bases does not matter to the layout."""

    class Memo(Base, Timestamps):
        id: Mapped[int] = Column(primary_key=True)

    assert Memo(id=1).age() == 0


def test_abstract_base() -> None:
    """Fields and settings of an abstract base are inherited, its name and abstractness not."""

    class Post(Keyed):
        title: Mapped[str]

    class Comment(Keyed):
        class Settings(Keyed.Settings):
            name = "comments"

        text: Mapped[str]

    assert [c.attribute for c in mapper_of(Post).columns] == ["id", "title"]
    assert (mapper_of(Post).table_name, mapper_of(Post).schema) == ("post", "app")
    assert (mapper_of(Comment).table_name, mapper_of(Comment).schema) == ("comments", "app")
    assert mapper_of(Post).indexes[0].name == "ix_post_id"
    assert Post(id=4, title="x").double() == 8  # type: ignore[call-arg]
    assert mapper_of(Post).column("id") is not mapper_of(Comment).column("id")


def test_abc_and_generic_bases() -> None:
    """A class may also be abstract in Python's sense, or generic."""

    class Speaker(abc.ABC):
        @abc.abstractmethod
        def speak(self) -> str: ...

    class Box(Base, Speaker, Generic[T]):
        id: Mapped[int] = Column(primary_key=True)

        def speak(self) -> str:
            return f"box {self.id}"

    assert Box(id=1).speak() == "box 1"


def test_init_subclass() -> None:
    """A hook of the user hears of each class once, and not of the private ones."""
    heard: list[str] = []

    class Listening:
        def __init_subclass__(cls, **keywords: object) -> None:
            heard.append(f"{cls.__name__} {keywords}")

    class Loud(Listening, Base, volume=3):
        id: Mapped[int] = Column(primary_key=True)

    assert heard == ["Loud {'volume': 3}"]
    assert Loud(id=1).id == 1


def test_local_names() -> None:
    """Hints may name what is local to a function, before or after the class (M1)."""

    class Kind(Enum):
        A = "a"

    class Item(Base):
        id: Mapped[int] = Column(primary_key=True)
        kind: Mapped[Kind]
        size: Mapped[Size | None] = Column(default=None)
        later: Mapped[Later]

    class Later(Enum):
        B = "b"

    @attrs.define
    class Size:
        width: int

    columns = mapper_of(Item).by_attribute
    item = Item(id=1, kind=Kind.A, size=Size(3), later=Later.B)

    assert columns["kind"].type == EnumType(Kind)
    assert columns["size"].type == Json(Size)
    assert columns["size"].nullable
    assert columns["later"].type == EnumType(Later)
    assert not columns["later"].is_lazy
    assert isinstance(vars(mapper_of(Item).storage)["later"], MemberDescriptorType)
    assert "later" not in vars(Item)
    assert (item.size, item.later) == (Size(3), Later.B)


class Holder(Base):
    """Refers to a class defined further down, in quotes inside of a hint."""

    id: Mapped[int] = Column(primary_key=True)
    parts: Mapped[list[Part]] = Column(default_factory=list)
    other_id: Mapped[int | None] = Column(foreign_key="part_owner.id", default=None)


@attrs.define
class Part:
    """Defined after its first mention."""

    name: str


class PartOwner(Base):
    """The target of a key, defined after it."""

    id: Mapped[int] = Column(primary_key=True)


def test_forward_references() -> None:
    """What is defined later in a module is found at first use."""
    mapper = mapper_of(Holder)
    (foreign_key,) = mapper.foreign_keys

    assert mapper.column("parts").type == Json(list[Part])
    assert foreign_key.target is mapper_of(PartOwner)
    assert Holder(id=1, parts=[Part("x")]).parts == [Part("x")]


def test_nested_class() -> None:
    """Classes in the body are seen by its hints; a field does not hide a type of its name."""

    class Job(Base):
        class State(Enum):
            OPEN = 1

        id: Mapped[int] = Column(primary_key=True)
        state: Mapped[State]
        datetime: Mapped[datetime | None] = Column(default=None)

    assert mapper_of(Job).column("state").type == EnumType(Job.State)
    assert mapper_of(Job).column("datetime").nullable


def test_classes_are_collected() -> None:
    """A class of a function goes with the function, frames and all."""

    def make() -> weakref.ref[type]:
        class Gone(Base):
            id: Mapped[int] = Column(primary_key=True)
            name: Mapped[str]

        assert Gone(id=1, name="x").name == "x"
        return weakref.ref(Gone)

    reference = make()
    gc.collect()

    assert reference() is None


def test_registry_forgets() -> None:
    """A registry does not keep classes alive."""
    registry = Registry()

    def make() -> None:
        class Brief(Base):
            class Settings:
                pass

            Settings.registry = registry  # type: ignore[attr-defined]
            id: Mapped[int] = Column(primary_key=True)

        assert registry.mappers() == [mapper_of(Brief)]

    make()
    gc.collect()

    assert registry.mappers() == []


def test_default_spelled_as_a_call() -> None:
    """A known SQL function is known in other spellings."""

    class Spelled(Base):
        id: Mapped[int] = Column(primary_key=True)
        at: Mapped[datetime] = Column(server_default="current_timestamp ()")
        sql: Mapped[datetime] = Column(server_default="now() + interval '1 day'")

    columns = mapper_of(Spelled).by_attribute

    assert columns["at"].server_default == "CURRENT_TIMESTAMP"
    assert columns["sql"].server_default == "now() + interval '1 day'"
    assert not columns["sql"].server_default_known


def test_registry() -> None:
    """A table name is taken once a registry, and both classes are named."""
    registry = Registry()

    class One(Base):
        class Settings:
            name = "things"

        id: Mapped[int] = Column(primary_key=True)

    with pytest.raises(MappingError, match=r"Two: the table 'things' is already mapped by .*One"):

        class Two(Base):
            class Settings:
                name = "things"

            id: Mapped[int] = Column(primary_key=True)

    class Three(Base):
        class Settings:
            name = "things"

        id: Mapped[int] = Column(primary_key=True)
        Settings.registry = registry  # type: ignore[attr-defined]

    assert registry.mappers() == [mapper_of(Three)]
    assert registry.find("things") is mapper_of(Three)
    assert registry.find("things", "other") is None
    assert repr(registry) == "<Registry of 1 classes>"
    assert One(id=1).id == 1


def test_defined_again() -> None:
    """The same class defined again (a notebook, a reload) takes the older one's place."""

    def define() -> type[Base]:
        class Again(Base):
            id: Mapped[int] = Column(primary_key=True)

        return Again

    first = define()
    second = define()

    class Points(Base):
        id: Mapped[int] = Column(primary_key=True)
        again_id: Mapped[int] = Column(foreign_key="again.id")

    assert mapper_of(Points).foreign_keys[0].target is mapper_of(second)
    third = define()
    assert mapper_of(Points).foreign_keys[0].target is mapper_of(third)
    assert first is not second


def test_foreign_keys() -> None:
    """A foreign key is given by name, by class attribute or by a callable (M3)."""

    class Country(Base):
        id: Mapped[int] = Column(primary_key=True)
        code: Mapped[str] = Column(unique=True, max_length=2)

    class City(Base):
        class Settings:
            constraints = (
                {
                    "foreign_key": ["a", "b"],
                    "references": [lambda: Pair.left, lambda: Pair.right],
                    "on_delete": "cascade",
                    "name": "fk_pair",
                },
            )

        id: Mapped[int] = Column(primary_key=True)
        country_id: Mapped[int | None] = Column(
            foreign_key=Country.id, on_delete="set_null", on_update="no action", deferrable=True
        )
        code: Mapped[str] = Column(foreign_key="country.code", default=None)
        twin_id: Mapped[int | None] = Column(foreign_key=lambda: City.id, default=None)
        a: Mapped[int] = Column(default=0)
        b: Mapped[int] = Column(default=0)

    class Pair(Base):
        left: Mapped[int] = Column(primary_key=True)
        right: Mapped[int] = Column(primary_key=True)

    by_id, by_code, twin, pair = mapper_of(City).foreign_keys

    assert (by_id.target, by_id.target_columns) == (mapper_of(Country), mapper_of(Country).key)
    assert (by_id.on_delete, by_id.on_update, by_id.deferrable) == ("SET NULL", "NO ACTION", True)
    assert by_code.target_columns[0].attribute == "code"
    assert twin.target is mapper_of(City)
    assert [c.attribute for c in pair.columns] == ["a", "b"]
    assert [c.attribute for c in pair.target_columns] == ["left", "right"]
    assert (pair.name, pair.on_delete) == ("fk_pair", "CASCADE")
    assert mapper_of(City).column("country_id").foreign_key is by_id
    assert repr(pair) == "<ForeignKey City(a, b)>"
    assert City(id=1, country_id=None).code is None  # waits for the relation


@pytest.mark.parametrize("key", [True, "1", 1.0, None, [1], (1,)])
def test_typed_keys(key: Any) -> None:
    """`True`, `"1"` and `1.0` are not the key 1 (trap 11)."""
    with pytest.raises(ValidationError, match=r"Author\.id: "):
        mapper_of(Author).check_key(key)

    assert mapper_of(Author).check_key(0) == 0  # trap 17: 0 is a key


def test_composite_keys_are_checked() -> None:
    """All parts of a key are wanted, each of its type (trap 6)."""

    class Row(Base):
        a: Mapped[int] = Column(primary_key=True)
        b: Mapped[str] = Column(primary_key=True)

    mapper = mapper_of(Row)

    assert mapper.check_key((1, "x")) == (1, "x")
    for wrong in [1, (1,), (1, "x", 2), [1, "x"], ("1", "x"), (1, None)]:
        with pytest.raises(ValidationError, match="Row"):
            mapper.check_key(wrong)


class Pickled(Base):
    """Has a lazy column and one that the store makes."""

    id: Mapped[int] = Column(primary_key=True, default=None)
    tags: Mapped[list[str]] = Column(default_factory=list)
    made: Mapped[int] = Column(server_default="1")


@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle", "evolve"])
def test_copies(how: str) -> None:
    """A copy has the same values, no history, and nothing is required of it (trap 32)."""
    original = Pickled(tags=["a"])
    copies: dict[str, Callable[[], Any]] = {
        "copy": lambda: copy.copy(original),
        "deepcopy": lambda: copy.deepcopy(original),
        "pickle": lambda: pickle.loads(pickle.dumps(original)),
        "evolve": lambda: attrs.evolve(original),  # type: ignore[misc]
    }
    made = copies[how]()

    assert type(made) is type(original)
    assert made is not original
    assert made.id is None
    assert made.tags == ["a"]
    assert made._uow_state is None
    assert (made.tags is original.tags) is (how == "copy")
    with pytest.raises(NotLoadedError):
        made.made  # noqa: B018
    assert attrs.evolve(original, id=3, made=4).made == 4


def test_deepcopy_in_circles() -> None:
    """An object that is met twice is copied once."""

    class Loop(Timestamps, Base):
        id: Mapped[int] = Column(primary_key=True)

    loop = Loop(id=1)
    loop.me = loop  # type: ignore[attr-defined]

    one, other = copy.deepcopy([loop, loop])

    assert one is other
    assert one.me is one  # type: ignore[attr-defined]


def test_storage_is_private() -> None:
    """The storage has no write hook and no constructor without checks."""
    storage = mapper_of(Author).storage

    assert ModelStorage in storage.__mro__
    assert not hasattr(storage, "__attrs_init__")
    assert "__setattr__" not in vars(storage)


def test_threads_configure_once() -> None:
    """The first use of a class may come from several threads at once."""

    class Shared(Base):
        id: Mapped[int] = Column(primary_key=True)
        kind: Mapped[Kind]

    class Kind(Enum):
        A = "a"

    barrier = threading.Barrier(4)
    made: list[Shared] = []

    def work() -> None:
        barrier.wait()
        made.append(Shared(id=1, kind=Kind.A))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [obj.kind for obj in made] == [Kind.A] * 4


@pytest.mark.skipif(not hasattr(copy, "replace"), reason="copy.replace is of Python 3.13")
def test_copy_replace() -> None:
    """`copy.replace` does as `attrs.evolve`."""
    made = vars(copy)["replace"](Author(email="a", name="b"), name="c")

    assert (made.email, made.name) == ("a", "c")
