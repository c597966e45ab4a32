"""Each device is in the state that is documented, the worst first; only what a part needs stops the line."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from inspector.values import Outcome
from station.counts import Counts
from station.health.clocks import REMEMBERED_S, ClockSight, ClockWatch, is_synchronised
from station.health.document import Since, assess, health_document
from station.health.metrics import metrics_text
from station.health.states import RESTART_REMEMBERED_S, Device, Namur, Sight, devices_of, line_state, may_run
from station.health.storage import DiskSight, look_at_disk
from station.outputs.base import OutputState
from station.status import VisionState
from tests.station.health.sights import NOW_NS, sight, status, watched

AT = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
DEAD_BROKER = OutputState("mqtt", "tell", False, "connection refused", waiting=120)
DEAD_GATE = OutputState("gate", "act", False, "controller does not answer")


def device(name: str, seen: Sight, **changes: Any) -> Device:
    return next(each for each in devices_of(watched(**changes), seen) if each.called == name)


def test_a_station_that_is_well_is_good_throughout_and_may_run() -> None:
    seen = sight()
    devices = devices_of(watched(trigger="http"), seen)
    assert {each.state for each in devices} == {Namur.GOOD}
    assert may_run(line_state(seen), devices)


@pytest.mark.parametrize(
    ("name", "seen", "state", "runs"),
    [
        ("camera:camera-1", sight(status(cameras={"camera-1": "unplugged"})), Namur.FAILURE, False),
        ("camera:camera-1", sight(status(cameras={"camera-1": "opening"})), Namur.CHECK_FUNCTION, False),
        ("camera:camera-1", sight(status(cameras={})), Namur.CHECK_FUNCTION, False),
        ("vision", sight(status(visions={"vision": VisionState("starting")})), Namur.CHECK_FUNCTION, False),
        ("vision", sight(status(visions={"vision": VisionState("hung", NOW_NS)})), Namur.FAILURE, False),
        ("vision", sight(status(visions={"vision": VisionState("well", NOW_NS)})), Namur.MAINTENANCE_REQUIRED, True),
        ("ledger", sight(status(ledger="the disk is full")), Namur.FAILURE, False),
        ("disk", sight(disk=DiskSight(4 * 10**9, 10**11)), Namur.MAINTENANCE_REQUIRED, True),
        ("disk", sight(disk=DiskSight(4 * 10**8, 10**11)), Namur.OUT_OF_SPECIFICATION, True),
        ("disk", sight(disk=DiskSight(fault="no such folder")), Namur.FAILURE, True),
        ("output:mqtt", sight(status(outputs=(DEAD_BROKER,))), Namur.OUT_OF_SPECIFICATION, True),
        ("output:gate", sight(status(outputs=(DEAD_GATE,))), Namur.FAILURE, False),
        ("drift", sight(status(drift="certificate void since part 7: light")), Namur.OUT_OF_SPECIFICATION, True),
        ("drift", sight(status(drift="learning from 500 parts")), Namur.CHECK_FUNCTION, True),
        ("drift", sight(status(drift="not known")), Namur.CHECK_FUNCTION, True),
        ("drift", sight(status(drift="memory not written: full")), Namur.MAINTENANCE_REQUIRED, True),
        ("challenge", sight(status(held="part 7 was missed")), Namur.CHECK_FUNCTION, False),
        ("plant", sight(status(plant="cannot be reached", unforwarded=9)), Namur.OUT_OF_SPECIFICATION, True),
        ("plant", sight(status(plant="starting")), Namur.CHECK_FUNCTION, True),
        ("clock", sight(clock=ClockSight(-3600.0, True)), Namur.OUT_OF_SPECIFICATION, True),
        ("clock", sight(clock=ClockSight(None, False)), Namur.MAINTENANCE_REQUIRED, True),
        ("line", sight(status(state="starting", beat_ns=0)), Namur.CHECK_FUNCTION, False),
        ("line", sight(status(state="ending", beat_ns=0)), Namur.CHECK_FUNCTION, False),
        ("line", sight(status(beat_ns=NOW_NS - 4 * 10**9)), Namur.FAILURE, False),
        ("line", sight(now_ns=NOW_NS + 4 * 10**9), Namur.FAILURE, False),
    ],
)
def test_a_device_that_is_not_well_says_so_and_stops_the_line_if_a_part_needs_it(
    name: str, seen: Sight, state: Namur, runs: bool
) -> None:
    found = devices_of(watched(), seen)
    assert next(each.state for each in found if each.called == name) is state
    assert found[0].called == name, "all else is good, so it comes first"
    assert may_run(line_state(seen), found) is runs


def test_a_trigger_that_is_lost_stops_the_line_and_a_camera_that_triggers_is_none() -> None:
    lost = sight(status(trigger="broker is gone"))
    assert device("trigger:mqtt", lost, trigger="mqtt").stops_line
    assert not any(each.kind == "trigger" for each in devices_of(watched(), lost))


def test_a_bundle_without_a_certificate_needs_somebody() -> None:
    assert device("bundle", sight(), certified=False).state is Namur.MAINTENANCE_REQUIRED


def test_a_clock_of_which_nobody_knows_is_good_while_it_is_steady() -> None:
    assert device("clock", sight(clock=ClockSight(None, None))).state is Namur.GOOD


def test_a_restart_is_forgotten_after_a_while() -> None:
    long_ago = VisionState("well", NOW_NS - int(RESTART_REMEMBERED_S * 1e9) - 1)
    assert device("vision", sight(status(visions={"vision": long_ago}))).state is Namur.GOOD


def test_a_loop_that_has_not_begun_is_not_silent_for_want_of_a_beat() -> None:
    assert line_state(sight(status(state="starting", beat_ns=0))) == "starting"
    assert line_state(sight(status(state="running", beat_ns=0))) == "silent"


states = st.sampled_from(Namur)


@given(st.lists(st.tuples(states, st.booleans()), max_size=8), st.sampled_from(["running", "restarting", "silent"]))
def test_the_line_may_run_exactly_while_all_that_it_needs_works(found: list[tuple[Namur, bool]], line: str) -> None:
    devices = tuple(Device("camera", str(n), state, "", needed) for n, (state, needed) in enumerate(found))
    works = all(state < Namur.CHECK_FUNCTION for state, needed in found if needed)
    assert may_run(line, devices) == (line == "running" and works)


# ---- the document


def test_the_document_has_the_worst_device_first_and_its_state_as_the_stations() -> None:
    ill = sight(status(outputs=(DEAD_BROKER,), cameras={"camera-1": "unplugged"}))
    health = assess(watched(), ill, AT)
    said = json.loads(health_document(health, Since().note(health)))
    assert (said["schema"], said["state"], said["may_run"]) == ("open-inspector/health/1", "failure", False)
    assert [each["device"] for each in said["devices"][:2]] == ["camera:camera-1", "output:mqtt"]
    assert said["devices"][1]["words"] == "connection refused; 120 parts wait"
    assert said["parts"] == {"triggers": 0, "PASS": 0, "REJECT": 0, "REVIEW": 0, "NOT_INSPECTED": 0, "challenges": 0}
    assert said["devices"][0]["since"] == said["at"] == "2026-11-27T14:30:00.000000Z"
    text = (Path(__file__).parents[3] / "docs" / "health.md").read_text()
    example = json.loads(text.partition("```json\n")[2].partition("```")[0])
    assert list(said) == list(example)
    assert list(said["devices"][0]) == list(example["devices"][0])


def test_since_is_when_the_state_changed_and_not_when_the_words_did() -> None:
    since = Since()
    later = AT + timedelta(seconds=5)
    since.note(assess(watched(), sight(status(ledger="full")), AT))
    assert since.note(assess(watched(), sight(status(ledger="locked")), later))["ledger"] == AT
    assert since.note(assess(watched(), sight(), later))["ledger"] == later


def test_only_a_change_of_state_makes_an_event() -> None:
    full, locked, well = (assess(watched(), sight(status(ledger=words)), AT) for words in ("full", "locked", "well"))
    assert full.marks == locked.marks != well.marks


# ---- disk and clock


def test_the_disk_is_that_of_the_folder(tmp_path: Path) -> None:
    seen = look_at_disk(tmp_path)
    assert 0 < seen.free_bytes <= seen.size_bytes
    assert look_at_disk(tmp_path / "none").fault is not None


def test_a_step_of_the_clock_is_noticed_and_remembered_for_an_hour() -> None:
    wall, mono = [1000.0], [50.0]
    clock = ClockWatch(lambda: wall[0], lambda: mono[0], lambda: True)

    def after(seconds: float, step: float = 0.0) -> ClockSight:
        mono[0] += seconds
        wall[0] += seconds + step
        return clock.look()

    assert after(0.5, step=0.2).stepped_s is None, "slewing is no step"
    assert after(0.5, step=-3600).stepped_s == pytest.approx(-3600)
    assert after(REMEMBERED_S - 1).stepped_s == pytest.approx(-3600)
    assert after(2).stepped_s is None


def test_the_system_is_asked_whether_its_clock_is_synchronised() -> None:
    assert is_synchronised() in (True, False, None)


# ---- metrics


def families(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {(sample.name, *sorted(sample.labels.values())): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def test_the_metrics_are_read_back_as_what_was_counted() -> None:
    counts = Counts({(Outcome.PASS, "none"): 7, (Outcome.REJECT, "defect"): 2}, (0, 4, 5, *[0] * 10), 0.04)
    seen = status(
        triggers=10,
        outcomes={Outcome.PASS: 7, Outcome.REJECT: 2, Outcome.REVIEW: 0, Outcome.NOT_INSPECTED: 0},
        counts=counts,
        outputs=(replace(DEAD_BROKER, delivered=4),),
        plant="well",
        unforwarded=3,
    )
    health = assess(watched(station='press "4"\n'), sight(seen), AT)
    read = families(metrics_text(health, 2, 1, NOW_NS + 10**9).decode())
    parts = read["inspector_parts"]
    assert parts["inspector_parts_total", "PASS", "none"] == 7
    assert sum(parts.values()) == 9
    assert read["inspector_latency_seconds"]["inspector_latency_seconds_bucket", "0.002"] == 4
    assert read["inspector_latency_seconds"]["inspector_latency_seconds_bucket", "+Inf"] == 9
    assert read["inspector_latency_seconds"]["inspector_latency_seconds_count",] == 9
    assert read["inspector_parts_in_flight"]["inspector_parts_in_flight",] == 1
    assert read["inspector_output_waiting_parts"]["inspector_output_waiting_parts", "mqtt"] == 120
    assert read["inspector_plant_unforwarded_rows"]["inspector_plant_unforwarded_rows",] == 3
    assert read["inspector_snapshot_age_seconds"]["inspector_snapshot_age_seconds",] == 1
    assert read["inspector_device_state"]["inspector_device_state", "output:mqtt"] == 2
    assert 'press "4"\n' in next(iter(read["inspector_station_info"]))


def test_every_metric_is_in_the_document_and_every_documented_one_is_there() -> None:
    health = assess(watched(), sight(status(unforwarded=0, outputs=(DEAD_BROKER,))), AT)
    told = set(families(metrics_text(health, 0, 0, NOW_NS).decode()))
    text = (Path(__file__).parents[3] / "docs" / "health.md").read_text().partition("## `/metrics`")[2]
    named = {word.removesuffix("_total") for word in text.replace("`", " ").replace(",", " ").split()}
    assert told == {word for word in named if word.startswith("inspector_")}
