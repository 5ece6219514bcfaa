"""How objects of a class travel to and from a store: text, readers and hydrators, made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from uow.mapping.hydration import Reader, make_hydrator, make_overwriter, make_reader
from uow.mapping.mapper import MappedColumn, Mapper
from uow.tracking.state import same_value

if TYPE_CHECKING:
    from uow.database import Database
    from uow.dialects.base import Dialect, GetStatement
    from uow.tracking.state import Record

__all__ = ["Codec", "Codecs", "codecs_of"]


def _never_none(obj: Any) -> Any:
    """Stands for the key of classes that make theirs in Python."""
    return obj


class Sifted(NamedTuple):
    """What `Codec.sift` found."""

    changed: dict[tuple[MappedColumn, ...], list[Any]]
    unchanged: list[Record]
    rest: list[Record]


class Codec:
    """Objects of one class, and one dialect.

    Attributes:
        mapper: the class.
        writable: the columns an INSERT may give.
        locator: the columns that find a row for UPDATE and DELETE: key, then version.
        generated: the columns the store computes, on INSERT and on UPDATE.
        hydrate: makes objects of rows of all columns.
        overwrite: puts a row of all columns into an object that is there.
    """

    __slots__ = (
        "_absent",
        "_auto",
        "_by_name",
        "_codecs",
        "_optional",
        "_readers",
        "_sets",
        "_without_auto",
        "generated",
        "hydrate",
        "locator",
        "mapper",
        "overwrite",
        "writable",
    )

    def __init__(self, mapper: Mapper, codecs: Codecs) -> None:
        self.mapper = mapper
        self._codecs = codecs
        self.writable = tuple(c for c in mapper.columns if c.generated is None)
        self.generated = tuple(c for c in mapper.columns if c.generated is not None)
        version = () if mapper.version is None else (mapper.version,)
        self.locator = (*mapper.key, *version)
        self._optional = tuple(
            c for c in self.writable if c.server_default is not None or c.version
        )
        self._auto = next((c for c in self.writable if c.auto_increment), None)
        self._without_auto = tuple(c for c in self.writable if c is not self._auto)
        self._by_name = {c.attribute: (c,) for c in mapper.columns}
        self._absent: dict[tuple[MappedColumn, ...], tuple[MappedColumn, ...]] = {}
        self._readers: dict[tuple[MappedColumn, ...], Reader] = {}
        self._sets: dict[tuple[MappedColumn, ...], tuple[MappedColumn, ...]] = {}
        decoders = [codecs.decoder(column) for column in mapper.columns]
        self.hydrate = make_hydrator(mapper, mapper.columns, decoders)
        self.overwrite = make_overwriter(mapper, mapper.columns, decoders)

    def encoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """How a value of a column becomes the store's."""
        return self._codecs.encoder(column)

    def sort_new(
        self, objects: Iterable[Any], untouched: object
    ) -> tuple[dict[tuple[MappedColumn, ...], list[Any]], list[Any]]:
        """Sort new objects by what an INSERT of them gives, where that is quickly told.

        Args:
            objects: new objects of the class.
            untouched: the state of those that were not written to since the constructor.

        Returns:
            Untouched complete objects by the columns given, and those that need a closer look.
        """
        class_ = self.mapper.class_
        key = _never_none if self._auto is None else self._auto.get_slot
        with_key: list[Any] = []
        without_key: list[Any] = []
        rest: list[Any] = []
        for obj in objects:
            if obj.__class__ is not class_ or obj._uow_state is not untouched:
                rest.append(obj)
            elif key(obj) is None:
                without_key.append(obj)
            else:
                with_key.append(obj)
        groups = ((self.writable, with_key), (self._without_auto, without_key))
        return {columns: found for columns, found in groups if found}, rest

    def given(self, obj: Any) -> tuple[MappedColumn, ...] | None:
        """The columns an INSERT of this object gives; None if one that must be there is not."""
        auto = self._auto
        columns = self.writable
        if auto is not None and auto.get_slot(obj) is None:
            columns = self._without_auto
        if obj.__class__ is self.mapper.class_:
            return columns
        there = tuple([c for c in columns if c.is_loaded(obj)])
        if len(there) + sum([c not in there for c in self._optional]) < len(columns):
            return None
        return self._sets.setdefault(there, there)

    def missing(self, obj: Any) -> list[MappedColumn]:
        """The columns that have to have a value and have none."""
        return [c for c in self.writable if c not in self._optional and not c.is_loaded(obj)]

    def key_is_given(self, columns: tuple[MappedColumn, ...]) -> bool:
        """Whether the key of a new object is made in Python."""
        return all(c in columns for c in self.mapper.key)

    def sift(self, records: Iterable[Record]) -> Sifted:
        """Tell which objects have changed in one field that fits, the most frequent case by far.

        Returns:
            Objects by the column that changed, records of objects that hold what they held, and
            records that need a closer look.
        """
        changed: dict[tuple[MappedColumn, ...], list[Any]] = {}
        unchanged: list[Record] = []
        rest: list[Record] = []
        by_name: dict[str, list[Record]] = {}
        for record in records:
            noted = record.noted
            if noted is None or len(noted) != 1 or record.watched is not None:
                rest.append(record)
                continue
            (name,) = noted
            found = by_name.get(name)
            if found is None:
                by_name[name] = [record]
            else:
                found.append(record)
        for name, found in by_name.items():
            columns = self._by_name[name]
            objects = self._sift_one(columns[0], found, unchanged, rest)
            if objects:
                changed[columns] = objects
        return Sifted(changed, unchanged, rest)

    def _sift_one(
        self,
        column: MappedColumn,
        records: Iterable[Record],
        unchanged: list[Record],
        rest: list[Record],
    ) -> list[Any]:
        """The objects that hold another value in a column; the others go into the two lists."""
        objects: list[Any] = []
        if column.is_lazy:  # what it holds is compared in its stored form
            rest.extend(records)
            return objects
        name = column.attribute
        get = column.get_slot
        check = column.checker
        for record in records:
            obj = record.obj
            old: Any = record.noted[name]  # type: ignore[index]  # there is one note, this one
            try:
                now = get(obj)
                if old is now or (old == now and same_value(old, now)):
                    unchanged.append(record)
                elif now is not None and check(now) is now:
                    objects.append(obj)
                else:
                    rest.append(record)
            except (AttributeError, ValueError):
                rest.append(record)
        return objects

    def columns_of(self, names: Sequence[str]) -> tuple[MappedColumn, ...]:
        """The columns of these fields, in the mapper's order; equal sets give one tuple."""
        if len(names) == 1:
            return self._by_name[names[0]]
        found = sorted((self._by_name[name][0] for name in names), key=lambda c: c.position)
        columns = tuple(found)
        return self._sets.setdefault(columns, columns)

    def rows(
        self, columns: tuple[MappedColumn, ...], objects: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Read columns of objects, encoded, a tuple an object."""
        reader = self._readers.get(columns)
        if reader is None:
            if not columns:
                return [()] * len(objects)
            encoders = [self._codecs.encoder(column) for column in columns]
            reader = self._readers[columns] = make_reader(columns, encoders)
        return reader(objects)

    def absent(self, columns: tuple[MappedColumn, ...]) -> tuple[MappedColumn, ...]:
        """The columns the store fills in when an INSERT gives just these."""
        found = self._absent.get(columns)
        if found is None:
            found = tuple(c for c in self.mapper.columns if c not in columns)
            self._absent[columns] = found
        return found

    def fill(
        self,
        columns: Sequence[MappedColumn],
        objects: Sequence[Any],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """Put values of the store into objects, a row an object, past every hook."""
        for position, column in enumerate(columns):
            decode = self._codecs.decoder(column)
            store = column.set_slot
            if column.set_raw is not None:
                for obj in objects:
                    column.unload(obj)
                store = column.set_raw
                decode = None
            if decode is None:
                for obj, row in zip(objects, rows, strict=True):
                    store(obj, row[position])
            else:
                for obj, row in zip(objects, rows, strict=True):
                    value = row[position]
                    store(obj, None if value is None else decode(value))

    def encode_key(self, key: Any) -> tuple[Any, ...]:
        """Encode a key as identity maps hold it, a value a key column."""
        parts: Iterable[Any] = key if len(self.mapper.key) > 1 else (key,)
        return tuple(
            part if encode is None else encode(part)
            for part, encode in zip(parts, map(self.encoder, self.mapper.key), strict=True)
        )

    def decode_key(self, row: Sequence[Any]) -> Any:
        """The key, as identity maps hold it, of the store's values of the key columns."""
        parts: list[Any] = [
            part if decode is None else decode(part)
            for part, decode in zip(row, map(self._codecs.decoder, self.mapper.key), strict=True)
        ]
        return tuple(parts) if len(parts) > 1 else parts[0]

    def get_statement(
        self, *, for_update: bool = False, nowait: bool = False, skip_locked: bool = False
    ) -> GetStatement:
        """The text that reads one row by key."""
        return self._codecs.dialect.get_statement(
            self.mapper, for_update=for_update, nowait=nowait, skip_locked=skip_locked
        )


class Codecs:
    """The codecs of one dialect, made when they are first asked for."""

    __slots__ = ("_codecs", "_decoders", "_encoders", "dialect")

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._codecs: dict[Mapper, Codec] = {}
        self._encoders: dict[MappedColumn, Callable[[Any], Any] | None] = {}
        self._decoders: dict[MappedColumn, Callable[[Any], Any] | None] = {}

    def of(self, mapper: Mapper) -> Codec:
        """The codec of a class."""
        codec = self._codecs.get(mapper)
        if codec is None:
            codec = self._codecs[mapper] = Codec(mapper, self)
        return codec

    def encoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """From Python's value of a column to the store's; None: as it is."""
        try:
            return self._encoders[column]
        except KeyError:
            found = self._encoders[column] = self.dialect.encoder(column.type)
            return found

    def decoder(self, column: MappedColumn) -> Callable[[Any], Any] | None:
        """From the store's value of a column to Python's; None: as it is."""
        try:
            return self._decoders[column]
        except KeyError:
            found = self._decoders[column] = self.dialect.decoder(column.type)
            return found


_codecs: WeakKeyDictionary[Database, Codecs] = WeakKeyDictionary()


def codecs_of(database: Database) -> Codecs:
    """The codecs of a database, shared by its sessions and gone with it."""
    found = _codecs.get(database)
    if found is None:
        found = _codecs[database] = Codecs(database.dialect)
    return found
