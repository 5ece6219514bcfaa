"""`View` and `UnionDoc`: classes to find by, whose documents are stored by others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from uow.documents.finders import Finders
from uow.documents.pydantic_methods import PydanticMethods
from uow.session.link_verbs import LinkVerbs
from uow.tracking.state import Tracked

if TYPE_CHECKING:
    from uow.documents.one import FindOne
    from uow.documents.query import DocumentQuery, SortArgument
    from uow.expressions import Expression

    Condition = Expression[bool] | Mapping[Any, Any] | bool

__all__ = ["UnionDoc", "View"]


class AnyFinders(Finders):
    """The same verbs to checkers of types, where what is found is of any class."""

    __slots__ = ()

    if TYPE_CHECKING:

        @classmethod
        def find(cls, *conditions: Condition, **options: Any) -> DocumentQuery[Any]: ...

        @classmethod
        def find_many(cls, *conditions: Condition, **options: Any) -> DocumentQuery[Any]: ...

        @classmethod
        def find_all(
            cls,
            skip: int | None = None,
            limit: int | None = None,
            sort: SortArgument = None,
            **options: Any,
        ) -> DocumentQuery[Any]: ...

        @classmethod
        def all(
            cls,
            skip: int | None = None,
            limit: int | None = None,
            sort: SortArgument = None,
            **options: Any,
        ) -> DocumentQuery[Any]: ...

        @classmethod
        def find_one(cls, *conditions: Condition, **options: Any) -> FindOne[Any]: ...


class View(AnyFinders, LinkVerbs, PydanticMethods, mapped=False):
    """Base of classes for what a view of MongoDB's gives: documents that are only read.

    ```python
    class Metrics(View):
        class Settings:
            source = Bike                       # a class, or the name of a collection
            pipeline = [{"$group": {"_id": "$type", "number": {"$sum": 1}}}]

        type: str = Field(alias="_id")
        number: int
    ```

    `init_documents` and `create_all` make the view. Its objects are in no session: the same
    document is a new object each time it is read.
    """

    __slots__ = ()

    _uow_is_document: ClassVar[bool] = True
    _uow_is_view: ClassVar[bool] = True


class UnionDoc(AnyFinders, Tracked, mapped=False):
    """Base of classes that stand for several document classes in one collection.

    ```python
    class Parent(UnionDoc):
        class Settings:
            name = "parents"

    class One(Document):
        class Settings:
            union_doc = Parent
    ```

    What is found by it are documents of those classes; each of them finds only its own.
    """

    __slots__ = ()

    _uow_is_document: ClassVar[bool] = True
    _uow_is_union: ClassVar[bool] = True

    def __new__(cls) -> Self:
        """Refuse: there are documents of its classes only.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{cls.__name__} is a UnionDoc: make documents of its classes")
