"""What is remembered of the order of steps has an end."""

from __future__ import annotations

from itertools import combinations, product

from uow import Column, Mapped, Registry, Table
from uow.dialects.base import dialect_for
from uow.mapping.mapper import mapper_of
from uow.session.codec import Codecs
from uow.session.edges import FEW, ORDERS_KEPT, are_in_order
from uow.session.steps import Kind, Step

NAMES = "abcdef"


class Wide(Table):
    """Can be changed in many ways."""

    class Settings:
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True)
    a: Mapped[int]
    b: Mapped[int]
    c: Mapped[int]
    d: Mapped[int]
    e: Mapped[int]
    f: Mapped[int]


def test_orders_of_forms_are_forgotten() -> None:
    """Units that change ever other columns leave no more behind than some of them."""
    mapper = mapper_of(Wide)
    codec = Codecs(dialect_for("sqlite")).of(mapper)
    pairs = list(combinations(NAMES, 2))
    forms = [codec.form(Kind.UPDATE, codec.columns_of(names)) for names in pairs]
    for chosen in product(forms, repeat=3):
        assert are_in_order([Step(codec, form, [object(), object()]) for form in chosen])
    for count in range(1, len(forms)):
        assert are_in_order([Step(codec, form, [object(), object()]) for form in forms[:count]])

    for form in forms:
        assert 0 < len(form.orders) <= ORDERS_KEPT
        assert max(map(len, form.orders)) < FEW
