"""Read `class Settings` of a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from uow.allowed import (
    FLAG,
    NON_EMPTY_TEXT,
    Allowed,
    check_settings,
    instance_of,
    list_of,
    mapping_of,
    one_of,
    time_span,
    whole,
)
from uow.errors import MappingError
from uow.mapping.registry import Registry, registry_in_use
from uow.mapping.settings import Settings, inherited_values
from uow.mapping.timeseries import TimeSeriesConfig, check_timeseries
from uow.mapping.validation import DocumentValidation, read_validation

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["DocumentSettings", "read_document_settings"]

_NAMES: Final = list_of("field names", lambda name: isinstance(name, str))

_DEPTH: Final = whole("of levels", 0)

_ALLOWED: Final[Mapping[str, Allowed]] = MappingProxyType(
    {
        "abstract": FLAG,
        "action_conflict_resolution": one_of(
            "UPDATE_WINS", "ACTION_WINS", "ACTION_OVERRIDE", "RAISE"
        ),
        "bson_encoders": mapping_of(
            "classes to functions", lambda key: isinstance(key, type), callable
        ),
        "cache_capacity": whole("of answers", 0),
        "cache_expiration_time": time_span(),
        "class_id": Allowed(
            "a str that can name a field",
            lambda value: NON_EMPTY_TEXT.holds(value) and not set(value) & set("$.\0"),
        ),
        "class_id_value": NON_EMPTY_TEXT,
        "indexes": instance_of(list, tuple),
        "is_root": FLAG,
        "keep_nulls": FLAG,
        "lazy_parsing": FLAG,
        "max_nesting_depth": _DEPTH,
        "max_nesting_depths_per_field": mapping_of(
            f"names of fields, each to {_DEPTH.text}",
            lambda key: isinstance(key, str),
            _DEPTH.holds,
        ),
        "merge_indexes": FLAG,
        "name": NON_EMPTY_TEXT,
        "pipeline": list_of("stages", lambda stage: isinstance(stage, Mapping)),
        "primary_key": Allowed(
            "a field name or a list of them",
            lambda value: isinstance(value, str) or _NAMES.holds(value),
        ),
        "registry": instance_of(Registry),
        "single_root_inheritance": FLAG,
        "source": Allowed(
            "a document class, or the name of a collection",
            lambda value: isinstance(value, type) or NON_EMPTY_TEXT.holds(value),
        ),
        "state_management_replace_objects": FLAG,
        "state_management_save_previous": FLAG,
        "timeseries": instance_of(TimeSeriesConfig),
        "use_cache": FLAG,
        "use_revision": FLAG,
        "use_state_management": FLAG,
        "validate_on_save": FLAG,
        "validator": instance_of(Mapping),
    }
)
"""What each setting may be that is not None."""

_CARRIED: Final = frozenset(
    {"projection", "pymongo_collection", "pymongo_db", "union_doc", "union_doc_alias"}
)
"""Settings that are kept for whoever asks for them in `options`."""

_VALIDATION: Final = ("validator", "validation_level", "validation_action")

KNOWN: Final = frozenset(_ALLOWED) | frozenset(_VALIDATION) | _CARRIED

Encoders = Mapping[type, Callable[[Any], Any]]


@attrs.frozen(kw_only=True)
class DocumentSettings:
    """The settings of one document class.

    A `class Settings` in the body of a document may say:

    * `name`: the collection; by default the name of the class;
    * `indexes`: for each a field, a list of `(field, direction)`, PyMongo's `IndexModel`, or a dict
      with `fields` and what createIndexes takes;
    * `keep_nulls`: False leaves fields that are None out of what is stored;
    * `use_revision`: the document has a `revision_id`, its optimistic lock;
    * `bson_encoders`: how values of further classes are stored, by class;
    * `use_cache`: what is found is kept, `cache_capacity` answers (32) for `cache_expiration_time`
      (ten minutes), or until this process writes to the class;
    * `timeseries`: a `TimeSeriesConfig`, how measurements are kept;
    * `validator`: a filter that the store checks every document with when it is written
      (`{"$jsonSchema": {...}}`), `validation_level` (`"strict"`, or `"moderate"`: what did not pass
      before is left alone, `"off"`) and `validation_action` (`"error"`, `"warn"`);
    * `use_state_management`, `state_management_replace_objects`, `state_management_save_previous`:
      what objects tell of their changes (`get_changes` and the like);
    * `validate_on_save`: objects are checked again when they are saved;
    * `action_conflict_resolution`: what `update` does where a handler changes the same;
    * `is_root`: True for a class whose subclasses share its collection; documents then have a
      field `class_id` (`"_class_id"`), which holds `class_id_value`, by default the names of
      the classes from the root down (`"Vehicle.Car"`);
    * `union_doc`: the `UnionDoc` whose collection the documents are in;
    * `max_nesting_depth` (3), `max_nesting_depths_per_field`: how deep links are fetched;
    * `source`, `pipeline`: of a `View`, the class or collection it reads, and how;
    * `abstract`: True for a base that has no collection;
    * `registry`: the `Registry` the class belongs to.

    Attributes:
        keep_nulls, use_revision, bson_encoders: as above.
        indexes: as they were given.
        timeseries: as above.
        validation: what the store checks, or None.
        options: all settings by name.
        is_view: it is a view of the store's, which is only read.
        is_union: it stands for the classes of a union.
    """

    keep_nulls: bool = True
    use_revision: bool = False
    bson_encoders: Encoders = attrs.field(factory=dict[type, Callable[[Any], Any]])
    indexes: tuple[object, ...] = ()
    timeseries: TimeSeriesConfig | None = None
    validation: DocumentValidation | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    is_view: bool = False
    is_union: bool = False


_OF_ONE_CLASS: Final = frozenset({"abstract", "class_id_value", "is_root", "name", "union_doc"})
"""Settings of a class that those below it do not have."""


def read_document_settings(
    class_name: str,
    namespace: Mapping[str, Any],
    bases: Sequence[type],
    parent: Mapper | None = None,
    *,
    is_view: bool = False,
    is_union: bool = False,
) -> Settings:
    """Read the settings of a document class from its body and the bases it has.

    Args:
        class_name: its name.
        namespace: its body.
        bases: its abstract bases, nearest first.
        parent: the mapped class above.
        is_view: it is a view.
        is_union: it is a union.

    Raises:
        MappingError: a setting is unknown, or not of its kind.
    """
    values: dict[str, Any] = {}
    theirs: Any = None
    if parent is not None and parent.document is not None:
        inherited = parent.document.options.items()
        values = {name: value for name, value in inherited if name not in _OF_ONE_CLASS}
        theirs = type.__getattribute__(parent.class_, "_uow_settings_class")
    values_above = dict(values)
    own = inherited_values(class_name, namespace, bases, KNOWN)
    body = namespace.get("Settings")
    if isinstance(theirs, type) and isinstance(body, type) and issubclass(body, theirs):
        own = {n: v for n, v in own.items() if n in vars(body) or n not in _OF_ONE_CLASS}
    values.update(own)
    shares = parent is not None and parent.hierarchy is not None
    if shares and parent is not None and values.get("name") not in (None, parent.table_name):
        raise MappingError(
            f"{class_name}.Settings.name: its documents are in the collection of {parent.root.name}"
        )
    where = f"{class_name}.Settings."
    given = {name: value for name, value in values.items() if value is not None}
    check_settings(where, given, _ALLOWED, MappingError)
    if "timeseries" in given:
        check_timeseries(f"{where}timeseries.", given["timeseries"])
    said = [name for name in _VALIDATION if own.get(name) not in (None, values_above.get(name))]
    if shares and parent is not None and said:
        raise MappingError(
            f"{class_name}.Settings.{said[0]}: its documents are in the collection of "
            f"{parent.root.name}, which says what all of them are checked for"
        )
    validation = read_validation(class_name, values)
    if validation is not None and (is_view or is_union or values.get("timeseries") is not None):
        raise MappingError(
            f"{class_name}.Settings.validator: views and measurements have none in the store"
        )
    name = values.get("name") or class_name
    check_collection_name(class_name, name)
    primary_key = values.get("primary_key", ())
    return Settings(
        name=name,
        abstract=bool(values.get("abstract", False)),
        primary_key=(primary_key,) if isinstance(primary_key, str) else tuple(primary_key),
        registry=values.get("registry") or registry_in_use(),
        document=DocumentSettings(
            keep_nulls=values.get("keep_nulls", True),
            use_revision=values.get("use_revision", False),
            bson_encoders=cast("Encoders", values.get("bson_encoders") or {}),
            indexes=tuple(values.get("indexes") or ()),
            timeseries=values.get("timeseries"),
            validation=validation,
            options=values,
            is_view=is_view,
            is_union=is_union,
        ),
    )


def check_collection_name(class_name: str, name: str) -> None:
    """Refuse what cannot name a collection.

    "Restrictions on Collection Names", https://www.mongodb.com/docs/manual/reference/limits/.

    Raises:
        MappingError: it cannot.
    """
    if not name or "$" in name or "\0" in name or name.startswith("system."):
        raise MappingError(f"{class_name}.Settings.name {name!r} cannot name a collection")
