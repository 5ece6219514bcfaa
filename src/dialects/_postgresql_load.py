"""When new rows go to PostgreSQL by COPY, and what has to be asked before.

COPY takes two thirds of the time of INSERT, from some hundred rows on, but it is not the same: it
passes by rules and is refused under row security; it returns nothing, so keys are taken from their
sequence first, which wants a privilege INSERT does not, and nobody hears what a trigger made of
them; and values travel in the form of the column's own type, which nobody casts. Each of these
would be an error that ends the transaction, or worse, so one statement asks for all of them, and
takes the keys if nothing stands in the way
("COPY", "Notes", https://www.postgresql.org/docs/current/sql-copy.html).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from uow.dialects import codecs
from uow.dialects._postgresql_types import QUOTE
from uow.statement import Load, Statement
from uow.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    Text,
    Time,
    Uuid,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn
    from uow.query.statements import InsertRows

__all__ = ["ROWS_PER_LOAD", "load_of"]

FEWEST_ROWS: Final = 500
"""From here on asking first, taking keys and COPY together are quicker than one INSERT."""

ROWS_PER_LOAD: Final = 10_000
"""How many rows one COPY holds, which are encoded in one go, and how many keys are held for it."""

# The sequence is looked up once, which is what MATERIALIZED says.
_GUARD: Final = """\
WITH g AS MATERIALIZED (SELECT {sequence} AS s FROM pg_class AS c
WHERE c.oid = $1::text::regclass AND c.relkind IN ('r', 'p') AND NOT c.relhasrules
AND NOT row_security_active(c.oid) AND NOT EXISTS (SELECT FROM pg_trigger AS t
WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 7 = 7)
AND {count} = (SELECT count(DISTINCT a.attnum) FROM pg_attribute AS a
JOIN unnest($2::text[], $3::text[]) AS w(name, type)
ON a.attname = w.name AND format_type(a.atttypid, NULL) = w.type
WHERE a.attrelid = c.oid AND a.attgenerated = ''))
{answer}"""

_ONE_ANSWER: Final = "SELECT true FROM g"

_KEYS: Final = (
    "SELECT nextval(s) FROM (SELECT s FROM g WHERE has_sequence_privilege(s, 'USAGE') OFFSET 0)"
    " AS g, generate_series(1, $5::bigint)"
)


def load_of(batch: InsertRows, otherwise: Callable[[], Sequence[Statement]]) -> Load | None:
    """Give the COPY of a batch, or None where INSERT it is.

    Args:
        batch: at most `ROWS_PER_LOAD` rows.
        otherwise: gives the INSERTs of the same rows.
    """
    if len(batch.rows) < FEWEST_ROWS or len(batch.returning) > 1:
        return None
    key = batch.returning[0] if batch.returning else None
    if key is not None and not key.auto_increment:
        return None
    pairs = [(c.name, name) for c in batch.columns for name in _stored_as(c.type)]
    if len({name for name, _ in pairs}) < len(batch.columns):
        return None
    mapper = batch.mapper
    table = QUOTE(mapper.table_name)
    if mapper.schema is not None:
        table = f"{QUOTE(mapper.schema)}.{table}"
    columns = [*([] if key is None else [key.name]), *(c.name for c in batch.columns)]
    names, types = (list(values) for values in zip(*pairs, strict=True))
    return Load(
        schema=mapper.schema,
        table=mapper.table_name,
        columns=columns,
        rows=batch.rows,
        permit=_permit(batch, key, (table, names, types)),
        takes_keys=key is not None,
        otherwise=otherwise,
        sql=f"COPY {table} ({', '.join(map(QUOTE, columns))}) FROM STDIN",
    )


def _permit(
    batch: InsertRows, key: MappedColumn | None, parameters: tuple[object, ...]
) -> Statement:
    count = len(batch.columns)
    if key is None:
        return Statement(
            _GUARD.format(sequence="NULL", count=count, answer=_ONE_ANSWER), parameters
        )
    of_table = "pg_get_serial_sequence($1::text, $4::text)::regclass"
    of_name = "$4::text::regclass"
    text = _GUARD.format(
        sequence=of_table if key.sequence is None else of_name, count=count, answer=_KEYS
    )
    source = key.name
    if key.sequence is not None:
        source = QUOTE(key.sequence.name)
        if key.sequence.schema is not None:
            source = f"{QUOTE(key.sequence.schema)}.{source}"
    return Statement(text, (*parameters, source, len(batch.rows)))


def _stored_as(type_: ColumnType) -> tuple[str, ...]:
    """The types of columns that take what we encode for a type as it is; empty for none."""
    match type_:
        case EnumType(native_name=None):
            return _stored_as(codecs.enum_store_type(type_))
        case DateTime(timezone=timezone):
            return (f"timestamp {'with' if timezone else 'without'} time zone",)
        case _:
            return _STORED_AS.get(type(type_), ())


_STORED_AS: Final[dict[type[ColumnType], tuple[str, ...]]] = {
    Integer: ("smallint", "integer", "bigint"),
    Boolean: ("boolean",),
    Float: ("double precision",),
    Text: ("text", "character varying"),
    Binary: ("bytea",),
    Uuid: ("uuid",),
    Numeric: ("numeric",),
    Date: ("date",),
    Time: ("time without time zone",),
    Interval: ("interval",),
    Json: ("jsonb",),
}
