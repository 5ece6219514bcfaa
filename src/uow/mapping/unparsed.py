"""Objects of documents that were read and not looked into: `find(..., lazy_parse=True)`.

Such an object holds its key, and its version if it has one. Reading or writing anything else first
parses the document, all of it, after which the object is like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import ref

from uow.mapping.document_hydration import Decoder, put_stored
from uow.mapping.hydration import Hydrator
from uow.mapping.identity_map import take_back
from uow.mapping.mapper import set_class
from uow.mapping.misfits import MISFITS, tell_misfit

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["make_lazy_hydrator"]

_documents: Final[dict[int, tuple[ref[Any], Any, Any]]] = {}
"""By `id` of an object that is alive: its document, and what parses it."""


def make_lazy_hydrator(mapper: Mapper, decoders: Sequence[Decoder | None]) -> Hydrator:
    """Make what turns documents into objects that are not parsed."""
    mapper.configure()
    unparsed = _unparsed_class(mapper)
    pairs = tuple(zip(mapper.columns, decoders, strict=True))
    first = [pair for pair in pairs if pair[0].primary_key or pair[0].version]
    (key_column,) = mapper.key
    decode_key = decoders[key_column.position]

    def parse(obj: Any, row: Any) -> None:
        set_class(obj, mapper.storage)
        try:
            for column, decoder in pairs:
                if not column.is_loaded(obj):
                    put_stored(obj, column, decoder, row)
        except MISFITS:
            set_class(obj, unparsed)
            tell_misfit(mapper, decoders, [row])
            raise
        mapper.mark(obj)

    def hydrate(rows: Sequence[Any], identity: dict[Any, Any], state: Any, /) -> list[Any]:
        count = len(identity)
        try:
            return make(rows, identity, state)
        except BaseException:
            take_back(identity, count)
            raise

    def make(rows: Sequence[Any], identity: dict[Any, Any], state: Any) -> list[Any]:
        objects: list[Any] = []
        for row in rows:
            key = row[key_column.name]
            key = key if decode_key is None else decode_key(key)
            obj = identity.get(key)
            if obj is None:
                obj = object.__new__(mapper.storage)
                obj._uow_state = state
                for column, decoder in first:
                    put_stored(obj, column, decoder, row)
                _documents[id(obj)] = ref(obj, partial(_forget, id(obj))), row, parse
                set_class(obj, unparsed)
                identity[key] = obj
            objects.append(obj)
        return objects

    return hydrate


def _forget(number: int, _: object) -> None:
    _documents.pop(number, None)


def _parse(obj: Any) -> None:
    found = _documents.get(id(obj))
    if found is not None:
        _, row, parse = found
        parse(obj, row)
        _documents.pop(id(obj), None)


def _unparsed_class(mapper: Mapper) -> type[Any]:
    """Make the class that the objects of a mapper have until they are parsed."""
    public = mapper.class_
    # Made on the storage and moved below the public class afterwards, as `make_partial` does.
    made: Any = type.__new__(
        type(public),
        public.__name__,
        (mapper.storage,),
        {
            "__slots__": (),
            "__module__": public.__module__,
            "__qualname__": public.__qualname__,
            "__doc__": public.__doc__,
            "__getattr__": _read,
            "__setattr__": _write,
            "__delattr__": _delete,
            "__copy__": _copy,
            "__deepcopy__": _deepcopy,
            "__reduce_ex__": _reduce,
        },
    )
    type.__setattr__(made, "__bases__", (public,))
    return cast("type[Any]", made)


def _read(self: Any, name: str) -> Any:
    _parse(self)
    return getattr(self, name)


def _write(self: Any, name: str, value: object) -> None:
    _parse(self)
    setattr(self, name, value)


def _delete(self: Any, name: str) -> None:
    _parse(self)
    delattr(self, name)


def _copy(self: Any) -> Any:
    _parse(self)
    return self.__copy__()


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    _parse(self)
    return self.__deepcopy__(memo)


def _reduce(self: Any, protocol: Any) -> Any:
    _parse(self)
    return self.__reduce_ex__(protocol)
