"""`Mapper`: all that is known about a mapped class, made once, when the class is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import attrs

from uow.errors import MappingError, ValidationError
from uow.mapping.columns import MISSING
from uow.types import Array, ColumnType, Json
from uow.values import check_value, checker_for, kind_of, python_type

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.registry import Registry

__all__ = [
    "Check",
    "Index",
    "MappedColumn",
    "Mapper",
    "Unique",
    "Unresolved",
    "mapper_of",
    "set_class",
]

set_class: Callable[[object, type], None] = object.__dict__["__class__"].__set__
"""Assign `__class__` past the write hook of the public class."""

_configuring = threading.RLock()
"""Held while references are resolved: one class resolves others on the way."""


@attrs.frozen
class Unresolved(ColumnType):
    """Stands for the type of a column whose hint names something not defined yet."""

    hint: str


@attrs.define(eq=False, repr=False, kw_only=True)
class MappedColumn:
    """One column of a mapped class.

    Attributes:
        mapper: the mapper it belongs to.
        position: its place in `mapper.columns`.
        attribute: its name on objects.
        name: its name in the store.
        type: what its values are.
        nullable: whether the store takes NULL.
        default: the value of objects made without one, or `MISSING`.
        default_factory: what makes that value, for each object.
        server_default: the SQL of the store's default.
        server_default_known: whether that SQL is one of the portable functions (`NOW()`, ...),
            which each dialect translates, and not text to take as given.
        generated: the SQL the store computes the column from.
        foreign_key: the foreign key it is (the first) part of.
        get_slot, set_slot, delete_slot: read, write and unset the value of an object, past
            every hook; AttributeError when there is none.
        get_raw, set_raw, delete_raw: of lazy columns, the same for the value as the store
            gave it; None for the others.
    """

    mapper: Mapper = attrs.field(init=False)
    position: int
    attribute: str
    name: str
    type: ColumnType
    nullable: bool
    primary_key: bool
    auto_increment: bool
    unique: bool
    index: bool
    default: object
    default_factory: Callable[[], object] | None
    server_default: str | None
    server_default_known: bool
    generated: str | None
    check: str | None
    version: bool
    comment: str | None
    hint: object
    foreign_key: ForeignKey | None = None
    get_slot: Callable[[Any], Any] = attrs.field(init=False)
    set_slot: Callable[[Any, Any], None] = attrs.field(init=False)
    delete_slot: Callable[[Any], None] = attrs.field(init=False)
    get_raw: Callable[[Any], Any] | None = attrs.field(default=None, init=False)
    set_raw: Callable[[Any, Any], None] | None = attrs.field(default=None, init=False)
    delete_raw: Callable[[Any], None] | None = attrs.field(default=None, init=False)

    def __repr__(self) -> str:
        return f"<MappedColumn {self}>"

    def __str__(self) -> str:
        """`Class.field`, as messages name it."""
        return f"{self.mapper.name}.{self.attribute}"

    @cached_property
    def is_fixed(self) -> bool:
        """Whether users cannot set it on a stored row: the key, the version, what is generated."""
        return self.primary_key or self.version or self.generated is not None

    @property
    def is_lazy(self) -> bool:
        """Whether values are converted when first read, and can change in place."""
        return isinstance(self.type, (Json, Array))

    @property
    def may_be_lazy(self) -> bool:
        """Whether it is lazy as far as is known yet."""
        return self.is_lazy or isinstance(self.type, Unresolved)

    @property
    def raw_attribute(self) -> str:
        """The name of the slot that keeps the value of a lazy column as the store gave it."""
        return f"{self.attribute}__raw"

    @property
    def is_made_by_store(self) -> bool:
        """Whether an INSERT may leave it out and the store fills it in."""
        return self.auto_increment or self.server_default is not None or self.generated is not None

    @property
    def initial(self) -> object:
        """What the constructor takes for a value not given; `MISSING` if there is nothing."""
        if self.default is not MISSING:
            return self.default
        if self.auto_increment:
            return None
        if self.default_factory is not None or self.may_be_unset:
            return MISSING
        return None if self.nullable else MISSING

    @property
    def may_be_unset(self) -> bool:
        """Whether a new object may have no value at all, because the flush or store makes it."""
        if self.default is not MISSING or self.default_factory is not None or self.auto_increment:
            return False
        return self.is_made_by_store or self.version

    @property
    def is_required(self) -> bool:
        """Whether the constructor must be given a value."""
        return self.initial is MISSING and self.default_factory is None and not self.may_be_unset

    @property
    def takes_none(self) -> bool:
        """Whether an object may hold None, be it only until it is stored."""
        return self.nullable or self.auto_increment or self.default is None

    @cached_property
    def checker(self) -> Callable[[Any], Any]:
        """What checks a value that is not None; see `check_value`."""
        return checker_for(self.type)

    def check_value(self, value: object) -> Any:
        """Check a value that an object is to hold, None included.

        Returns:
            The value as it is to be kept.

        Raises:
            ValueError: it does not fit; the text names neither the column nor the value.
        """
        if value is None:
            if self.takes_none:
                return None
            raise ValueError(f"expected {python_type(self.type).__name__}, got None")
        return self.checker(value)

    def is_loaded(self, obj: object) -> bool:
        """Whether the object holds a value for this column, read or not."""
        try:
            self.get_slot(obj)
        except AttributeError:
            if self.get_raw is None:
                return False
            try:
                self.get_raw(obj)
            except AttributeError:
                return False
        return True

    def unload(self, obj: object) -> None:
        """Forget the value an object holds, past every hook."""
        for delete in (self.delete_slot, self.delete_raw):
            if delete is not None:
                try:
                    delete(obj)
                except AttributeError:
                    continue

    def bind(self, storage: Any) -> None:
        """Take over the slots of the storage class."""
        slot = storage.__dict__[self.attribute]
        self.get_slot, self.set_slot = slot.__get__, slot.__set__
        self.delete_slot = slot.__delete__
        raw = storage.__dict__.get(self.raw_attribute)
        if raw is not None:
            self.get_raw, self.set_raw, self.delete_raw = raw.__get__, raw.__set__, raw.__delete__


@attrs.frozen(eq=False)
class Index:
    """An index over columns of one table."""

    name: str
    columns: tuple[MappedColumn, ...]
    unique: bool = False
    where: str | None = None


@attrs.frozen(eq=False)
class Unique:
    """A unique constraint; `name` is None for a column's own `unique=True`."""

    columns: tuple[MappedColumn, ...]
    name: str | None = None


@attrs.frozen(eq=False)
class Check:
    """SQL that must hold for every row; `column` is set where a column declared it."""

    sql: str
    name: str | None = None
    column: MappedColumn | None = None


@attrs.define(eq=False, repr=False, kw_only=True)
class Mapper:
    """What the library knows about a mapped class.

    Attributes:
        class_: the class a user wrote.
        storage: the private class below it that holds the slots and has no write hook.
        partial: the private class of objects that miss some column.
        name: the class's name.
        table_name: the table's name.
        schema: the table's schema, or None for the store's default.
        columns: in order of definition, those of base classes first.
        by_attribute: the columns by attribute name.
        key: the columns of the primary key.
        version: the column of the optimistic lock.
        indexes: the indexes, those of `Column(index=True)` included.
        uniques: the unique constraints, those of `Column(unique=True)` included.
        checks: the check constraints, those of `Column(check=...)` included.
        foreign_keys: the foreign keys; their targets are found on first use.
        generated_on_insert: what the store fills in when an INSERT leaves it out.
        identity: answers an object's key: the plain value, or a tuple for a composite one.
        initial_state: the `_uow_state` of a new object.
        sources: the generated functions' texts by name.
        kept: what a dialect makes for this mapper (texts of statements), by dialect: kept here it
            goes when the mapper does, though it refers to the mapper's columns.
        resolver: finds the types that were not known at definition.
    """

    class_: type[Any] = attrs.field(init=False)
    storage: type[Any] = attrs.field(init=False)
    partial: type[Any] = attrs.field(init=False)
    name: str
    table_name: str
    schema: str | None
    comment: str | None
    registry: Registry
    columns: tuple[MappedColumn, ...]
    by_attribute: Mapping[str, MappedColumn]
    by_name: Mapping[str, MappedColumn]
    key: tuple[MappedColumn, ...]
    version: MappedColumn | None
    indexes: tuple[Index, ...] = ()
    uniques: tuple[Unique, ...] = ()
    checks: tuple[Check, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    generated_on_insert: tuple[MappedColumn, ...] = ()
    lazy_columns: tuple[MappedColumn, ...] = ()
    identity: Callable[[Any], Any] = attrs.field(init=False)
    initial_state: Any = attrs.field(default=None, init=False)
    sources: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    kept: dict[Any, Any] = attrs.field(factory=dict[Any, Any], init=False)
    is_configured: bool = attrs.field(default=False, init=False)
    alias: str | None = attrs.field(default=None, init=False)
    resolver: Callable[[Mapper], None]
    _types_resolved: bool = attrs.field(default=False, init=False)

    def __repr__(self) -> str:
        return f"<Mapper {self.name} -> {self.full_table_name}>"

    @property
    def full_table_name(self) -> str:
        """The table's name with its schema, for messages."""
        return f"{self.schema}.{self.table_name}" if self.schema else self.table_name

    @property
    def root(self) -> Mapper:
        """The mapper whose class owns the identities of this one's objects."""
        return self

    def resolve_types(self) -> None:
        """Find the types of hints that named something not defined yet.

        Raises:
            MappingError: a hint still cannot be resolved, or is of no known type.
        """
        if not self._types_resolved:
            with _configuring:
                self._resolve_types()

    def _resolve_types(self) -> None:
        if not self._types_resolved:  # another thread may have been quicker
            self.resolver(self)
            self._types_resolved = True

    def configure(self) -> None:
        """Resolve forward references and foreign keys; done on first use, and only once.

        Raises:
            MappingError: a reference leads nowhere, or to something that does not fit.
        """
        if self.is_configured:
            return
        with _configuring:
            self._resolve_types()
            for foreign_key in self.foreign_keys:
                foreign_key.resolve()
            self.is_configured = True

    def column(self, attribute: str) -> MappedColumn:
        """The column of that attribute.

        Raises:
            MappingError: there is none.
        """
        try:
            return self.by_attribute[attribute]
        except KeyError:
            raise MappingError(f"{self.name} has no field {attribute!r}") from None

    def check_key(self, value: object) -> Any:
        """Check a key a user gave; `True`, `"1"` and `1.0` are not the integer 1.

        Returns:
            The key as identity maps hold it: the plain value, or a tuple for a composite key.

        Raises:
            ValidationError: it does not fit the key's columns.
        """
        key = self.key
        if len(key) == 1:
            return self._check_key_part(key[0], value)
        parts = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
        if len(parts) != len(key):
            names = ", ".join(column.attribute for column in key)
            count = f"{len(parts)} of them" if isinstance(value, tuple) else kind_of(value)
            raise ValidationError(
                f"{self.name}: the key is a tuple of {len(key)} values ({names}), got {count}"
            )
        return tuple(self._check_key_part(c, part) for c, part in zip(key, parts, strict=True))

    def _check_key_part(self, column: MappedColumn, value: object) -> object:
        if value is None:
            raise ValidationError(f"{column}: a key must not be None")
        if not self.is_configured:
            self.configure()
        try:
            return check_value(column.type, value)
        except ValueError as exc:
            raise ValidationError(f"{column}: {exc}") from None

    def mark_complete(self, obj: object) -> None:
        """Give an object the public class: every column is there, or its reader's concern."""
        set_class(obj, self.class_)

    def mark_partial(self, obj: object) -> None:
        """Give an object the class that answers missing columns with `NotLoadedError`."""
        set_class(obj, self.partial)

    def mark(self, obj: object) -> None:
        """Give an object the class that fits what it holds."""
        complete = all(column.is_loaded(obj) for column in self.columns)
        set_class(obj, self.class_ if complete else self.partial)

    def new(self, values: Mapping[str, object]) -> Any:
        """Make a transient object from trusted values by attribute, past constructor and hooks.

        Columns without a value are not loaded.
        """
        obj = object.__new__(self.storage)
        for column in self.columns:
            if column.attribute in values:
                column.set_slot(obj, values[column.attribute])
        obj._uow_state = self.initial_state
        self.mark(obj)
        return obj


def mapper_of(entity: object) -> Mapper:
    """The configured mapper of a mapped class, or of an object of one.

    Raises:
        MappingError: the class is not mapped, or cannot be configured.
    """
    class_ = entity if isinstance(entity, type) else type(entity)
    try:
        # Past the metaclass: every class access goes through its `__getattribute__`.
        mapper = type.__getattribute__(class_, "_uow_mapper")
    except AttributeError:
        mapper = None
    if not isinstance(mapper, Mapper):
        raise MappingError(f"{class_.__module__}.{class_.__qualname__} is not a mapped class")
    if not mapper.is_configured:
        mapper.configure()
    return mapper
