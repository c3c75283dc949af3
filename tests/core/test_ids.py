"""Ids that sort by time."""

from __future__ import annotations

import itertools
import os
import threading
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.core import ids
from aion.core.ids import uuid7, uuid7_from


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_a_built_id_holds_its_parts_and_is_version_7(timestamp_ms: int, random_bits: int) -> None:
    made = uuid7_from(timestamp_ms, random_bits)

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == timestamp_ms
    high = made.int >> 64 & 0xFFF
    assert high << 62 | made.int & (2**62 - 1) == random_bits


def test_the_example_of_the_rfc() -> None:
    bits = 0xCC3 << 62 | 0x18C4DC0C0C07398F

    assert uuid7_from(0x017F22E279B0, bits) == UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


def test_bits_beyond_the_74th_are_ignored() -> None:
    assert uuid7_from(5, 7 | 1 << 74) == uuid7_from(5, 7)


@pytest.mark.parametrize("timestamp_ms", [-1, 2**48])
def test_a_timestamp_out_of_range_is_refused(timestamp_ms: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        uuid7_from(timestamp_ms, 0)


def test_ids_increase_strictly() -> None:
    made = [uuid7() for _ in range(20_000)]

    assert all(earlier < later for earlier, later in itertools.pairwise(made))


def test_ids_carry_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = ids._Generator().next()

    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_ids_increase_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = ids._Generator()
    moments = iter([5_000_000_000, 4_000_000_000, 4_500_000_000])
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(moments))

    made = [generator.next() for _ in range(3)]

    assert made == sorted(set(made))
    assert {each.int >> 80 for each in made} == {5_000}


def test_a_counter_that_overflows_borrows_the_next_millisecond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = ids._Generator()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 5_000_000_000)
    first = generator.next()
    generator._counter = 2**74 - 1

    second = generator.next()

    assert first < second
    assert second.int >> 80 == 5_001


def test_threads_never_share_an_id() -> None:
    made: list[list[UUID]] = [[] for _ in range(4)]

    def work(mine: list[UUID]) -> None:
        mine.extend(uuid7() for _ in range(3_000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set().union(*made)) == 12_000
    assert all(mine == sorted(mine) for mine in made)


def test_a_reseeded_generator_shares_no_counter_with_its_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 5_000_000_000)
    generator = ids._Generator()
    parent = generator.next()

    generator.reseed()
    child = generator.next()

    assert child > parent
    assert child.int >> 80 > parent.int >> 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_makes_ids_of_its_own() -> None:
    uuid7()
    reader, writer = os.pipe()
    with ids._generator._lock:
        # A lock held by another thread while forking would stay locked in the child for ever.
        child = os.fork()
        if child == 0:
            os.write(writer, b"".join(uuid7().bytes for _ in range(50)))
            os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 16 * 50)
    os.close(reader)
    os.close(writer)

    mine = {uuid7().bytes for _ in range(50)}

    assert len(theirs) == 16 * 50
    assert mine.isdisjoint(theirs[at : at + 16] for at in range(0, len(theirs), 16))
