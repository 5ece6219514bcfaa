"""Where tables and lines of a diagram stand: layers from what is referred to, to what refers.

Tables that lines connect are one group. In a group a table stands one layer to the right of what it
refers to (Sugiyama's method: circles are broken, lines over several layers get places between the
tables of each, an order with few crossings is looked for, and tables are moved to where their lines
are straight). Groups are put beside and below each other. The same schema gives the same picture.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from uow.schema.description import ForeignKeyDef, Name, Schema, TableDef
from uow.schema.diagram import marks_of, may_lack, only_one

__all__ = [
    "CHARACTER",
    "HEADER",
    "MARKS",
    "ROW",
    "STUB",
    "Box",
    "End",
    "Layout",
    "Line",
    "Row",
    "lay_out",
]

CHARACTER: Final = 7.25
"""The width of a character of a fixed font of 12 points."""
HEADER: Final = 30.0
ROW: Final = 22.0
MARKS: Final = 30.0
"""The width of the column with PK, FK and UK."""
STUB: Final = 20.0
"""How far a line goes straight from a table: the place of its sign."""

_PADDING: Final = 10.0
_BETWEEN: Final = 18.0
"""Between the name of a column and its type."""
_LAYERS: Final = 96.0
"""Between layers: two signs and the curve."""
_ABOVE: Final = 26.0
"""Between tables of a layer."""
_PASSING: Final = 14.0
"""The height that a line takes which passes a layer."""
_SIGN: Final = 6.0
"""How high a sign is, from the line on."""
_GROUPS: Final = 48.0
_MARGIN: Final = 24.0
_LONGEST_TYPE: Final = 28
_SWEEPS: Final = 24

Point = tuple[float, float]


@attrs.frozen
class Row:
    """A column: its marks (`"PK FK"`), name and type."""

    marks: str
    name: str
    type: str


@attrs.define
class Box:
    """A table.

    Attributes:
        title: its name.
        rows: its columns.
        x, y: its upper left corner.
        width, height: its size.
    """

    title: str
    rows: tuple[Row, ...]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    def row_y(self, number: int) -> float:
        """The middle of a row."""
        return self.y + HEADER + ROW * (number + 0.5)


@attrs.frozen
class End:
    """Where a line meets a table.

    Attributes:
        point: the place on its border.
        side: -1 if the line goes to the left from there, 1 to the right.
        is_many: many rows may be at this end.
        may_lack: there may be none.
    """

    point: Point
    side: int
    is_many: bool
    may_lack: bool

    @property
    def out(self) -> Point:
        """Where the straight part ends."""
        return self.point[0] + self.side * STUB, self.point[1]


@attrs.frozen
class Line:
    """A foreign key.

    Attributes:
        title: what it says, for who points at it.
        start: the end at the table that refers.
        stop: the end at the table referred to.
        points: from `start.out` to `stop.out`; each two are joined by a curve that leaves and
            arrives level.
    """

    title: str
    start: End
    stop: End
    points: tuple[Point, ...]


@attrs.frozen
class Layout:
    """A picture: its size, tables and lines."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def text_width(text: str) -> float:
    """How wide a text is in a fixed font; those of East Asia are wide."""
    wide = sum(unicodedata.east_asian_width(character) in {"W", "F"} for character in text)
    return (len(text) + wide) * CHARACTER


def lay_out(schema: Schema) -> Layout:
    """Say where everything stands.

    Args:
        schema: what is drawn: its tables, their columns and foreign keys.
    """
    tables = {table.name: table for table in sorted(schema.tables, key=lambda one: one.name)}
    boxes = {name: _box(table) for name, table in tables.items()}
    groups = [_Group(names, tables, boxes) for names in _groups(tables)]
    # What hangs together first, the most tables first; single tables come last.
    groups.sort(key=lambda group: (-len(group.names), group.names[0]))
    for group in groups:
        group.arrange()
    width, height = _pack(groups)
    lines = _apart([line for group in groups for line in group.lines()])
    return Layout(width, height, tuple(boxes.values()), tuple(lines))


def _apart(lines: Sequence[Line]) -> list[Line]:
    """Let signs that differ stand beside each other where they would stand on each other."""
    kinds: dict[Point, set[tuple[bool, bool]]] = {}
    for line in lines:
        for end in (line.start, line.stop):
            kinds.setdefault(end.point, set()).add((end.is_many, end.may_lack))

    def moved(end: End) -> End:
        signs = sorted(kinds[end.point])
        if len(signs) == 1:
            return end
        place = signs.index((end.is_many, end.may_lack)) - (len(signs) - 1) / 2
        return attrs.evolve(end, point=(end.point[0], end.point[1] + 2 * _SIGN * place))

    found: list[Line] = []
    for line in lines:
        start, stop = moved(line.start), moved(line.stop)
        points = (start.out, *line.points[1:-1], stop.out)
        found.append(attrs.evolve(line, start=start, stop=stop, points=points))
    return found


def _box(table: TableDef) -> Box:
    rows = tuple(
        [
            Row(
                " ".join(marks_of(table, column.name)[:1]),
                column.name,
                _short(column.type) + ("?" if column.nullable else ""),
            )
            for column in table.columns
        ]
    )
    title = str(table.name)
    texts = [text_width(row.name) + text_width(row.type) + _BETWEEN for row in rows]
    width = max([MARKS + max([0.0, *texts]), text_width(title) * 1.1]) + 2 * _PADDING
    return Box(title, rows, round(width), HEADER + ROW * len(rows) + 4.0)


def _short(type_: str) -> str:
    text = " ".join(type_.split())
    return text if len(text) <= _LONGEST_TYPE else f"{text[: _LONGEST_TYPE - 1]}…"


def _groups(tables: Mapping[Name, TableDef]) -> list[list[Name]]:
    """Give the tables that lines connect, each in order."""
    near: dict[Name, set[Name]] = {name: set() for name in tables}
    for name, table in tables.items():
        for key in table.foreign_keys:
            if key.target in near:
                near[name].add(key.target)
                near[key.target].add(name)
    groups: list[list[Name]] = []
    seen: set[Name] = set()
    for name in tables:
        if name in seen:
            continue
        found, waiting = {name}, [name]
        while waiting:
            new = near[waiting.pop()] - found
            found |= new
            waiting += new
        seen |= found
        groups.append(sorted(found))
    return groups


@attrs.define
class _Place:
    """A table in its layer, or a line that passes it."""

    name: Name | None
    height: float
    left: list[_Place] = attrs.field(factory=list["_Place"], repr=False)
    right: list[_Place] = attrs.field(factory=list["_Place"], repr=False)
    y: float = 0.0
    order: int = 0


@attrs.define
class _Edge:
    """A foreign key from a table to another, with the places that it passes from left to right."""

    table: Name
    key: ForeignKeyDef
    way: list[_Place] = attrs.field(factory=list[_Place], repr=False)


class _Group:
    """Tables that lines connect."""

    def __init__(
        self, names: Sequence[Name], tables: Mapping[Name, TableDef], boxes: Mapping[Name, Box]
    ) -> None:
        self.names = names
        self.tables = {name: tables[name] for name in names}
        self.boxes = {name: boxes[name] for name in names}
        self.edges = [
            _Edge(name, key)
            for name in names
            for key in sorted(tables[name].foreign_keys, key=lambda key: key.name)
            if key.target in self.tables
        ]
        self.layers: list[list[_Place]] = []
        self.x: list[tuple[float, float]] = []
        self.width = self.height = 0.0

    # -- layers

    def arrange(self) -> None:
        """Put the tables into layers, in order, and say where they are in the group."""
        ranks = self._ranks()
        places = {name: _Place(name, self.boxes[name].height) for name in self.names}
        self.layers = [[] for _ in range(max(ranks.values()) + 1)]
        for name in self.names:
            self.layers[ranks[name]].append(places[name])
        for edge in self.edges:
            if edge.table != edge.key.target:
                self._put(edge, ranks, places)
        self._order()
        self._align()
        left = 0.0
        for layer in self.layers:
            widths = [self.boxes[place.name].width for place in layer if place.name is not None]
            width = max(widths)
            self.x.append((left, left + width))
            for place in layer:
                if place.name is not None:
                    box = self.boxes[place.name]
                    box.x = left + (width - box.width) / 2
                    box.y = place.y
            left += width + _LAYERS
        loops = any(edge.table == edge.key.target for edge in self.edges)
        self.width = left - _LAYERS + (2.5 * STUB if loops else 0.0)
        self.height = max(place.y + place.height for layer in self.layers for place in layer)

    def _ranks(self) -> dict[Name, int]:
        """Give the layer of each table, as if keys that close a circle were not there."""
        targets = {
            name: sorted({edge.key.target for edge in self.edges if edge.table == name} - {name})
            for name in self.names
        }
        ranks: dict[Name, int] = {}
        open_: set[Name] = set()

        def rank(name: Name) -> int:
            known = ranks.get(name)
            if known is None:
                open_.add(name)
                below = [rank(one) for one in targets[name] if one not in open_]
                open_.discard(name)
                known = ranks[name] = 1 + max(below, default=-1)
            return known

        for name in self.names:
            rank(name)
        return self._drawn_near(ranks)

    def _drawn_near(self, ranks: dict[Name, int]) -> dict[Name, int]:
        """Move what nothing keeps to the left as near as can be to what refers to it."""
        for name in sorted(self.names, key=lambda one: -ranks[one]):
            refers = [e.key.target for e in self.edges if e.table == name and e.key.target != name]
            users = [e.table for e in self.edges if e.key.target == name and e.table != name]
            if not refers and users:
                ranks[name] = max(ranks[name], min(ranks[one] for one in users) - 1)
        lowest = min(ranks.values())
        return {name: rank - lowest for name, rank in ranks.items()}

    def _put(self, edge: _Edge, ranks: Mapping[Name, int], places: Mapping[Name, _Place]) -> None:
        """Lead a line through the layers between its tables."""
        first, last = sorted(
            [edge.key.target, edge.table], key=lambda name: (ranks[name], name != edge.key.target)
        )
        edge.way = [places[first]]
        for number in range(ranks[first] + 1, ranks[last]):
            passing = _Place(None, _PASSING)
            self.layers[number].append(passing)
            edge.way.append(passing)
        edge.way.append(places[last])
        for one, other in zip(edge.way, edge.way[1:], strict=False):
            one.right.append(other)
            other.left.append(one)

    # -- order and height

    def _order(self) -> None:
        """Look for an order with few crossings: each as its neighbours are, to and fro."""
        self._number()
        best = [list(layer) for layer in self.layers]
        fewest = self._crossings()
        for sweep in range(_SWEEPS):
            if fewest == 0:
                break
            to_right = sweep % 2 == 0
            for layer in self.layers if to_right else reversed(self.layers):
                layer.sort(key=lambda place: _mean(place, to_right=to_right))
                self._number()
            found = self._crossings()
            if found < fewest:
                fewest, best = found, [list(layer) for layer in self.layers]
        self.layers = best
        self._number()

    def _number(self) -> None:
        for layer in self.layers:
            for number, place in enumerate(layer):
                place.order = number

    def _crossings(self) -> int:
        total = 0
        for layer in self.layers:
            pairs = sorted((place.order, other.order) for place in layer for other in place.right)
            ends = [end for _, end in pairs]
            total += sum(
                earlier > later for n, earlier in enumerate(ends) for later in ends[n + 1 :]
            )
        return total

    def _align(self) -> None:
        """Move places to where their lines are level, as far as they have room."""
        for layer in self.layers:
            y = 0.0
            for place in layer:
                place.y = y
                y += place.height + _ABOVE
        for sweep in range(_SWEEPS):
            for layer in self.layers if sweep % 2 == 0 else reversed(self.layers):
                wanted: list[float] = []
                for place in layer:
                    near = [*place.left, *place.right]
                    middles = [one.y + one.height / 2 for one in near]
                    middle = sum(middles) / len(middles) if middles else place.y + place.height / 2
                    wanted.append(middle - place.height / 2)
                _spread(layer, wanted)
        lowest = min(place.y for layer in self.layers for place in layer)
        for layer in self.layers:
            for place in layer:
                place.y = round(place.y - lowest)

    # -- lines

    def lines(self) -> Iterable[Line]:
        """Give the lines, when the tables are where they stay."""
        for edge in self.edges:
            table, key = self.tables[edge.table], edge.key
            many, one = (
                self._row(edge.table, key.columns),
                self._row(key.target, key.target_columns),
            )
            unique, lacks = only_one(table, key.columns), may_lack(table, key)
            if edge.table == key.target:
                start = self._end(edge.table, many, 1, is_many=not unique, may_lack=True)
                stop = self._end(key.target, one, 1, is_many=False, may_lack=lacks)
                points: tuple[Point, ...] = (start.out, stop.out)
            else:
                refers_right = edge.way[-1].name == edge.table
                side = -1 if refers_right else 1
                start = self._end(edge.table, many, side, is_many=not unique, may_lack=True)
                stop = self._end(key.target, one, -side, is_many=False, may_lack=lacks)
                points = self._points(edge, start, stop, refers_right=refers_right)
            columns = ", ".join(key.columns)
            title = f"{edge.table} ({columns}) refers to {key.target}"
            yield Line(title, start, stop, points)

    def _points(
        self, edge: _Edge, start: End, stop: End, *, refers_right: bool
    ) -> tuple[Point, ...]:
        """Lead a line over the places that it passes, from the left to the right."""
        inner: list[Point] = []
        first = next(
            number
            for number, layer in enumerate(self.layers)
            if any(place is edge.way[0] for place in layer)
        )
        offset = self._offset(edge.way[0], first)
        for number, place in enumerate(edge.way[1:-1], first + 1):
            y = place.y + place.height / 2 + offset[1]
            left, right = self.x[number]
            inner += [(left + offset[0], y), (right + offset[0], y)]
        ends = (stop.out, start.out) if refers_right else (start.out, stop.out)
        points = (ends[0], *inner, ends[1])
        return points[::-1] if refers_right else points

    def _offset(self, place: _Place, layer: int) -> Point:
        """How far the group was moved when it was packed."""
        assert place.name is not None  # noqa: S101 - lines begin at tables
        box = self.boxes[place.name]
        left, right = self.x[layer]
        return box.x - (left + (right - left - box.width) / 2), box.y - place.y

    def _row(self, name: Name, columns: Sequence[str]) -> int:
        rows = [column.name for column in self.tables[name].columns]
        return rows.index(columns[0]) if columns and columns[0] in rows else 0

    def _end(self, name: Name, row: int, side: int, *, is_many: bool, may_lack: bool) -> End:
        box = self.boxes[name]
        x = box.x + (box.width if side > 0 else 0.0)
        return End((x, box.row_y(row)), side, is_many, may_lack)


def _mean(place: _Place, *, to_right: bool) -> float:
    near = place.left if to_right else place.right
    return sum(one.order for one in near) / len(near) if near else float(place.order)


def _spread(layer: Sequence[_Place], wanted: Sequence[float]) -> None:
    """Put places where they are wanted, in order and without meeting, the least squares off."""
    starts: list[float] = []
    y = 0.0
    for place in layer:
        starts.append(y)
        y += place.height + _ABOVE
    blocks: list[list[float]] = []  # the sum of what is wanted, and of how many
    for want, start in zip(wanted, starts, strict=True):
        blocks.append([want - start, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, number = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += number
    means = [total / number for total, number in blocks for _ in range(int(number))]
    for place, mean, start in zip(layer, means, starts, strict=True):
        place.y = mean + start


def _pack(groups: Sequence[_Group]) -> Point:
    """Put groups side by side on shelves; give the size of it all."""
    area = sum((group.width + _GROUPS) * (group.height + _GROUPS) for group in groups)
    widest = max([area**0.5 * 1.3, *[group.width for group in groups]], default=0.0)
    x = y = shelf = 0.0
    right = bottom = 0.0
    for group in groups:
        if x and x + group.width > widest:
            x, y, shelf = 0.0, y + shelf + _GROUPS, 0.0
        for box in group.boxes.values():
            box.x += x + _MARGIN
            box.y += y + _MARGIN
        shelf = max(shelf, group.height)
        right, bottom = max(right, x + group.width), max(bottom, y + group.height)
        x += group.width + _GROUPS
    return round(right + 2 * _MARGIN), round(bottom + 2 * _MARGIN)
