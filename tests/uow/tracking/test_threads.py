"""Threads that change one graph: what is in it afterwards tells of its changes, all of it."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from uow.tracking.nested import fields
from uow.tracking.nested.kinds import adopt, wrap
from uow.tracking.nested.objects import TOKENS
from uow.tracking.nested.tokens import LOCK, Token

assert fields.KINDS

THREADS = 4
STEPS = 3_000


@attrs.define
class Part:
    """An object whose fields hold members."""

    a: Any = None
    b: Any = None
    c: Any = None


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(step: Callable[[random.Random], object]) -> None:
    """Do random things in several threads at once. What a builtin refuses is refused."""
    started = threading.Barrier(THREADS)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        started.wait()
        try:
            for _ in range(STEPS):
                with contextlib.suppress(IndexError, KeyError):
                    step(rng)
        except BaseException as exc:  # noqa: BLE001 - told by the test
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def check(members: list[Any], owner: Token, token: Token) -> None:
    """Each member tells the owner of the whole, and would until it left the last of its places."""
    assert members
    for member in members:
        owner.rearm()
        member.append(1)
        assert owner.dirty is not None
        places = sum(1 for other in members if other is member)
        owners = [reference() for reference in member._uow_token.owners]
        assert owners.count(token) >= places


def test_lists() -> None:
    """Members are replaced by each other and moved meanwhile."""
    owner = Token(None)
    value = adopt([[n] for n in range(6)], owner)
    pool = list(value)

    def step(rng: random.Random) -> None:
        kind, place = rng.randrange(9), rng.randrange(-6, 6)
        if kind < 4:
            value[place] = rng.choice(pool)
        elif kind == 4:
            value.insert(place, rng.choice(pool))
        elif kind == 5:
            value.pop(place)
        elif kind == 6:
            value.append(rng.choice(pool))
        elif kind == 7:
            value.reverse()
        else:
            del value[place]

    in_threads(step)
    value.append(pool[0])
    check(list(value), owner, value._uow_token)


def test_dicts() -> None:
    """Values are replaced by each other, and their keys taken out."""
    owner = Token(None)
    value = adopt({n: [n] for n in range(6)}, owner)
    pool = list(value.values())

    def step(rng: random.Random) -> None:
        kind, key = rng.randrange(8), rng.randrange(6)
        if kind < 4:
            value[key] = rng.choice(pool)
        elif kind == 4:
            value.pop(key)
        elif kind == 5:
            value.popitem()
        elif kind == 6:
            value.setdefault(key, rng.choice(pool))
        else:
            value.update({key: rng.choice(pool), 5 - key: rng.choice(pool)})

    in_threads(step)
    value[0] = pool[0]
    check(list(value.values()), owner, value._uow_token)


@pytest.mark.parametrize("maxlen", [None, 6])
def test_deques(maxlen: int | None) -> None:
    """Members are replaced by each other, at both ends and between."""
    owner = Token(None)
    value = adopt(deque([[n] for n in range(6)], maxlen), owner)
    pool = list(value)

    def step(rng: random.Random) -> None:
        kind, place = rng.randrange(8), rng.randrange(-6, 6)
        if kind < 4:
            value[place] = rng.choice(pool)
        elif kind == 4:
            value.appendleft(rng.choice(pool))
        elif kind == 5:
            value.popleft()
        elif kind == 6:
            value.append(rng.choice(pool))
        else:
            value.rotate(place)

    in_threads(step)
    value.append(pool[0])
    check(list(value), owner, value._uow_token)


def test_objects() -> None:
    """Attributes are set to values that are in other attributes too."""
    owner = Token(None)
    part: Any = adopt(Part([1], [2], [3]), owner)
    pool = [part.a, part.b, part.c]

    def step(rng: random.Random) -> None:
        setattr(part, rng.choice("abc"), rng.choice(pool))

    in_threads(step)
    check([part.a, part.b, part.c], owner, TOKENS[id(part)])


def test_first_reads() -> None:
    """Whoever reads a value for the first time gets what all others get."""
    for _ in range(20):
        owner = Token(None)
        with LOCK:
            value = wrap({str(n): [[n]] for n in range(6)}, owner)
        found: list[list[Any]] = []

        def step(_: random.Random, value: Any = value, found: list[list[Any]] = found) -> None:
            if len(found) < THREADS:
                found.append([value[str(n)][0] for n in range(6)])

        in_threads(step)
        for each in found:
            assert all(one is other for one, other in zip(each, found[0], strict=True))
        for inner in found[0]:
            check([inner], owner, value[str(inner[0])]._uow_token)
