"""What a user writes in a class body: `Column(...)` and `Mapped[T]`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, final, overload

import attrs

from uow.types import ColumnType

if TYPE_CHECKING:
    from uow.expressions import ColumnExpression

__all__ = ["MISSING", "Column", "ColumnSpec", "Mapped", "Missing", "Sequence"]

T = TypeVar("T")


@final
class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING
"""Marks what was not given, where None would be a value."""


@attrs.frozen
class Sequence:
    """A sequence of the store: numbers that several tables and programs may take from.

    Attributes:
        name: its name.
        schema: the schema it is in, or None for the store's default.
        start: the first number.
        increment: the step from one number to the next.
    """

    name: str
    schema: str | None = attrs.field(default=None, kw_only=True)
    start: int = attrs.field(default=1, kw_only=True)
    increment: int = attrs.field(default=1, kw_only=True)


@attrs.frozen(kw_only=True, eq=False)
class ColumnSpec:
    """The arguments of one `Column(...)`, as they were given.

    Three of them say what others wrote: `index_options` what `Indexed` was given, `info` the
    default that was pydantic's `Field(...)`, `link_options` what `link` was given.
    `holds_rest` is the column for all that a document holds besides the fields of its class.
    """

    default: object = MISSING
    default_factory: Callable[[], object] | None = None
    server_default: str | None = None
    primary_key: bool = False
    auto_increment: bool = False
    identity: str | None = None
    sequence: object = None
    unique: bool = False
    nullable: bool | None = None
    max_length: int | None = None
    foreign_key: object = None
    on_delete: str | None = None
    on_update: str | None = None
    deferrable: bool = False
    initially: str | None = None
    index: bool = False
    check: str | None = None
    type: object = None
    precision: int | None = None
    scale: int | None = None
    timezone: bool | None = None
    collation: str | None = None
    sql_type: str | None = None
    name: str | None = None
    version: bool = False
    generated: str | None = None
    virtual: bool = False
    comment: str | None = None
    prefix: str | None = None
    index_options: Mapping[str, Any] | None = None
    info: object = None
    holds_rest: bool = False
    link_options: Mapping[str, Any] | None = None
    discriminator: bool = False
    init: bool = True
    unknown: tuple[str, ...] = ()


_ARGUMENTS: Final = frozenset(
    field.name
    for field in attrs.fields(ColumnSpec)
    if field.name not in {"holds_rest", "index_options", "info", "link_options", "unknown"}
)


if TYPE_CHECKING:
    _Type = ColumnType | type[Any]
    # A string `"table.column"`, a column of a class, or a callable that answers one of them.
    _Target = str | ColumnExpression[Any] | Callable[[], object]
    _Identity = Literal["always", "by default"]
    _Initially = Literal["deferred", "immediate"]


# The overloads say what type checkers must know: which columns are constructor parameters
# (`default=` makes every one of them a parameter), and nothing else; at run time all are.
@overload
def Column(
    *,
    default: object,
    server_default: str | None = None,
    primary_key: bool = False,
    auto_increment: bool = False,
    unique: bool = False,
    nullable: bool | None = None,
    max_length: int | None = None,
    foreign_key: _Target | None = None,
    on_delete: str | None = None,
    on_update: str | None = None,
    deferrable: bool = False,
    initially: _Initially | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    precision: int | None = None,
    scale: int | None = None,
    timezone: bool | None = None,
    collation: str | None = None,
    sql_type: str | None = None,
    name: str | None = None,
    version: bool = False,
    comment: str | None = None,
    init: Literal[True] = True,
) -> Any: ...
@overload
def Column(
    *,
    default_factory: Callable[[], object],
    server_default: str | None = None,
    primary_key: bool = False,
    auto_increment: bool = False,
    unique: bool = False,
    nullable: bool | None = None,
    max_length: int | None = None,
    foreign_key: _Target | None = None,
    on_delete: str | None = None,
    on_update: str | None = None,
    deferrable: bool = False,
    initially: _Initially | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    precision: int | None = None,
    scale: int | None = None,
    timezone: bool | None = None,
    collation: str | None = None,
    sql_type: str | None = None,
    name: str | None = None,
    version: bool = False,
    comment: str | None = None,
    init: Literal[True] = True,
) -> Any: ...
@overload
def Column(*, prefix: str, default: None) -> Any: ...
@overload
def Column(*, prefix: str, init: Literal[True] = True) -> Any: ...
@overload
def Column(
    *,
    auto_increment: Literal[True],
    identity: _Identity | None = None,
    sequence: str | Sequence | None = None,
    primary_key: bool = False,
    unique: bool = False,
    nullable: bool | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    name: str | None = None,
    comment: str | None = None,
    init: Literal[False] = False,
) -> Any: ...
@overload
def Column(
    *,
    identity: _Identity,
    primary_key: bool = False,
    unique: bool = False,
    nullable: bool | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    name: str | None = None,
    comment: str | None = None,
    init: Literal[False] = False,
) -> Any: ...
@overload
def Column(
    *,
    sequence: str | Sequence,
    primary_key: bool = False,
    unique: bool = False,
    nullable: bool | None = None,
    deferrable: bool = False,
    initially: _Initially | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    name: str | None = None,
    comment: str | None = None,
    init: Literal[False] = False,
) -> Any: ...
@overload
def Column(
    *,
    version: Literal[True],
    type: _Type | None = None,
    name: str | None = None,
    comment: str | None = None,
    init: Literal[False] = False,
) -> Any: ...
@overload
def Column(
    *,
    discriminator: Literal[True],
    max_length: int | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    collation: str | None = None,
    sql_type: str | None = None,
    name: str | None = None,
    comment: str | None = None,
    init: Literal[False] = False,
) -> Any: ...
@overload
def Column(
    *,
    server_default: str,
    primary_key: bool = False,
    unique: bool = False,
    nullable: bool | None = None,
    max_length: int | None = None,
    foreign_key: _Target | None = None,
    on_delete: str | None = None,
    on_update: str | None = None,
    deferrable: bool = False,
    initially: _Initially | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    precision: int | None = None,
    scale: int | None = None,
    timezone: bool | None = None,
    collation: str | None = None,
    sql_type: str | None = None,
    name: str | None = None,
    comment: str | None = None,
    init: Literal[False] = False,
) -> Any: ...
@overload
def Column(
    *,
    generated: str,
    virtual: bool = False,
    unique: bool = False,
    nullable: bool | None = None,
    max_length: int | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    precision: int | None = None,
    scale: int | None = None,
    timezone: bool | None = None,
    collation: str | None = None,
    sql_type: str | None = None,
    name: str | None = None,
    comment: str | None = None,
    init: Literal[False] = False,
) -> Any: ...
@overload
def Column(
    *,
    primary_key: bool = False,
    unique: bool = False,
    nullable: bool | None = None,
    max_length: int | None = None,
    foreign_key: _Target | None = None,
    on_delete: str | None = None,
    on_update: str | None = None,
    deferrable: bool = False,
    initially: _Initially | None = None,
    index: bool = False,
    check: str | None = None,
    type: _Type | None = None,
    precision: int | None = None,
    scale: int | None = None,
    timezone: bool | None = None,
    collation: str | None = None,
    sql_type: str | None = None,
    name: str | None = None,
    comment: str | None = None,
    init: Literal[True] = True,
) -> Any: ...
def Column(**arguments: Any) -> Any:  # noqa: N802 - read as a type in class bodies
    """Describe one column of a model.

    Args:
        **arguments: the following.
        default: the value of objects made without one; a callable is called for each object.
            On a column that does not hold strings, a string naming a known SQL function
            (`"NOW()"`, `"CURRENT_TIMESTAMP"`, ...) is a server default.
        default_factory: a callable without arguments that makes the value of each object.
        server_default: SQL the store evaluates when no value is sent, as given.
        primary_key: the column is (part of) the key.
        auto_increment: the store numbers the rows (one integer key column).
        identity: the same, and says whether a row may bring its number: `"by default"` it may,
            with `"always"` a number that is given is refused. On PostgreSQL other columns than the
            key may be numbered so.
        sequence: the store numbers the rows from this sequence, a name or a `Sequence`, which is
            made with the table. A store without sequences numbers a key by its own means.
        unique: no two rows hold the same value.
        nullable: whether NULL is allowed; by default what the type hint says.
        max_length: the longest text (characters) or bytes value.
        foreign_key: `"table.column"`, `Author.id`, or a callable that answers one of them.
        on_delete: `"cascade"`, `"set null"`, `"set default"`, `"restrict"` or `"no action"`.
        on_update: the same, when the referenced value changes.
        deferrable: the foreign key, or without one the unique constraint, is checked at commit,
            where the store can.
        initially: `"immediate"` for one that is checked at once unless the transaction defers it.
        index: make an index on the column alone.
        check: SQL that must hold for every row.
        type: the column type, where the hint does not say enough (`Array(str)`, `Integer(16)`).
        precision: the number of digits of a `Decimal`.
        scale: how many of them stand after the point.
        timezone: False for the naive kind of `datetime`.
        collation: the store's collation for a text column.
        sql_type: the type as the store's DDL says it (`"INT UNSIGNED"`, `"CHAR(3)"`), where that is
            not what is written for the hint; values are those of the hint. It stands in DDL as it
            is given.
        name: the name in the store, if not the attribute's.
        version: the optimistic lock, counted up by every update.
        discriminator: it tells the class of a row, as `Settings.discriminator` says too; no object
            is given it.
        generated: SQL the store computes the column from.
        virtual: the generated column is computed when it is read and not kept, where the store can.
        comment: a comment kept in the store's schema.
        prefix: the field's value, of a frozen class, is kept in a column for each of its fields,
            whose names begin with this.
        init: for type checkers only.
    """
    unknown = tuple(name for name in arguments if name not in _ARGUMENTS)
    for name in unknown:  # refused where class and field can be named
        del arguments[name]
    return ColumnSpec(**arguments, unknown=unknown)


class Mapped(Generic[T]):
    """The type hint of a column: an expression on the class, a `T` on an object.

    A hint only: no object of this class is ever made.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: object) -> ColumnExpression[T]: ...
        @overload
        def __get__(self, instance: object, owner: object) -> T: ...
        def __get__(self, instance: object, owner: object) -> object: ...
        def __set__(self, instance: object, value: T) -> None: ...
        def __delete__(self, instance: object) -> None: ...
