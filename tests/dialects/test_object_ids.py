"""Keys of documents that are drawn many at a time."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from uow.dialects import _object_ids
from uow.dialects._object_ids import new_object_ids


def test_keys_ascend(monkeypatch: pytest.MonkeyPatch) -> None:
    """They follow each other, also from one batch to the next."""
    monkeypatch.setattr(_object_ids._source, "_next", 0)
    keys = [*new_object_ids(1000), *new_object_ids(1), *new_object_ids(1000)]

    assert all(type(key) is ObjectId for key in keys)
    assert keys == sorted(set(keys))
    assert abs(keys[0].generation_time.timestamp() - time.time()) < 5
    assert new_object_ids(0) == []


def test_the_counter_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 24 bits, without a key that was there."""
    monkeypatch.setattr(_object_ids._source, "_next", 0xFF_FF_FE)
    keys = [*new_object_ids(4), *new_object_ids(2)]

    assert [key.binary[9:].hex() for key in keys] == [
        "fffffe",
        "ffffff",
        "000000",
        "000001",
        "000002",
        "000003",
    ]


def test_keys_of_the_client_are_others() -> None:
    """Their random bytes differ, so that counters may meet."""
    assert new_object_ids(1)[0].binary[4:9] != ObjectId().binary[4:9]


def test_threads_draw_no_key_twice() -> None:
    """What is drawn is nobody else's."""
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(new_object_ids, [50] * 400))

    assert len({key for batch in batches for key in batch}) == 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_other_random_bytes() -> None:
    """Its counter goes on from the same place."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.write(write, new_object_ids(1)[0].binary)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        made = pipe.read()

    assert len(made) == 12
    assert made[4:9] != new_object_ids(1)[0].binary[4:9]
