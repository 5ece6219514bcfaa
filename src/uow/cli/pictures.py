"""A diagram as PNG, drawn with Pillow (extra `diagram`), whose own font is on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Final

from uow.errors import ValidationError
from uow.schema.diagram_shapes import (
    LINE,
    WHITE,
    Circle,
    Curve,
    Picture,
    Rectangle,
    Stroke,
    Text,
    picture_of,
)

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from uow.schema.description import Schema

__all__ = ["png"]

_SCALE: Final = 2
"""Pixels a unit: sharp on today's screens."""
_FINER: Final = 2
"""It is drawn as much larger, and made smaller, so that lines are smooth."""
_MOST_PIXELS: Final = 60_000_000
_STEPS: Final = 24
"""Straight pieces of a curve."""


def png(schema: Schema) -> bytes:
    """Draw tables with their columns, and foreign keys with crow's feet.

    Raises:
        ValidationError: Pillow is not installed, or the picture would be too large.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ValidationError(
            'a diagram as PNG needs Pillow: pip install "uow[diagram]", or take --format svg'
        ) from error
    picture = picture_of(schema)
    width, height = int(picture.width * _SCALE), int(picture.height * _SCALE)
    if width * height > _MOST_PIXELS:
        raise ValidationError("so many tables make a PNG too large; take --format svg")
    finer = _FINER if width * height * _FINER**2 <= _MOST_PIXELS else 1
    image = Image.new("RGB", (width * finer, height * finer), WHITE)
    _Painter(ImageDraw.Draw(image), float(_SCALE * finer)).paint(picture)
    if finer > 1:
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    target = BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


class _Painter:
    """Draws shapes, so many pixels a unit."""

    def __init__(self, draw: ImageDraw, scale: float) -> None:
        self.draw = draw
        self.scale = scale
        self.pen = round(1.3 * scale)
        self.fonts: dict[float, FreeTypeFont | ImageFont] = {}

    def paint(self, picture: Picture) -> None:
        """Draw all of it."""
        for shape in picture.shapes:
            match shape:
                case Rectangle():
                    self._rectangle(shape)
                case Stroke(points=points, color=color):
                    self._line(points, color)
                case Curve():
                    for part in shape.parts():
                        self._line(_pieces(*part), LINE)
                case Circle(center=(x, y), radius=radius):
                    box = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
                    self.draw.ellipse(box, fill=WHITE, outline=LINE, width=self.pen)
                case Text():
                    self._text(shape)

    def _rectangle(self, shape: Rectangle) -> None:
        right, bottom = shape.x + shape.width, shape.y + shape.height
        box = self._pixels([(shape.x, shape.y), (right, bottom)])
        width = 0 if shape.border is None else round(self.scale)
        self.draw.rounded_rectangle(
            box,
            radius=shape.radius * self.scale,
            fill=shape.fill,
            outline=shape.border,
            width=width,
        )

    def _line(self, points: Sequence[tuple[float, float]], color: str) -> None:
        self.draw.line(self._pixels(points), fill=color, width=self.pen, joint="curve")

    def _text(self, shape: Text) -> None:
        """Write a text, smaller if it has no room."""
        size = shape.size
        font = self._font(size)
        width = font.getlength(shape.text) / self.scale
        if width > shape.width > 0:
            font = self._font(max(6.0, size * shape.width / width))
        anchor = "rm" if shape.is_right else "lm"
        place = self._pixels([shape.point])[0]
        stroke = self.scale * 0.25 if shape.is_bold else 0
        self.draw.text(
            place, shape.text, fill=shape.color, font=font, anchor=anchor, stroke_width=stroke
        )

    def _font(self, size: float) -> FreeTypeFont | ImageFont:
        from PIL import ImageFont

        size = round(size, 1)
        if size not in self.fonts:
            self.fonts[size] = ImageFont.load_default(size * self.scale)
        return self.fonts[size]

    def _pixels(self, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(round(x * self.scale), round(y * self.scale)) for x, y in points]


def _pieces(
    start: tuple[float, float],
    one: tuple[float, float],
    other: tuple[float, float],
    end: tuple[float, float],
) -> list[tuple[float, float]]:
    """Cut a cubic curve into straight pieces."""
    points: list[tuple[float, float]] = []
    for step in range(_STEPS + 1):
        t = step / _STEPS
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        pulls = (start, one, other, end)
        points.append(
            (
                sum(weight * pull[0] for weight, pull in zip(weights, pulls, strict=True)),
                sum(weight * pull[1] for weight, pull in zip(weights, pulls, strict=True)),
            )
        )
    return points
