"""How objects of a class travel to and from a store: text, readers and hydrators, made once."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from uow.errors import MappingError, NotLoadedError, QueryError
from uow.mapping.document_classes import refuse_view
from uow.mapping.document_hydration import (
    make_class_sorter,
    make_document_hydrator,
    make_document_overwriter,
    make_view_reader,
)
from uow.mapping.document_writing import Inserter, Updater, make_inserter, make_updater
from uow.mapping.hydration import (
    ColumnReader,
    Hydrator,
    Overwriter,
    Reader,
    make_column_reader,
    make_hydrator,
    make_overwriter,
    make_reader,
)
from uow.mapping.inheritance import Inheritance
from uow.mapping.mapper import MappedColumn, Mapper
from uow.mapping.misfits import hydrator_that_tells, overwriter_that_tells
from uow.mapping.shapes import Shape, shape_of
from uow.mapping.sifting import Sifter, make_sifter
from uow.mapping.stores import refuse_other_store
from uow.mapping.unparsed import make_lazy_hydrator
from uow.session.forms import Form, Kind, Role
from uow.session.polymorphic import Polymorphic
from uow.statement import Columns
from uow.tracking.state import same_value

if TYPE_CHECKING:
    from uow.database import Database
    from uow.dialects.base import Decoder, Dialect, Encoder, GetStatement

__all__ = ["Codec", "Codecs", "codecs_of"]

K = TypeVar("K")
V = TypeVar("V")

FEW_OBJECTS = 16
"""So many objects are read a row each, whatever the store takes."""


def _never_none(obj: Any) -> Any:
    """Stands for the key of classes that make theirs in Python."""
    return obj


class Codec:
    """Objects of one class, and one dialect.

    Attributes:
        mapper: the class, or the table of a class that has several.
        is_plain: it shares neither rows nor tables with other classes.
        writable: the columns an INSERT may give.
        locator: the columns that find a row for UPDATE and DELETE: key, then version.
        hydrate: makes objects of rows of all columns.
        overwrite: puts a row of all columns into an object that is there.
    """

    __slots__ = (
        "_auto",
        "_by_name",
        "_codecs",
        "_column_readers",
        "_forms",
        "_gets",
        "_key_goes_as_it_is",
        "_key_is_plain",
        "_optional",
        "_polymorphic",
        "_readers",
        "_sets",
        "_sifters",
        "_spread_forms",
        "_without_auto",
        "hydrate",
        "is_plain",
        "locator",
        "mapper",
        "overwrite",
        "writable",
    )

    def __init__(self, mapper: Mapper, codecs: Codecs) -> None:
        self.mapper = mapper
        self._codecs = codecs
        self.writable = tuple(c for c in mapper.columns if c.generated is None)
        version = () if mapper.version is None else (mapper.version,)
        self.locator = (*mapper.key, *version)
        self._optional = tuple(
            c for c in self.writable if c.version or (c.is_made_by_store and not c.auto_increment)
        )
        self._auto = next((c for c in self.writable if c.auto_increment), None)
        self._without_auto = tuple(c for c in self.writable if c is not self._auto)
        self._by_name = {c.attribute: (c,) for c in mapper.columns}
        self._forms: dict[Any, Form] = {}
        self._spread_forms: dict[Any, list[tuple[Codec, Form]]] = {}
        self._polymorphic: dict[tuple[Mapper, ...], Polymorphic] = {}
        self.is_plain = mapper.hierarchy is None or mapper.document is not None
        self._readers: dict[tuple[MappedColumn, ...], Reader] = {}
        self._column_readers: dict[tuple[MappedColumn, ...], ColumnReader] = {}
        self._sifters: dict[tuple[MappedColumn, ...], Sifter] = {}
        self._sets: dict[tuple[MappedColumn, ...], tuple[MappedColumn, ...]] = {}
        self._gets: dict[Any, GetStatement] = {}
        self._key_is_plain = not any(map(codecs.decoder, mapper.key))
        self._key_goes_as_it_is = not any(map(codecs.encoder, mapper.key))
        if mapper.owner is not None:
            return  # no objects are made of rows of one table
        decoders = [codecs.decoder(column) for column in mapper.columns]
        self.hydrate, self.overwrite = self._row_functions(decoders)

    def _row_functions(
        self, decoders: Sequence[Callable[[Any], Any] | None]
    ) -> tuple[Hydrator, Overwriter]:
        """Make what turns rows into objects, and what writes them into such."""
        mapper = self.mapper
        hydrate = make_hydrator(mapper, mapper.columns, decoders)
        return hydrate, make_overwriter(mapper, mapper.columns, decoders)

    def hydrator(
        self,
        classes: tuple[Mapper, ...] | None = None,
        identities: Callable[[Mapper], dict[Any, Any]] | None = None,
    ) -> Hydrator:
        """What makes objects of the rows of a query for the class.

        Args:
            classes: of which its rows may be; None for the class and all below it.
            identities: gives the objects there are of a class, where each has its own.
        """
        mapper = self.mapper
        if mapper.hierarchy is None:
            return self.hydrate
        shape = shape_of(mapper, classes)
        if shape.is_plain:
            (only,) = shape.classes
            return self._codecs.of(only).hydrate
        polymorphic = self.polymorphic(shape)
        if identities is None or not shape.is_tagged:
            return polymorphic
        return lambda rows, _, state, /: polymorphic.make(rows, identities, state)

    def lazy_hydrator(self, classes: tuple[Mapper, ...] | None = None) -> Hydrator:  # noqa: ARG002
        """What makes objects of documents, to be parsed when they are read.

        Raises:
            QueryError: rows of tables are not parsed late.
        """
        raise QueryError(f"{self.mapper.name} is a table: lazy_parse is for documents")

    def polymorphic(self, shape: Shape) -> Polymorphic:
        """What makes objects of rows that may be of several classes."""
        found = self._polymorphic.get(shape.classes)
        if found is None:
            found = self._polymorphic[shape.classes] = Polymorphic(shape, self._codecs)
        return found

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
        plain: dict[tuple[MappedColumn, ...], list[Any]] = {}
        if with_key:
            plain[self.writable] = with_key
        if without_key:
            plain[self._without_auto] = without_key
        return plain, rest

    def given(
        self, obj: Any, promised: Container[MappedColumn] = ()
    ) -> tuple[MappedColumn, ...] | None:
        """The columns an INSERT of this object gives; None if one that must be there is not.

        Args:
            obj: a new object.
            promised: columns that will be there.
        """
        auto = self._auto
        columns = self.writable
        if auto is not None and auto.get_slot(obj) is None:
            columns = self._without_auto
        if obj.__class__ is self.mapper.class_:
            return columns
        there = tuple([c for c in columns if c in promised or c.is_loaded(obj)])
        if len(there) + sum([c not in there for c in self._optional]) < len(columns):
            return None
        return self._sets.setdefault(there, there)

    def missing(self, obj: Any) -> list[MappedColumn]:
        """The columns that have to have a value and have none."""
        return [c for c in self.writable if c not in self._optional and not c.is_loaded(obj)]

    def form(self, kind: Kind, columns: tuple[MappedColumn, ...]) -> Form:
        """What is known of rows that are written alike."""
        found = self._forms.get((kind, columns))
        if found is None:
            refuse_view(self.mapper)
            capabilities = self._codecs.dialect.capabilities
            found = Form(kind, self.mapper, columns, self.locator, capabilities)
            self._forms[kind, columns] = found
        return found

    def form_aside(self, role: Role, columns: tuple[MappedColumn, ...]) -> Form:
        """What is known of rows that are parked or fixed up."""
        found = self._forms.get((role, columns))
        if found is None:
            capabilities = self._codecs.dialect.capabilities
            found = Form(Kind.UPDATE, self.mapper, columns, self.locator, capabilities, role=role)
            self._forms[role, columns] = found
        return found

    def forms(self, kind: Kind, columns: tuple[MappedColumn, ...]) -> list[tuple[Codec, Form]]:
        """What is known of the rows of a class of a hierarchy in each table, the root's first.

        An update concerns the tables of the columns, and that of the version.
        """
        found = self._spread_forms.get((kind, columns))
        if found is None:
            found = self._spread_forms[kind, columns] = [
                (codec, codec.form_in(kind, given, own))
                for table, given, own in self.mapper.parts_of(columns, with_key=kind is Kind.INSERT)
                if given or kind is not Kind.UPDATE or table.version is not None
                for codec in [self._codecs.of(table)]
            ]
        return found

    def form_in(
        self, kind: Kind, columns: tuple[MappedColumn, ...], own: tuple[MappedColumn, ...]
    ) -> Form:
        """What is known of rows in a table of which a class has some columns."""
        found = self._forms.get((kind, columns, own))
        if found is None:
            capabilities = self._codecs.dialect.capabilities
            found = Form(kind, self.mapper, columns, self.locator, capabilities, of_class=own)
            self._forms[kind, columns, own] = found
        return found

    def sift(
        self,
        columns: tuple[MappedColumn, ...],
        objects: list[Any],
        written: Mapping[MappedColumn, Mapping[Any, Any]],
    ) -> tuple[list[Any], list[Any]]:
        """Tell which objects that were written to have changed, where that is quickly told.

        Args:
            columns: what was written of each of the objects.
            objects: the objects, in the order of the first column's notes.
            written: what the columns held before, by object.

        Returns:
            Objects that hold something else in each of the columns, which fits, and those that
            need a closer look; the others hold what they held.
        """
        sift = self._sifters.get(columns)
        if sift is None:
            sift = self._sifters[columns] = make_sifter(columns)
        held = written[columns[0]]
        try:
            if len(columns) == 1 and len(held) == len(objects):
                rest = sift(objects, held.values())
            else:
                notes = [written[column] for column in columns]
                rest = sift(objects, *[map(old.__getitem__, objects) for old in notes])
        except (AttributeError, NotLoadedError, ValueError):
            return [], objects
        if not rest:
            return objects, rest
        apart = set(map(id, rest))
        if len(columns) == 1:
            get = columns[0].get_slot
            rest = [obj for obj in rest if not same_value(held[obj], get(obj))]
        return [obj for obj in objects if id(obj) not in apart], rest

    def columns_of(self, names: Sequence[str]) -> tuple[MappedColumn, ...]:
        """The columns of these fields, in the mapper's order; equal sets give one tuple."""
        if len(names) == 1:
            return self._by_name[names[0]]
        found = sorted((self._by_name[name][0] for name in names), key=lambda c: c.position)
        columns = tuple(found)
        return self._sets.setdefault(columns, columns)

    def rows(
        self, columns: tuple[MappedColumn, ...], objects: Sequence[Any]
    ) -> Sequence[tuple[Any, ...]]:
        """Read columns of objects, encoded, a tuple an object."""
        if len(objects) > FEW_OBJECTS and columns and self._codecs.takes_columns:
            read_columns = self._column_readers.get(columns)
            if read_columns is None:
                encoders = [self._codecs.encoder(column) for column in columns]
                read_columns = make_column_reader(columns, encoders)
                self._column_readers[columns] = read_columns
            return Columns(read_columns(objects))
        reader = self._readers.get(columns)
        if reader is None:
            if not columns:
                return [()] * len(objects)
            encoders = [self._codecs.encoder(column) for column in columns]
            reader = self._readers[columns] = make_reader(columns, encoders)
        return reader(objects)

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

    def decode(self, column: MappedColumn, value: Any) -> Any:
        """A value of the store as Python's."""
        decode = self._codecs.decoder(column)
        return value if decode is None or value is None else decode(value)

    def encode_key(self, key: Any) -> tuple[Any, ...]:
        """Encode a key as identity maps hold it, a value a key column."""
        parts: tuple[Any, ...] = key if len(self.mapper.key) > 1 else (key,)
        if self._key_goes_as_it_is:
            return parts
        return tuple(
            part if encode is None else encode(part)
            for part, encode in zip(parts, map(self.encoder, self.mapper.key), strict=True)
        )

    def decode_key(self, row: Sequence[Any]) -> Any:
        """The key, as identity maps hold it, of a row that begins with the key columns."""
        parts: list[Any] = [
            part if decode is None else decode(part)
            for part, decode in zip(row, map(self._codecs.decoder, self.mapper.key), strict=False)
        ]
        return tuple(parts) if len(parts) > 1 else parts[0]

    def keys_of(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """The keys, as identity maps hold them, of rows that begin with the key columns."""
        if self._key_is_plain:
            width = len(self.mapper.key)
            return [row[0] for row in rows] if width == 1 else [tuple(row[:width]) for row in rows]
        return [self.decode_key(row) for row in rows]

    @property
    def classes_by_key(self) -> tuple[Mapper, ...]:
        """The classes of which an object with a key of the class may be."""
        mapper = self.mapper
        if mapper.hierarchy is None or mapper.hierarchy.kind is Inheritance.CONCRETE:
            return (mapper,)
        return mapper.family

    def get_statement(
        self,
        *,
        is_exact: bool = False,
        for_update: bool = False,
        nowait: bool = False,
        skip_locked: bool = False,
    ) -> GetStatement:
        """The text that reads one row by key.

        Args:
            is_exact: of this class, and not of one below it.
            for_update: lock the row.
            nowait: fail at once if it is locked.
            skip_locked: answer no row if it is locked.
        """
        classes: tuple[Mapper, ...] | None = None
        if self.mapper.hierarchy is not None:
            classes = (self.mapper,) if is_exact else self.classes_by_key
        found = self._gets.get((classes, for_update, nowait, skip_locked))
        if found is None:
            found = self._gets[classes, for_update, nowait, skip_locked] = (
                self._codecs.dialect.get_statement(
                    self.mapper,
                    classes=classes,
                    for_update=for_update,
                    nowait=nowait,
                    skip_locked=skip_locked,
                )
            )
        return found


class _Made(dict[K, V]):
    """A dict that makes what it is first asked for: from then on that is a mere look-up."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        made = self[key] = self._make(key)
        return made


class DocumentCodec(Codec):
    """Objects of one class of documents: a row is the document itself."""

    __slots__ = ("_by_family", "_inserters", "_lazy", "_updaters")

    def __init__(self, mapper: Mapper, codecs: Codecs) -> None:
        self._by_family: dict[tuple[Mapper, ...], Hydrator] = {}
        self._lazy: Hydrator | None = None
        self._inserters: dict[Any, Inserter] = {}
        self._updaters: dict[Any, Updater] = {}
        super().__init__(mapper, codecs)

    def _row_functions(
        self, decoders: Sequence[Callable[[Any], Any] | None]
    ) -> tuple[Hydrator, Overwriter]:
        mapper = self.mapper
        is_view = mapper.document is not None and mapper.document.is_view
        make = make_view_reader if is_view else make_document_hydrator
        return (
            hydrator_that_tells(make(mapper, decoders), mapper, decoders),
            overwriter_that_tells(make_document_overwriter(mapper, decoders), mapper, decoders),
        )

    def hydrator(
        self,
        classes: tuple[Mapper, ...] | None = None,
        identities: Callable[[Mapper], dict[Any, Any]] | None = None,  # noqa: ARG002
    ) -> Hydrator:
        """What makes objects of documents of the class, or of those below it; see `Codec`."""
        family = self.mapper.family if classes is None else classes
        if self.mapper.hierarchy is None:
            return self.hydrate
        found = self._by_family.get(family)
        if found is None:
            hydrators = {one: self._codecs.of(one).hydrate for one in family}
            found = self._by_family[family] = make_class_sorter(self.mapper, hydrators)
        return found

    def lazy_hydrator(self, classes: tuple[Mapper, ...] | None = None) -> Hydrator:
        """What makes objects of documents, to be parsed when they are read."""
        mapper = self.mapper
        if mapper.document is not None and mapper.document.is_view:
            return self.hydrate
        if mapper.hierarchy is not None and classes != (mapper,):
            family = mapper.family if classes is None else classes
            hydrators = {one: self._codecs.of(one).lazy_hydrator((one,)) for one in family}
            return make_class_sorter(mapper, hydrators)
        if self._lazy is None:
            decoders = [self._codecs.decoder(column) for column in mapper.columns]
            self._lazy = make_lazy_hydrator(mapper, decoders)
        return self._lazy

    def inserter(self, columns: tuple[MappedColumn, ...], *, brings_key: bool) -> Inserter:
        """What turns rows of some columns into writes that insert documents.

        Args:
            columns: what a row holds.
            brings_key: whether the key is among them.
        """
        found = self._inserters.get((columns, brings_key))
        if found is None:
            settings = self.mapper.document
            found = self._inserters[columns, brings_key] = make_inserter(
                self.mapper,
                columns,
                brings_key=brings_key,
                keeps_nulls=settings is None or settings.keep_nulls,
            )
        return found

    def updater(
        self, columns: tuple[MappedColumn, ...], locator: tuple[MappedColumn, ...]
    ) -> Updater:
        """What turns rows into writes that set some columns.

        Args:
            columns: what is set, at the beginning of a row.
            locator: what finds the document, at its end.
        """
        found = self._updaters.get((columns, locator))
        if found is None:
            found = self._updaters[columns, locator] = make_updater(self.mapper, columns, locator)
        return found


class Codecs:
    """The codecs of one dialect, made when they are first asked for.

    Attributes:
        dialect: the dialect.
        takes_columns: batches travel as one array a column.
        of: gives the codec of a class.
    """

    __slots__ = ("_decoders", "_encoders", "dialect", "of", "takes_columns")

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.takes_columns = dialect.capabilities.array_binding
        self.of: Callable[[Mapper], Codec] = _Made[Mapper, Codec](self._make).__getitem__
        self._encoders: dict[MappedColumn, Encoder | None] = {}
        self._decoders: dict[MappedColumn, Decoder | None] = {}

    def _make(self, mapper: Mapper) -> Codec:
        refuse_other_store(mapper, self.dialect)
        return Codec(mapper, self) if mapper.document is None else DocumentCodec(mapper, self)

    def encoder(self, column: MappedColumn) -> Encoder | None:
        """From Python's value of a column to the store's; None: as it is."""
        try:
            return self._encoders[column]
        except KeyError:
            document = column.mapper.document
            with _named(column):
                if document is None or not document.bson_encoders:
                    found = self.dialect.encoder(column.type)
                else:
                    found = self.dialect.encoder_with(column.type, document.bson_encoders)
            self._encoders[column] = found
            return found

    def decoder(self, column: MappedColumn) -> Decoder | None:
        """From the store's value of a column to Python's; None: as it is."""
        try:
            return self._decoders[column]
        except KeyError:
            with _named(column):
                found = self._decoders[column] = self.dialect.decoder(column.type)
            return found


@contextmanager
def _named(column: MappedColumn) -> Generator[None]:
    """Name the column whose type hint turns out to mean what no store can keep.

    What a hint names may be defined after its class, so that this is known no sooner.
    """
    try:
        yield
    except (NameError, ValueError) as error:
        raise MappingError(f"{column}: {error}") from None


def codecs_of(database: Database) -> Codecs:
    """The codecs of a database, shared by its sessions and gone with it."""
    found: Codecs | None = database.kept.get(Codecs)
    if found is None:
        found = database.kept[Codecs] = Codecs(database.dialect)
    return found
