r"""Generate what tells at a glance which written objects have changed, one function a shape.

For a column `age` of 64 bits and a column `name` it reads

    def sift(objects, before3, before2, /):
        return [
            obj for obj, o3, o2 in zip(objects, before3, before2) if not (
                type(v3 := obj.age) is int and -9223372036854775808 <= v3 <= 9223372036854775807
                and v3 != o3
                and type(v2 := obj.name) is str and '\0' not in v2 and (v2.isascii() or ...)
                and v2 != o2
            )
        ]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from uow.mapping.codegen import compile_function
from uow.mapping.construction import guard

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["Sifter", "make_sifter"]


class Sifter(Protocol):
    """Tells which objects need a closer look."""

    def __call__(self, objects: Iterable[Any], /, *before: Iterable[Any]) -> list[Any]:
        """Give the objects that may not differ in a column, or hold what does not fit.

        Args:
            objects: the objects.
            before: for each column what the objects held before, in their order.

        Raises:
            AttributeError: an object holds no value (`NotLoadedError`: because it has expired).
            ValueError: a value does not fit.
        """
        ...


def make_sifter(columns: Sequence[MappedColumn]) -> Sifter:
    """Generate the sifter of some columns.

    Args:
        columns: what was written, at least one; none whose values can change in place.
    """
    mapper = columns[0].mapper
    names: dict[str, Any] = {"_uow_len": len, "_uow_type": type, "_uow_zip": zip}
    tests: list[str] = []
    for column in columns:
        variable = f"v{column.position}"
        value = f"({variable} := obj.{column.attribute})"
        test = guard(column, variable, names)
        if test is not None:
            test = test.replace(variable, value, 1)
        else:
            check = f"_uow_c{column.position}"
            names[check] = column.checker
            test = f"{value} is not None and {check}({variable}) is {variable}"
        tests.append(f"{test} and {variable} != o{column.position}")
    before = ", ".join(f"before{column.position}" for column in columns)
    held = ", ".join(f"o{column.position}" for column in columns)
    source = (
        f"def sift(objects, {before}, /):\n"
        "    return [\n"
        f"        obj for obj, {held} in _uow_zip(objects, {before}) if not (\n"
        "            " + "\n            and ".join(tests) + "\n"
        "        )\n"
        "    ]\n"
    )
    shape = ", ".join(column.attribute for column in columns)
    mapper.sources[f"sift({shape})"] = source
    sift: Sifter = compile_function(source, "sift", names, title=f"{mapper.name}.sift")
    return sift
