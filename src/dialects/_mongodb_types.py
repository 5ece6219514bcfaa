"""How a document store keeps values of each column type."""

from __future__ import annotations

import datetime as dt
import ipaddress as ip
from typing import Any, Final

from uow.dialects import codecs
from uow.dialects._bson_reading import reader_for, to_decimal, to_interval
from uow.dialects._bson_writing import day_to_instant, seconds_of, to_decimal128, write
from uow.dialects.base import Decoder, Encoder
from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Composite,
    Date,
    DateTime,
    DocumentValue,
    EnumType,
    Float,
    Integer,
    Interval,
    IpAddress,
    IpInterface,
    IpNetwork,
    Json,
    LinkValue,
    Native,
    Numeric,
    ObjectIdType,
    RangeType,
    Text,
    Time,
    Uuid,
)
from uow.values import composite_fields, composite_reader

__all__ = ["make_decoder", "make_encoder"]

STORE: Final = "mongodb"


def make_encoder(type_: ColumnType) -> Encoder | None:
    """Make the function from Python to the store."""
    return codecs.look_up(_ENCODERS, codecs.stored_type(type_, STORE), "MongoDB")


def make_decoder(type_: ColumnType) -> Decoder | None:
    """Make the function from the store to Python."""
    return codecs.look_up(_DECODERS, codecs.stored_type(type_, STORE), "MongoDB")


def _as_float(value: Any) -> float:
    return float(value)


_as_float.passes = "{0}.__class__ is float"  # type: ignore[attr-defined]


def _as_int(value: Any) -> int:
    """A client gives numbers of 64 bits as a class of its own."""
    found = int(value)
    if found != value and not isinstance(value, str):
        raise ValueError("a fraction")
    return found


_as_int.passes = "{0}.__class__ is int"  # type: ignore[attr-defined]


def _day_of(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    raise ValueError("no day")


def _without_zone(value: dt.datetime) -> dt.datetime:
    return value.replace(tzinfo=None)


def _with_zone(value: dt.datetime) -> dt.datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)


_with_zone.passes = "{0}.tzinfo is not None"  # type: ignore[attr-defined]


def _encode_items(type_: Array) -> Encoder:
    encode = make_encoder(type_.item)
    if encode is None:
        return list
    return lambda values: [None if v is None else encode(v) for v in values]


def _decode_items(type_: Array) -> Decoder | None:
    decode = make_decoder(type_.item)
    if decode is None:
        return None
    return lambda values: [None if v is None else decode(v) for v in values]


def _encode_composite(type_: Composite) -> Encoder:
    fields = composite_fields(type_.class_)
    read = composite_reader(type_.class_)
    encoders = [make_encoder(field.type) for field in fields]

    def encode(value: Any) -> dict[str, Any]:
        parts = zip(fields, encoders, read(value), strict=True)
        return {f.name: v if e is None or v is None else e(v) for f, e, v in parts}

    return encode


def _decode_composite(type_: Composite) -> Decoder:
    fields = composite_fields(type_.class_)
    decoders = [make_decoder(field.type) for field in fields]

    def decode(document: Any) -> Any:
        parts = [(f, d, document.get(f.name)) for f, d in zip(fields, decoders, strict=True)]
        given = {f.argument: v if d is None or v is None else d(v) for f, d, v in parts}
        return type_.class_(**given)

    return decode


def _decode_links(type_: LinkValue) -> Decoder:
    field = type_.field
    decode = make_decoder(field.target.key[0].type)
    return lambda raw: field.read(raw, decode)


_ENCODERS: Final[codecs.TypeTable[Encoder | None]] = {
    Integer: lambda _: None,
    Boolean: lambda _: None,
    Float: lambda _: None,
    Text: lambda _: None,
    Binary: lambda t: bytes if t.mutable else None,
    Uuid: lambda _: None,
    ObjectIdType: lambda _: None,
    Numeric: lambda _: to_decimal128,
    Date: lambda _: day_to_instant,
    Time: lambda _: codecs.encode_time,
    DateTime: lambda _: None,
    Interval: lambda _: seconds_of,
    DocumentValue: lambda _: write,
    LinkValue: lambda _: write,
    Json: lambda _: write,
    Array: _encode_items,
    EnumType: codecs.enum_encoder,
    RangeType: lambda t: codecs.range_to_text(t.item),
    IpAddress: lambda _: str,
    IpInterface: lambda _: str,
    IpNetwork: lambda _: str,
    Composite: _encode_composite,
    Native: lambda t: t.encode,
}

_DECODERS: Final[codecs.TypeTable[Decoder | None]] = {
    Integer: lambda _: _as_int,
    Boolean: lambda _: None,
    Float: lambda _: _as_float,
    Text: lambda _: None,
    Binary: lambda t: bytearray if t.mutable else None,
    Uuid: lambda _: None,
    ObjectIdType: lambda _: None,
    Numeric: lambda _: to_decimal,
    Date: lambda _: _day_of,
    Time: lambda _: dt.time.fromisoformat,
    DateTime: lambda t: _with_zone if t.timezone else _without_zone,
    Interval: lambda _: to_interval,
    DocumentValue: lambda t: reader_for(t.annotation),
    LinkValue: _decode_links,
    Json: lambda t: reader_for(t.annotation),
    Array: _decode_items,
    EnumType: codecs.enum_decoder,
    RangeType: lambda t: codecs.range_from_text(t.item),
    IpAddress: lambda _: ip.ip_address,
    IpInterface: lambda _: ip.ip_interface,
    IpNetwork: lambda _: ip.ip_network,
    Composite: _decode_composite,
    Native: lambda t: t.decode,
}
