"""A class that cannot be mapped is refused with its name and the field's (M1, M3)."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum, Flag
from ipaddress import IPv4Address
from typing import Annotated, Any, NamedTuple

import attrs
import pytest

from tests.uow.mapping.base import Base, make_class
from uow import Document, View
from uow.errors import MappingError
from uow.mapping.columns import Column, Mapped, Sequence
from uow.mapping.mapper import mapper_of
from uow.mapping.registry import Registry
from uow.types import Array, Composite, EnumType, Integer, Native, Text


class Color(Enum):
    RED = "red"


@attrs.define
class Size:
    width: int = 0


class Access(Flag):
    READ = 1
    WRITE = 2


class Listed(NamedTuple):
    items: list[int]


class Thing:
    """A class that is no value a column can have."""


class Odd(NamedTuple):
    thing: Thing


def define(hint: Any, column: Any = None, *, name: str = "field", settings: Any = None) -> Any:
    """Define a model with a key and one more field."""
    namespace: dict[str, Any] = {
        "__annotations__": {"id": Mapped[int], name: hint},
        "id": Column(primary_key=True),
    }
    if column is not None:
        namespace[name] = column
    if settings is not None:
        namespace["Settings"] = type("Settings", (), settings)
    return make_class("Bad", namespace)


FIELDS: list[tuple[str, Any, Any, str]] = [
    ("unknown type", Mapped[Thing], None, "Thing is no type a column can have"),
    ("union", Mapped[int | str], None, "no type a column can have"),
    ("bare object", object, None, "object is no type"),
    ("unknown argument", Mapped[int], Column(uniqe=True), "no argument 'uniqe'"),  # type: ignore[call-overload]
    ("default of wrong type", Mapped[int], Column(default=1.5), "expected int, got float"),
    ("bool for an int", Mapped[int], Column(default=True), "expected int, got bool"),
    ("plain default of wrong type", int, Thing(), "expected int, got Thing"),
    ("None where not nullable", Mapped[int], Column(default=None), "the column is not nullable"),
    ("default too long", Mapped[str], Column(default="abc", max_length=2), "at most 2 fit"),
    ("unknown SQL", Mapped[datetime], Column(default="TOMORROW()"), "server_default="),
    ("text for an int", Mapped[int], Column(default="5"), "server_default="),
    ("text for an enum", Mapped[Color], Column(default="red"), "server_default="),
    ("list default", Mapped[list[int]], Column(default=[]), "use default_factory="),
    ("dict default", dict[str, int], {}, "use default_factory="),
    ("object default", Mapped[Size], Column(default=Size()), "use default_factory="),
    (
        "two defaults",
        Mapped[int],
        Column(default=1, default_factory=int),  # type: ignore[call-overload]
        "exclude each other",
    ),
    ("factory not callable", Mapped[int], Column(default_factory=3), "must be callable"),  # type: ignore[call-overload]
    ("max_length of an int", Mapped[int], Column(max_length=3), "max_length= is for Text"),
    ("precision of an int", Mapped[int], Column(precision=3), "precision= is for Numeric"),
    ("timezone of an int", Mapped[int], Column(timezone=False), "timezone= is for DateTime"),
    ("collation of an int", Mapped[int], Column(collation="C"), "collation= is for Text"),
    ("scale alone", Mapped[Decimal], Column(scale=3), "scale= needs precision="),
    ("scale over precision", Mapped[Decimal], Column(precision=2, scale=3), "must not be over"),
    ("empty text", Mapped[str], Column(max_length=0), "max_length= must be at least 1"),
    ("wrong kind", Mapped[int], Column(unique="yes"), "unique= must be bool, got str"),  # type: ignore[call-overload]
    ("empty SQL", Mapped[int], Column(check=" "), "check= is empty"),
    ("type= of no type", Mapped[int], Column(type=Thing), "is not a column type"),
    ("type= unlike the hint", Mapped[int], Column(type=Text()), "does not fit the type hint"),
    ("array of a scalar hint", Mapped[int], Column(type=Array(int)), "does not fit the type hint"),
    ("action without key", Mapped[int], Column(on_delete="cascade"), "needs foreign_key="),
    (
        "unknown action",
        Mapped[int],
        Column(foreign_key="a.b", on_delete="explode"),
        "'explode' is not one of cascade",
    ),
    (
        "set null where not nullable",
        Mapped[int],
        Column(foreign_key="a.b", on_delete="set null"),
        "'set null' on a column that is not nullable",
    ),
    ("key without table", Mapped[int], Column(foreign_key="id"), "is not 'table.column'"),
    ("key of no column", Mapped[int], Column(foreign_key=3), "got int"),  # type: ignore[call-overload]
    ("number that is no key", Mapped[int], Column(auto_increment=True), "single primary key"),
    ("two SQL defaults", Mapped[datetime], Column(default="now()", server_default="1"), "both SQL"),
    ("generated version", Mapped[int], Column(generated="1", version=True), "a column of its own"),  # type: ignore[call-overload]
    ("version of text", Mapped[str], Column(version=True), "a version column is an int"),
    ("version with NULL", Mapped[int | None], Column(version=True), "cannot be nullable"),
    (
        "generated with default",
        Mapped[int],
        Column(generated="1", default=1),  # type: ignore[call-overload]
        "a generated column has no default",
    ),
    ("store's name empty", Mapped[int], Column(name=""), "cannot name something in a store"),
    ("store's name quoted", Mapped[int], Column(name='a"b'), "cannot name something"),
    ("store's name with NUL", Mapped[int], Column(name="a\0b"), "cannot name something"),
    ("same store name", Mapped[int], Column(name="ID"), "are both stored as 'ID'"),
    (
        "two specs",
        Annotated[int, Column(unique=True)],
        Column(index=True),
        "two Column(...), one of them in Annotated",
    ),
    ("hint that is no hint", "1 +", None, "cannot be evaluated"),
    ("unknown identity", Mapped[int], Column(identity="never"), "one of 'always', 'by default'"),  # type: ignore[call-overload]
    ("empty type", Mapped[int], Column(sql_type=" "), "sql_type= is empty"),
    ("identity of no number", Mapped[str], Column(identity="always"), "identity= is for int"),
    ("sequence of no name", Mapped[int], Column(sequence=3), "a name or a Sequence, got int"),  # type: ignore[call-overload]
    ("sequence with quote", Mapped[int], Column(sequence='a"b'), "cannot name something"),
    ("sequence of text", Mapped[str], Column(sequence="s"), "sequence= is for int columns"),
    ("sequence and default", Mapped[int], Column(sequence="s", default=1), "excludes"),  # type: ignore[call-overload]
    (
        "sequence that stands still",
        Mapped[int],
        Column(sequence=Sequence("s", increment=0)),
        "does not stand still",
    ),
    (
        "sequence from text",
        Mapped[int],
        Column(sequence=Sequence("s", start="1")),  # type: ignore[arg-type]
        "starts at and goes by an int",
    ),
    ("virtual alone", Mapped[int], Column(virtual=True), "virtual= needs generated="),  # type: ignore[call-overload]
    ("deferrable alone", Mapped[int], Column(deferrable=True), "needs foreign_key= or unique="),
    (
        "initially alone",
        Mapped[int],
        Column(unique=True, initially="deferred"),
        "needs deferrable=",
    ),
    (
        "initially when",
        Mapped[int],
        Column(unique=True, deferrable=True, initially="later"),  # type: ignore[call-overload]
        "one of 'deferred', 'immediate'",
    ),
    (
        "native enum with quote",
        Mapped[Color],
        Column(type=EnumType(Color, native='"')),
        "cannot name",
    ),
    ("native flags", Mapped[Access], Column(type=EnumType(Access, native=True)), "of a Flag"),
    ("row of no class", Mapped[Thing], Column(type=Composite(Thing)), "no attrs class, dataclass"),
    ("row that changes", Mapped[Size], Column(type=Composite(Size)), "must be frozen"),
    ("row of lists", Mapped[Listed], Column(type=Composite(Listed)), "Listed.items can change"),
    ("row of things", Mapped[Odd], Column(type=Composite(Odd)), "Odd.thing is not of a type"),
    (
        "row unlike the hint",
        Mapped[Odd],
        Column(type=Composite(Size)),
        "does not fit the type hint",
    ),
    ("addresses unlike the hint", Mapped[IPv4Address], Column(type=Text()), "says IpAddress"),
]


@pytest.mark.parametrize(
    ("hint", "column", "message"), [f[1:] for f in FIELDS], ids=[f[0] for f in FIELDS]
)
def test_bad_field(hint: Any, column: Any, message: str) -> None:
    """A field that cannot be a column is an error at definition, naming class and field."""
    with pytest.raises(MappingError, match=re.escape(message)) as caught:
        define(hint, column)

    assert "Bad.field" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["refresh", "_uow_state", "_uow_x", "x__raw", "__x__", "Settings", "self"]
)
def test_taken_name(name: str) -> None:
    """A column named like something of the API would be unreachable, and is refused (trap 4)."""
    with pytest.raises(MappingError, match=re.escape(f"Bad.{name}")):
        define(Mapped[int], name=name)


def define_document(base: type[Any], name: str) -> Any:
    """Define a document or a view with a field of a name."""
    settings = {"registry": Registry(), "source": "things", "pipeline": []}
    namespace = {
        "__module__": __name__,
        "__qualname__": "Made",
        "__annotations__": {name: int},
        "Settings": type("Settings", (), settings if base is View else {"registry": Registry()}),
    }
    return types.new_class("Made", (base,), exec_body=lambda body: body.update(namespace))


@pytest.mark.parametrize("name", ["find", "count", "all", "sum", "fetch_link", "model_dump"])
def test_taken_name_of_a_document(name: str) -> None:
    """The verbs of documents are the library's as well, whichever part of a class they are in."""
    with pytest.raises(MappingError, match=rf"^Made\.{name}: the name is taken by the library"):
        define_document(Document, name)


@pytest.mark.parametrize("name", ["count", "sum", "max"])
def test_free_name_of_a_view(name: str) -> None:
    """A view may give what is called like a verb, as groups often do; `find` has the verbs."""
    class_ = define_document(View, name)

    assert name in mapper_of(class_).by_attribute


@pytest.mark.parametrize("name", ["like", "metadata", "mro", "type", "date", "unknown", "register"])
def test_free_name(name: str) -> None:
    """A column named like something of an expression or of Python works (trap 4)."""
    class_ = define(Mapped[int], name=name)

    obj = class_(**{"id": 1, name: 5})

    assert getattr(obj, name) == 5
    assert getattr(class_, name).column.attribute == name


SETTINGS: list[tuple[str, dict[str, Any], str]] = [
    ("unknown", {"tablename": "x"}, "Bad.Settings.tablename is not a setting"),
    ("name of no text", {"name": 3}, "Bad.Settings.name must be a str"),
    ("name empty", {"name": ""}, "Bad.Settings.name '' cannot name"),
    ("schema with quote", {"schema": "a`b"}, "Bad.Settings.schema"),
    ("abstract of no bool", {"abstract": 1}, "Bad.Settings.abstract must be a bool"),
    ("comment of no text", {"comment": 1}, "Bad.Settings.comment must be a str"),
    ("registry of no registry", {"registry": {}}, "Bad.Settings.registry must be a Registry"),
    (
        "inheritance",
        {"inheritance": "table"},
        "inheritance must be one of 'concrete', 'joined', 'single', got 'table'",
    ),
    ("single without discriminator", {"inheritance": "single"}, "needs a discriminator"),
    (
        "concrete with discriminator",
        {"inheritance": "concrete", "discriminator": "kind"},
        "needs inheritance=",
    ),
    (
        "discriminator of no name",
        {"inheritance": "single", "discriminator": 3},
        "must be the name of a field",
    ),
    ("discriminator", {"discriminator": "kind"}, "needs inheritance="),
    ("key of no field", {"primary_key": "uid"}, "there is no field 'uid'"),
    ("key twice", {"primary_key": ["id", "id"]}, "names a field twice"),
    ("key unlike columns", {"primary_key": ["id", "field"]}, "differ"),
    ("key of no names", {"primary_key": 3}, "primary_key must be a field name"),
    ("indexes of no list", {"indexes": "id"}, "indexes must be a list"),
    ("index of no field", {"indexes": ["nope"]}, "there is no field 'nope'"),
    ("index without fields", {"indexes": [{"unique": True}]}, "an index needs 'fields'"),
    ("index with no fields", {"indexes": [[]]}, "an index needs 'fields'"),
    ("index with unknown", {"indexes": [{"fields": ["id"], "uniq": 1}]}, "'uniq' is not known"),
    ("index of wrong kind", {"indexes": [{"fields": ["id"], "unique": 1}]}, "must be a bool"),
    ("index field twice", {"indexes": [["id", "id"]]}, "names 'id' twice"),
    ("index part of both", {"indexes": [[{"field": "id", "expression": "id"}]]}, "has one of"),
    ("index part of neither", {"indexes": [[{"desc": True}]]}, "has one of"),
    ("index part unknown", {"indexes": [[{"field": "id", "dsc": True}]]}, "'dsc' is not known"),
    ("index part of no kind", {"indexes": [[3]]}, "must be a field name"),
    ("index part without fields", {"indexes": [{"field": "id"}]}, "an index needs 'fields'"),
    ("index nulls", {"indexes": [[{"field": "id", "nulls": "middle"}]]}, "'first' or 'last'"),
    ("expression unnamed", {"indexes": [[{"expression": "1"}]]}, "needs a 'name'"),
    (
        "expression empty",
        {"indexes": [{"fields": [{"expression": " "}], "name": "x"}]},
        "'expression' is empty",
    ),
    ("method of two words", {"indexes": [{"fields": "id", "method": "a b"}]}, "is one word"),
    ("opclass of SQL", {"indexes": [[{"field": "id", "opclass": "x)"}]]}, "is one word"),
    ("include no field", {"indexes": [{"fields": "id", "include": "x"}]}, "there is no field 'x'"),
    ("include twice", {"indexes": [{"fields": "id", "include": "id"}]}, "names 'id' twice"),
    (
        "alike without unique",
        {"indexes": [{"fields": "id", "nulls_distinct": False}]},
        "is for unique indexes",
    ),
    ("exclude a list", {"constraints": [{"exclude": ["id"]}]}, "'exclude' must be a Mapping"),
    ("exclude nothing", {"constraints": [{"exclude": {}}]}, "no fields"),
    ("exclude by words", {"constraints": [{"exclude": {"id": "and"}}]}, "'and' is no operator"),
    ("exclude by number", {"constraints": [{"exclude": {"id": 1}}]}, "1 is no operator"),
    ("exclude no field", {"constraints": [{"exclude": {"x": "="}}]}, "there is no field 'x'"),
    ("check that waits", {"constraints": [{"check": "1", "deferrable": True}]}, "is not known"),
    ("constraint initially", {"constraints": [{"unique": "id", "initially": "x"}]}, "'immediate'"),
    (
        "initially without deferrable",
        {"constraints": [{"unique": "id", "initially": "immediate"}]},
        "needs 'deferrable'",
    ),
    ("same index twice", {"indexes": ["id", "id"]}, "two indexes are called 'ix_bad_id'"),
    ("constraint of no dict", {"constraints": ["id"]}, "must hold dicts"),
    ("constraint of no kind", {"constraints": [{"name": "x"}]}, "each has one of"),
    ("constraint without field", {"constraints": [{"unique": []}]}, "no fields"),
    (
        "reference missing",
        {"constraints": [{"foreign_key": ["id", "field"], "references": ["a.b"]}]},
        "'references' needs one column for each",
    ),
]


@pytest.mark.parametrize(
    ("settings", "message"), [s[1:] for s in SETTINGS], ids=[s[0] for s in SETTINGS]
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    """A setting that is unknown or not of its kind is an error at definition, naming the class."""
    with pytest.raises(MappingError, match=re.escape(message)) as caught:
        define(Mapped[int], settings=settings)

    assert "Bad" in str(caught.value)


def test_no_key() -> None:
    """A class without a key is refused."""
    with pytest.raises(MappingError, match="Keyless has no primary key"):

        class Keyless(Base):
            name: Mapped[str]


def test_settings_that_are_no_class() -> None:
    """Settings are a class."""
    with pytest.raises(MappingError, match=r"Odd.Settings must be a class"):

        class Odd(Base):
            Settings = {"name": "odd"}  # noqa: RUF012 - the mistake under test
            id: Mapped[int] = Column(primary_key=True)


def test_two_versions() -> None:
    """There is one optimistic lock a class."""
    with pytest.raises(MappingError, match="Twice has more than one version column: a, b"):

        class Twice(Base):
            id: Mapped[int] = Column(primary_key=True)
            a: Mapped[int] = Column(version=True)
            b: Mapped[int] = Column(version=True)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (Column(primary_key=True, nullable=True), "a primary key cannot be nullable"),
        (Column(primary_key=True, generated="1"), "a generated column cannot be a primary key"),  # type: ignore[call-overload]
        (Column(primary_key=True, auto_increment=True, default=3), "auto_increment= excludes"),
    ],
)
def test_bad_key(column: Any, message: str) -> None:
    """A key is given or made, and never NULL."""
    with pytest.raises(MappingError, match=f"Keyed.id: {message}"):

        class Keyed(Base):
            id: Mapped[int] = column


@pytest.mark.parametrize("hint", [list[int], Size])
def test_json_key(hint: Any) -> None:
    """A value that can change in place is no key."""
    with pytest.raises(MappingError, match=r"Keyed.id: Json cannot be a primary key"):
        make_class("Keyed", {"__annotations__": {"id": hint}, "id": Column(primary_key=True)})


def test_text_key_without_value() -> None:
    """A key that defaults to None is numbered by the store, and text cannot be."""
    with pytest.raises(MappingError, match=r"Keyed.id: the default is None, but a key cannot be"):

        class Keyed(Base):
            id: Mapped[str | None] = Column(primary_key=True, default=None)


def test_base_hides_a_column() -> None:
    """A base nearer than a mixin must not hide the mixin's column."""

    class Refreshing:
        note: Mapped[int] = Column(default=1)

    class Nearer(Base, mapped=False):
        note = 3

    with pytest.raises(MappingError, match=r"Hidden.note: Nearer hides the column"):

        class Hidden(Nearer, Refreshing):
            id: Mapped[int] = Column(primary_key=True)


def test_foreign_key_of_two_tables() -> None:
    """The columns of one foreign key refer to one table."""

    class Other(Base):
        id: Mapped[int] = Column(primary_key=True)

    class Torn(Base):
        class Settings:
            constraints = (
                {"foreign_key": ["id", "b"], "references": ["other.id", "bad_targets.id"]},
            )

        id: Mapped[int] = Column(primary_key=True)
        b: Mapped[int]

    assert mapper_of(Other).name == "Other"
    with pytest.raises(MappingError, match=r"Torn.b: one foreign key refers to two tables"):
        mapper_of(Torn)


def test_text_key_numbered() -> None:
    """Only whole numbers can be counted up by the store."""
    with pytest.raises(MappingError, match=r"Keyed.id: auto_increment= is for int columns"):

        class Keyed(Base):
            id: Mapped[str] = Column(primary_key=True, auto_increment=True)


def test_column_without_hint() -> None:
    """A column whose type nobody said is refused."""
    with pytest.raises(MappingError, match=r"Hintless.name: a column needs a type hint"):

        class Hintless(Base):
            id: Mapped[int] = Column(primary_key=True)
            name = Column()


def test_field_hides_its_type() -> None:
    """`date: date = Column()` evaluates to the column itself, and the message says so."""
    column = Column()
    with pytest.raises(MappingError, match=r"Day.date: the field hides the type of the same name"):
        make_class("Day", {"__annotations__": {"date": column}, "date": column})


def test_subclass_of_a_mapped_class() -> None:
    """A table's class is no base of another, until inheritance is asked for."""

    class Parent(Base):
        id: Mapped[int] = Column(primary_key=True)

    with pytest.raises(MappingError, match="Child is a subclass of the mapped class Parent"):

        class Child(Parent):
            name: Mapped[str]


def test_two_mapped_parents() -> None:
    """A class cannot be two tables'."""

    class One(Base):
        id: Mapped[int] = Column(primary_key=True)

    class Two(Base):
        id: Mapped[int] = Column(primary_key=True)

    with pytest.raises(MappingError, match="Both has two mapped parents, One and Two"):

        class Both(One, Two):
            pass


def test_inherited_column_hidden() -> None:
    """A value that hides an inherited column would make it unreachable."""

    class Named:
        name: Mapped[str]

    with pytest.raises(MappingError, match=r"Hiding.name hides an inherited column"):

        class Hiding(Named, Base):
            id: Mapped[int] = Column(primary_key=True)
            name = "x"


def test_slots() -> None:
    """Layouts must be equal, so neither the class nor a mixin has slots of its own."""

    class Mixin:
        __slots__ = ("cache",)

    with pytest.raises(MappingError, match="Slotted: a mapped class must not have __slots__"):

        class Slotted(Base):
            __slots__ = ("cache",)
            id: Mapped[int] = Column(primary_key=True)

    with pytest.raises(MappingError, match="Mixed: the mixin Mixin must not have __slots__"):

        class Mixed(Mixin, Base):  # type: ignore[misc]
            id: Mapped[int] = Column(primary_key=True)


def test_abstract_has_no_objects() -> None:
    """An abstract class has no table, so no objects either."""

    class Abstract(Base):
        class Settings:
            abstract = True

        id: Mapped[int] = Column(primary_key=True)

    with pytest.raises(MappingError, match="Abstract is abstract"):
        Abstract(id=1)
    with pytest.raises(MappingError, match="Abstract is not a mapped class"):
        mapper_of(Abstract)


def test_not_mapped() -> None:
    """Asking for the mapper of anything else names it."""
    with pytest.raises(MappingError, match=r"builtins.int is not a mapped class"):
        mapper_of(int)


def test_columns_stay() -> None:
    """A column cannot be replaced or deleted on its class, which would cut it off from its slot."""

    class Fixed(Base):
        id: Mapped[int] = Column(primary_key=True)

    with pytest.raises(MappingError, match=r"Fixed.id is a column and cannot be replaced"):
        Fixed.id = 3  # type: ignore[assignment]
    with pytest.raises(MappingError, match=r"Fixed.id is a column and cannot be deleted"):
        del Fixed.id

    Fixed.note = "fine"

    assert Fixed.note == "fine"


def test_first_use() -> None:
    """What could only be known later is refused at first use, naming class and field."""

    class Waiting(Base):
        id: Mapped[int] = Column(primary_key=True)
        size: Mapped[NeverDefined]  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(MappingError, match=r"Waiting.size: the type hint .* names nothing known"):
        Waiting(id=1, size=3)
    with pytest.raises(MappingError, match=r"Waiting.size"):
        mapper_of(Waiting)


def make(reference: Any, *, hint: Any = int) -> Callable[[], Any]:
    """A function that defines a class with a foreign key and uses it."""

    class Referring(Base):
        id: Mapped[int] = Column(primary_key=True)
        other: Mapped[hint] = Column(foreign_key=reference)

    return lambda: mapper_of(Referring)


class Target(Base):
    class Settings:
        name = "bad_targets"

    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str]


@pytest.mark.parametrize(
    ("reference", "hint", "message"),
    [
        ("nowhere.id", int, "names the table 'nowhere', which no class maps"),
        ("bad_targets.uid", int, "Target has no column 'uid'"),
        (".id", int, "is not 'table.column'"),
        ("bad_targets.", int, "is not 'table.column'"),
        ("bad_targets.id", str, "Text cannot refer to Target.id, which is Integer"),
        ("bad_targets.name", str, "neither the key of 'bad_targets' nor unique"),
        (lambda: 3, int, "got int"),
    ],
)
def test_bad_foreign_key(reference: Any, hint: Any, message: str) -> None:
    """A foreign key that leads nowhere, or to what does not fit, is refused at first use."""
    with pytest.raises(MappingError, match=re.escape(message)) as caught:
        make(reference, hint=hint)()

    assert "Referring.other" in str(caught.value)


def test_bits() -> None:
    """A smaller integer type is checked by its own size."""
    with pytest.raises(MappingError, match="more than 16 bits"):
        define(Mapped[int], Column(type=Integer(16), default=40_000))


def test_a_reference_to_what_is_checked_later() -> None:
    """A foreign key cannot refer to a unique constraint that is checked at commit."""
    registry = Registry()
    settings = type("Settings", (), {"registry": registry, "name": "parents"})
    parent = make_class(
        "Parent",
        {
            "__annotations__": {"id": int, "code": int},
            "id": Column(primary_key=True),
            "code": Column(unique=True, deferrable=True),
            "Settings": settings,
        },
    )
    child = make_class(
        "Child",
        {
            "__annotations__": {"id": int, "code": int},
            "id": Column(primary_key=True),
            "code": Column(foreign_key="parents.code"),
            "Settings": type("Settings", (), {"registry": registry}),
        },
    )

    with pytest.raises(MappingError, match="unique at all times"):
        mapper_of(child)
    assert parent is not None  # held until here: the registry holds it weakly


@pytest.mark.parametrize("name", ["", "x; DROP TABLE y", "'x'", "x\ny"])
def test_native_of_no_type(name: str) -> None:
    """The name of a native type stands in SQL as it is: it is checked."""
    with pytest.raises(ValueError, match="name"):
        Native(name)
