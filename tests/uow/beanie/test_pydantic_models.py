"""Models as they are written for Beanie; numbers are those of the inventory."""
# What is given here stands for what the fields hold: that is what is tested.
# mypy: disable-error-code="arg-type, attr-defined, call-arg, dict-item, list-item, misc"
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIncompatibleVariableOverride=false, reportPrivateUsage=false

from __future__ import annotations

import dataclasses
import json
import pickle
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

import attrs
import pydantic
import pytest
from bson import ObjectId
from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    computed_field,
    field_validator,
    model_validator,
)

from uow import Document, MappingError, ValidationError, changes
from uow.beanie import BeanieObjectId, BsonBinary, DecimalAnnotation, PydanticObjectId
from uow.debug import generated


class Address(pydantic.BaseModel):
    """An embedded model."""

    city: str
    lines: list[str] = []


@attrs.define
class Size:
    """An embedded attrs class."""

    width: int
    height: int = 1


class Person(Document):
    """One of everything that `Field` says."""

    class Settings:
        use_revision = True

    name: str = Field(min_length=2, max_length=10, pattern="^[a-z]+$")
    age: Annotated[int, Field(ge=0, lt=150)] = 3
    even: int = Field(default=2, multiple_of=2)
    tags: list[str] = Field(default_factory=list, max_length=2)
    city: str = Field("Oslo", alias="cityName")
    code: str = Field("a", frozen=True)
    password: str = Field("secret", exclude=True)
    address: Address | None = Field(None, json_schema_extra={"example": "x"})
    size: Size | None = None


class Plain(Document):
    """No more than annotations."""

    number: int
    flag: bool = False
    addresses: list[Address] = []  # noqa: RUF012 - it is copied
    sizes: dict[str, Size] = {}  # noqa: RUF012 - it is copied


def test_construction() -> None:
    """13: values stand for others when an object is made, nested ones too; keywords only."""
    made: Any = Plain(
        number="3",
        flag="yes",
        addresses=[{"city": "Oslo"}],
        sizes={"a": {"width": "4"}},
    )

    assert (made.number, made.flag) == (3, True)
    assert made.addresses == [Address(city="Oslo")]
    assert made.sizes == {"a": Size(4)}
    assert isinstance(made.sizes["a"].width, int)
    with pytest.raises(TypeError):
        Plain(3)


@pytest.mark.parametrize(
    "values",
    [
        {"number": "x"},
        {"number": 3.5},
        {"number": True},
        {"number": None},
        {"number": 1, "flag": "maybe"},
        {"number": 1, "addresses": [{"town": "Oslo"}]},
        {"number": 1, "addresses": {"city": "Oslo"}},
        {"number": 1, "sizes": {"a": {"depth": 1}}},
        {"number": 1, "other": 2},
        {},
    ],
)
def test_what_does_not_fit(values: dict[str, Any]) -> None:
    """13: what does not fit is a `ValueError` of ours that names the field and no value."""
    with pytest.raises(ValueError, match="Plain") as caught:
        Plain(**values)

    assert isinstance(caught.value, ValidationError)
    assert "maybe" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "a"}, "name"),
        ({"name": "a" * 11}, "name"),
        ({"name": "ABC"}, "name"),
        ({"name": "abc", "age": -1}, "age"),
        ({"name": "abc", "age": 150}, "age"),
        ({"name": "abc", "even": 3}, "even"),
        ({"name": "abc", "tags": ["a", "b", "c"]}, "tags"),
        ({"name": "abc", "address": {"lines": []}}, "address.city"),
    ],
)
def test_constraints(values: dict[str, Any], field: str) -> None:
    """18: constraints of `Field` hold, behind the annotation and within."""
    with pytest.raises(ValidationError, match=rf"Person\.{field}: "):
        Person(**values)


def test_defaults_aliases_and_exclusion() -> None:
    """18, 259: defaults are copied, a field has two names, what is excluded is not shown."""
    first, second = Person(name="ann"), Person(name="bob", cityName="Bergen", password="x")

    assert first.tags is not second.tags
    assert (first.city, second.city) == ("Oslo", "Bergen")
    assert Person(name="cid", city="Bodo").city == "Bodo"
    assert Person._uow_mapper.by_attribute["city"].name == "cityName"
    assert (first.password, second.password) == ("secret", "x")
    assert "password" not in Person._uow_mapper.by_attribute
    assert "password" not in first.model_dump()
    assert "password" not in Person.model_json_schema()["properties"]
    with pytest.raises(ValidationError, match=r"Person\.code: the field is frozen"):
        first.code = "b"


def test_id() -> None:
    """14, 15, 16: the key is given as `id` or `_id`, also as text; a revision is in no dump."""
    key = ObjectId()

    assert Person(name="ann", id=key).id == key
    assert Person(name="ann", _id=str(key)).id == key
    assert Plain(number=1, _id=str(key)).id == key
    assert Person(name="ann").model_dump()["id"] is None
    assert "revision_id" not in Person(name="ann").model_dump()
    with pytest.raises(ValidationError, match=r"Plain\.id"):
        Plain(number=1, id="no key")


def test_custom_keys() -> None:
    """15: a key of another type, made by a factory or given."""

    class Keyed(Document):
        id: UUID = Field(default_factory=uuid4)

    class Numbered(Document):
        id: int

    assert isinstance(Keyed().id, UUID)
    assert Keyed().id != Keyed().id
    assert Numbered(id=4).id == 4
    assert Numbered(_id="5").id == 5
    assert Keyed._uow_mapper.key[0].name == "_id"


def test_model_api() -> None:
    """21: dumps, copies, schemas and validation as pydantic's models have them."""
    ann = Person(name="ann", address={"city": "Oslo"}, size={"width": 2})

    assert ann.model_dump(include={"name", "address", "size"}) == {
        "name": "ann",
        "address": {"city": "Oslo", "lines": []},
        "size": {"width": 2, "height": 1},
    }
    assert ann.model_dump(by_alias=True)["cityName"] == "Oslo"
    assert "_id" in ann.model_dump(by_alias=True)
    key = ObjectId()
    ann.id = key
    assert json.loads(ann.model_dump_json())["id"] == str(key)
    assert ann.model_dump()["id"] == key
    copied = ann.model_copy(update={"name": "bob"}, deep=True)
    assert (copied.name, copied.id, ann.name) == ("bob", key, "ann")
    assert copied.address == ann.address
    assert copied.address is not ann.address
    again = Person.model_validate(ann.model_dump())
    assert again.model_dump() == ann.model_dump()
    assert again is not ann
    assert Person.model_validate(ann) is ann
    assert Person.model_validate_json(ann.model_dump_json()).id == key
    assert set(Person.model_fields) >= {"id", "name", "age", "password"}
    schema = Person.model_json_schema()
    assert schema["properties"]["name"]["minLength"] == 2
    assert schema["properties"]["address"]["example"] == "x"
    assert schema["properties"]["_id"]["anyOf"][0]["type"] == "string"
    assert "revision_id" not in schema["properties"]
    assert Person.model_construct(name="x").name == "x"
    with pytest.raises(ValidationError, match=r"Person\.name"):
        Person.model_validate({"name": 3})


def test_as_a_field_of_a_model() -> None:
    """21: a document is a field of a pydantic model, and is told apart by its class."""

    class Page(pydantic.BaseModel):
        people: list[Person]

    page = Page.model_validate({"people": [{"name": "ann"}]})

    assert isinstance(page.people[0], Person)
    assert page.model_dump()["people"][0]["name"] == "ann"
    assert json.loads(page.model_dump_json())["people"][0]["age"] == 3
    with pytest.raises(pydantic.ValidationError):
        Page.model_validate({"people": [{"name": "a"}]})


class Checked(Document):
    """Validators of all kinds."""

    name: str
    low: int = 0
    high: int = 10
    _seen: list[str] = PrivateAttr(default_factory=list)
    _count: int = 0

    @field_validator("name")
    @classmethod
    def strip(cls, value: str) -> str:
        """Take spaces off."""
        return value.strip()

    @field_validator("low", mode="before")
    @classmethod
    def take_none(cls, value: Any) -> Any:
        """Nothing is zero."""
        return 0 if value is None else value

    @model_validator(mode="after")
    def check(self) -> Checked:
        """Hold both ends together."""
        if self.low > self.high:
            raise ValueError("low is above high")
        return self

    @model_validator(mode="before")
    @classmethod
    def rename(cls, values: Any) -> Any:
        """Take an old name."""
        if isinstance(values, dict) and "called" in values:
            values = {**values, "name": values.pop("called")}
        return values

    @computed_field
    @property
    def width(self) -> int:
        """How far it is."""
        return self.high - self.low

    def model_post_init(self, context: Any, /) -> None:
        """Note that it was made."""
        self._count = 1


def test_validators() -> None:
    """13, 21: validators of fields and of the whole are honoured, and computed fields shown."""
    made = Checked(name="  ann ", low=None)

    assert (made.name, made.low, made.width) == ("ann", 0, 10)
    assert Checked(called="bob").name == "bob"
    assert made.model_dump(exclude={"id"}) == {"name": "ann", "low": 0, "high": 10, "width": 10}
    assert Checked.model_json_schema(mode="serialization")["properties"]["width"]["readOnly"]
    with pytest.raises(ValidationError, match="low is above high"):
        Checked(name="ann", low=11)


def test_private_attributes() -> None:
    """23: private attributes are on the object, are no fields, and are shared by nobody."""
    one, other = Checked(name="ann"), Checked(name="bob")
    one._seen.append("x")

    assert (one._seen, other._seen) == (["x"], [])
    assert one._count == 1
    one._count = 5
    assert one._count == 5
    assert not changes(one).keys() & {"_seen", "_count"}
    assert "_seen" not in Checked._uow_mapper.by_attribute
    assert "_seen" not in one.model_dump()


class Open(Document):
    """Keeps what it has no field for."""

    model_config = ConfigDict(extra="allow", validate_assignment=True, arbitrary_types_allowed=True)

    name: str
    age: int = Field(0, ge=0)


def test_extra_and_assignment() -> None:
    """20: extra keys are kept, and what is assigned is checked."""
    made: Any = Open(name="ann", hobby="chess")

    assert made.hobby == "chess"
    made.colour = "red"
    assert made.model_extra == {"hobby": "chess", "colour": "red"}
    assert made.model_dump()["hobby"] == "chess"
    assert Open.model_validate({"name": "x", "y": 1}).model_extra == {"y": 1}
    with pytest.raises(AttributeError, match="weight"):
        made.weight  # noqa: B018
    with pytest.raises(ValidationError, match=r"Open\.age"):
        made.age = -1
    made.age = "4"
    assert made.age == 4


def test_what_is_refused() -> None:
    """20: options that a document cannot have are named when the class is defined."""
    with pytest.raises(MappingError, match="no option 'plugin_settings'"):

        class Wrong(Document):
            model_config = ConfigDict(plugin_settings={})

            name: str


def test_inherited_rules() -> None:
    """24: validators, private attributes and configuration come from abstract bases and mixins."""

    class Named(pydantic.BaseModel):
        label: str = "none"

    class Base(Document):
        class Settings:
            abstract = True

        model_config = ConfigDict(str_to_lower=True)
        _note: str = "n"
        name: str

        @field_validator("name")
        @classmethod
        def check(cls, value: str) -> str:
            if value == "bad":
                raise ValueError("bad name")
            return value

    class Child(Base):
        age: int = 1

    assert Child(name="ANN").name == "ann"
    assert Child(name="ann")._note == "n"
    with pytest.raises(ValidationError, match="bad name"):
        Child(name="bad")
    assert Named().label == "none"


def test_copies() -> None:
    """21: copies and pickles of objects with rules of their own are objects of the class."""
    made: Any = Open(name="ann", hobby="chess")
    again = pickle.loads(pickle.dumps(made))

    assert again.hobby == "chess"
    assert isinstance(again, Open)
    assert made.model_copy().model_extra == {"hobby": "chess"}


def test_plain_classes_stay_plain() -> None:
    """Classes that say nothing to pydantic have the generated constructor and no further hooks."""
    Plain(number=1)

    assert "__setattr__" not in vars(Plain)
    assert not dataclasses.is_dataclass(Plain)
    assert not dataclasses.is_dataclass(Plain(number=1))
    assert "def __init__" in generated(Plain)["__init__"]


def test_key_types() -> None:
    """96-98: Beanie's names of types stand for what documents have anyway."""

    class Typed(Document):
        owner: PydanticObjectId
        other: BeanieObjectId | None = None
        price: DecimalAnnotation = Decimal(1)
        data: BsonBinary = b""

    class Body(pydantic.BaseModel):
        id: PydanticObjectId
        other: BeanieObjectId | None = None

    key = ObjectId()
    made = Typed(owner=str(key), other=key.binary, price="2.5", data="x")

    assert made.owner == PydanticObjectId(str(key)) == key
    assert (made.other, made.price, made.data) == (key, Decimal("2.5"), b"x")
    assert json.loads(made.model_dump_json())["owner"] == str(key)
    body = Body.model_validate({"id": str(key), "other": str(key)})
    assert (body.id, body.other) == (key, key)
    assert json.loads(body.model_dump_json()) == {"id": str(key), "other": str(key)}
    assert Body.model_json_schema()["properties"]["id"]["type"] == "string"
    with pytest.raises(pydantic.ValidationError):
        Body.model_validate({"id": "no key"})
    with pytest.raises(ValidationError, match=r"Typed\.owner"):
        Typed(owner="no key")
