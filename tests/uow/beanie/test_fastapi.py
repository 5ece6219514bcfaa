"""Documents as bodies and responses of FastAPI; 22 of the inventory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pydantic
import pytest
from bson import ObjectId
from fastapi import Body, FastAPI
from pydantic import Field

from uow import Document, Link

pytestmark = pytest.mark.anyio

KEY = "5eb7cf5a86d9755df3a6c593"


class Address(pydantic.BaseModel):
    """An embedded model."""

    city: str


class Person(Document):
    """What is sent and answered."""

    class Settings:
        use_revision = True

    name: str = Field(min_length=2)
    age: int = 3
    address: Address | None = None
    password: str = Field("secret", exclude=True)


class Wrapped(pydantic.BaseModel):
    """A model that holds documents."""

    people: list[Person]


class Tag(Document):
    """What others link to."""

    text: str = ""


class Article(Document):
    """A document with links."""

    title: str
    tag: Link[Tag] | None = None
    tags: list[Link[Tag]] = []  # noqa: RUF012


class Shown(pydantic.BaseModel):
    """A model of the program's own, with a link."""

    title: str
    tag: Link[Tag] | None = None


app = FastAPI()
seen: list[Any] = []


@app.post("/people")
async def make(doc: Person) -> Person:
    """Take a document and give it back."""
    seen.append(doc)
    doc.id = ObjectId(KEY)
    return doc


@app.get("/people", response_model=list[Person])
async def many() -> Any:
    """Give several."""
    return [Person(name="ann"), Person(name="bob", age=4)]


@app.post("/wrapped")
async def wrapped(body: Wrapped, note: str = "") -> Wrapped:
    """Take documents inside of a model, beside a parameter of the query."""
    seen.append(note)
    return body


@app.put("/both")
async def both(doc: Person, extra: int = Body()) -> dict[str, Any]:
    """Take a document beside another part of the body."""
    return {"name": doc.name, "extra": extra}


@app.patch("/perhaps")
async def perhaps(doc: Person | None = None) -> bool:
    """Take a document, or none."""
    return doc is None


@app.post("/bare")
async def bare(doc: Person):  # type: ignore[no-untyped-def]
    """Answer without a type."""
    doc.id = ObjectId(KEY)
    return {"one": doc, "several": [doc]}


@app.post("/articles")
async def article(doc: Article) -> Article:
    """Take and give links."""
    return doc


@app.post("/shown", response_model=Shown)
async def shown(body: Shown) -> Any:
    """Take a link in a model, and answer a document by its fields."""
    seen.append(body.tag)
    tag: Any = Tag(id=ObjectId(KEY), text="t")
    return Article(title=body.title, tag=tag)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client is for asyncio here."""
    return "asyncio"


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    """What asks the application."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        yield found


async def test_a_parameter_is_the_body(client: httpx.AsyncClient) -> None:
    """22: a plain parameter is read from the body, and checked; the answer is its JSON."""
    answer = await client.post("/people", json={"name": "ann", "address": {"city": "Oslo"}})

    assert answer.status_code == 200
    assert isinstance(seen[-1], Person)
    assert seen[-1].address == Address(city="Oslo")
    assert answer.json() == {"_id": KEY, "name": "ann", "age": 3, "address": {"city": "Oslo"}}
    assert (await client.post("/people", json={"_id": KEY, "name": "ann"})).json()["_id"] == KEY
    refused = await client.post("/people", json={"name": "a", "age": "x", "address": {}})
    assert refused.status_code == 422
    assert [one["loc"] for one in refused.json()["detail"]] == [
        ["body", "name"],
        ["body", "age"],
        ["body", "address", "city"],
    ]
    assert (await client.post("/people?name=ann")).status_code == 422


async def test_responses(client: httpx.AsyncClient) -> None:
    """22: lists of documents, documents in models and beside other parts of the body."""
    assert [one["name"] for one in (await client.get("/people")).json()] == ["ann", "bob"]
    body = {"people": [{"name": "ann"}]}
    assert (await client.post("/wrapped?note=x", json=body)).json()["people"][0]["age"] == 3
    assert seen[-1] == "x"
    both = await client.put("/both", json={"doc": {"name": "ann"}, "extra": 2})
    assert both.json() == {"name": "ann", "extra": 2}
    assert (await client.patch("/perhaps")).json() is True
    assert (await client.patch("/perhaps", json={"name": "ann"})).json() is False


async def test_answers_without_a_type(client: httpx.AsyncClient) -> None:
    """22: what a function gives without a type is written as its dump, excluded fields left out."""
    answer = await client.post("/bare", json={"name": "ann", "password": "x"})

    one = {"_id": KEY, "name": "ann", "age": 3, "address": None}
    assert answer.json() == {"one": one, "several": [one]}


async def test_links_in_bodies(client: httpx.AsyncClient) -> None:
    """22, 221: links are read from keys and `{id, collection}`; what is none is told by place."""
    link = {"id": KEY, "collection": "Tag"}
    answer = await client.post("/articles", json={"title": "a", "tag": KEY, "tags": [link]})
    assert answer.json() == {"_id": None, "title": "a", "tag": link, "tags": [link]}
    for wrong in ({"tag": "zz"}, {"tag": {"other": 1}}, {"tag": 5}):
        refused = await client.post("/articles", json={"title": "a", **wrong})
        assert refused.status_code == 422
        assert [one["loc"] for one in refused.json()["detail"]] == [["body", "tag"]]
    answer = await client.post("/shown", json={"title": "a", "tag": link})
    assert answer.json() == {"title": "a", "tag": {"id": KEY, "text": "t"}}
    assert seen[-1] == Tag.link_from_id(KEY)

    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    tags = schemas["Article"]["properties"]["tags"]
    assert tags["type"] == "array"
    assert tags["items"]["anyOf"][0]["required"] == ["id", "collection"]
    assert schemas["Shown"]["properties"]["tag"]["anyOf"][0]["required"] == ["id", "collection"]


async def test_openapi(client: httpx.AsyncClient) -> None:
    """22: the schema has the document as a body, without what is never shown."""
    found = (await client.get("/openapi.json")).json()
    operation = found["paths"]["/people"]["post"]
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = found["components"]["schemas"][name.rpartition("/")[2]]

    assert "parameters" not in operation
    assert schema["required"] == ["name"]
    assert schema["properties"]["name"]["minLength"] == 2
    assert not schema["properties"].keys() & {"password", "revision_id"}
