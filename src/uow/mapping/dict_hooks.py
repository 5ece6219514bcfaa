"""Dicts, whatever their keys are, and abstract containers, by way of a cattrs converter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args, get_origin, is_typeddict

from uow.values import concrete, has_plain_keys, key_form, key_hint, replaced

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = [
    "abstract_reader",
    "abstract_writer",
    "dict_reader",
    "dict_writer",
    "has_odd_keys",
    "is_abstract",
    "is_dict",
]


def is_abstract(kind: Any) -> bool:
    """Whether a type hint names an abstract container, for which a builtin one stands."""
    return concrete(kind) is not kind


def abstract_writer(made: Converter) -> Callable[[Any], Callable[[Any], Any]]:
    """What makes the writers of abstract containers."""
    return lambda kind: made.get_unstructure_hook(concrete(kind))


def abstract_reader(made: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    """What makes the readers of abstract containers."""

    def reader(kind: Any) -> Callable[[Any, Any], Any]:
        builtin = concrete(kind)
        read: Callable[[Any, Any], Any] = made.get_structure_hook(builtin)
        return lambda value, _: read(value, builtin)

    return reader


def is_dict(kind: Any) -> bool:
    """Whether a type hint means dicts, of a class of the user's perhaps."""
    origin: Any = get_origin(kind) or kind
    if not isinstance(origin, type) or is_typeddict(origin):
        return False
    class_: type[Any] = origin
    return issubclass(class_, dict)


def has_odd_keys(kind: Any) -> bool:
    """Whether it means dicts with keys that are no texts."""
    return is_dict(kind) and not has_plain_keys(kind)


def dict_writer(made: Converter) -> Callable[[Any], Callable[[Any], Any]]:
    """What makes the writers of dicts: their keys become texts."""

    def writer(kind: Any) -> Callable[[Any], Any]:
        form = key_form(key_hint(kind))
        item: Any = get_args(kind)[1] if len(get_args(kind)) == 2 else Any
        write: Callable[[Any], Any] | None = None

        def written(value: Any) -> dict[str, Any]:
            nonlocal write
            if write is None:  # late, since the hint may be circular
                write = made.get_unstructure_hook(item)
            # Copied first, past all hooks, since other threads may put something in meanwhile.
            items = _copied(value).items()
            if form is None:
                return {key: write(each) for key, each in items}
            return {form.write(key): write(each) for key, each in items}

        return written

    return writer


_copied: Callable[[Any], Any] = vars(dict)["copy"]


def dict_reader(made: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    """What makes the readers of dicts with odd keys: all else is read as of dicts with texts."""

    def reader(kind: Any) -> Callable[[Any, Any], Any]:
        form = key_form(key_hint(kind))
        origin: Any = get_origin(kind) or kind
        with_texts = origin[str, *get_args(kind)[1:]]
        read: Callable[[Any, Any], Any] | None = None

        def structured(value: Any, _: Any) -> Any:
            nonlocal read
            if read is None:
                read = made.get_structure_hook(with_texts)
            found = read(value, with_texts)
            if form is None:
                return found
            return replaced(found, {form.read(key): each for key, each in found.items()})

        return structured

    return reader
