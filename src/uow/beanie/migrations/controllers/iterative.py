"""Migrations that make each document of a class one of another class."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import attrs

from uow import MappingError, Session
from uow.beanie.migrations.controllers.base import BaseMigrationController
from uow.mapping.mapper import mapper_of

__all__ = ["IterativeMigration", "iterative_migration"]


class Draft:
    """What becomes a document: values by name, and in nested ones by their names."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, Any]) -> None:
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        try:
            given: Any = self._values[name]
        except KeyError:
            text = f"the document to be made has no {name!r} yet"
            raise AttributeError(text, name=name, obj=self) from None
        return _draft(given)

    def __setattr__(self, name: str, value: Any) -> None:
        self._values[name] = _plain(value)


def _draft(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    nested: dict[str, Any] = cast("Any", value)
    return Draft(nested)


class IterativeMigration(BaseMigrationController):
    """A function that is called with each document, and with what is to take its place."""

    def __init__(
        self, function: Callable[..., Any], models: Sequence[type[Any]], batch_size: int
    ) -> None:
        super().__init__(function)
        if type(batch_size) is not int or batch_size < 1:
            raise MappingError(f"{function.__qualname__}: batch_size= is one at least")
        hints = typing.get_type_hints(function)
        given = inspect.signature(function).parameters
        for name in ("input_document", "output_document"):
            if name not in given or getattr(hints.get(name), "_uow_mapper", None) is None:
                raise MappingError(
                    f"{function.__qualname__}: an iterative migration has {name}: and its "
                    "document class among its parameters"
                )
        self._input: type[Any] = hints["input_document"]
        self._output: type[Any] = hints["output_document"]
        self._models = tuple(models)
        self._batch_size = batch_size
        self._takes_self = "self" in given

    @property
    def models(self) -> Sequence[type[Any]]:
        """The document classes it works with."""
        return (*self._models, self._input, self._output)

    async def run(self, session: Session, *, commits: bool) -> None:
        """Read the documents by their keys, a batch at a time, and put others in their places."""
        last: Any = None
        key = mapper_of(self._input).key[0].attribute
        while True:
            query = session.find(self._input)
            if last is not None:
                query = query.filter({"_id": {"$gt": last}})
            field = getattr(self._input, key)
            found: list[Any] = await query.order_by(field).limit(self._batch_size).to_list()
            if not found:
                return
            last = getattr(found[-1], key)
            made = [await self._made(one) for one in found]
            await session.replace_documents(self._output, made)
            if commits:
                await session.commit()
            session.clear()

    async def _made(self, document: Any) -> Any:
        output = mapper_of(self._output)
        values: dict[str, Any] = {}
        for column in mapper_of(self._input).columns:
            other = output.by_attribute.get(column.attribute)
            if other is not None and not other.version and column.is_loaded(document):
                values[column.attribute] = _plain(getattr(document, column.attribute))
        draft = Draft(values)
        given: dict[str, Any] = {"input_document": document, "output_document": draft}
        if self._takes_self:
            given["self"] = None
        result = self.function(**given)
        if inspect.isawaitable(result):
            await result
        return self._output(**values)


def iterative_migration(
    document_models: Sequence[type[Any]] | None = None, batch_size: int = 10000
) -> Callable[[Callable[..., Any]], IterativeMigration]:
    """Mark a method `async def f(self, input_document: Old, output_document: New)`.

    It is called with every document of `Old`, and sets fields of what takes its place, which has
    the fields of the same names already.

    Args:
        document_models: further classes it works with.
        batch_size: how many documents to read and write at a time.

    Raises:
        MappingError: the parameters are others.
    """
    return lambda function: IterativeMigration(function, document_models or (), batch_size)


def _plain(value: Any) -> Any:
    """A value in dicts and lists, in which others can be put."""
    given: Any = value
    if hasattr(value, "model_dump"):
        return given.model_dump()
    if attrs.has(value.__class__):
        return attrs.asdict(given)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in given.items()}
    if isinstance(value, list):
        return [_plain(item) for item in given]
    return given
