"""A diagram as SVG: a picture that needs nothing but a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from uow.schema.description import Schema
from uow.schema.diagram_shapes import (
    LINE,
    WHITE,
    Circle,
    Curve,
    Picture,
    Rectangle,
    Shape,
    Stroke,
    Text,
    picture_of,
)

__all__ = ["svg"]

_FONT: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def svg(schema: Schema) -> str:
    """Draw tables with their columns, and foreign keys with crow's feet.

    Returns:
        The text of an SVG file; the same for the same schema.
    """
    return svg_of(picture_of(schema))


def svg_of(picture: Picture) -> str:
    """Write a picture as SVG."""
    width, height = _number(picture.width), _number(picture.height)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="{_FONT}">'
        ),
        *[f"  {line}" for shape in picture.shapes for line in _shape(shape)],
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _shape(shape: Shape) -> Iterator[str]:
    match shape:
        case Rectangle():
            border = "" if shape.border is None else f' stroke="{shape.border}"'
            radius = f' rx="{_number(shape.radius)}"' if shape.radius else ""
            yield (
                f'<rect x="{_number(shape.x)}" y="{_number(shape.y)}" '
                f'width="{_number(shape.width)}" height="{_number(shape.height)}"{radius} '
                f'fill="{shape.fill}"{border}/>'
            )
        case Stroke(points=points, color=color):
            path = " ".join([_point(point) for point in points])
            yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.3"/>'
        case Curve():
            start = f"M {_point(shape.points[0])}"
            parts = [
                f"C {_point(one)} {_point(other)} {_point(end)}"
                for _, one, other, end in shape.parts()
            ]
            path = " ".join([start, *parts])
            yield (
                f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.3">'
                f"<title>{_text(shape.title)}</title></path>"
            )
        case Circle(center=center, radius=radius):
            x, y = center
            yield (
                f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{_number(radius)}" '
                f'fill="{WHITE}" stroke="{LINE}" stroke-width="1.3"/>'
            )
        case Text():
            x, y = shape.point
            anchor = ' text-anchor="end"' if shape.is_right else ""
            weight = ' font-weight="bold"' if shape.is_bold else ""
            yield (
                f'<text x="{_number(x)}" y="{_number(y)}" dy="0.35em" '
                f'font-size="{_number(shape.size)}" fill="{shape.color}"{anchor}{weight}>'
                f"{_text(shape.text)}</text>"
            )


def _point(point: tuple[float, float]) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    """Escape a text; what XML has no characters for is left out."""
    return escape("".join([one if one.isprintable() else " " for one in text]))
