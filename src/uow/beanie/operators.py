"""Operators of filters and updates, by the names that Beanie has for them."""

from uow.beanie.odm.operators.find.array import (
    All,
    ElemMatch,
    Size,
)
from uow.beanie.odm.operators.find.bitwise import (
    BitsAllClear,
    BitsAllSet,
    BitsAnyClear,
    BitsAnySet,
)
from uow.beanie.odm.operators.find.comparison import (
    GT,
    GTE,
    LT,
    LTE,
    NE,
    Eq,
    In,
    NotIn,
)
from uow.beanie.odm.operators.find.element import (
    Exists,
    Type,
)
from uow.beanie.odm.operators.find.evaluation import (
    Expr,
    JsonSchema,
    Mod,
    RegEx,
    Text,
    Where,
)
from uow.beanie.odm.operators.find.geospatial import (
    Box,
    GeoIntersects,
    GeoWithin,
    GeoWithinTypes,
    Near,
    NearSphere,
)
from uow.beanie.odm.operators.find.logical import (
    And,
    Nor,
    Not,
    Or,
)
from uow.beanie.odm.operators.update.array import (
    AddToSet,
    Pop,
    Pull,
    PullAll,
    Push,
)
from uow.beanie.odm.operators.update.bitwise import (
    Bit,
)
from uow.beanie.odm.operators.update.general import (
    CurrentDate,
    Inc,
    Max,
    Min,
    Mul,
    Rename,
    Set,
    SetOnInsert,
    Unset,
)

__all__ = [
    "GT",
    "GTE",
    "LT",
    "LTE",
    "NE",
    "AddToSet",
    "All",
    "And",
    "Bit",
    "BitsAllClear",
    "BitsAllSet",
    "BitsAnyClear",
    "BitsAnySet",
    "Box",
    "CurrentDate",
    "ElemMatch",
    "Eq",
    "Exists",
    "Expr",
    "GeoIntersects",
    "GeoWithin",
    "GeoWithinTypes",
    "In",
    "Inc",
    "JsonSchema",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Near",
    "NearSphere",
    "Nor",
    "Not",
    "NotIn",
    "Or",
    "Pop",
    "Pull",
    "PullAll",
    "Push",
    "RegEx",
    "Rename",
    "Set",
    "SetOnInsert",
    "Size",
    "Text",
    "Type",
    "Unset",
    "Where",
]
