"""The campaign's account of what subscribers heard finds what is wrong, and repeats of an id are not."""

from __future__ import annotations

from benchmarks.hearing import Hearing, Written, acted
from benchmarks.pieces import at_most_percent

WELL = {"missing": 0, "out_of_order": 0, "repeated": 0}


def test_repeats_are_counted_and_are_not_wrong() -> None:
    hearing = Hearing(list("abcbcd"))
    assert hearing.has_heard("abcd")
    assert hearing.hold_against("abcd") == {**WELL, "repeated": 2}
    assert hearing.hold_against("") == WELL, "counted once"
    assert (hearing.repeats, hearing.never("abcd"), hearing.unknown(set("abcd"))) == (2, 0, 0)


def test_what_is_not_heard_or_not_known_or_overtaken_is_wrong() -> None:
    assert Hearing(list("abd")).hold_against("abcd") == {**WELL, "missing": 1}
    assert Hearing(list("acbd")).hold_against("abcd") == {**WELL, "out_of_order": 1}
    assert Hearing(list("abx")).unknown(set("ab")) == 1


def test_order_holds_from_one_fault_to_the_next_and_what_comes_late_is_not_lost() -> None:
    ids = list("ac")
    hearing = Hearing(ids)
    assert hearing.hold_against("ab") == {**WELL, "missing": 1}
    ids += "bd"
    assert hearing.hold_against("cd") == WELL
    assert (hearing.late, hearing.never("abcd")) == (1, 0)
    ids += "ae"
    assert hearing.hold_against("e") == {**WELL, "repeated": 1}


def test_an_overtaken_part_is_seen_across_faults() -> None:
    hearing = Hearing(list("acbd"))
    assert hearing.hold_against("abc")["out_of_order"] == 1
    assert Hearing(list("ba")).hold_against("a") == WELL
    later = Hearing(list("ba"))
    assert [later.hold_against(part)["out_of_order"] for part in "ab"] == [0, 1]


def written(told: str) -> list[Written]:
    """Upper case is let go, lower case is diverted."""
    return [Written(part.lower(), part.isupper(), 0 if part.isupper() else 10) for part in told]


WELL_ACTED = {
    "doubled": 0,
    "let_go_out_of_order": 0,
    "unknown": 0,
    "withheld": 0,
    "diverted_after_a_later_part": 0,
    "reasons_of_those": "none",
}


def test_a_controller_is_told_at_once_or_never() -> None:
    assert acted(written("ACd"), "abcd") == {**WELL_ACTED, "withheld": 1}
    assert acted(written("aabcdx"), "abcd") == {**WELL_ACTED, "doubled": 1, "unknown": 1}


def test_a_part_that_is_let_go_after_a_later_one_is_wrong_and_one_that_is_diverted_then_is_counted_apart() -> None:
    assert acted(written("ACDb"), "abcd") == {
        **WELL_ACTED,
        "diverted_after_a_later_part": 1,
        "reasons_of_those": "10: 1",
    }
    assert acted(written("CabD"), "abcd")["diverted_after_a_later_part"] == 2
    assert acted(written("CBd"), "bcd") == {**WELL_ACTED, "let_go_out_of_order": 1}
    assert acted(written("cBd"), "bcd") == WELL_ACTED, "a diverted part overtakes nobody's way to the gate"


def test_none_of_many_is_bounded_by_the_rule_of_three() -> None:
    assert abs(at_most_percent(3000) - 100 * 3 / 3000) < 0.001
    assert at_most_percent(0) == 100
