from __future__ import annotations

import time

from inspector.ids import new_id


def test_ids_are_of_version_7_and_the_rfcs_variant() -> None:
    made = new_id()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_ids_carry_the_millisecond_they_were_made_in() -> None:
    before_ms = time.time_ns() // 1_000_000
    made_ms = new_id().int >> 80
    assert before_ms <= made_ms <= time.time_ns() // 1_000_000


def test_ids_of_later_milliseconds_sort_later_as_number_text_and_bytes() -> None:
    made = []
    for _ in range(5):
        made.append(new_id())
        time.sleep(0.002)
    assert made == sorted(made)
    assert [str(each) for each in made] == sorted(str(each) for each in made)
    assert [each.bytes for each in made] == sorted(each.bytes for each in made)


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000
