"""Pictures of schemas: nothing stands on anything else, and the same schema is the same picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from io import BytesIO
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from uow.cli.pictures import png
from uow.schema.description import ColumnDef, ForeignKeyDef, KeyDef, Schema, TableDef, UniqueDef
from uow.schema.diagram_layout import Box, Layout, Line, lay_out
from uow.schema.diagram_shapes import picture_of
from uow.schema.diagram_svg import svg


def table(name: str, *columns: str, unique: str = "", **references: str) -> TableDef:
    """A table with a key; a `?` behind a column lets it be NULL."""
    names = ["id", *[column.rstrip("?") for column in columns], *references]
    return TableDef(
        name=name,
        columns=tuple(
            [
                ColumnDef(name=one, type="BIGINT", nullable=f"{one}?" in columns or "maybe" in one)
                for one in names
            ]
        ),
        key=KeyDef(columns=("id",)),
        uniques=(UniqueDef(name="u", columns=(unique,)),) if unique else (),
        foreign_keys=tuple(
            [
                ForeignKeyDef(
                    name=f"fk_{name}_{column}", columns=(column,), target=target,
                    target_columns=("id",),
                )
                for column, target in references.items()
            ]
        ),
    )  # fmt: skip


SHOP = Schema(
    dialect="postgresql",
    tables=(
        table("customers", "email", "name", unique="email"),
        table("addresses", "street", customer_id="customers"),
        table("orders", customer_id="customers", maybe_ship_to="addresses", bill_to="addresses"),
        table("order_lines", "amount", order_id="orders", product_id="products"),
        table("products", "name", maybe_category_id="categories"),
        table("categories", "name", maybe_parent_id="categories"),
        table("reviews", "stars", product_id="products", customer_id="customers"),
        table("payments", order_id="orders", unique="order_id"),
        table("carriers", "name"),
        table("shipments", order_id="orders", carrier_id="carriers"),
        table("warehouses", maybe_manager_id="employees"),
        table("employees", warehouse_id="warehouses", maybe_boss_id="employees"),
        table("stock", product_id="products", warehouse_id="warehouses"),
        table("settings"),
    ),
)


def meet(one: Box, other: Box) -> bool:
    """Whether two tables stand on each other."""
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def crosses(line: Line, box: Box) -> bool:
    """Whether a line goes through a table: its curves stay between the heights of their ends."""
    for (x, y), (other_x, other_y) in zip(line.points, line.points[1:], strict=False):
        left, right = sorted((x, other_x))
        for step in range(41):
            t = step / 40
            place = left + (right - left) * (
                3 * t * (1 - t) ** 2 / 2 + 3 * t * t * (1 - t) / 2 + t**3
            )
            eased = 3 * t * t * (1 - t) + t**3
            first, last = (y, other_y) if x <= other_x else (other_y, y)
            height = first + (last - first) * eased
            inside = box.x + 1 < place < box.x + box.width - 1
            if inside and box.y + 1 < height < box.y + box.height - 1:
                return True
    return False


def check(layout: Layout) -> None:
    """Nothing is outside of the picture, no two tables meet, and no line goes through one."""
    for box in layout.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= layout.width
        assert box.y + box.height <= layout.height
    assert [pair for pair in combinations(layout.boxes, 2) if meet(*pair)] == []
    for line in layout.lines:
        is_loop = line.start.side == line.stop.side
        assert is_loop or [box.title for box in layout.boxes if crosses(line, box)] == []


def test_a_shop() -> None:
    """G3: fourteen tables with circles, loops and lines over several layers."""
    layout = lay_out(SHOP)
    check(layout)
    assert len(layout.boxes) == len(SHOP.tables)
    assert len(layout.lines) == sum(len(one.foreign_keys) for one in SHOP.tables)
    by_title = {box.title: box for box in layout.boxes}
    assert by_title["customers"].x < by_title["addresses"].x < by_title["orders"].x
    signs = {line.title: (line.start.is_many, line.stop.may_lack) for line in layout.lines}
    assert signs["payments (order_id) refers to orders"] == (False, False)
    assert signs["orders (maybe_ship_to) refers to addresses"] == (True, True)
    # Signs that differ do not stand on each other.
    ends = {
        (e.point, e.is_many, e.may_lack) for line in layout.lines for e in (line.start, line.stop)
    }
    assert len(ends) == len({point for point, *_ in ends})


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Some tables that refer to each other, and to themselves, in any way."""
    names = [f"t{number}" for number in range(draw(st.integers(0, 9)))]
    pairs = st.tuples(st.sampled_from(names), st.booleans()) if names else st.nothing()
    tables = [
        table(
            name,
            *[f"c{number}" for number in range(draw(st.integers(0, 5)))],
            **{
                f"{'maybe_' if lacks else ''}k{number}": target
                for number, (target, lacks) in enumerate(draw(st.lists(pairs, max_size=3)))
            },
        )
        for name in names
    ]
    return Schema(dialect="sqlite", tables=tuple(draw(st.permutations(tables))))


@given(schemas())
@settings(max_examples=150, deadline=None)
def test_any_schema(schema: Schema) -> None:
    """Whatever refers to whatever, nothing stands on anything else; the order given is nothing."""
    check(lay_out(schema))
    tables = tuple(sorted(schema.tables, key=lambda one: one.name))
    assert svg(schema) == svg(Schema(dialect="sqlite", tables=tables))


def test_svg() -> None:
    """G3: it is XML whatever the names are, and says every table, column and key."""
    odd = Schema(
        dialect="sqlite",
        tables=(table('a<&"\x07', "größe", "名前"), table("b", at='a<&"\x07')),
    )
    root = ET.fromstring(svg(odd))
    texts = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {'a<&" ', "größe", "名前", "PK", "FK"} <= texts
    titles = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ['b (at) refers to a<&" ']
    for shape in root.iter():
        assert all("nan" not in value for value in shape.attrib.values())


def test_png() -> None:
    """G3: the same shapes in pixels: sharp, and white where nothing is."""
    picture = picture_of(SHOP)
    with Image.open(BytesIO(png(SHOP))) as image:
        assert image.size == (picture.width * 2, picture.height * 2)
        assert image.getpixel((0, 0)) == (255, 255, 255)
        colors = image.getcolors(1_000_000)
    assert colors is not None
    assert (47, 75, 124) in {color for _, color in colors}


def test_nothing() -> None:
    """A schema without tables is an empty picture."""
    empty = Schema(dialect="sqlite")
    assert lay_out(empty).boxes == ()
    assert svg(empty).startswith("<svg ")
    assert png(empty).startswith(b"\x89PNG")
