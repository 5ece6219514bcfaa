"""`Mapper`: all that is known about a mapped class, made once, when the class is."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from uow.errors import MappingError, ValidationError
from uow.mapping.columns import MISSING, Sequence
from uow.mapping.nested_hints import member_of, step_into, type_of_nested
from uow.types import ColumnType, DocumentValue, Json, Native, changes_in_place
from uow.values import checker_for, described, kind_of, literal_choices, python_type
from uow.values.coercion import objects_of

if TYPE_CHECKING:
    from uow.mapping.document_settings import DocumentSettings
    from uow.mapping.embedded import Embedded
    from uow.mapping.fields import Field
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.inheritance import Hierarchy
    from uow.mapping.lazy import Keeper
    from uow.mapping.link_fields import LinkField
    from uow.mapping.paths import RelationQueries
    from uow.mapping.registry import Registry
    from uow.mapping.relation import Relation

__all__ = [
    "KEY_REFUSED",
    "Check",
    "CollectionIndex",
    "Exclusion",
    "Index",
    "IndexPart",
    "MappedColumn",
    "Mapper",
    "Unique",
    "Unresolved",
    "mapper_of",
    "set_class",
]

KEY_REFUSED: Final = "the store numbers every row (identity='always'), so none may bring its number"
"""What is wrong with a new row that has a key."""

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
        identity_always: whether the store makes the number of every row and takes none.
        sequence: the sequence it is numbered from.
        numbered: the store numbers it, and it is not the key.
        sql_type: its type in DDL, if not what is written for its type.
        generated: the SQL the store computes the column from.
        virtual: whether what is generated is not kept, where the store can compute it on reading.
        holds_rest: whether it is no field of a document, but all that the class has no field for.
        foreign_key: the foreign key it is (the first) part of.
        is_discriminator: whether its value tells the class of an object, and is always the same.
        stored: the column of the table that holds it: itself, but for a class that has rows in
            tables of its parents, or a key of its own table.
        owner: of a column that only a table has: the column of the class it is for.
        by_relation: a relation stands on it, and may give it its value.
        followers: the relations that stand on it, of both sides.
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
    identity_always: bool
    sequence: Sequence | None
    generated: str | None
    virtual: bool
    check: str | None
    version: bool
    comment: str | None
    hint: object
    holds_rest: bool = False
    numbered: bool = False
    sql_type: str | None = None
    foreign_key: ForeignKey | None = None
    is_discriminator: bool = False
    stored: MappedColumn = attrs.field(init=False)
    owner: MappedColumn | None = attrs.field(default=None, init=False)
    by_relation: bool = attrs.field(default=False, init=False)
    followers: tuple[Relation, ...] = attrs.field(default=(), init=False)
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
        owner = self.mapper if self.owner is None else self.owner.mapper
        return f"{owner.name}.{self.attribute}"

    @cached_property
    def is_fixed(self) -> bool:
        """Whether users cannot set it on a stored row: key, version, class, what is generated."""
        is_told = self.version or self.is_discriminator
        return self.primary_key or is_told or self.generated is not None

    @property
    def is_shared(self) -> bool:
        """Whether it is a column of one table for several classes, some of which have it not."""
        return self.owner is not None and self.owner.mapper.table_name == self.mapper.table_name

    @property
    def is_lazy(self) -> bool:
        """Whether values are converted when first read, and can change in place."""
        return changes_in_place(self.type)

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
        return (
            self.auto_increment
            or self.numbered
            or self.sequence is not None
            or self.server_default is not None
            or self.generated is not None
        )

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
        return self.is_made_by_store or self.version or (self.by_relation and not self.nullable)

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
        check = checker_for(self.type)
        if self.choices:
            check = self._chosen(check)
        return self._told(check) if self.is_discriminator else check

    @cached_property
    def choices(self) -> tuple[Any, ...]:
        """The only values it takes, if its hint is a `Literal` of a scalar's."""
        return () if isinstance(self.type, (Json, Native)) else literal_choices(self.hint)

    def _chosen(self, check: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Let pass only what the type hint names."""
        choices = frozenset(self.choices)
        names = ", ".join(
            f"{type(choice).__name__}.{choice.name}"
            if isinstance(choice, enum.Enum)
            else repr(choice)
            for choice in self.choices
        )

        def chosen(value: Any) -> Any:
            kept = check(value)
            if kept not in choices:
                raise ValueError(f"expected one of {names}, got another {kind_of(kept)}")
            return kept

        return chosen

    def _told(self, check: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Let pass only what tells this class."""

        def told(value: Any) -> Any:
            if value != self.default:
                name = self.mapper.name
                raise ValueError(f"it tells the class of an object, which is {name} here")
            return check(value)

        return told

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

    def with_objects(self, value: Any) -> Any:
        """Put the embedded objects in the places of dicts that stand for them, in a document.

        Raises:
            ValueError: a dict does not stand for one.
        """
        is_embedding = type(self.type) is DocumentValue
        return objects_of(self.hint, value) if is_embedding else value

    def step_into(
        self, hint: object, key: str | int
    ) -> tuple[str | int, object, ColumnType | None] | None:
        """Follow a name, a key or an index into the nested value of a document.

        Args:
            hint: the type hint of the value.
            key: the step.

        Returns:
            What the step is called in the store, and the hint and the type of what it leads to;
            None if there is no such thing.
        """
        into_link = getattr(hint, "step_into_link", None)
        if into_link is not None:
            return cast("tuple[str | int, object, ColumnType | None] | None", into_link(key))
        if isinstance(key, int):
            found = member_of(hint)
            return key, found, type_of_nested(found)
        step = step_into(hint, key)
        return None if step is None else (*step, type_of_nested(step[1]))

    def put(self, obj: object, value: object) -> None:
        """Give an object a value, past the write hook."""
        keeper = self.mapper.keeper
        if keeper is None or self.set_raw is None:
            self.set_slot(obj, value)
        else:
            keeper.keep(obj, self, value)

    def put_absent(self, obj: object) -> None:
        """Give an object what stands for a field that its document lacks: the default, or None.

        Where there is neither, the object does not hold the field.
        """
        if self.default_factory is not None:
            self.put(obj, self.default_factory())
        elif self.default is not MISSING:
            self.put(obj, self.default)
        elif self.nullable or self.version:
            self.put(obj, None)

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
        # Not all are its own: those of a parent's columns are the parent's.
        slots: dict[str, Any] = {}
        classes: tuple[type[object], ...] = storage.__mro__
        for class_ in reversed(classes):
            slots.update(vars(class_))
        slot = slots[self.attribute]
        self.get_slot, self.set_slot = slot.__get__, slot.__set__
        self.delete_slot = slot.__delete__
        raw = slots.get(self.raw_attribute) if self.may_be_lazy else None
        if raw is not None:
            self.get_raw, self.set_raw, self.delete_raw = raw.__get__, raw.__set__, raw.__delete__
        if self.stored is not self and self.stored.owner is self:
            self._bind_stored()

    def _bind_stored(self) -> None:
        """Give the column of the table the slots of the class it is for."""
        stored = self.stored
        if stored.is_shared:
            stored.bind_shared()
            return
        stored.get_slot, stored.set_slot = self.get_slot, self.set_slot
        stored.delete_slot = self.delete_slot
        stored.get_raw, stored.set_raw = self.get_raw, self.set_raw
        stored.delete_raw = self.delete_raw

    def bind_shared(self) -> None:
        """Reach objects of several classes by the slots of each; some have no such field: NULL."""
        name = self.attribute

        def of(obj: Any) -> MappedColumn | None:
            column: MappedColumn | None = obj._uow_mapper.by_attribute.get(name)
            return column

        def get(obj: Any) -> Any:
            column = of(obj)
            return None if column is None else column.get_slot(obj)

        self.get_slot = get
        self.set_slot = lambda obj, value: obj._uow_mapper.by_attribute[name].set_slot(obj, value)
        self.delete_slot = lambda obj: obj._uow_mapper.by_attribute[name].delete_slot(obj)
        if self.may_be_lazy:
            self.get_raw = lambda obj: obj._uow_mapper.by_attribute[name].get_raw(obj)
            self.set_raw = lambda obj, raw: obj._uow_mapper.by_attribute[name].set_raw(obj, raw)
            self.delete_raw = lambda obj: obj._uow_mapper.by_attribute[name].delete_raw(obj)


@attrs.frozen(eq=False, kw_only=True)
class IndexPart:
    """One thing an index is over: a column, or what SQL computes of the row.

    Attributes:
        column: the column, or None.
        expression: the SQL, or None.
        descending: whether the greatest value comes first.
        nulls: `"FIRST"` or `"LAST"`, or None for what the store does.
        opclass: the operator class, for stores that have them.
        collation: the collation to order by, or None for the column's own.
    """

    column: MappedColumn | None = None
    expression: str | None = None
    descending: bool = False
    nulls: str | None = None
    opclass: str | None = None
    collation: str | None = None


@attrs.frozen(eq=False, kw_only=True)
class Index:
    """An index of one table.

    Attributes:
        mapper: whose table.
        name: its name.
        is_named: whether the model names it; a name made here may be cut.
        parts: what it is over, in order.
        unique: whether no two rows may be alike in it.
        where: SQL that chooses the rows in it, or None for all.
        method: the access method (`"gin"`, ...), or None for the usual one.
        include: columns that are kept in it beside those it is over.
        nulls_distinct: whether NULLs in a unique index are different from each other.
    """

    mapper: Mapper
    name: str
    is_named: bool = True
    parts: tuple[IndexPart, ...]
    unique: bool = False
    where: str | None = None
    method: str | None = None
    include: tuple[MappedColumn, ...] = ()
    nulls_distinct: bool = True

    @cached_property
    def columns(self) -> tuple[MappedColumn, ...]:
        """The columns it is over; none if an expression is among its parts."""
        found = tuple([part.column for part in self.parts if part.column is not None])
        return found if len(found) == len(self.parts) else ()


@attrs.frozen(eq=False, kw_only=True)
class CollectionIndex:
    """An index of a collection.

    Attributes:
        name: its name.
        keys: what it is over, with the direction or the kind of each.
        options: what else createIndexes is told.
    """

    name: str
    keys: tuple[tuple[str, Any], ...]
    options: Mapping[str, Any]


@attrs.frozen(eq=False)
class Unique:
    """A unique constraint.

    Attributes:
        columns: what is unique together.
        name: None for a column's own `unique=True`.
        deferrable: whether it is checked at commit, where the store can.
        initially_deferred: whether that is so without the transaction asking for it.
        nulls_distinct: whether NULLs are different from each other.
    """

    columns: tuple[MappedColumn, ...]
    name: str | None = None
    deferrable: bool = False
    initially_deferred: bool = True
    nulls_distinct: bool = True


@attrs.frozen(eq=False)
class Exclusion:
    """A constraint that no two rows are alike by all of its operators.

    Attributes:
        columns: what is compared, each with the operator of the same place.
        operators: how (`"="`, `"&&"`).
        method: the access method of its index.
        where: SQL that chooses the rows it is for, or None for all.
        name: its name, or None.
        deferrable: whether it is checked at commit.
        initially_deferred: whether that is so without the transaction asking for it.
    """

    columns: tuple[MappedColumn, ...]
    operators: tuple[str, ...]
    method: str = "gist"
    where: str | None = None
    name: str | None = None
    deferrable: bool = False
    initially_deferred: bool = True


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
        exclusions: the exclusion constraints.
        foreign_keys: the foreign keys; their targets are found on first use.
        generated_on_insert: what the store fills in when an INSERT leaves it out.
        identity: answers an object's key: the plain value, or a tuple for a composite one.
        initial_state: the `_uow_state` of a new object.
        embedded: the values that are made of several columns, by attribute.
        keeper: who knows of changes inside of values, if anybody does.
        sources: the generated functions' texts by name.
        relations: the relations, by attribute.
        links: the fields of links of a document class, by attribute; those that are stored are
            known when the types are.
        is_link: it is a link table that nobody wrote a class for.
        relation_queries: makes expressions of relations.
        kept: what others make for this mapper, by who did (a dialect its texts of statements):
            kept here it goes when the mapper does, though it refers to the mapper's columns.
        resolver: finds the types that were not known at definition.
        document: the settings of a document class; None for a table.
        privates: attributes of objects that are not stored, by name.
        wrap_construction: puts further checks before the generated constructor, or gives None.
        collection_indexes: the indexes of a document class.
        fields: what the columns were made of, by attribute, values in columns not taken apart.
        parent: the mapped class above, of a table the one above; None if there is none.
        children: the mapped classes directly below.
        hierarchy: the classes it shares its identities, or just its fields, with.
        discriminator_value: what the discriminator of its rows holds.
        root: the mapper whose class owns the identities of this one's objects.
        tables: the mappers of the tables that hold a row of each object, from the root down.
        shared_columns: what other classes have in its table besides.
        owner: of a mapper that is only a table's: that of the class.
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
    exclusions: tuple[Exclusion, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    generated_on_insert: tuple[MappedColumn, ...] = ()
    lazy_columns: tuple[MappedColumn, ...] = ()
    identity: Callable[[Any], Any] = attrs.field(init=False)
    initial_state: Any = attrs.field(default=None, init=False)
    keeper: Keeper | None = attrs.field(default=None, init=False)
    relations: Mapping[str, Relation] = attrs.field(factory=dict[str, "Relation"], init=False)
    links: dict[str, LinkField] = attrs.field(factory=dict[str, "LinkField"], init=False)
    relation_queries: RelationQueries | None = attrs.field(default=None, init=False)
    is_link: bool = attrs.field(default=False, init=False)
    embedded: Mapping[str, Embedded] = attrs.field(factory=dict[str, "Embedded"], init=False)
    sources: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    kept: dict[Any, Any] = attrs.field(factory=dict[Any, Any], init=False)
    is_configured: bool = attrs.field(default=False, init=False)
    alias: str | None = attrs.field(default=None, init=False)
    document: DocumentSettings | None = None
    privates: Mapping[str, Any] = attrs.field(factory=dict[str, Any], init=False)
    wrap_construction: Callable[[Mapper, Any], Any] | None = attrs.field(default=None, init=False)
    collection_indexes: tuple[CollectionIndex, ...] = ()
    resolver: Callable[[Mapper], None]
    _types_resolved: bool = attrs.field(default=False, init=False)
    _is_being_configured: bool = attrs.field(default=False, init=False)
    fields: Mapping[str, Field] = attrs.field(factory=dict[str, "Field"], init=False)
    parent: Mapper | None = attrs.field(default=None, init=False)
    children: tuple[Mapper, ...] = attrs.field(default=(), init=False)
    hierarchy: Hierarchy | None = attrs.field(default=None, init=False)
    discriminator_value: Any = attrs.field(default=None, init=False)
    root: Mapper = attrs.field(init=False)
    tables: tuple[Mapper, ...] = attrs.field(init=False)
    shared_columns: tuple[MappedColumn, ...] = attrs.field(default=(), init=False)
    owner: Mapper | None = attrs.field(default=None, init=False)
    _family: tuple[Mapper, ...] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.root = self
        self.tables = (self,)

    def __repr__(self) -> str:
        return f"<Mapper {self.name} -> {self.full_table_name}>"

    @property
    def full_table_name(self) -> str:
        """The table's name with its schema, for messages."""
        return f"{self.schema}.{self.table_name}" if self.schema else self.table_name

    @property
    def caches(self) -> bool:
        """Whether what is found of a document class is kept for a while."""
        return self.document is not None and bool(self.document.options.get("use_cache"))

    @property
    def table_columns(self) -> tuple[MappedColumn, ...]:
        """The columns of the table, those of other classes included."""
        return self.columns + self.shared_columns

    @property
    def family(self) -> tuple[Mapper, ...]:
        """This class and those below it, parents before children; another tuple for other ones."""
        if self._family is None:
            below = [one for child in self.children for one in child.family]
            self._family = (self, *below)
        return self._family

    def forget_family(self) -> None:
        """A class has come, or gone."""
        self._family = None

    @property
    def discriminator(self) -> MappedColumn | None:
        """The column whose value tells the class of a row."""
        name = None if self.hierarchy is None else self.hierarchy.discriminator
        return None if name is None else self.by_attribute.get(name)

    @property
    def lineage(self) -> tuple[Mapper, ...]:
        """The mappers whose objects this one's are: itself, and those it inherits from."""
        return (self,) if self.parent is None else (self, *self.parent.lineage)

    @cached_property
    def simply_noted(self) -> Mapping[str, MappedColumn]:
        """The columns, by attribute, of which the old value, by object, is all to note of a write.

        Not those that are fixed, or can change in place; none of a class whose objects are not
        told apart by identity.
        """
        own = [self.class_.__eq__, self.class_.__hash__]
        if own != [object.__eq__, object.__hash__]:
            return {}
        columns = self.by_attribute.items()
        return {name: c for name, c in columns if not (c.is_fixed or c.may_be_lazy)}

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
            for above in (self.owner, self.parent):
                if above is not None:
                    above.resolve_types()
            self.resolver(self)
            self._types_resolved = True
            for column in self.columns:
                if column.stored.owner is column:
                    column.stored.type, column.stored.hint = column.type, column.hint
                    column.stored.default = column.default
                    if not column.is_lazy:
                        column.stored.get_raw = column.stored.set_raw = None
                        column.stored.delete_raw = None

    def configure(self) -> None:
        """Resolve forward references and foreign keys; done on first use, and only once.

        Raises:
            MappingError: a reference leads nowhere, or to something that does not fit.
        """
        if self.is_configured:
            return
        with _configuring:
            if self._is_being_configured:
                return  # one of its relations leads back here
            self._is_being_configured = True
            try:
                self._configure()
            finally:
                self._is_being_configured = False

    def _configure(self) -> None:
        self._resolve_types()
        for foreign_key in self.foreign_keys:
            foreign_key.resolve()
        if self.relations:
            from uow.mapping.relate import resolve_relations

            resolve_relations(self)
        if self.links:
            from uow.mapping.link_fields import resolve_back_links

            resolve_back_links(self)
        self.is_configured = True
        for table in self.tables:
            table.configure()

    def parts_of(
        self, columns: tuple[MappedColumn, ...], *, with_key: bool = False
    ) -> list[tuple[Mapper, tuple[MappedColumn, ...], tuple[MappedColumn, ...]]]:
        """Sort columns of the class by its tables, the root's first.

        Args:
            columns: of the class.
            with_key: each table but the root's gets its key, which is the root's.

        Returns:
            For each table itself, those of the columns it stores (a key all of them), and all that
            it stores of the class.
        """
        if self.tables == (self,):
            return [(self, columns, self.columns)]
        if len(self.tables) == 1:
            (table,) = self.tables
            stored = tuple([column.stored for column in columns])
            return [(table, stored, tuple([column.stored for column in self.columns]))]
        names = {column.attribute for column in columns}
        found: list[tuple[Mapper, tuple[MappedColumn, ...], tuple[MappedColumn, ...]]] = []
        for table in self.tables:
            handed = table.key if with_key and table.owner is not None else ()
            given = [c for c in table.columns if c.attribute in names or c in handed]
            found.append((table, tuple(given), table.columns))
        return found

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
            return column.checker(value)
        except ValueError as exc:
            raise ValidationError(described(column, exc)) from None

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
        obj._uow_state = self.initial_state
        self.put_all(
            obj, self.columns, [values.get(column.attribute, MISSING) for column in self.columns]
        )
        self.mark(obj)
        return obj

    def put_all(
        self, obj: object, columns: Iterable[MappedColumn], values: Iterable[object]
    ) -> None:
        """Give a new object values past the write hook; `MISSING` is left out.

        What they have in common is one thing in the object too.
        """
        lazy: list[MappedColumn] = []
        kept: list[object] = []
        for column, value in zip(columns, values, strict=True):
            if value is MISSING:
                continue
            if column.set_raw is None or self.keeper is None:
                column.set_slot(obj, value)
            else:
                lazy.append(column)
                kept.append(value)
        if lazy and self.keeper is not None:
            self.keeper.keep_all(obj, lazy, kept)


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
