"""Reads the catalogue of PostgreSQL ("System Catalogs", chapter 53), a query a kind of thing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

import attrs

from uow.schema.description import (
    CheckDef,
    ColumnDef,
    ExclusionDef,
    ForeignKeyDef,
    IndexDef,
    IndexPartDef,
    KeyDef,
    Name,
    Schema,
    SequenceDef,
    TableDef,
    TypeDef,
    UniqueDef,
)
from uow.schema.words import Word, words
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.dialects.base import Reading
    from uow.dialects.sql_definitions import DefinitionWriter

__all__ = ["read_catalog", "readable_type"]

_OURS: Final = "NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = {oid} AND e.deptype = 'e')"
"""What an extension brought is not ours."""

_PLACE: Final = "(n.nspname = current_schema() OR n.nspname = ANY($1::text[]))"

_COLUMNS: Final = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, obj_description(c.oid, 'pg_class'),
    a.attname::text, format_type(a.atttypid, a.atttypmod), b.typtype::text, bn.nspname::text,
    b.typname::text, b.oid <> t.oid, a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
    a.attidentity::text, a.attgenerated::text,
    CASE WHEN a.attcollation <> t.typcollation THEN o.collname::text END,
    col_description(c.oid, a.attnum),
    EXISTS (SELECT FROM pg_depend s JOIN pg_class q ON q.oid = s.objid AND q.relkind = 'S'
        WHERE s.classid = 'pg_class'::regclass AND s.refclassid = 'pg_class'::regclass
        AND s.refobjid = c.oid AND s.refobjsubid = a.attnum AND s.deptype = 'a')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON b.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
LEFT JOIN pg_namespace bn ON bn.oid = b.typnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation o ON o.oid = a.attcollation
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {place} AND {ours}
ORDER BY n.nspname, c.relname, a.attnum
"""

_CONSTRAINTS: Final = """
SELECT k.conrelid::bigint, k.conname::text, k.contype::text,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place),
    fn.nspname::text, f.relname::text,
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place),
    k.confdeltype::text, k.confupdtype::text, k.condeferrable, k.condeferred,
    CASE k.contype WHEN 'c' THEN pg_get_expr(k.conbin, k.conrelid)
        WHEN 'x' THEN pg_get_constraintdef(k.oid) END,
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class f ON f.oid = k.confrelid
LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = k.conindid
WHERE k.contype IN ('p', 'u', 'c', 'f', 'x') AND k.conparentid = 0 AND {place}
ORDER BY k.conrelid, k.oid
"""

_INDEXES: Final = """
SELECT i.indrelid::bigint, x.relname::text, i.indisunique, m.amname::text,
    pg_get_expr(i.indpred, i.indrelid),
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
    p.number <= i.indnkeyatts, a.attname::text,
    CASE WHEN a.attname IS NULL THEN pg_get_indexdef(i.indexrelid, p.number, false) END,
    coalesce(i.indoption[p.number - 1], 0)::int,
    CASE WHEN NOT oc.opcdefault THEN oc.opcname::text END,
    CASE WHEN i.indcollation[p.number - 1] <> coalesce(a.attcollation, 100::oid)
        THEN o.collname::text END
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_am m ON m.oid = x.relam
CROSS JOIN LATERAL generate_series(1, i.indnatts::int) AS p(number)
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[p.number - 1]
    AND i.indkey[p.number - 1] <> 0
LEFT JOIN pg_opclass oc ON oc.oid = i.indclass[p.number - 1] AND p.number <= i.indnkeyatts
LEFT JOIN pg_collation o ON o.oid = i.indcollation[p.number - 1] AND p.number <= i.indnkeyatts
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid
    AND k.contype IN ('p', 'u', 'x')) AND {place}
ORDER BY i.indrelid, x.relname, p.number
"""

_TYPES: Final = """
SELECT n.nspname::text, t.typname::text,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid
        ORDER BY e.enumsortorder),
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
        AND NOT a.attisdropped ORDER BY a.attnum),
    ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class r ON r.oid = t.typrelid
WHERE (t.typtype = 'e' OR (t.typtype = 'c' AND r.relkind = 'c')) AND {place} AND {ours}
ORDER BY t.oid
"""

_SEQUENCES: Final = """
SELECT n.nspname::text, c.relname::text, s.seqstart, s.seqincrement
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = c.oid AND e.deptype IN ('a', 'i', 'e'))
    AND {place}
ORDER BY n.nspname, c.relname
"""


def read_catalog(writer: DefinitionWriter, schemas: Collection[str], table: Name | None) -> Reading:
    """Read tables, and what they stand on.

    Args:
        writer: the dialect's.
        schemas: besides the one that comes first in `search_path`.
        table: this one alone; without types and sequences. Its schema may be `pg_temp`.
    """
    (default,) = (yield Statement("SELECT current_schema()::text", reads=True))[0]
    place, given = _PLACE, [list(schemas)]
    if table is not None:
        given = [[table.name]]
        place = "c.relname = ANY($1::text[]) AND n.oid = " + (
            "pg_my_temp_schema()"
            if table.schema == "pg_temp"
            else f"to_regnamespace({_text(writer.quote(table.schema or default))})"
        )

    def query(text: str, oid: str) -> Statement:
        ours = _OURS.format(oid=oid)
        return Statement(text.format(place=place, ours=ours), given, reads=True)

    named = _Names(default, None if table is None else table.schema)
    columns = yield query(_COLUMNS, "c.oid")
    constraints = yield query(_CONSTRAINTS, "c.oid")
    indexes = yield query(_INDEXES, "c.oid")
    types: list[TypeDef] = []
    sequences: list[SequenceDef] = []
    if table is None:
        rows = yield query(_TYPES, "t.oid")
        own = {named(row[0], row[1]) for row in rows}
        types = [_type(row, named, writer, own) for row in rows]
        rows = yield query(_SEQUENCES, "c.oid")
        sequences = [
            SequenceDef(name=named(row[0], row[1]), start=row[2], increment=row[3]) for row in rows
        ]
    tables = _tables(columns, named, writer)
    for row in constraints:
        if row[0] in tables:
            tables[row[0]] = _with_constraint(tables[row[0]], row, named)
    for oid, index in _indexes(indexes):
        if oid in tables:
            known = tables[oid].indexes
            tables[oid] = attrs.evolve(tables[oid], indexes=(*known, index))
    found = frozenset(schemas)
    if table is None and schemas:
        rows = yield Statement(
            "SELECT nspname::text FROM pg_namespace WHERE nspname = ANY($1::text[])",
            [list(schemas)],
            reads=True,
        )
        found = frozenset([row[0] for row in rows])
    return Schema(
        dialect=writer.dialect,
        tables=tuple(tables.values()),
        types=tuple(types),
        sequences=tuple(sequences),
        schemas=found,
        default=default,
    )


@attrs.frozen
class _Names:
    """Makes names: what is in the default schema has none.

    Attributes:
        default: the default schema.
        temporary: `pg_temp`, if a temporary table is read: its schema has another name there.
    """

    default: str
    asked: str | None

    def __call__(self, schema: str, name: str) -> Name:
        if self.asked == "pg_temp" and schema.startswith("pg_temp"):
            return Name(name, "pg_temp")
        return Name(name, None if schema == self.default else schema)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _type(row: Any, named: _Names, writer: DefinitionWriter, own: Collection[Name]) -> TypeDef:
    schema, name, labels, fields, types = row
    quoted = {f"{one.schema}.{one.name}" if one.schema else one.name: one for one in own}

    def declared(type_: str) -> str:
        base = type_.removesuffix("[]").replace('"', "")
        many = type_[len(type_.removesuffix("[]")) :]
        return f"{writer.name(quoted[base])}{many}" if base in quoted else readable_type(type_)

    return TypeDef(
        name=named(schema, name),
        labels=labels,
        fields=tuple([(f, declared(t)) for f, t in zip(fields, types, strict=True)]),
    )


def _tables(rows: Any, named: _Names, writer: DefinitionWriter) -> dict[int, TableDef]:
    found: dict[int, TableDef] = {}
    columns: dict[int, list[ColumnDef]] = defaultdict(list)
    for row in rows:
        oid, schema, name, comment = row[:4]
        found[oid] = TableDef(name=named(schema, name), columns=(), comment=comment)
        if row[4] is not None:
            columns[oid].append(_column(row[4:], named, writer))
    return {oid: attrs.evolve(table, columns=tuple(columns[oid])) for oid, table in found.items()}


def _column(row: Any, named: _Names, writer: DefinitionWriter) -> ColumnDef:
    (name, type_, kind, type_schema, type_name, is_many, not_null, sql, identity, generated) = row[
        :10
    ]
    collation, comment, is_serial = row[10:]
    declared = readable_type(type_)
    if kind in {"e", "c"}:
        declared = writer.name(named(type_schema, type_name)) + ("[]" if is_many else "")
    how = {"a": "always", "d": "by default"}.get(identity)
    if is_serial and sql is not None and sql.startswith("nextval("):
        how, sql = "serial", None
    is_generated = bool(generated)
    return ColumnDef(
        name=name,
        type=declared,
        nullable=not not_null,
        default=None if sql is None or is_generated else readable_default(sql),
        identity=how,
        generated=_bare(sql) if is_generated else None,
        virtual=generated == "v",
        collation=collation,
        comment=comment,
    )


_ACTIONS: Final = {"a": None, "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def _with_constraint(table: TableDef, row: Any, named: _Names) -> TableDef:
    (_, name, kind, columns, schema, target, target_columns, delete, update) = row[:9]
    deferrable, deferred, sql, alike = row[9:]
    deferral = ("deferred" if deferred else "immediate") if deferrable else None
    if kind == "p":
        return attrs.evolve(table, key=KeyDef(columns=columns, name=name))
    if kind == "u":
        unique = UniqueDef(name=name, columns=columns, nulls_distinct=not alike, deferral=deferral)
        return attrs.evolve(table, uniques=(*table.uniques, unique))
    if kind == "c":
        check = CheckDef(name=name, sql=_bare(sql))
        return attrs.evolve(table, checks=(*table.checks, check))
    if kind == "x":
        exclusion = ExclusionDef(name=name, sql=sql)
        return attrs.evolve(table, exclusions=(*table.exclusions, exclusion))
    key = ForeignKeyDef(
        name=name,
        columns=columns,
        target=named(schema, target),
        target_columns=target_columns,
        on_delete=_ACTIONS[delete],
        on_update=_ACTIONS[update],
        deferral=deferral,
    )
    return attrs.evolve(table, foreign_keys=(*table.foreign_keys, key))


def _indexes(rows: Any) -> list[tuple[int, IndexDef]]:
    found: dict[tuple[int, str], IndexDef] = {}
    for oid, name, unique, method, where, alike, is_key, column, sql, option, *rest in rows:
        opclass, collation = rest
        index = found.get((oid, name)) or IndexDef(
            name=name,
            parts=(),
            unique=unique,
            where=_bare(where),
            method=None if method == "btree" else method,
            nulls_distinct=not alike,
        )
        if is_key:
            descending, first = bool(option & 1), bool(option & 2)
            nulls = None if descending == first else ("FIRST" if first else "LAST")
            part = IndexPartDef(
                column=column,
                expression=_bare(sql),
                descending=descending,
                nulls=nulls,
                opclass=opclass,
                collation=collation,
            )
            index = attrs.evolve(index, parts=(*index.parts, part))
        else:
            index = attrs.evolve(index, include=(*index.include, column))
        found[oid, name] = index
    return [(oid, index) for (oid, _), index in found.items()]


def _bare(sql: str | None) -> Any:
    """SQL without the brackets around all of it."""
    if sql is None:
        return None
    while (found := words(sql)) and found[0].text == "(" and _closing(found) == len(found) - 1:
        sql = sql[found[0].end : found[-1].start]
    return sql


def _closing(found: list[Word]) -> int:
    """The place of the bracket that closes the first one."""
    depth = 0
    for place, word in enumerate(found):
        depth += (word.text == "(") - (word.text == ")")
        if depth == 0:
            return place
    return -1


_LITERAL: Final = re.compile(r"('(?:[^']|'')*')::([a-z][a-z ]*)(\(\d+(,\d+)?\))?\Z")
_NUMBERS: Final = frozenset(
    {"smallint", "integer", "bigint", "numeric", "double precision", "real"}
)


def readable_default(sql: str) -> str:
    """A default without the cast that the server puts behind a literal."""
    match = _LITERAL.match(sql)
    if match is None:
        return sql
    type_ = match[2]
    if type_ in _NUMBERS:
        return match[1][1:-1]
    return match[1] if type_ in {"text", "character varying"} else sql


_READABLE: Final = (
    (re.compile(r"character varying"), "VARCHAR"),
    (re.compile(r"character(?! varying)"), "CHAR"),
    (re.compile(r"timestamp(\(\d\))? with time zone"), r"TIMESTAMPTZ\1"),
    (re.compile(r"timestamp(\(\d\))? without time zone"), r"TIMESTAMP\1"),
    (re.compile(r"time(\(\d\))? with time zone"), r"TIMETZ\1"),
    (re.compile(r"time(\(\d\))? without time zone"), r"TIME\1"),
)
_KNOWN: Final = frozenset(
    {
        "smallint", "integer", "bigint", "boolean", "double precision", "real", "text", "bytea",
        "uuid", "numeric", "date", "interval", "jsonb", "json", "inet", "cidr", "int4range",
        "int8range", "numrange", "daterange", "tsrange", "tstzrange",
    }
)  # fmt: skip


def readable_type(type_: str) -> str:
    """Write one of the server's own types as models do.

    >>> readable_type("character varying(20)"), readable_type("numeric(10,2)[]")
    ('VARCHAR(20)', 'NUMERIC(10, 2)[]')
    """
    text = type_.replace(",", ", ") if "(" in type_ and ", " not in type_ else type_
    for pattern, ours in _READABLE:
        if pattern.match(text):
            return pattern.sub(ours, text, count=1)
    return text.upper() if text.partition("(")[0].removesuffix("[]") in _KNOWN else type_
