"""Read type hints: strings, names defined later or in a function, `Mapped`, `Annotated`."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Mapping
from types import FrameType
from typing import Annotated, Any, ClassVar, Final, Union, get_args, get_origin

import attrs

from uow.mapping.columns import ColumnSpec, Mapped
from uow.mapping.indexed import IndexMark
from uow.mapping.pydantic_fields import is_field_info, spec_of_field_info
from uow.types import ColumnType

__all__ = ["Hint", "Scope", "annotations_of", "as_kept", "read_hint"]


@attrs.frozen
class Hint:
    """A type hint without its wrappings.

    Attributes:
        type: the bare hint, `int | None` of `Mapped[int | None]`.
        is_column: whether it is a column's at all (ClassVar and Final are not).
        specs: what `Annotated` carries for us: column specs, column types, marks of indexes.
        given: the hint with what `Annotated` says to others.
    """

    type: Any
    is_column: bool = True
    specs: tuple[ColumnSpec | ColumnType | IndexMark, ...] = ()
    given: Any = None


class Scope:
    """The names a class body can see: its module, the function around it, its own classes.

    The frame of the function is kept only while a name is missing, since it keeps alive all
    that the function holds.
    """

    __slots__ = ("_body", "_frame", "_globals")

    def __init__(self, frame: FrameType | None, body: Mapping[str, object]) -> None:
        self._globals: dict[str, Any] = {} if frame is None else frame.f_globals
        self._frame = frame
        # Only classes: a field `date: date | None = None` must not hide the class `date`.
        self._body = {name: value for name, value in body.items() if isinstance(value, type)}

    @classmethod
    def of_class(cls, class_: type) -> Scope:
        """The scope of a class that was made without us."""
        scope = cls(None, vars(class_))
        module = sys.modules.get(class_.__module__)
        if module is not None:
            scope._globals = vars(module)
        return scope

    def release(self) -> None:
        """Let go of the frame."""
        self._frame = None

    def copy(self) -> Scope:
        """The same scope, to be released on its own."""
        copy = Scope(self._frame, {})
        copy._globals, copy._body = self._globals, self._body
        return copy

    def resolve(self, hint: object, known: Mapping[str, Any] | None = None) -> Any:
        """Evaluate a hint and the forward references within.

        Args:
            hint: an annotation, evaluated or not.
            known: further names.

        Raises:
            NameError: a name is not defined (yet).
            Exception: whatever evaluating the text raises.
        """
        if isinstance(hint, typing.ForwardRef):
            hint = hint.__forward_arg__
        if not _has_references(hint):
            return hint
        names = {**(known or {}), **self._local_names()}
        for _ in range(8):  # strings in strings
            if not isinstance(hint, str):
                break
            hint = eval(hint, self._globals, names)  # noqa: S307 - the program's own annotation
        if not _has_references(hint):
            return hint

        def holder() -> None: ...

        holder.__annotations__ = {"hint": hint}
        return typing.get_type_hints(holder, self._globals, names, include_extras=True)["hint"]

    def _local_names(self) -> dict[str, Any]:
        names: dict[str, Any] = {}
        frame = self._frame
        while frame is not None and frame.f_locals is not frame.f_globals:
            names = {**frame.f_locals, **names}
            if frame.f_code.co_flags & inspect.CO_OPTIMIZED:
                break
            frame = frame.f_back  # a class body sees what is around it
        return {**names, **self._body}


def annotations_of(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of a class body, not evaluated any further."""
    found = namespace.get("__annotations__")
    if found is not None:
        return dict(found)
    if sys.version_info >= (3, 14):  # pragma: no cover - evaluated when asked for, from there on
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            return dict(
                annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
            )
    return {}


def read_hint(hint: Any) -> Hint:
    """Take `Mapped`, `Annotated` and the like off an evaluated hint."""
    specs: list[ColumnSpec | ColumnType | IndexMark] = []
    given = hint
    while True:
        origin = get_origin(hint)
        if hint in _BARE_NO_COLUMN or origin in _BARE_NO_COLUMN:
            return Hint(hint, is_column=False)
        if origin is Annotated:
            hint, *extras = get_args(hint)
            specs.extend(e for e in extras if isinstance(e, (ColumnSpec, ColumnType, IndexMark)))
            specs.extend(spec_of_field_info(e) for e in extras if is_field_info(e))
        elif origin is Mapped:
            (hint,) = get_args(hint)
        else:
            return Hint(as_kept(hint), specs=tuple(specs), given=given)


def as_kept(hint: Any) -> Any:
    """The hint of what is kept: a text, where pydantic's class only checks it (`EmailStr`)."""
    if getattr(hint, "__name__", "") == "EmailStr" and hint.__module__.startswith("pydantic"):
        return str
    origin, arguments = get_origin(hint), get_args(hint)
    if not arguments or origin is typing.Literal:
        return hint
    if origin is Annotated:
        arguments = arguments[:1]
    kept = tuple(map(as_kept, arguments))
    if kept == arguments:
        return hint
    if origin is Annotated:
        return Annotated[(*kept, *hint.__metadata__)]
    return Union[kept] if origin is types.UnionType else _filled(hint, kept)  # noqa: UP007


def _filled(hint: Any, arguments: tuple[Any, ...]) -> Any:
    """A generic hint with other arguments."""
    copy_with = getattr(hint, "copy_with", None)
    return get_origin(hint)[arguments] if copy_with is None else copy_with(arguments)


_BARE_NO_COLUMN: tuple[object, ...] = (ClassVar, Final)


def _has_references(hint: object) -> bool:
    if isinstance(hint, (str, typing.ForwardRef)):
        return True
    if get_origin(hint) is typing.Literal:
        return False
    arguments = get_args(hint)
    if get_origin(hint) is Annotated:
        arguments = arguments[:1]
    return any(_has_references(argument) for argument in arguments)
