"""Creates and drops the tables of mapped classes, in the order their foreign keys ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from uow.dialects.base import dialect_for
from uow.errors import MappingError, Outcome, Phase, UowError
from uow.mapping.mapper import Index, Mapper, mapper_of
from uow.mapping.registry import default_registry
from uow.mapping.stores import refuse_other_store
from uow.pool import Pool, first_step
from uow.schema.collections import create_collections, drop_collections
from uow.schema.runs import begin, commit
from uow.statement import Statement

if TYPE_CHECKING:
    from uow.dialects.base import Dialect
    from uow.drivers.base import Connection
    from uow.mapping.foreign_keys import ForeignKey

__all__ = [
    "create_sql",
    "create_tables",
    "creating",
    "drop_sql",
    "drop_tables",
    "dropping",
    "in_foreign_key_order",
    "mappers_of",
    "tables_of",
]


def in_foreign_key_order(mappers: Iterable[Mapper]) -> list[Mapper]:
    """Put tables after those they refer to; otherwise in order of definition.

    Foreign keys that form a circle cannot all be obeyed: one of such tables, always the same, comes
    too early. References of a table to itself, and to tables not among these, count for nothing.
    """
    chosen = list(dict.fromkeys(mappers))
    for mapper in chosen:
        mapper.configure()
    among = set(chosen)
    ordered: dict[Mapper, None] = {}
    entered: set[Mapper] = set()
    for start in chosen:
        # Depth first with a stack of its own: a chain of tables may be longer than Python's.
        stack = [(start, iter(_targets(start, among)))] if start not in entered else []
        entered.add(start)
        while stack:
            mapper, targets = stack[-1]
            target = next((one for one in targets if one not in entered), None)
            if target is None:
                ordered[mapper] = None
                stack.pop()
            else:
                entered.add(target)
                stack.append((target, iter(_targets(target, among))))
    return list(ordered)


def _targets(mapper: Mapper, among: set[Mapper]) -> list[Mapper]:
    return [key.target for key in mapper.foreign_keys if key.target in among]


async def create_tables(pool: Pool, dialect: Dialect, models: Iterable[type] | None) -> None:
    """Create tables and what they stand on, in one transaction; what exists is left alone.

    Args:
        pool: gives the connection.
        dialect: makes the text.
        models: mapped classes, or None for all of the default registry.

    Raises:
        MappingError: the store cannot have such a table, or two indexes have one name.
    """
    if dialect.capabilities.documents:
        await create_collections(pool, mappers_of(models, dialect))
        return
    await _run(pool, dialect, creating(dialect, models))


def tables_of(models: Iterable[type] | None, dialect: Dialect) -> list[Mapper]:
    """Give the mappers of the tables that models stand on, referenced ones first.

    Args:
        models: mapped classes, or None for all of the default registry.
        dialect: whose store they must belong in.

    Raises:
        MappingError: a class is not mapped, or two indexes have one name.
    """
    ordered = in_foreign_key_order(_tables(models, dialect, with_parents=True))
    _refuse_shared_names(ordered)
    return ordered


def creating(dialect: Dialect, models: Iterable[type] | None) -> list[str]:
    """Give the statements that create tables and what they stand on."""
    ordered = tables_of(models, dialect)
    late = _late_keys(ordered, dialect)
    texts = list(dialect.create_objects(ordered))
    for mapper in ordered:
        texts += dialect.create_table(mapper, without=late.get(mapper, ()))
    for mapper, keys in late.items():
        texts += dialect.add_foreign_keys(mapper, keys)
    return texts


async def drop_tables(pool: Pool, dialect: Dialect, models: Iterable[type] | None) -> None:
    """Drop tables in one transaction; those that are missing are no error.

    Their types and sequences go with them, unless something else uses these; schemas stay.

    Args:
        pool: gives the connection.
        dialect: makes the text.
        models: mapped classes, or None for all of the default registry.
    """
    if dialect.capabilities.documents:
        await drop_collections(pool, mappers_of(models, dialect))
        return
    tables, objects = dropping(dialect, models)
    await _run(pool, dialect, [*tables, *objects])
    if objects:
        # Connections know the types they have met by number; made again, these have another.
        pool.bump()


def dropping(dialect: Dialect, models: Iterable[type] | None) -> tuple[list[str], list[str]]:
    """Give the statements that drop tables, and those that drop what these stood on."""
    ordered = in_foreign_key_order(_tables(models, dialect, with_parents=False))
    texts: list[str] = []
    for mapper, keys in _late_keys(ordered, dialect).items():
        texts += dialect.drop_foreign_keys(mapper, keys)
    for mapper in reversed(ordered):
        texts += dialect.drop_table(mapper)
    return texts, dialect.drop_objects(ordered)


def create_sql(models: Iterable[type] | None = None, *, dialect: str) -> str:
    """Give the SQL of `create_all`, to be read or run elsewhere.

    Args:
        models: mapped classes; every mapped class if None.
        dialect: `"sqlite"`, `"postgresql"`, `"mysql"` or `"mariadb"`.

    Returns:
        Statements that end in semicolons, each of which may be run again.

    Raises:
        MappingError: the store cannot have such a table.
        QueryError: nobody offers a dialect of that name.
    """
    return _script(creating(_sql_dialect(dialect), models))


def drop_sql(models: Iterable[type] | None = None, *, dialect: str) -> str:
    """Give the SQL of `drop_all`; the arguments are those of `create_sql`."""
    tables, objects = dropping(_sql_dialect(dialect), models)
    return _script([*tables, *objects])


def _sql_dialect(name: str) -> Dialect:
    dialect = dialect_for(name)
    if dialect.capabilities.documents:
        raise MappingError(f"{name} keeps documents: there is no SQL that makes its collections")
    return dialect


def _script(texts: Iterable[str]) -> str:
    return "".join([f"{text};\n" for text in texts])


def _late_keys(ordered: Sequence[Mapper], dialect: Dialect) -> dict[Mapper, list[ForeignKey]]:
    """The foreign keys to tables that come later, which is so where tables form a circle."""
    if dialect.capabilities.forward_references:
        return {}
    places = {mapper: place for place, mapper in enumerate(ordered)}
    late: dict[Mapper, list[ForeignKey]] = {}
    for mapper, place in places.items():
        keys = [key for key in mapper.foreign_keys if places.get(key.target, place) > place]
        if keys:
            late[mapper] = keys
    return late


def _refuse_shared_names(mappers: Iterable[Mapper]) -> None:
    """Refuse two indexes of one name: IF NOT EXISTS would leave the second out without a word."""
    owners: dict[tuple[str | None, str], Index] = {}
    for mapper in mappers:
        for index in mapper.indexes:
            other = owners.setdefault((mapper.schema, index.name), index)
            if other is not index:
                raise MappingError(
                    f"{mapper.name} and {other.mapper.name} both have an index called "
                    f"{index.name!r}; give one of them a 'name' in Settings.indexes"
                )


def mappers_of(models: Iterable[type] | None, dialect: Dialect) -> list[Mapper]:
    """The classes that were named, or all that are of this kind of store.

    Raises:
        MappingError: a class that was named belongs in another kind of store.
    """
    documents = dialect.capabilities.documents
    if models is None:
        for mapper in default_registry.mappers():
            mapper.configure()  # which makes the link tables that nobody wrote a class for
        found = default_registry.mappers()
        return [mapper for mapper in found if (mapper.document is not None) is documents]
    named = [mapper_of(model) for model in models]
    for mapper in named:
        refuse_other_store(mapper, dialect)
    return named


def _tables(models: Iterable[type] | None, dialect: Dialect, *, with_parents: bool) -> list[Mapper]:
    """The mappers of tables: of what classes name, and of all classes below them.

    Args:
        models: mapped classes, or None for all of the default registry.
        dialect: whose store they must belong in.
        with_parents: also those that the tables of a class stand on.
    """
    mappers = mappers_of(models, dialect)
    found: dict[Mapper, None] = {}
    links: dict[Mapper, None] = {}
    for mapper in mappers:
        for one in mapper.family:
            one.configure()
            found.update(dict.fromkeys(one.tables if with_parents else one.tables[-1:]))
            made = [relation.link for relation in one.relations.values()]
            links.update(
                dict.fromkeys([link for link in made if link is not None and link.is_link])
            )
    return list(found | links)


async def _run(pool: Pool, dialect: Dialect, texts: Sequence[str]) -> None:
    if not texts:
        return
    texts = [*dialect.lock_definitions(), *texts]
    if not dialect.capabilities.transactional_ddl:
        await _run_one_by_one(pool, texts)
        return
    connection, _ = await first_step(pool, begin)
    try:
        await _run_in_transaction(connection, texts)
    finally:
        await pool.release(connection)


async def _run_one_by_one(pool: Pool, texts: Sequence[str]) -> None:
    """Run definitions on a store where each is its own transaction; all can be run again."""
    connection, _ = await first_step(pool, lambda one: one.execute(Statement(texts[0])))
    try:
        for text in texts[1:]:
            await connection.execute(Statement(text))
    finally:
        await pool.release(connection)


async def _run_in_transaction(connection: Connection, texts: Sequence[str]) -> None:
    """Run definitions in the open transaction, as far as the store has that, and commit it.

    Foreign keys are checked at its end, so that tables in a circle can be dropped.
    """
    try:
        for sql in texts:
            await connection.execute(Statement(sql))
    except UowError as error:
        error.phase = error.phase or Phase.QUERY
        error.outcome = error.outcome or Outcome.NOT_APPLIED
        raise
    await commit(connection)
