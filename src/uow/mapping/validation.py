"""What documents of a collection are checked for by the store: `Settings.validator`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from uow.errors import MappingError

__all__ = ["DocumentValidation", "read_validation"]

_LEVELS: Final = ("strict", "moderate", "off")
_ACTIONS: Final = ("error", "warn", "errorAndLog")


@attrs.frozen(kw_only=True)
class DocumentValidation:
    """What the store checks documents for when they are written.

    "Schema Validation", https://www.mongodb.com/docs/manual/core/schema-validation/.

    Attributes:
        validator: a filter that every document must pass, `{"$jsonSchema": {...}}` most often.
        level: `"strict"` for all writes, `"moderate"` to leave documents alone that did not pass
            before, `"off"`.
        action: `"error"` to refuse what does not pass, `"warn"` to note it in the server's log,
            `"errorAndLog"` for both (MongoDB 8.1).
    """

    validator: Mapping[str, Any]
    level: str = "strict"
    action: str = "error"

    def options(self) -> dict[str, Any]:
        """What `create` and `collMod` take."""
        return {
            "validator": dict(self.validator),
            "validationLevel": self.level,
            "validationAction": self.action,
        }


def read_validation(class_name: str, values: Mapping[str, Any]) -> DocumentValidation | None:
    """Read `validator`, `validation_level` and `validation_action` of a `class Settings`.

    Raises:
        MappingError: one of them is not what it can be, or the validator is missing.
    """
    where = f"{class_name}.Settings"
    validator = values.get("validator")
    for name, known in (("validation_level", _LEVELS), ("validation_action", _ACTIONS)):
        value = values.get(name)
        if value is None:
            continue
        if value not in known:
            raise MappingError(f"{where}.{name} is one of {', '.join(map(repr, known))}")
        if validator is None:
            raise MappingError(f"{where}.{name} goes with a validator, and there is none")
    if validator is None:
        return None
    if not validator or not all(isinstance(key, str) for key in validator):
        raise MappingError(
            f"{where}.validator is a filter, such as {{'$jsonSchema': {{...}}}}, and not empty"
        )
    return DocumentValidation(
        validator=validator,
        level=values.get("validation_level") or "strict",
        action=values.get("validation_action") or "error",
    )
