"""Generate what turns documents into objects, one function a class.

Scalars go into slots at once; what may be nested is left as the client gave it until it is first
read, in the slot beside, which is also what changes are told from. Nothing is copied.

    def hydrate(rows, identity, state):
        if not identity and len(rows) >= 50:
            objects = []
            rows.reverse()
            while rows:
                some = rows[:-501:-1]
                del rows[-500:]
                lot = list(map(new, repeat(storage, len(some))))
                for obj, row in zip(lot, some):
                    key = row["_id"]
                    try:
                        obj.id = key
                        obj.name = row["name"]
                        obj.tags__raw = row["tags"]
                        obj._uow_state = state
                        obj.__class__ = public
                    except KeyError:
                        fill(obj, row, state)
                    identity[key] = obj
                objects += lot
            if len(identity) == len(objects):
                return objects
            identity.clear()
            return [identity.setdefault(obj.id, obj) for obj in objects]
        (one by one, looking for each)

Many documents are taken in lots, and are gone with their lot: objects are filled from what is still
in the processor's cache, take its memory, and the collector sees no more of them than before. Keys
that are ObjectIds enter a dict of their bytes first, which the identity map then adopts.

If a document does not fit, its lot is put back, for who looks for the misfit, and what was put into
the identity map is taken out again.

A document need not have all fields: what is missing gets its default, as in a new object, and
None where it may be None; else the object is one that misses a column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from uow.errors import AmbiguousRowError
from uow.mapping.codegen import compile_function
from uow.mapping.columns import MISSING
from uow.mapping.hydration import MANY_ROWS, Hydrator, Overwriter
from uow.mapping.identity_map import (
    BYTES_OF_KEY,
    ObjectIdMap,
    has_object_ids,
    take_back,
    taking_back,
)
from uow.mapping.mapper import set_class

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = [
    "make_class_sorter",
    "make_document_hydrator",
    "make_document_overwriter",
    "make_view_reader",
]

LOT = 500
"""So many documents are made objects at a time, of many."""

Decoder = Callable[[Any], Any]
Document = Mapping[str, Any]


def make_document_hydrator(mapper: Mapper, decoders: Sequence[Decoder | None]) -> Hydrator:
    """Generate the hydrator of a class. It may empty the list of rows that it is given.

    What it raises leaves the identity map as it was, and in the list the row that it failed on.

    Args:
        mapper: whose objects are made.
        decoders: for each column what turns the store's value into Python's, or None; not called
            for None. Those of lazy columns are left to the object's state.
    """
    mapper.configure()
    names: dict[str, Any] = {
        "_uow_fill": _make_filler(mapper, decoders),
        "_uow_map": map,
        "_uow_more": _make_completer(mapper, decoders),
        "_uow_new": object.__new__,
        "_uow_partial": mapper.partial,
        "_uow_public": mapper.class_,
        "_uow_repeat": repeat,
        "_uow_storage": mapper.storage,
        "_uow_take_back": take_back,
        "_uow_type": type,
        "_uow_zip": zip,
    }
    (key_column,) = mapper.key
    key = f"row[{key_column.name!r}]"
    decode_key = decoders[key_column.position]
    if decode_key is not None:
        names["_uow_key"] = decode_key
        key = f"_uow_key({key})"
    stores = [f"obj.{key_column.attribute} = key"]
    for column, decoder in zip(mapper.columns, decoders, strict=True):
        if column is key_column:
            continue
        value = f"row[{column.name!r}]"
        if column.holds_rest:
            names["_uow_rest"] = _rest_of(mapper)
            stores.append(f"obj.{column.raw_attribute} = _uow_rest(row)")
        elif column.get_raw is not None:
            stores.append(f"obj.{column.raw_attribute} = {value}")
        elif decoder is None:
            stores.append(f"obj.{column.attribute} = {value}")
        else:
            names[f"_uow_d{column.position}"] = decoder
            stores.append(f"obj.{column.attribute} = {_decoded(column, value, decoder)}")
    fill = [
        "try:",
        *(f"    {line}" for line in stores),
        "    obj._uow_state = state",
        "    obj.__class__ = _uow_public",
        "except KeyError:",
        "    _uow_fill(obj, row, state)",
    ]
    lines = [
        *_all_new(mapper, key, fill, names),
        "objects = []",
        "append = objects.append",
        "find = identity.get",
        "for row in rows:",
        f"    key = {key}",
        "    obj = find(key)",
        "    if obj is None:",
        "        obj = _uow_new(_uow_storage)",
        *(f"        {line}" for line in fill),
        "        identity[key] = obj",
        "    elif _uow_type(obj) is _uow_partial:",
        "        _uow_more(obj, row)",
        "    append(obj)",
        "return objects",
    ]
    source = "def hydrate(rows, identity, state, /):\n" + "".join(
        f"    {line}\n" for line in taking_back(lines)
    )
    mapper.sources["hydrate(document)"] = source
    hydrate: Hydrator = compile_function(source, "hydrate", names, title=f"{mapper.name}.hydrate")
    return hydrate


def _all_new(mapper: Mapper, key: str, fill: Sequence[str], names: dict[str, Any]) -> list[str]:
    """The lines for many documents of a class of which no object is there."""
    attribute = mapper.key[0].attribute
    condition, known = "not identity", "identity"
    enter, adopt = ["known[key] = obj"], "pass"
    if has_object_ids(mapper):
        names["_uow_map_class"] = ObjectIdMap
        condition, known = "_uow_type(identity) is _uow_map_class and not identity", "{}"
        enter = [
            "try:",
            f"    known[key.{BYTES_OF_KEY}] = obj",
            "except AttributeError:",
            "    known[key,] = obj",
        ]
        adopt = "identity.adopt(known)"
    return [
        f"if {condition} and len(rows) >= {MANY_ROWS}:",
        f"    objects, known = [], {known}",
        "    rows.reverse()",
        "    while rows:",
        f"        some = rows[:{-1 - LOT}:-1]",
        f"        del rows[{-LOT}:]",
        "        lot = list(_uow_map(_uow_new, _uow_repeat(_uow_storage, len(some))))",
        "        try:",
        "            for obj, row in _uow_zip(lot, some):",
        f"                key = {key}",
        *(f"                {line}" for line in (*fill, *enter)),
        "        except BaseException:",
        "            rows.reverse()",
        "            rows[:0] = some",
        "            raise",
        "        objects += lot",
        "    if len(known) == len(objects):",
        f"        {adopt}",
        "        return objects",
        "    identity.clear()",
        f"    return [identity.setdefault(obj.{attribute}, obj) for obj in objects]",
    ]


def make_class_sorter(mapper: Mapper, hydrators: Mapping[Mapper, Hydrator]) -> Hydrator:
    """Make what turns documents of several classes into objects, each of its class.

    Args:
        mapper: the class that is asked for.
        hydrators: of it and of those below it, as far as they are asked for too.
    """
    told_by = mapper.discriminator
    assert told_by is not None  # noqa: S101 - of documents every hierarchy has one
    name, told = told_by.name, {one.discriminator_value: one for one in hydrators}
    # What was stored before the class had others below it says nothing.
    by_class = {value: hydrators[one] for value, one in told.items() if value is not None}
    if mapper.root in hydrators and mapper.root.discriminator_value is not None:
        by_class[None] = hydrators[mapper.root]

    def hydrate(rows: Sequence[Any], identity: dict[Any, Any], state: Any, /) -> list[Any]:
        signs = [row.get(name) for row in rows]
        groups: dict[Any, list[Any]] = {sign: [] for sign in signs}
        for sign in groups:
            if sign not in by_class:
                raise AmbiguousRowError(
                    f"a document of {mapper.name} cannot become an object: its {name!r} is that of "
                    "no class that is known here"
                )
        if len(groups) == 1:
            return by_class[signs[0]](rows, identity, state)
        for row, sign in zip(rows, signs, strict=True):
            groups[sign].append(row)
        count = len(identity)
        try:
            made = {
                sign: iter(by_class[sign](own, identity, state)) for sign, own in groups.items()
            }
        except BaseException:
            take_back(identity, count)
            raise
        return [next(made[sign]) for sign in signs]

    return hydrate


def make_view_reader(mapper: Mapper, decoders: Sequence[Decoder | None]) -> Hydrator:
    """Make what turns what a view gives into objects, which have no identity and no session."""
    mapper.configure()
    pairs = tuple(zip(mapper.columns, decoders, strict=True))

    def read(rows: Sequence[Any], identity: dict[Any, Any], state: Any, /) -> list[Any]:  # noqa: ARG001
        made: list[Any] = []
        for row in rows:
            obj = object.__new__(mapper.storage)
            obj._uow_state = mapper.initial_state
            for column, decoder in pairs:
                value = row.get(column.name, MISSING)
                if value is MISSING:
                    column.put_absent(obj)
                else:
                    decode = decoder if value is not None else None
                    column.put(obj, value if decode is None else decode(value))
            mapper.mark(obj)
            made.append(obj)
        return made

    return read


def _decoded(column: MappedColumn, value: str, decoder: Decoder) -> str:
    """The expression of a decoded value; whatever the class says, a document may hold null."""
    call = f"_uow_d{column.position}(v)"
    passes: str | None = getattr(decoder, "passes", None)
    if passes is not None:
        return f"v if (v := {value}) is None or {passes.format('v')} else {call}"
    return f"None if (v := {value}) is None else {call}"


def make_document_overwriter(mapper: Mapper, decoders: Sequence[Decoder | None]) -> Overwriter:
    """Give what writes a document into an object, for refresh."""
    pairs = tuple(zip(mapper.columns, decoders, strict=True))

    def overwrite(obj: Any, row: Any, keep: frozenset[str] = frozenset(), /) -> None:
        set_class(obj, mapper.storage)
        try:
            for column, decoder in pairs:
                if column.attribute not in keep:
                    column.unload(obj)
                    put_stored(obj, column, decoder, row)
        finally:
            mapper.mark(obj)

    return overwrite


def put_stored(obj: Any, column: MappedColumn, decoder: Decoder | None, row: Document) -> None:
    """Give an object what a document holds of a field, or what stands for a missing one."""
    value = row.get(column.name, MISSING)
    if column.holds_rest:
        value = _rest_of(column.mapper)(row)
    if value is MISSING:
        column.put_absent(obj)
    elif column.set_raw is not None:
        column.set_raw(obj, value)
    else:
        column.set_slot(obj, value if decoder is None or value is None else decoder(value))


def _rest_of(mapper: Mapper) -> Callable[[Document], dict[str, Any]]:
    """Give what tells all that a document holds besides the fields of its class."""
    known = mapper.by_name.keys()
    return lambda row: {name: value for name, value in row.items() if name not in known}


def _make_filler(
    mapper: Mapper, decoders: Sequence[Decoder | None]
) -> Callable[[Any, Document, Any], None]:
    """What fills a new object with a document that lacks some fields."""
    pairs = tuple(zip(mapper.columns, decoders, strict=True))

    def fill(obj: Any, row: Document, state: Any) -> None:
        obj._uow_state = state
        for column, decoder in pairs:
            put_stored(obj, column, decoder, row)
        mapper.mark(obj)

    return fill


def _make_completer(
    mapper: Mapper, decoders: Sequence[Decoder | None]
) -> Callable[[Any, Document], None]:
    """What gives an object the fields it does not hold yet, and leaves the others alone."""
    pairs = tuple(zip(mapper.columns, decoders, strict=True))

    def complete(obj: Any, row: Document) -> None:
        for column, decoder in pairs:
            if not column.is_loaded(obj):
                put_stored(obj, column, decoder, row)
        mapper.mark(obj)

    return complete
