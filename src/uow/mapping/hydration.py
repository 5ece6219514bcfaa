"""Generate what turns rows into objects and objects into rows, one function a shape.

Values from the store are trusted. A hydrator for the columns `id`, `name` and `tags` (lazy) reads

    def hydrate(rows, identity, state):
        if not identity and len(rows) >= 50:
            objects = list(map(new, repeat(storage, len(rows))))
            for obj, (v0, v1, v2) in zip(objects, rows):
                (as below)
            if len(identity) == len(objects):
                return objects
            identity.clear()
        objects = []
        append = objects.append
        find = identity.get
        for v0, v1, v2 in rows:
            obj = find(v0)
            if obj is None:
                obj = new(storage)
                obj.id = v0
                obj.name = v1
                obj.tags__raw = v2
                obj._uow_state = state
                obj.__class__ = public
                identity[v0] = obj
            elif type(obj) is partial:
                fill(obj, (v0, v1, v2))
            append(obj)
        return objects

Many objects of a class of which none is there are allocated first and filled then, which takes two
thirds of the time: the collector's young generations meet objects that refer to nothing. If a key
came twice, the identity map holds fewer than there are, and all is done again, one by one. If a
value cannot be decoded, what was put into the identity map is taken out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol

from uow.errors import MappingError
from uow.mapping.codegen import compile_function
from uow.mapping.identity_map import take_back, taking_back
from uow.mapping.mapper import set_class

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = [
    "ColumnReader",
    "Hydrator",
    "Overwriter",
    "Reader",
    "make_column_reader",
    "make_hydrator",
    "make_overwriter",
    "make_reader",
]

MANY_ROWS = 50
"""So many rows at least are worth a look at whether all of them are new."""

Decoder = Callable[[Any], Any]
Encoder = Callable[[Any], Any]
Reader = Callable[[Iterable[Any]], list[tuple[Any, ...]]]
"""Answers the encoded values of each object, in column order."""
ColumnReader = Callable[[Sequence[Any]], list[list[Any]]]
"""Answers the encoded values of each column, in the order of the objects."""


class Hydrator(Protocol):
    """Turns rows into objects."""

    def __call__(
        self, rows: Sequence[Sequence[Any]], identity: dict[Any, Any], state: Any, /
    ) -> list[Any]:
        """Make the objects of `rows`.

        Args:
            rows: one sequence of values a row, in the order of the hydrator's columns.
            identity: the objects there are, by key; new ones are put in. One that is there
                is answered untouched, but for columns it does not hold yet.
            state: the `_uow_state` of new objects.

        Returns:
            One object a row, in order; None where the key of an outer join is NULL.
        """
        ...


class Overwriter(Protocol):
    """Writes a row into an object that is there."""

    def __call__(self, obj: Any, row: Sequence[Any], keep: frozenset[str] = ..., /) -> None:
        """Replace the values of the overwriter's columns by those of the row, past every hook.

        Args:
            obj: the object.
            row: the values, in the order of the overwriter's columns.
            keep: attributes to leave as they are.
        """
        ...


def make_hydrator(
    mapper: Mapper,
    columns: Sequence[MappedColumn | None],
    decoders: Sequence[Decoder | None],
    *,
    optional: bool = False,
) -> Hydrator:
    """Generate the hydrator of one shape of rows.

    Args:
        mapper: whose objects are made.
        columns: what the values of a row are, in order; None for a value to pass over. The key
            must be among them.
        decoders: for each column what turns the store's value into Python's, or None; not
            called for NULL. Those of lazy columns are left to the object's state. One may have an
            attribute `passes`: the text of an expression of `{0}` that tells whether a value goes
            as it is.
        optional: rows may have no object at all, told by a NULL key (outer joins).

    Raises:
        MappingError: a key column is missing.
    """
    mapper.configure()
    columns, decoders = tuple(columns), tuple(decoders)
    present = {column.attribute for column in columns if column is not None}
    for column in mapper.key:
        if column.attribute not in present:
            raise MappingError(f"{column}: rows without the key cannot become objects")
    names = _names(mapper)
    names["_uow_fill"] = _make_filler(mapper, columns)
    variables = [f"v{i}" for i in range(len(columns))]
    unpack = ", ".join(variables) + ","
    parts = {c.attribute: v for c, v in zip(columns, variables, strict=True) if c is not None}
    key_parts = [parts[column.attribute] for column in mapper.key]
    key = key_parts[0] if len(key_parts) == 1 else "key"
    shape = list(zip(columns, variables, decoders, strict=True))
    find_key: list[str] = []
    for part, variable, decoder in shape:
        if part is not None and part.primary_key and decoder is not None:
            names[f"_uow_{variable}"] = decoder
            find_key.append(f"{variable} = _uow_{variable}({variable})")
    if key == "key":
        find_key.append(f"key = ({', '.join(key_parts)})")
    fill: list[str] = []
    decoded: list[str] = []
    for part, variable, decoder in shape:
        if part is None:
            continue
        attribute = part.raw_attribute if part.get_raw is not None else part.attribute
        value = variable
        if decoder is not None and part.get_raw is None and not part.primary_key:
            value = _decoded(part, variable, decoder, names)
        decoded.append(value)
        fill.append(f"obj.{attribute} = {value}")
    complete = len(present) == len(mapper.columns)
    fill += [
        "obj._uow_state = state",
        f"obj.__class__ = {'_uow_public' if complete else '_uow_partial'}",
        f"identity[{key}] = obj",
    ]
    loop: list[str] = []
    if optional:
        loop += [f"if {key_parts[0]} is None:", "    append(None)", "    continue"]
    loop += [
        *find_key,
        f"obj = find({key})",
        "if obj is None:",
        "    obj = _uow_new(_uow_storage)",
        *(f"    {line}" for line in fill),
        "elif _uow_type(obj) is _uow_partial:",
        f"    _uow_fill(obj, ({', '.join(decoded)},))",
        "append(obj)",
    ]
    all_new = [
        f"if not identity and len(rows) >= {MANY_ROWS}:",
        "    objects = list(_uow_map(_uow_new, _uow_repeat(_uow_storage, len(rows))))",
        f"    for obj, ({unpack}) in _uow_zip(objects, rows):",
        *(f"        {line}" for line in (*find_key, *fill)),
        "    if len(identity) == len(objects):",
        "        return objects",
        "    identity.clear()",
    ]
    lines = [
        *([] if optional else all_new),
        "objects = []",
        "append = objects.append",
        "find = identity.get",
        f"for {unpack} in rows:",
        *(f"    {line}" for line in loop),
        "return objects",
    ]
    source = "def hydrate(rows, identity, state, /):\n" + "".join(
        f"    {line}\n" for line in taking_back(lines)
    )
    hydrate: Hydrator = _compile(mapper, source, "hydrate", columns, names)
    return hydrate


def make_overwriter(
    mapper: Mapper, columns: Sequence[MappedColumn], decoders: Sequence[Decoder | None]
) -> Overwriter:
    """Generate what writes one shape of rows into objects, for refresh.

    Args:
        mapper: whose objects they are.
        columns: what the values of a row are, in order.
        decoders: for each column what turns the store's value into Python's, or None; not
            called for NULL.
    """
    mapper.configure()
    names = _names(mapper)
    names["_uow_nothing"] = frozenset()
    body: list[str] = []
    for index, (column, decoder) in enumerate(zip(columns, decoders, strict=True)):
        variable = f"v{index}"
        body.append(f"if '{column.attribute}' not in keep:")
        if column.delete_raw is not None:
            names[f"_uow_unload_{index}"] = column.unload
            body.append(f"    _uow_unload_{index}(obj)")
            body.append(f"    obj.{column.raw_attribute} = {variable}")
        else:
            value = _decoded(column, variable, decoder, names) if decoder is not None else variable
            body.append(f"    obj.{column.attribute} = {value}")
    mark = "obj.__class__ = _uow_public"
    if len(columns) < len(mapper.columns):
        names["_uow_mark"] = mapper.mark
        mark = "_uow_mark(obj)"
    source = (
        "def overwrite(obj, row, keep=_uow_nothing, /):\n"
        f"    {''.join(f'v{i}, ' for i in range(len(columns)))}= row\n"
        "    _uow_set_class(obj, _uow_storage)\n"
        "    try:\n" + "".join(f"        {line}\n" for line in body) + "    finally:\n"
        f"        {mark}\n"
    )
    overwrite: Overwriter = _compile(mapper, source, "overwrite", columns, names)
    return overwrite


def make_reader(columns: Sequence[MappedColumn], encoders: Sequence[Encoder | None]) -> Reader:
    """Generate what reads and encodes the values of objects, for the batches of a flush.

    Args:
        columns: what to read, in order; at least one.
        encoders: for each column what turns Python's value into the store's, or None; not
            called for None. One may have an attribute `passes`: the text of an expression that
            binds `v` to the value, in place of `{0}`, and tells whether it goes as it is.
    """
    names: dict[str, Any] = {}
    values = ", ".join(_encoded(columns, encoders, names))
    source = f"def read(objects, /):\n    return [({values},) for obj in objects]\n"
    read: Reader = _compile(columns[0].mapper, source, "read", columns, names)
    return read


def make_column_reader(
    columns: Sequence[MappedColumn], encoders: Sequence[Encoder | None]
) -> ColumnReader:
    """Generate what reads and encodes the values of objects, a list a column.

    Args:
        columns: what to read, in order; at least one.
        encoders: as of `make_reader`.
    """
    names: dict[str, Any] = {}
    values = _encoded(columns, encoders, names)
    lists = "".join(f"        [{value} for obj in objects],\n" for value in values)
    source = f"def read_columns(objects, /):\n    return [\n{lists}    ]\n"
    read: ColumnReader = _compile(columns[0].mapper, source, "read_columns", columns, names)
    return read


def _encoded(
    columns: Sequence[MappedColumn], encoders: Sequence[Encoder | None], names: dict[str, Any]
) -> list[str]:
    """The expression of each column's encoded value, of the object `obj`."""
    values: list[str] = []
    for index, (column, encoder) in enumerate(zip(columns, encoders, strict=True)):
        value = f"obj.{column.attribute}"
        if encoder is not None:
            names[f"_uow_e{index}"] = encoder
            rest = f"_uow_e{index}(v)"
            # Most values of such a type need no call; `passes` tells which, as an expression.
            passes: str | None = getattr(encoder, "passes", None)
            if passes is not None:
                value = f"v if ({passes.format(value)}) else None if v is None else {rest}"
            else:
                value = f"None if (v := {value}) is None else {rest}"
        values.append(value)
    return values


def _names(mapper: Mapper) -> dict[str, Any]:
    return {
        "_uow_map": map,
        "_uow_new": object.__new__,
        "_uow_partial": mapper.partial,
        "_uow_public": mapper.class_,
        "_uow_repeat": repeat,
        "_uow_set_class": set_class,
        "_uow_storage": mapper.storage,
        "_uow_take_back": take_back,
        "_uow_type": type,
        "_uow_zip": zip,
    }


def _decoded(column: MappedColumn, variable: str, decoder: Decoder, names: dict[str, Any]) -> str:
    name = f"_uow_d{column.position}"
    names[name] = decoder
    call = f"{name}({variable})"
    passes: str | None = getattr(decoder, "passes", None)
    if passes is not None:
        test = passes.format(variable)
        if column.nullable:
            test = f"{variable} is None or {test}"
        return f"{variable} if {test} else {call}"
    return f"None if {variable} is None else {call}" if column.nullable else call


def _make_filler(
    mapper: Mapper, columns: Sequence[MappedColumn | None]
) -> Callable[[Any, Sequence[Any]], None]:
    """What gives an object the columns it does not hold yet, and leaves the others alone."""
    shape = tuple(column for column in columns if column is not None)

    def fill(obj: Any, values: Sequence[Any]) -> None:
        for column, value in zip(shape, values, strict=True):
            if not column.is_loaded(obj):
                store = column.set_slot if column.set_raw is None else column.set_raw
                store(obj, value)
        mapper.mark(obj)

    return fill


def _compile(
    mapper: Mapper,
    source: str,
    name: str,
    columns: Sequence[MappedColumn | None],
    names: dict[str, Any],
) -> Any:
    shape = ", ".join("-" if column is None else column.attribute for column in columns)
    mapper.sources[f"{name}({shape})"] = source
    return compile_function(source, name, names, title=f"{mapper.name}.{name}")
