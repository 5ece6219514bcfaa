"""Statements over many documents, or over the first of them.

Which documents they are about is asked first where that matters: a document store gives back no
more than how many there were, and knows no subqueries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from uow.errors import QueryError, StaleObjectError
from uow.expressions import ColumnExpression, Compare, Expression, InSubquery, Literal
from uow.mapping.stores import refuse_other_store
from uow.operations import BulkWrite
from uow.query.documents import Gives, WriteResult, Writing
from uow.query.statements import Delete, Select, Update
from uow.session.document_cache import forget_cached

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper
    from uow.operations import Written
    from uow.session.reading import Reader
    from uow.session.unit import Unit

__all__ = ["DocumentBulk"]

_PLAIN = Writing()


class DocumentBulk:
    """Bulk statements of documents of one unit of work."""

    __slots__ = ("_reader", "_unit")

    def __init__(self, unit: Unit, reader: Reader) -> None:
        self._unit = unit
        self._reader = reader

    async def write(self, tree: Update | Delete) -> Any:
        """Change or delete documents.

        Returns:
            A `WriteResult`; or the document, of a change that gives it, None if there was none.
        """
        refuse_other_store(tree.mapper, self._unit.codecs.dialect)
        writing = tree.documents or _PLAIN
        if writing.gives is not Gives.COUNT:
            return await self._give(tree, writing)
        keys = _only_key(tree)
        if keys is None and self._asks_first(tree, writing):
            tree, keys = await self._naming(tree, writing)
        result = await self._send(tree)
        removed = isinstance(tree, Delete) and keys is not None
        self._unit.ledger.expire_all(tree.mapper, keys if result else (), removed=removed)
        return result

    async def write_together(
        self, trees: Sequence[Update | Delete], options: Mapping[str, Any]
    ) -> Written:
        """Send changes and deletions of one collection in one bulk write."""
        unit, mapper = self._unit, trees[0].mapper
        refuse_other_store(mapper, unit.codecs.dialect)
        writes: list[Any] = []
        for tree in trees:
            where = [await self._read_first(condition) for condition in tree.where]
            statement: Any = unit.codecs.dialect.compile(_with(tree, tuple(where))).statement
            writes += statement.operations
        options = dict(options)
        ordered = bool(options.pop("ordered", True))
        operation = BulkWrite(mapper.table_name, writes, ordered=ordered, options=options)
        forget_cached(mapper, unit.ledger)
        (done,) = await unit.write(operation, returns=True)
        unit.ledger.expire_all(mapper, None, removed=False)
        result: Written = done
        return result

    async def replace(self, mapper: Mapper, objects: Sequence[Any]) -> None:
        """Put the documents of new objects in the places of those with their keys."""
        unit = self._unit
        if unit.is_read_only:
            raise QueryError("the session is read-only")
        refuse_other_store(mapper, unit.codecs.dialect)
        encoders = [(column, unit.codecs.encoder(column)) for column in mapper.columns]
        writes: list[Any] = []
        for obj in objects:
            document: dict[str, Any] = {}
            for column, encode in encoders:
                if not column.is_loaded(obj):
                    continue
                value = getattr(obj, column.attribute)
                document[column.name] = value if value is None or encode is None else encode(value)
            writes.append(("replace", {"_id": document["_id"]}, document, False))
        if not writes:
            return
        forget_cached(mapper, unit.ledger)
        (done,) = await unit.write(BulkWrite(mapper.table_name, writes), returns=True)
        unit.ledger.expire_all(mapper, None, removed=False)
        if done.matched < len(writes):
            raise StaleObjectError(f"some documents of {mapper.name} are gone; none was replaced")

    def _asks_first(self, tree: Update | Delete, writing: Writing) -> bool:
        """Whether objects here may be concerned, or the statement cannot say by itself which."""
        if self._unit.ledger.of(tree.mapper.root) or (writing.is_one and writing.order):
            return True
        return any(isinstance(node, InSubquery) for node in tree.where)

    async def _naming(
        self, tree: Update | Delete, writing: Writing
    ) -> tuple[Update | Delete, list[Any]]:
        """The same statement, of the documents that it finds now; and their keys."""
        mapper = tree.mapper
        await self._unit.begin()
        key = ColumnExpression[Any](mapper.key[0], mapper)
        where = [await self._read_first(condition) for condition in tree.where]
        rows = await self._reader.select(
            Select(
                columns=(key,),
                froms=(mapper,),
                where=tuple(where),
                order_by=writing.order,
                limit=1 if writing.is_one else None,
            )
        )
        keys = [row[0] for row in rows]
        return _with(tree, (key.in_(keys),)), keys

    async def _read_first(self, condition: Expression[Any]) -> Expression[Any]:
        """Put the values of a subquery in its place."""
        if not isinstance(condition, InSubquery) or not isinstance(condition.select, Select):
            return condition
        rows = await self._reader.select(condition.select)
        values = [row[0] for row in rows]
        operand = condition.operand
        return operand.not_in(values) if condition.is_negated else operand.in_(values)

    async def _send(self, tree: Update | Delete) -> WriteResult:
        statement = self._unit.codecs.dialect.compile(tree).statement
        forget_cached(tree.mapper, self._unit.ledger)
        (done,) = await self._unit.write(statement, returns=True)
        upserted = next(iter(done.upserted.values()), None)
        return WriteResult.of(done.matched, done.modified, done.deleted, upserted)

    async def _give(self, tree: Update | Delete, writing: Writing) -> Any:
        """Change one document; give the object of it, or a detached one of what it was."""
        unit, mapper = self._unit, tree.mapper
        where = [await self._read_first(condition) for condition in tree.where]
        statement = unit.codecs.dialect.compile(_with(tree, tuple(where))).statement
        forget_cached(mapper, unit.ledger)
        rows = await unit.write(statement, returns=True)
        if not rows:
            return None
        codec = unit.codecs.of(mapper)
        key = codec.decode_key([rows[0][mapper.key[0].name]])
        known = unit.ledger.of(mapper.root).get(key)
        unit.ledger.expire_all(mapper, [key], removed=False)
        if writing.gives is Gives.OLD:
            return self._reader.detached(mapper, rows)[0]
        if known is None:
            return self._reader.take_in(mapper, rows, refresh=False)[0]
        self._reader.overwrite(known, mapper, rows[0])
        return known


def _with(tree: Update | Delete, where: tuple[Expression[Any], ...]) -> Update | Delete:
    """The same statement with other conditions."""
    if isinstance(tree, Delete):
        return Delete(tree.mapper, where, tree.returning, documents=tree.documents)
    return Update(
        tree.mapper,
        tree.assignments,
        where,
        tree.returning,
        operators=tree.operators,
        pipeline=tree.pipeline,
        documents=tree.documents,
    )


def _only_key(tree: Update | Delete) -> list[Any] | None:
    """The key of the one document that a statement can be about, if it says so itself."""
    key = tree.mapper.key[0]
    for condition in tree.where:
        if isinstance(condition, InSubquery):
            return None
    for condition in tree.where:
        match condition:
            case Compare(op="=", left=ColumnExpression() as left, right=Literal() as right):
                if left.column is key:
                    return [right.value]
            case _:
                pass
    return None
