"""Loading relations: one query a level, whatever the number of objects.

What an object holds already is left as it is, and its objects are used for the next level. What
was changed in memory and not flushed is true of what is loaded as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import attrs

from uow.errors import ObjectStateError, QueryError
from uow.expressions.nodes import ColumnExpression
from uow.mapping.link_trees import LinkNode, link_nodes
from uow.mapping.mapper import mapper_of
from uow.mapping.paths import LoadStep
from uow.mapping.relation import Direction, Relation
from uow.query.related import count_by_owner, matching, select_linked, select_related
from uow.query.statements import ForUpdate, Select
from uow.session.following import known_by
from uow.session.holding import Holder, values_of
from uow.session.joining import JoinedNode, JoinedSelect, join_nodes
from uow.session.link_loading import LinkLoader, link_of, linked_documents
from uow.session.load_trees import NOTHING, LoadNode, LoadTree, load_nodes, load_tree
from uow.session.spread_writes import where_keys
from uow.tracking.relations import touch
from uow.tracking.state import MISSING, read_slot, state_of

if TYPE_CHECKING:
    from uow.mapping.foreign_keys import ForeignKey
    from uow.mapping.link import Link
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.reading import Reader
    from uow.session.unit import Unit

__all__ = ["Loader", "Prepared"]


@attrs.frozen(eq=False)
class Prepared:
    """A select that is about to be sent, with what is to be loaded.

    Attributes:
        asked: what the user wrote.
        joined: the select that reads joined relations too, if there are any.
        tree: what is loaded.
    """

    asked: Select
    joined: JoinedSelect | None
    tree: LoadTree

    @property
    def select(self) -> Select:
        """What is sent."""
        return self.asked if self.joined is None else self.joined.select


class Loader:
    """Loads relations for one unit of work.

    Attributes:
        queries: how many levels were read.
    """

    __slots__ = ("_holder", "_ledger", "_links", "_reader", "_unit", "queries")

    def __init__(self, unit: Unit, reader: Reader) -> None:
        self._unit = unit
        self._ledger = unit.ledger
        self._reader = reader
        self._holder = Holder(unit.ledger)
        self._links = LinkLoader(unit, reader)
        self.queries = 0

    def prepared(self, select: Select) -> Prepared:
        """Say what is sent for a select, and what is loaded with it.

        Raises:
            QueryError: a path leads nowhere, or cannot be joined.
        """
        mapper = select.entity_mapper
        if mapper is None or not (select.load or select.links):
            return Prepared(select, None, NOTHING)
        tree = load_tree(select.load, mapper, "load")
        return Prepared(select, self._joined(select, tree), {**tree, **load_nodes(select.links)})

    def results(self, prepared: Prepared, rows: list[Any]) -> list[Any]:
        """Make of the store's rows what a select is for; what is not joined is to be loaded."""
        if prepared.joined is None:
            found: list[Any] = rows
            if prepared.asked.links:  # what was looked up may stand beside the documents
                found = [_document_of(row) for row in rows]
            return self._reader.results(prepared.asked, found)
        return self._take_joined(prepared.joined, rows)[0]

    async def select(self, select: Select) -> list[Any]:
        """Run a select, and load what goes with it."""
        prepared = self.prepared(select)
        mapper = select.entity_mapper
        if select.links and mapper is not None:
            return await self._with_links(select, load_tree(select.load, mapper, "load"))
        is_new = prepared.joined is None and mapper is not None and not self._ledger.of(mapper.root)
        found, _ = await self._run(select, prepared.joined)
        await self.load(found, prepared.tree, is_fresh=is_new)
        return found

    async def _with_links(self, select: Select, tree: LoadTree) -> list[Any]:
        """Read documents, and fetch their links; some may come with them."""
        compiled: Any = self._unit.codecs.dialect.compile(select)
        rows = await self._unit.fetch(compiled.statement)
        taken: dict[LinkNode, list[Any]] = {}
        if compiled.linked:
            with self._ledger.taking_in():
                found = self._reader.results(select, [row[0] for row in rows])
                for place, node in enumerate(compiled.linked, 1):
                    documents = self._links.unpacked(row[place] for row in rows)
                    taken[node] = self._reader.take_in(node.field.target, documents, refresh=False)
        else:
            found = self._reader.results(select, rows)
        await self.load(found, {**tree, **load_nodes(select.links, taken)})
        return found

    async def select_beside(self, select: Select) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Run a select that reads more than it is for, and load what goes with it."""
        prepared = self.prepared(select)
        found, beside = await self._run(select, prepared.joined)
        await self.load(found, prepared.tree)
        return found, beside

    def _joined(
        self, select: Select, tree: LoadTree, *, is_ours: bool = False
    ) -> JoinedSelect | None:
        chosen = join_nodes(select, tree, is_ours=is_ours)
        if chosen is None:
            return None
        return JoinedSelect(select, *chosen, self._unit.codecs, is_ours=is_ours)

    async def _run(
        self, select: Select, joined: JoinedSelect | None
    ) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Run a select; its objects, joined relations loaded, and the values beside each."""
        if joined is not None:
            compiled = self._unit.codecs.dialect.compile(joined.select)
            return self._take_joined(joined, await self._unit.fetch(compiled.statement))
        if select.beside:
            return await self._reader.select_beside(select)
        return await self._reader.select(select), []

    async def _read(
        self, select: Select, inner: LoadTree
    ) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Run a select of our own, with what is joined to what it reads."""
        return await self._run(select, self._joined(select, inner, is_ours=True))

    def _take_joined(
        self, joined: JoinedSelect, rows: Sequence[Any]
    ) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Make objects of the rows of a `JoinedSelect`, related to each other.

        Returns:
            The objects of the query, each as often as it came, and what was read beside each.
        """
        root = joined.root
        is_new = not self._ledger.of(root.mapper.root)
        keys: dict[JoinedNode, list[Any]] = {}
        made: dict[JoinedNode, tuple[Sequence[Any], list[Any]]] = {}
        with self._ledger.taking_in():
            for node in (root, *joined.nodes):
                keys[node] = joined.keys(rows, node)
                by_key = dict(zip(keys[node], rows, strict=True))
                by_key.pop(None, None)
                made[node] = list(by_key), self._objects(joined, node, list(by_key.values()))
            beside = joined.values_beside(rows)
        for node in joined.nodes:
            owner = cast("JoinedNode", node.owner)
            owners = dict(zip(*made[owner], strict=True))
            if owner.mapper.hierarchy is not None:  # those below have it, those above do not
                class_ = node.step.relation.mapper.class_
                owners = {key: obj for key, obj in owners.items() if isinstance(obj, class_)}
            fresh = is_new and node is joined.nodes[0]
            load_node = cast("LoadNode", node.node)
            # A list of an owner that is read again and again, for others, comes each time.
            is_mixed = owner is not root or joined.is_ours or owner.mapper.hierarchy is not None
            self._relate(
                load_node,
                owners,
                keys[owner],
                keys[node],
                made[node],
                is_fresh=fresh,
                is_mixed=is_mixed,
            )
            load_node.is_done = not joined.is_ours
            if joined.is_ours:
                load_node.done.update((id(obj), obj) for obj in owners.values())
        unique, objects = made[root]
        if not joined.beside and (joined.multiplies or len(objects) == len(rows)):
            return objects, []
        by_root = dict(zip(unique, objects, strict=True))
        came = list(zip(keys[root], beside, strict=True))
        if joined.multiplies:
            came = list(dict.fromkeys(came) if joined.is_ours else dict(came).items())
        return [by_root[key] for key, _ in came], [values for _, values in came]

    def _objects(self, joined: JoinedSelect, node: JoinedNode, rows: list[Any]) -> list[Any]:
        """Make the objects of one class of rows, an object each."""
        hydrate = joined.hydrator(node)
        if hydrate is not None:
            return self._reader.make(node.mapper, rows, hydrate)
        own = list(joined.rows_of(node, rows))
        return self._reader.take_in(node.mapper, own, refresh=False, classes=node.classes)

    def _relate(
        self,
        node: LoadNode,
        owners: Mapping[Any, Any],
        owner_keys: Sequence[Any],
        keys: Sequence[Any],
        made: tuple[Sequence[Any], list[Any]],
        *,
        is_fresh: bool,
        is_mixed: bool,
    ) -> None:
        """Put the objects of a joined relation where they belong.

        Args:
            node: which relation.
            owners: by their keys.
            owner_keys: the key of the owner, of each row.
            keys: the key of the related object, of each row; None where there is none.
            made: those keys, each once, and the objects that have them.
            is_fresh: nobody knew the owners before, so nothing of theirs is loaded.
            is_mixed: an owner may come several times with the same object, or be none of these.
        """
        step = node.step
        relation = step.relation
        unique_keys, objects = made
        by_key = owners
        missing: Sequence[Any] = ()
        if not is_fresh:
            missing, is_fresh = self._holder.missing(list(owners.values()), step)
        if not is_fresh or len(missing) not in (0, len(owners)):
            wanted = set(map(id, missing))
            by_key = {key: obj for key, obj in owners.items() if id(obj) in wanted}
        values, items = owner_keys, objects
        if len(objects) < len(keys):
            values = [owner for owner, key in zip(owner_keys, keys, strict=True) if key is not None]
        if len(objects) < len(values):  # some come several times
            found = dict(zip(unique_keys, objects, strict=True))
            items = [found[key] for key in keys if key is not None]
        if is_mixed and relation.many:
            seen = dict.fromkeys(zip(owner_keys, keys, strict=True))
            pairs = [(v, found_key) for v, found_key in seen if found_key is not None]
            by_place = dict(zip(unique_keys, objects, strict=True))
            values = [value for value, _ in pairs if value in by_key]
            items = [by_place[found_key] for value, found_key in pairs if value in by_key]
        elif by_key is not owners or is_mixed:
            pairs = [(v, item) for v, item in zip(values, items, strict=True) if v in by_key]
            values, items = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        if relation.direction is Direction.FROM_OTHERS:
            self._holder.hold_others(step, by_key, values, items, is_fresh=is_fresh)
            return
        if relation.direction is Direction.THROUGH:
            self._holder.hold_linked(step, by_key, values, items)
            return
        related = dict(zip(values, items, strict=True))
        key = cast("ForeignKey", relation.key)
        for value, obj in by_key.items():
            parent = related.get(value)
            there = None if parent is None else values_of(parent, key.target_columns)
            if parent is None or there == values_of(obj, key.columns):
                self._holder.hold_one(obj, relation, parent)

    async def get(
        self,
        mapper: Mapper,
        key: Any,
        paths: Iterable[Sequence[LoadStep]],
        *,
        lock: ForUpdate | None,
    ) -> Any:
        """Give the object with a checked key, and relations of it; None if there is no such row."""
        tree = load_tree(paths, mapper, "load")
        is_joined = any(node.step.is_joined for node in tree.values())
        known = None if lock else self._ledger.of(mapper.root).get(key)
        if is_joined and known is None:
            where = where_keys(mapper, [key], mapper)
            classes = self._unit.codecs.of(mapper).classes_by_key
            select = Select(
                entity=mapper, froms=(mapper,), where=(where,), for_update=lock, classes=classes
            )
            await self._unit.flush_first()
            found, _ = await self._run(select, self._joined(select, tree))
            obj = found[0] if found else None
        else:
            obj = await self._reader.get(
                mapper,
                key,
                lock=lock is not None,
                nowait=lock is not None and lock.nowait,
                skip_locked=lock is not None and lock.skip_locked,
            )
        if obj is not None:
            await self.load([obj], tree)
        return obj

    async def documents(self, links: Sequence[Link[Any]], *, further: bool) -> list[Any]:
        """Give the documents of links, in one query a class; None where there is none."""
        by_class: dict[Mapper, list[Link[Any]]] = {}
        for link in links:
            by_class.setdefault(mapper_of(link.document_class), []).append(link)
        found: dict[Link[Any], Any] = {}
        for target, group in by_class.items():
            answer, _ = await self._links.documents(target, group)
            found.update(answer)
            if further:
                await self.load(list(answer.values()), load_nodes(link_nodes(target)))
        return [found.get(link) for link in links]

    async def refresh(self, obj: Any, *, lock: bool) -> None:
        """Read an object again, and those of its relations that are loaded."""
        mapper = mapper_of(obj)
        await self._reader.refresh(obj, mapper, lock=lock)
        for link in mapper.links.values():
            if link.is_back:
                self._links.forget(obj, link)
        loaded = [
            relation
            for relation in mapper.relations.values()
            if relation.is_loaded(obj) and not relation.write_only
        ]
        for relation in loaded:
            touch(obj, relation)
            relation.unload(obj)
        for relation in loaded:
            await self.relation([obj], LoadStep(relation))

    async def load(self, objects: Sequence[Any], tree: LoadTree, *, is_fresh: bool = False) -> None:
        """Load the relations of a tree, level by level.

        Args:
            objects: those the tree begins at.
            tree: what is loaded.
            is_fresh: nobody knew the objects before, so nothing of theirs is loaded.
        """
        waiting = [(objects, node) for node in tree.values()]
        for number, (owners, node) in enumerate(waiting):
            if not node.is_done:
                rest = owners
                if node.done:
                    rest = [obj for obj in owners if id(obj) not in node.done]
                link = link_of(node.step)
                if link is None:
                    fresh = is_fresh and number == 0
                    await self.relation(rest, node.step, node.inner, is_fresh=fresh)
                else:
                    those = _those(owners, node.step)
                    self.queries += await self._links.load(those, link, node.taken)
            if node.inner:
                related = self._reached(_those(owners, node.step), node.step)
                if related:
                    waiting.extend((related, inner) for inner in node.inner.values())

    def _reached(self, owners: Sequence[Any], step: LoadStep) -> list[Any]:
        """The objects that are loaded behind a step, each once."""
        link = link_of(step)
        if link is not None:
            return linked_documents(owners, link)
        return self._holder.held(owners, step.relation)

    async def relation(
        self,
        owners: Sequence[Any],
        step: LoadStep,
        inner: LoadTree = NOTHING,
        *,
        is_fresh: bool = False,
    ) -> None:
        """Load one relation of objects, with those relations of what it leads to that are joined.

        Raises:
            QueryError: one of these cannot be joined.
        """
        relation = step.relation
        relation.mapper.configure()
        missing: Sequence[Any] = _those(owners, step)
        if not is_fresh:
            missing, is_fresh = self._holder.missing(missing, step)
        if not missing:
            return
        self.queries += 1
        if relation.direction is Direction.TO_ONE:
            await self._to_one(missing, step, inner)
        elif relation.direction is Direction.FROM_OTHERS:
            await self._from_others(missing, step, inner, is_fresh=is_fresh)
        else:
            await self._through(missing, step, inner)

    @staticmethod
    def _keys(owners: Sequence[Any], columns: Sequence[MappedColumn]) -> dict[Any, Any]:
        """Owners by what their columns hold."""
        if len(columns) == 1:
            try:
                found = dict(zip(map(columns[0].get_slot, owners), owners, strict=True))
            except AttributeError:
                absent = next(obj for obj in owners if not columns[0].is_loaded(obj))
                raise _expired(absent, columns[0]) from None
            found.pop(None, None)
            return found
        found = dict[Any, Any]()
        for obj in owners:
            values = tuple([read_slot(obj, column) for column in columns])
            if MISSING in values:
                raise _expired(obj, columns[values.index(MISSING)])
            if None not in values:
                found[values] = obj
        return found

    def _chunks(self, keys: Sequence[Any], width: int) -> Iterable[Sequence[Any]]:
        """Keys of several columns are parameters each; those of one travel as one list."""
        if width == 1:
            return [keys]
        size = max(1, min(500, self._unit.codecs.dialect.capabilities.max_parameters // width // 2))
        return [keys[start : start + size] for start in range(0, len(keys), size)]

    # -- the three kinds

    async def _to_one(self, owners: Sequence[Any], step: LoadStep, inner: LoadTree) -> None:
        relation = step.relation
        key = cast("ForeignKey", relation.key)
        by_key = self._keys(owners, key.columns)
        found = known_by(self._ledger, relation.target, key.target_columns, by_key)
        absent = [value for value in by_key if value not in found]
        for part in self._chunks(absent, len(key.columns)) if absent else ():
            select = select_related(relation, key.target_columns, part)
            objects, _ = await self._read(select, inner)
            for obj in objects:
                found[values_of(obj, key.target_columns)] = obj
        for obj in owners:
            self._holder.hold_one(obj, relation, found.get(values_of(obj, key.columns)))

    async def _from_others(
        self,
        owners: Sequence[Any],
        step: LoadStep,
        inner: LoadTree,
        *,
        is_fresh: bool,
    ) -> None:
        key = cast("ForeignKey", step.relation.key)
        by_key = self._keys(owners, key.target_columns)
        values: list[Any] = []
        children: list[Any] = []
        for part in self._chunks(list(by_key), len(key.columns)) if by_key else ():
            select = select_related(step.relation, key.columns, part, step)
            mapper = cast("Mapper", select.entity_mapper)
            is_joined = any(node.step.is_joined for node in inner.values())
            if mapper.hierarchy is not None or is_joined:  # rows hold more than one class's
                sought = tuple([ColumnExpression[Any](column, mapper) for column in key.columns])
                wider = select.replace(beside=sought)
                found, beside = await self._read(wider, inner)
                children += found
                values += [one[0] for one in beside] if len(sought) == 1 else beside
                continue
            compiled = self._unit.codecs.dialect.compile(select)
            rows = await self._unit.fetch(compiled.statement)
            children += self._reader.take_in(mapper, rows, refresh=False)
            values += self._values(mapper, key.columns, rows)
        self._holder.hold_others(step, by_key, values, children, is_fresh=is_fresh)

    def _values(
        self, mapper: Mapper, columns: Sequence[MappedColumn], rows: Sequence[Any]
    ) -> list[Any]:
        """What rows hold in some columns, decoded."""
        places = [mapper.columns.index(column) for column in columns]
        found = [list(map(itemgetter(place), rows)) for place in places]
        for number, column in enumerate(columns):
            decode = self._unit.codecs.decoder(column)
            if decode is not None:
                found[number] = [None if v is None else decode(v) for v in found[number]]
        return found[0] if len(found) == 1 else list(zip(*found, strict=True))

    async def _through(self, owners: Sequence[Any], step: LoadStep, inner: LoadTree) -> None:
        relation = step.relation
        near = cast("ForeignKey", relation.link_here)
        by_key = self._keys(owners, near.target_columns)
        values: list[Any] = []
        items: list[Any] = []
        for part in self._chunks(list(by_key), len(near.columns)) if by_key else ():
            select = select_linked(relation, part, step)
            found, beside = await self._read(select, inner)
            items += found
            values += [one[0] for one in beside] if len(near.columns) == 1 else beside
        self._holder.hold_linked(step, by_key, values, items)

    # -- counts

    async def count(self, owners: Sequence[Any], step: LoadStep) -> list[int]:
        """Count the related objects in the store, for each owner."""
        relation = step.relation
        if relation.direction is Direction.TO_ONE:
            raise QueryError(f"{relation} is one object; counts are of lists")
        if step.limit is not None:
            raise QueryError(f"{relation}: a count has no limit")
        near = relation.link_here if relation.direction is Direction.THROUGH else relation.key
        by_key = self._keys(_those(owners, step), cast("ForeignKey", near).target_columns)
        counts: dict[int, int] = {}
        for part in self._chunks(list(by_key), len(cast("ForeignKey", near).columns)):
            if not part:
                continue
            for row in await self._reader.select(count_by_owner(relation, part, step.where)):
                *values, number = row
                obj = by_key[values[0] if len(values) == 1 else tuple(values)]
                counts[id(obj)] = int(number)
        return [counts.get(id(obj), 0) for obj in owners]

    async def links(self, relation: Relation, pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
        """Read rows of a link table that has a key of its own, by the pairs they link."""
        near, far = cast("ForeignKey", relation.link_here), cast("ForeignKey", relation.link_there)
        link = cast("Mapper", relation.link)
        owners = {id(owner): owner for owner, _ in pairs}
        keys = list(self._keys(list(owners.values()), near.target_columns))
        select = Select(entity=link, froms=(link,), where=(matching(near.columns, link, keys),))
        found = await self._reader.select(select)
        by_values = {
            (values_of(one, near.columns), values_of(one, far.columns)): one for one in found
        }
        answer: dict[Any, Any] = {}
        for owner, item in pairs:
            place = (values_of(owner, near.target_columns), values_of(item, far.target_columns))
            if place in by_values:
                answer[id(owner), id(item)] = by_values[place]
        return answer


def _those(owners: Sequence[Any], step: LoadStep) -> list[Any]:
    """The objects that have a relation: others of a hierarchy may not."""
    class_ = step.relation.mapper.class_
    return [obj for obj in owners if isinstance(obj, class_)]


def _expired(obj: Any, column: MappedColumn) -> ObjectStateError:
    return ObjectStateError(f"{column} of {obj!r} is not loaded; refresh the object first")


def check_owners(ledger: Any, objects: Sequence[Any], place: str) -> None:
    """Raise if objects are not of this session."""
    for obj in objects:
        if state_of(obj).owner is not ledger:
            raise ObjectStateError(f"{place}: {obj!r} is not in this session; add it first")


def _document_of(row: Any) -> Any:
    return row if isinstance(row, Mapping) else row[0]  # pyright: ignore[reportUnknownVariableType]
