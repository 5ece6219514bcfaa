"""The names that a program written for Beanie imports, and what they stand for here."""

from __future__ import annotations

from importlib import import_module

import pytest

import uow
from uow import beanie
from uow.beanie import exceptions, operators
from uow.session.binding import init_documents

OPERATORS = {
    "find": {
        "array": ["All", "ElemMatch", "Size"],
        "bitwise": ["BitsAllClear", "BitsAllSet", "BitsAnyClear", "BitsAnySet"],
        "comparison": ["Eq", "GT", "GTE", "In", "LT", "LTE", "NE", "NotIn"],
        "element": ["Exists", "Type"],
        "evaluation": ["Expr", "JsonSchema", "Mod", "RegEx", "Text", "Where"],
        "geospatial": ["Box", "GeoIntersects", "GeoWithin", "GeoWithinTypes", "Near", "NearSphere"],
        "logical": ["And", "Nor", "Not", "Or"],
    },
    "update": {
        "array": ["AddToSet", "Pop", "Pull", "PullAll", "Push"],
        "bitwise": ["Bit"],
        "general": [
            "CurrentDate", "Inc", "Max", "Min", "Mul", "Rename", "Set", "SetOnInsert", "Unset",
        ],
    },
}  # fmt: skip


def test_names() -> None:
    """What `from uow.beanie import` and the modules beside it offer today."""
    assert {
        "ActionConflictResolution", "After", "BeanieObjectId", "Before", "BsonBinary", "BulkWriter",
        "DecimalAnnotation", "Delete", "Document", "Indexed", "Insert", "PydanticObjectId",
        "Replace", "Save", "SaveChanges", "SortDirection", "Update", "UpdateResponse",
        "ValidateOnSave", "after_event", "before_event", "init_beanie", "BackLink", "DeleteRules",
        "DocumentWithSoftDelete", "Granularity", "Link", "MergeConflictError", "MergeStrategy",
        "TimeSeriesConfig", "UnionDoc", "View", "WriteRules", "free_fall_migration",
        "iterative_migration",
    } == {*beanie.__all__}  # fmt: skip
    assert all(hasattr(beanie, name) for name in beanie.__all__)
    assert {
        "CollectionWasNotInitialized", "DocumentAlreadyCreated", "DocumentNotFound",
        "DocumentWasNotSaved", "MergeConflictError", "NotSupported", "ReplaceError",
        "RevisionIdWasChanged", "StateManagementIsTurnedOff", "StateNotSaved", "Deprecation",
        "MongoDBVersionError", "UnionHasNoRegisteredDocs", "WrongDocumentUpdateStrategy",
    } <= {*exceptions.__all__}  # fmt: skip
    named = [name for kind in OPERATORS.values() for names in kind.values() for name in names]
    assert sorted(operators.__all__) == sorted(named)
    assert len(named) == 48


@pytest.mark.parametrize(
    ("module", "names"),
    [(f"{kind}.{name}", names) for kind, of in OPERATORS.items() for name, names in of.items()],
)
def test_modules_of_operators(module: str, names: list[str]) -> None:
    """Operators stand where Beanie has them, and are the same classes."""
    found = import_module(f"uow.beanie.odm.operators.{module}")

    assert sorted(found.__all__) == sorted(names)
    for name in names:
        assert getattr(found, name) is getattr(operators, name)
        assert getattr(found, name).__doc__


def test_same_things() -> None:
    """Names of `uow.beanie` are those of `uow`."""
    assert beanie.Document is import_module("uow.beanie.odm.documents").Document is uow.Document
    assert beanie.Indexed is import_module("uow.beanie.odm.fields").Indexed is uow.Indexed
    assert beanie.init_beanie is import_module("uow.beanie.odm.utils.init").init_beanie
    assert beanie.init_beanie is init_documents
    for module, names in {
        "documents": ["DocumentWithSoftDelete", "MergeStrategy"],
        "fields": ["BackLink", "DeleteRules", "Link", "WriteRules"],
        "union_doc": ["UnionDoc"],
        "views": ["View"],
    }.items():
        found = import_module(f"uow.beanie.odm.{module}")
        for name in names:
            assert getattr(found, name) is getattr(beanie, name) is getattr(uow, name)
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), uow.UowError)
