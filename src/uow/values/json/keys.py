"""Keys of dicts: in JSON and in documents they are texts, and are made what they were again.

A number is written as Python writes it, a moment in ISO's form, a member of an enum as its value.
"""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress as ip
import math
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Literal, cast, get_args, get_origin
from uuid import UUID

import attrs

from uow.types import Integer, scalar_type
from uow.values.hints import split_optional
from uow.values.json.problems import PathError
from uow.values.scalars import SCALAR_CHECKS, kind_of

__all__ = ["ANY_KEY", "KeyForm", "has_plain_keys", "key_form", "key_hint", "key_text", "replaced"]


@attrs.frozen
class KeyForm:
    """What the keys of dicts are, and what stands for them in JSON.

    Attributes:
        check: gives a key as it is to be kept, or raises `PathError`.
        write: gives the text of a key that was checked.
        read: gives the key of a text; ValueError if it is none.
    """

    check: Callable[[Any], Any]
    write: Callable[[Any], str]
    read: Callable[[str], Any]


def key_hint(hint: Any) -> Any:
    """The type hint of the keys of a dict; `str` if nothing is said."""
    arguments = get_args(hint)
    return arguments[0] if arguments else str


def has_plain_keys(hint: Any) -> bool:
    """Whether the keys of dicts of a type hint are texts, and no more than that."""
    try:
        return key_form(key_hint(hint)) is None
    except ValueError:
        return False


def key_form(hint: Any) -> KeyForm | None:
    """What keys of a type hint are in JSON; None for texts, which are their own.

    Raises:
        ValueError: such keys cannot be told from their texts.
    """
    bare, nullable = split_optional(hint)
    if nullable:
        raise _refused(hint)
    if bare is str or bare is Any or bare is object:
        return None
    if isinstance(bare, type):
        return _form_of_class(bare)
    if get_origin(bare) is Literal:
        return _form_of_choices(get_args(bare))
    raise _refused(bare)


def replaced(kept: Any, items: Mapping[Any, Any]) -> Any:
    """Put other items into a dict of whichever class."""
    kept.clear()
    for key, item in items.items():  # `update` of a counter would add them
        kept[key] = item
    return kept


def key_text(key: object) -> str:
    """The text of a key of any class that JSON can carry, whatever a hint says.

    Raises:
        ValueError: there is none.
    """
    if isinstance(key, str) and not isinstance(key, enum.Enum):
        return str.__str__(key)
    try:
        form = _form_of_class(cast("Hashable", type(key)))
    except ValueError:
        form = None
    if form is None:
        raise ValueError(f"keys are str, or what has a text of its own; got {kind_of(key)}")
    return form.write(form.check(key))


def _text_of_any(key: Any) -> str:
    try:
        return key_text(key)
    except PathError:
        raise
    except ValueError as exc:
        raise PathError(str(exc)) from None


def _refused(hint: Any) -> ValueError:
    is_bare = isinstance(hint, type) and not get_args(hint)
    name = hint.__name__ if is_bare else str(hint).replace("typing.", "")
    return ValueError(
        f"keys of dicts are text in JSON, which cannot be made {name} again; use str, int, an "
        "Enum, a UUID, a date or the like"
    )


@lru_cache(maxsize=1024)
def _form_of_class(class_: Any) -> KeyForm:
    if issubclass(class_, enum.Enum):
        return _form_of_enum(class_)
    found = _TEXTS.get(class_)
    if found is None:
        raise _refused(class_)
    write, read = found
    return KeyForm(_checked(class_), write, read)


def _checked(class_: type[Any]) -> Callable[[Any], Any]:
    scalar = scalar_type(class_)
    if class_ is dt.datetime:
        scalar = None
    elif isinstance(scalar, Integer):
        return _check_integer
    check = _check_datetime if scalar is None else SCALAR_CHECKS[type(scalar)](scalar)

    def checked(key: Any) -> Any:
        try:
            kept = check(key)
        except ValueError as exc:
            raise PathError(f"{exc} as a key") from None
        if class_ is float and not math.isfinite(kept):
            raise PathError("NaN and infinity are no keys")
        return kept

    return checked


def _check_integer(key: Any) -> int:
    if not isinstance(key, int) or isinstance(key, bool):
        raise PathError(f"expected int as a key, got {kind_of(key)}")
    return int(key)


def _check_datetime(key: Any) -> Any:
    if not isinstance(key, dt.datetime):
        raise ValueError(f"expected datetime, got {kind_of(key)}")  # noqa: TRY004
    return key


def _read_bool(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _read_interval(text: str) -> dt.timedelta:
    return dt.timedelta(microseconds=int(text))


def _write_interval(key: dt.timedelta) -> str:
    return str(key // dt.timedelta(microseconds=1))


_TEXTS: Final[Mapping[type, tuple[Callable[[Any], str], Callable[[str], Any]]]] = {
    bool: (lambda key: "true" if key else "false", _read_bool),
    dt.date: (dt.date.isoformat, dt.date.fromisoformat),
    dt.datetime: (dt.datetime.isoformat, dt.datetime.fromisoformat),
    dt.time: (dt.time.isoformat, dt.time.fromisoformat),
    dt.timedelta: (_write_interval, _read_interval),
    Decimal: (str, Decimal),
    float: (repr, float),
    int: (str, int),
    ip.IPv4Address: (str, ip.IPv4Address),
    ip.IPv4Interface: (str, ip.IPv4Interface),
    ip.IPv4Network: (str, ip.IPv4Network),
    ip.IPv6Address: (str, ip.IPv6Address),
    ip.IPv6Interface: (str, ip.IPv6Interface),
    ip.IPv6Network: (str, ip.IPv6Network),
    str: (str, str),
    UUID: (str, UUID),
}
"""By class: what writes keys, and what reads them."""


def _form_of_enum(class_: type[enum.Enum]) -> KeyForm:
    values = [member.value for member in class_]
    if all(isinstance(value, str) for value in values):
        texts = {member: str(member.value) for member in class_}
    elif all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        if issubclass(class_, enum.Flag):  # of several together, too
            return KeyForm(
                _member_check(class_), lambda key: str(key.value), lambda text: class_(int(text))
            )
        texts = {member: str(int(member.value)) for member in class_}
    else:
        raise ValueError(
            f"keys of dicts are text in JSON; values of {class_.__name__} are neither all text "
            "nor all numbers"
        )
    return _form_of_texts(texts, _member_check(class_), class_)


def _member_check(class_: type[enum.Enum]) -> Callable[[Any], Any]:
    def check(key: Any) -> Any:
        if not isinstance(key, class_):
            raise PathError(f"expected {class_.__name__} as a key, got {kind_of(key)}")
        return key

    return check


def _form_of_choices(choices: tuple[Any, ...]) -> KeyForm:
    texts: dict[tuple[type[Any], Any], str] = {
        (type(choice), choice): key_text(choice) for choice in choices
    }
    if len(set(texts.values())) < len(texts):
        raise _refused(Literal[choices])

    def check(key: Any) -> Any:
        try:
            known = (type(key), key) in texts
        except TypeError:
            known = False
        if not known:
            raise PathError(f"expected one of the literals as a key, got {kind_of(key)}")
        return key

    members = {text: choice for (_, choice), text in texts.items()}
    return KeyForm(check, lambda key: texts[type(key), key], _reader(members, "the literals"))


def _form_of_texts(
    texts: Mapping[Any, str], check: Callable[[Any], Any], class_: type[enum.Enum]
) -> KeyForm:
    members = {text: member for member, text in texts.items()}
    return KeyForm(check, texts.__getitem__, _reader(members, class_.__name__))


def _reader(members: Mapping[str, Any], name: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return members[text]
        except KeyError:
            raise ValueError(f"no key of {name}") from None

    return read


ANY_KEY: Final = KeyForm(lambda key: key, _text_of_any, str)
"""Of dicts in a model, which makes what it wants of the texts by itself."""
