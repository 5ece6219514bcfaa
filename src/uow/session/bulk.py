"""Statements over many rows, and raw SQL: what the journal cannot repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from uow.errors import QueryError
from uow.expressions import ColumnExpression, Expression
from uow.mapping.mapper import mapper_of
from uow.query.insert_rows import split_insert
from uow.query.rows import row_class, usable_names
from uow.query.statements import Delete, ForUpdate, Insert, Raw, Select, Update
from uow.session.document_bulk import DocumentBulk
from uow.session.spread_inserts import SpreadInserts, is_spread_insert
from uow.session.spread_writes import SpreadWrites, is_spread

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper
    from uow.operations import Written
    from uow.session.reading import Reader
    from uow.session.unit import Unit

__all__ = ["Bulk"]


class Bulk:
    """Bulk statements and raw SQL of one unit of work."""

    __slots__ = ("_reader", "_unit")

    def __init__(self, unit: Unit, reader: Reader) -> None:
        self._unit = unit
        self._reader = reader

    async def raw(self, tree: Raw) -> Any:
        """Run raw SQL: rows if it returns any, else the count. Nothing expires."""
        compiled = self._unit.codecs.dialect.compile(tree)
        answer = await self._unit.run_raw(compiled.statement)
        if not answer.columns:
            return answer.count
        make = row_class(usable_names(answer.columns))
        return [make(row) for row in answer.rows]

    async def write(self, tree: Insert | Update | Delete) -> Any:
        """Run a bulk statement: rows with RETURNING, else the number of rows matched.

        The objects it concerns are expired, or detached where their rows are gone.

        Raises:
            QueryError: the class has changes that were not flushed.
        """
        unit = self._unit
        mapper = tree.mapper
        if unit.is_read_only:
            raise QueryError("the session is read-only")
        await unit.flush_first()
        replaces = not isinstance(tree, Insert) or tree.on_conflict is not None
        if replaces:
            self._refuse_unflushed(mapper)
        if mapper.document is not None and not isinstance(tree, Insert):
            return await DocumentBulk(unit, self._reader).write(tree)
        if isinstance(tree, Insert):
            if is_spread_insert(tree):
                return await self._insert_into_several(tree)
        elif is_spread(tree):
            return await self._write_several(tree)
        has_loaded = bool(unit.ledger.of(mapper.root))
        sent = self._naming(tree) if has_loaded else tree
        keys: list[Any] | None = None
        if has_loaded and sent is tree and isinstance(tree, Delete):
            keys = await self._locked(tree)
        answer = await self._send(sent)
        if replaces:
            if sent is not tree:
                codec = unit.codecs.of(mapper)
                width = len(mapper.key)
                keys = [codec.decode_key(row) for row in answer]
                answer = [row[width:] for row in answer]
            removed = isinstance(tree, Delete) and keys is not None
            unit.ledger.expire_all(mapper, keys, removed=removed)
        if tree.returning:
            return self._reader.rows(tree.returning, answer)
        return answer if sent is tree else len(answer)

    async def write_together(
        self, trees: Sequence[Update | Delete], options: Mapping[str, Any]
    ) -> Written:
        """Run bulk statements of one document class in one bulk write.

        Objects of the class are expired.

        Raises:
            QueryError: the class has changes that were not flushed.
        """
        if self._unit.is_read_only:
            raise QueryError("the session is read-only")
        self._refuse_unflushed(trees[0].mapper)
        return await DocumentBulk(self._unit, self._reader).write_together(trees, options)

    async def _write_several(self, tree: Update | Delete) -> Any:
        """Change rows in several tables."""
        writes = SpreadWrites(self._unit)
        is_delete = isinstance(tree, Delete)
        written = await (writes.delete(tree) if isinstance(tree, Delete) else writes.update(tree))
        self._unit.ledger.expire_all(tree.mapper, written.keys, removed=is_delete)
        if tree.returning:
            return self._reader.rows(tree.returning, written.rows)
        return len(written.keys)

    async def _insert_into_several(self, tree: Insert) -> Any:
        """Insert rows into several tables, or change those that are there."""
        inserts = SpreadInserts(self._unit, SpreadWrites(self._unit))
        written, changed = await inserts.insert(tree)
        if changed:
            self._unit.ledger.expire_all(tree.mapper, changed, removed=False)
        if tree.returning:
            return self._reader.rows(tree.returning, written.rows)
        return len(written.keys)

    async def _locked(self, tree: Delete) -> list[Any]:
        """Lock the rows that are to be deleted, where the store does not say which they were."""
        mapper, codecs = tree.mapper, self._unit.codecs
        keys = tuple(ColumnExpression[Any](column, mapper) for column in mapper.key)
        select = Select(columns=keys, froms=(mapper,), where=tree.where, for_update=ForUpdate())
        statement = codecs.dialect.compile(select).statement
        return codecs.of(mapper).keys_of(await self._unit.write(statement, returns=True))

    async def _send(self, tree: Insert | Update | Delete) -> Any:
        """Run the statement, in parts where it holds more values than the store takes."""
        dialect = self._unit.codecs.dialect
        parts: list[Insert | Update | Delete] = [tree]
        if isinstance(tree, Insert):
            parts = [*split_insert(tree, dialect.capabilities.max_parameters)]
        returns = bool(tree.returning)
        compiled = [dialect.compile(part) for part in parts]
        answers = [await self._unit.write(one.statement, returns=returns) for one in compiled]
        return [row for rows in answers for row in rows] if returns else sum(answers)

    def _naming(self, tree: Insert | Update | Delete) -> Insert | Update | Delete:
        """The same statement, made to return the keys of its rows first where the store can."""
        mapper = tree.mapper
        capabilities = self._unit.codecs.dialect.capabilities
        keys: tuple[Expression[Any], ...] = tuple(
            ColumnExpression(column, mapper) for column in mapper.key
        )
        if isinstance(tree, Update) and capabilities.returning_update:
            return Update(mapper, tree.assignments, tree.where, (*keys, *tree.returning))
        if isinstance(tree, Delete) and capabilities.returning_delete:
            return Delete(mapper, tree.where, (*keys, *tree.returning))
        return tree

    def _refuse_unflushed(self, mapper: Mapper) -> None:
        ledger = self._unit.ledger
        records = (*ledger.deleted, *ledger.modified())
        for obj in (*ledger.new.values(), *(record.obj for record in records)):
            if mapper_of(obj).root is mapper.root:
                raise QueryError(
                    f"{mapper.name} has changes in the session that were not flushed, and a bulk "
                    "statement would not see them; flush first, or use Session(autoflush=True)"
                )
