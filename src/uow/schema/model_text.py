"""The text of models, from what a database has: a module that a person can go on with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from uow.schema.compare import in_reference_order
from uow.schema.description import (
    ColumnDef,
    ForeignKeyDef,
    IndexDef,
    IndexPartDef,
    Schema,
    SequenceDef,
    TableDef,
)
from uow.schema.source import call, class_name, field_name, one_line, quoted
from uow.schema.words import words
from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    IpInterface,
    IpNetwork,
    Json,
    Native,
    Numeric,
    RangeType,
    Text,
    Time,
    UnsignedInteger,
    Uuid,
)

if TYPE_CHECKING:
    from uow.dialects.base import Definitions

__all__ = ["models_text"]

_TAKEN: Final = frozenset(
    {
        "save", "insert", "delete", "update", "find", "find_one", "get", "count", "refresh",
        "Settings", "metadata", "self",
    }
)  # fmt: skip
"""Names of what every model has."""


def models_text(schema: Schema, definitions: Definitions) -> str:
    """Write a module of `Table` classes, a table each, those that are referred to first.

    Columns whose names Python or a model already has get a line behind them. A type that is not
    known is a `Native` one. Tables without a key are left out, with a comment: their rows cannot be
    told apart.

    Args:
        schema: as `inspect_schema` gives it.
        definitions: those of the dialect.
    """
    module = _Module(schema, definitions)
    classes = [module.class_of(table) for table in in_reference_order(schema.tables)]
    start = '"""Tables, as the database has them."""'
    parts = [start, module.imports(), *module.enums.values(), *classes]
    return "\n\n\n".join([parts[0] + "\n\n" + parts[1], *parts[2:]]) + "\n"


class _Module:
    """Writes classes, and remembers what they need."""

    def __init__(self, schema: Schema, definitions: Definitions) -> None:
        self.schema = schema
        self.definitions = definitions
        self.needed: dict[str, set[str]] = {"uow": {"Column", "Mapped", "Table"}}
        self.names: dict[str, int] = {}
        self.enums: dict[str, str] = {}

    def need(self, module: str, name: str) -> str:
        """Import a name; give it."""
        self.needed.setdefault(module, set()).add(name)
        return name

    def imports(self) -> str:
        """Write what is imported, that of Python first."""
        lines = [
            f"from {module} import {', '.join(sorted(names))}"
            for module, names in sorted(self.needed.items())
            if not module.startswith("uow")
        ]
        own = [
            f"from {module} import {', '.join(sorted(names))}"
            for module, names in sorted(self.needed.items())
            if module.startswith("uow")
        ]
        start = "from __future__ import annotations\n\n"
        return start + "\n".join([*lines, *([""] if lines else []), *own])

    def class_of(self, table: TableDef) -> str:
        """Write a class."""
        if table.key is None:
            name = one_line(str(table.name))
            return f"# The table {name} has no primary key, so there is no class for it."
        name = class_name(table.name.name)
        self.names[name] = self.names.get(name, 0) + 1
        if self.names[name] > 1:
            name = f"{name}{self.names[name]}"
        body = [*self._settings(table), "", *[self._column(table, c) for c in table.columns]]
        lines = "\n".join([f"    {line}" if line else "" for part in body for line in [part]])
        return f"class {name}(Table):\n{lines}"

    def _settings(self, table: TableDef) -> Iterator[str]:
        yield "class Settings:"
        yield f"    name = {quoted(table.name.name)}"
        if table.name.schema is not None:
            yield f"    schema = {quoted(table.name.schema)}"
        if table.comment is not None:
            yield f"    comment = {quoted(table.comment)}"
        indexes = [text for text in map(self._index, table.indexes) if text]
        if indexes:
            yield from ["    indexes = ["] + [f"        {text}," for text in indexes] + ["    ]"]
        constraints = list(self._constraints(table))
        if constraints:
            yield "    constraints = ["
            yield from [f"        {text}," for text in constraints]
            yield "    ]"

    def _index(self, index: IndexDef) -> str:
        fields = ", ".join([self._part(part) for part in index.parts])
        items = [f'"fields": [{fields}]', f'"name": {quoted(index.name)}']
        if index.unique:
            items.append('"unique": True')
        if index.where is not None:
            items.append(f'"where": {quoted(index.where)}')
        if index.method is not None:
            items.append(f'"method": {quoted(index.method)}')
        if index.include:
            names = ", ".join([quoted(attribute(name)) for name in index.include])
            items.append(f'"include": [{names}]')
        if not index.nulls_distinct:
            items.append('"nulls_distinct": False')
        return f"{{{', '.join(items)}}}"

    def _part(self, part: IndexPartDef) -> str:
        if part.column is not None and not (part.nulls or part.opclass or part.collation):
            return quoted(f"{'-' if part.descending else ''}{attribute(part.column)}")
        if part.column is None:
            items = [f'"expression": {quoted(part.expression or "")}']
        else:
            items = [f'"field": {quoted(attribute(part.column))}']
        if part.descending:
            items.append('"desc": True')
        for key in ("nulls", "opclass", "collation"):
            value = getattr(part, key)
            if value is not None:
                items.append(f'"{key}": {quoted(value.lower() if key == "nulls" else value)}')
        return f"{{{', '.join(items)}}}"

    def _constraints(self, table: TableDef) -> Iterator[str]:
        for unique in table.uniques:
            items = [f'"unique": {_list(unique.columns)}', f'"name": {quoted(unique.name)}']
            if not unique.nulls_distinct:
                items.append('"nulls_distinct": False')
            yield f"{{{', '.join([*items, *_deferral(unique.deferral)])}}}"
        lengths = self._length_checks(table)
        for check in table.checks:
            if check.name not in lengths:
                yield f'{{"check": {quoted(check.sql)}, "name": {quoted(check.name)}}}'
        for exclusion in table.exclusions:
            match = _EXCLUSION.match(exclusion.sql)
            if match is None:
                continue
            pairs = [part.split(" WITH ") for part in match[2].split(", ")]
            inner = ", ".join(
                [f"{quoted(attribute(n.strip(chr(34))))}: {quoted(o)}" for n, o in pairs]
            )
            items = [f'"exclude": {{{inner}}}', f'"method": {quoted(match[1])}']
            items.append(f'"name": {quoted(exclusion.name)}')
            if match[3] is not None:
                items.append(f'"where": {quoted(match[3])}')
            yield f"{{{', '.join(items)}}}"
        for key in table.foreign_keys:
            if not self._is_simple(table, key):
                targets = _list([f"{key.target}.{name}" for name in key.target_columns], plain=True)
                items = [f'"foreign_key": {_list(key.columns)}', f'"references": {targets}']
                items += [f'"name": {quoted(key.name)}']
                items += [f'"{name}": {value}' for name, value in _actions(key)]
                yield f"{{{', '.join([*items, *_deferral(key.deferral)])}}}"

    def _length_checks(self, table: TableDef) -> set[str]:
        """The names of checks that `max_length` makes again."""
        limited = [
            column.name
            for column in table.columns
            if getattr(self.definitions.kind(column), "max_length", None) is not None
        ]
        return {f"ck_{table.name.name}_{name}_length" for name in limited}

    def _is_simple(self, table: TableDef, key: ForeignKeyDef) -> bool:
        """Whether a foreign key is said with its column, under the name it has then."""
        return (
            len(key.columns) == 1
            and key.name == f"fk_{table.name.name}_{key.columns[0]}"
            and [one for one in table.foreign_keys if key.columns[0] in one.columns] == [key]
        )

    # -- columns

    def _column(self, table: TableDef, column: ColumnDef) -> str:
        kind = self.definitions.kind(column)
        enum = self._enum(table, column)
        hint, arguments = enum or self._hint(kind)
        name = attribute(column.name)
        own = [f"name={quoted(column.name)}"] if name != column.name else []
        is_key = table.key is not None and column.name in table.key.columns
        if is_key:
            own.append("primary_key=True")
        if column.identity is not None or self._is_row_number(table, column):
            is_usual = is_key and column.identity != "always"
            how = quoted("always" if column.identity == "always" else "by default")
            own.append("auto_increment=True" if is_usual else f"identity={how}")
        own += arguments
        own_type = None if enum is not None else self.definitions.own_type(column)
        if own_type is not None:
            own.append(f"sql_type={quoted(own_type)}")
        filled = self._filled(column)
        own += filled
        for key in table.foreign_keys:
            if column.name in key.columns and self._is_simple(table, key):
                own.append(f"foreign_key={quoted(f'{key.target}.{key.target_columns[0]}')}")
                own += [f"{action}={value}" for action, value in _actions(key)]
                own += [item.replace('": ', "=")[1:] for item in _deferral(key.deferral)]
        if column.collation is not None and isinstance(kind, Text):
            own.append(f"collation={quoted(column.collation)}")
        if column.comment is not None:
            own.append(f"comment={quoted(column.comment)}")
        if column.nullable:
            hint = f"{hint} | None"
            if not filled:
                own.append("default=None")
        elif hint == "Any":
            own.append("nullable=False")  # which Any would else be
        start = f"{name}: Mapped[{hint}]"
        return (
            start
            if not own
            else f"{start} = "
            + call("Column", own, indent=4 + len(start) + 3).replace(
                "\n" + " " * (len(start) + 7), "\n    "
            )
        )

    def _filled(self, column: ColumnDef) -> list[str]:
        if column.generated is not None:
            virtual = ["virtual=True"] if column.virtual else []
            return [f"generated={quoted(column.generated)}", *virtual]
        if column.default is not None:
            sequence = _NEXT.match(column.default)
            for one in self.schema.sequences if sequence is not None else ():
                if sequence is not None and sequence[1].replace('"', "") == str(one.name):
                    return [f"sequence={self._sequence(one)}"]
            return [f"server_default={quoted(column.default)}"]
        return []

    def _sequence(self, one: SequenceDef) -> str:
        items = [quoted(one.name.name)]
        if one.name.schema is not None:
            items.append(f"schema={quoted(one.name.schema)}")
        items += [] if one.start == 1 else [f"start={one.start}"]
        items += [] if one.increment == 1 else [f"increment={one.increment}"]
        return f"{self.need('uow', 'Sequence')}({', '.join(items)})"

    def _is_row_number(self, table: TableDef, column: ColumnDef) -> bool:
        """Whether the store numbers a row without being told: its key is one INTEGER."""
        is_alone = table.key is not None and table.key.columns == (column.name,)
        refers = any(column.name in key.columns for key in table.foreign_keys)
        is_number = column.type.upper() == "INTEGER"
        return self.schema.dialect == "sqlite" and is_alone and is_number and not refers

    def _enum(self, table: TableDef, column: ColumnDef) -> tuple[str, list[str]] | None:
        """The class of an enum of the store, and what `Column` is told besides."""
        is_many = column.type.endswith("[]")
        declared = column.type.removesuffix("[]")
        name, schema, labels = "", None, tuple[str, ...]()
        for type_ in self.schema.types:
            if type_.is_enum and self.definitions.name(type_.name) == declared:
                name, schema, labels = type_.name.name, type_.name.schema, type_.labels
        if not labels and declared.upper().startswith("ENUM("):
            name = f"{table.name.name}_{column.name}"
            labels = tuple([word.text[1:-1].replace("''", "'") for word in words(declared)[2:-1:2]])
        if not labels:
            return None
        class_ = self._enum_class(name, labels)
        native = quoted(name) if declared[-1] == '"' else "True"
        items = [class_, f"native={native}"]
        items += [] if schema is None else [f"schema={quoted(schema)}"]
        type_text = f"{self.need('uow', 'EnumType')}({', '.join(items)})"
        if is_many:
            return f"list[{class_}]", [f"type={self.need('uow', 'Array')}({type_text})"]
        return class_, [f"type={type_text}"]

    def _enum_class(self, name: str, labels: tuple[str, ...]) -> str:
        class_ = class_name(name)
        members: dict[str, str] = {}
        for number, label in enumerate(labels, 1):
            member = field_name(label).upper().strip("_") or f"VALUE_{number}"
            members[member if member not in members else f"{member}_{number}"] = label
        lines = "".join([f"    {key} = {quoted(label)}\n" for key, label in members.items()])
        self.need("enum", "Enum")
        self.enums[class_] = f"class {class_}(Enum):\n{lines}".rstrip()
        return class_

    def _hint(self, kind: ColumnType) -> tuple[str, list[str]]:
        """The type hint of a kind, and what `Column` is told besides."""
        match kind:
            case UnsignedInteger():
                return "int", [f"type={self._type(kind)}"]
            case Integer(bits=bits):
                own = [] if bits == 64 else [f"type={self.need('uow.types', 'Integer')}({bits})"]
                return "int", own
            case Text(max_length=length):
                return "str", [] if length is None else [f"max_length={length}"]
            case Binary(max_length=length):
                return "bytes", [] if length is None else [f"max_length={length}"]
            case Numeric(precision=precision, scale=scale):
                hint = self.need("decimal", "Decimal")
                if precision is None:
                    return hint, []
                return hint, [f"precision={precision}", f"scale={scale or 0}"]
            case DateTime(timezone=zone):
                return self.need("datetime", "datetime"), [] if zone else ["timezone=False"]
            case Array(item=item):
                hint, _ = self._hint(item)
                return f"list[{hint}]", [f"type={self._type(kind)}"]
            case RangeType(item=item):
                hint, _ = self._hint(item)
                return f"{self.need('uow', 'Range')}[{hint}]", [f"type={self._type(kind)}"]
            case Native():
                return "str", [f"type={self._type(kind)}"]
            case _:
                for class_, module, name in _PLAIN:
                    if isinstance(kind, class_):
                        return (self.need(module, name) if module else name), []
                return self.need("typing", "Any"), [f"type={self._type(kind)}"]

    def _type(self, kind: ColumnType) -> str:
        """Write a column type."""
        match kind:
            case Array(item=item):
                return f"{self.need('uow', 'Array')}({self._type(item)})"
            case RangeType(item=item):
                return f"{self.need('uow', 'RangeType')}({self._type(item)})"
            case Native(name=name):
                return f"{self.need('uow', 'Native')}({quoted(name)})"
            case DateTime(timezone=False):
                return f"{self.need('uow.types', 'DateTime')}(timezone=False)"
            case UnsignedInteger(bits=bits):
                return f"{self.need('uow.types', 'UnsignedInteger')}({bits})"
            case Integer(bits=bits):
                return f"{self.need('uow.types', 'Integer')}({bits})"
            case Text(max_length=int(length)):
                return f"{self.need('uow.types', 'Text')}({length})"
            case _:
                return f"{self.need('uow.types', type(kind).__name__)}()"


_PLAIN: Final = (
    (Boolean, "", "bool"),
    (Float, "", "float"),
    (Date, "datetime", "date"),
    (Time, "datetime", "time"),
    (Interval, "datetime", "timedelta"),
    (Uuid, "uuid", "UUID"),
    (Json, "typing", "Any"),
    (IpInterface, "ipaddress", "IPv4Interface"),
    (IpNetwork, "ipaddress", "IPv4Network"),
)


def attribute(name: str) -> str:
    """The name of a column's attribute."""
    made = field_name(name)
    return f"{made}_" if made in _TAKEN else made


_EXCLUSION: Final = re.compile(
    r'EXCLUDE USING (\w+) \(((?:[\w"]+ WITH [^\w\s(),]+(?:, )?)+)\)(?: WHERE \((.*)\))?\Z'
)
"""An exclusion constraint over columns, which models can say."""


def _list(names: Iterable[str], *, plain: bool = False) -> str:
    texts = [quoted(name if plain else attribute(name)) for name in names]
    return f"[{', '.join(texts)}]"


def _actions(key: ForeignKeyDef) -> Iterator[tuple[str, str]]:
    for name, action in (("on_delete", key.on_delete), ("on_update", key.on_update)):
        if action is not None:
            yield name, quoted(action.lower())


def _deferral(deferral: str | None) -> list[str]:
    if deferral is None:
        return []
    when = ['"initially": "immediate"'] if deferral == "immediate" else []
    return ['"deferrable": True', *when]


_NEXT: Final = re.compile(r"nextval\('([^']+)'::regclass\)\Z")
