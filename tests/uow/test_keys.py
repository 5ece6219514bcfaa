"""Keys made by the client (M5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from uow import keys
from uow.keys import ulid, uuid7

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_uuid7() -> None:
    """A UUID of version 7 begins with the time in milliseconds."""
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, UUID(int=0x8 << 60).variant)
    assert before <= made.int >> 80 <= after + 1


def test_ulid() -> None:
    """A ULID is 26 characters of Crockford's alphabet and begins with the time."""
    before = time.time_ns() // 1_000_000
    made = ulid()
    millisecond = 0
    for char in made[:10]:
        millisecond = millisecond * 32 + CROCKFORD.index(char)

    assert len(made) == 26
    assert set(made) <= set(CROCKFORD)
    assert before <= millisecond <= time.time_ns() // 1_000_000 + 1


@pytest.mark.parametrize("make", [uuid7, ulid])
def test_order(make: Callable[[], Any]) -> None:
    """Keys sort as they were made and never repeat, within a millisecond too."""
    made = [make() for _ in range(5000)]

    assert made == sorted(set(made))


@pytest.mark.parametrize("make", [uuid7, ulid])
def test_threads(make: Callable[[], Any]) -> None:
    """Threads never make the same key."""
    made: list[Any] = []

    def work() -> None:
        made.extend([make() for _ in range(2000)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 8000


def test_clock_going_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set back does not make older keys."""
    first = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 0)

    assert uuid7() > first


def test_run_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys than a millisecond can count move on to the next."""
    monkeypatch.setattr(time, "time_ns", lambda: 5_000_000)
    clock = keys._Clock(34)
    made = [clock.next() for _ in range(50)]

    assert made == sorted(set(made))
    assert made[-1][0] > 5
    assert all(bits < 1 << 34 for _, bits in made)


def test_fork() -> None:
    """A child starts from random bits of its own."""
    clock = keys._Clock(74)
    millisecond, bits = clock.next()
    clock.renew()

    assert clock.next() != (millisecond, bits)
