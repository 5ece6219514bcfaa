"""Types of fields that only the store has."""

from uow.beanie.odm.custom_types.bson.binary import BsonBinary
from uow.beanie.odm.custom_types.decimal import DecimalAnnotation

__all__ = ["BsonBinary", "DecimalAnnotation"]
