"""A diagram as shapes, for whatever draws them: rectangles, lines, curves, circles and texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import attrs

from uow.schema.description import Schema
from uow.schema.diagram_layout import (
    CHARACTER,
    HEADER,
    MARKS,
    ROW,
    Box,
    End,
    Line,
    lay_out,
    text_width,
)

__all__ = ["Circle", "Curve", "Picture", "Rectangle", "Shape", "Stroke", "Text", "picture_of"]

INK: Final = "#1f2933"
FAINT: Final = "#6b7785"
BORDER: Final = "#b8c2cc"
HEAD: Final = "#2f4b7c"
STRIPE: Final = "#f4f6f9"
WHITE: Final = "#ffffff"
LINE: Final = "#52606d"
KEY: Final = "#b45309"

Point: TypeAlias = tuple[float, float]


@attrs.frozen
class Rectangle:
    """A rectangle, filled, with round corners above, below or nowhere."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    border: str | None = None
    radius: float = 0.0


@attrs.frozen
class Stroke:
    """Straight lines from point to point."""

    points: tuple[Point, ...]
    color: str = LINE


@attrs.frozen
class Curve:
    """A line that leaves each point level and arrives so at the next.

    Attributes:
        points: the points.
        reach: how far it goes level at both ends of a part; a half of the way if None.
        title: what it is.
    """

    points: tuple[Point, ...]
    reach: float | None = None
    title: str = ""

    def parts(self) -> Iterator[tuple[Point, Point, Point, Point]]:
        """Give cubic curves: start, two points that pull, end."""
        for (x, y), (other_x, other_y) in zip(self.points, self.points[1:], strict=False):
            if self.reach is None:
                middle = (x + other_x) / 2
                yield (x, y), (middle, y), (middle, other_y), (other_x, other_y)
            else:
                far = max(x, other_x) + self.reach
                yield (x, y), (far, y), (far, other_y), (other_x, other_y)


@attrs.frozen
class Circle:
    """A circle, white within."""

    center: Point
    radius: float


@attrs.frozen
class Text:
    """A text of one line.

    Attributes:
        point: the middle of its left end, or of its right one.
        text: what it says.
        width: the room that it has.
        color: its color.
        size: of its letters.
        is_right: the point is its right end.
        is_bold: it is a title.
    """

    point: Point
    text: str
    width: float
    color: str = INK
    size: float = 12.0
    is_right: bool = False
    is_bold: bool = False


Shape: TypeAlias = Rectangle | Stroke | Curve | Circle | Text


@attrs.frozen
class Picture:
    """Shapes, the lowest first, and the size of it all."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def picture_of(schema: Schema) -> Picture:
    """Draw tables with their columns, and foreign keys with crow's feet."""
    layout = lay_out(schema)
    shapes: list[Shape] = [Rectangle(0, 0, layout.width, layout.height, WHITE)]
    for line in layout.lines:
        shapes += _line(line)
    for box in layout.boxes:
        shapes += _box(box)
    for line in layout.lines:  # signs stand on all else
        shapes += [*_end(line.start), *_end(line.stop)]
    return Picture(layout.width, layout.height, tuple(shapes))


def _box(box: Box) -> Iterator[Shape]:
    yield Rectangle(box.x, box.y, box.width, box.height, WHITE, BORDER, 5)
    yield Rectangle(box.x, box.y, box.width, HEADER, HEAD, HEAD, 5)
    yield Rectangle(box.x, box.y + HEADER - 6, box.width, 6, HEAD)
    middle = box.y + HEADER / 2
    yield Text((box.x + 10, middle), box.title, box.width - 20, WHITE, 13, is_bold=True)
    for number, row in enumerate(box.rows):
        y = box.row_y(number)
        if number % 2:
            yield Rectangle(box.x + 1, y - ROW / 2, box.width - 2, ROW, STRIPE)
        if row.marks:
            yield Text((box.x + 10, y), row.marks, MARKS - CHARACTER, KEY, 10, is_bold=True)
        kind = text_width(row.type)
        name = box.width - 20 - MARKS - kind
        yield Text((box.x + 10 + MARKS, y), row.name, name, INK)
        yield Text((box.x + box.width - 10, y), row.type, kind, FAINT, is_right=True)


def _line(line: Line) -> Iterator[Shape]:
    yield Stroke((line.start.point, line.start.out))
    loop = line.start.side == line.stop.side
    yield Curve(line.points, 30.0 if loop else None, line.title)
    yield Stroke((line.stop.out, line.stop.point))


def _end(end: End) -> Iterator[Shape]:
    """Draw a crow's foot for many, a bar for one; a circle for perhaps none, a bar else."""
    (x, y), side = end.point, end.side
    if end.is_many:
        for height in (-6.0, 6.0):
            yield Stroke(((x, y + height), (x + side * 11, y)))
    else:
        yield Stroke(((x + side * 7, y - 5.5), (x + side * 7, y + 5.5)))
    if end.may_lack:
        yield Circle((x + side * 15.5, y), 4.0)
    else:
        yield Stroke(((x + side * 12, y - 5.5), (x + side * 12, y + 5.5)))
