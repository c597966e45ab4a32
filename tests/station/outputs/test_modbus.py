"""Registers and gate against a real Modbus TCP server: prompt, slow, silent, half-open, killed, of another version."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plc import ENCODER, Plc
from inspector.errors import ConfigError, PeerFault
from inspector.ids import new_id
from inspector.values import Outcome, Verdict
from inspector.verdict import not_inspected
from station.outputs import modbus_map as registers
from station.outputs import outputs_settings
from station.outputs.act_thread import Heard
from station.outputs.base import JudgedPart, LineState, Output, OutputState, TriggeredPart
from station.outputs.gate import CoilWork, GateOutput, GateSettings
from station.outputs.modbus import ModbusOutput, ModbusSettings
from station.outputs.modbus_link import ModbusLink

RUNNING = LineState("running")
GOOD, BAD = Verdict(Outcome.PASS, (), 0.0123, "good"), Verdict(Outcome.REJECT, ("dark",), 0.9)


def triggered(trigger: int = 1, at_ns: int | None = None, simulated: bool = False) -> TriggeredPart:
    return TriggeredPart(new_id(), trigger, time.monotonic_ns() if at_ns is None else at_ns, simulated)


def judged(trigger: int = 1, verdict: Verdict = GOOD) -> JudgedPart:
    return JudgedPart(triggered(trigger), verdict)


def state_of(output: Output) -> OutputState:
    (state,) = output.pulse(RUNNING)
    return state


@pytest.fixture
def plc(free_port: int) -> Iterator[Plc]:
    with Plc(free_port) as plc:
        yield plc


@pytest.fixture
def modbus() -> Callable[..., object]:
    @contextmanager
    def make(port: int, **settings: float) -> Iterator[ModbusOutput]:
        patient = {"timeout_ms": 30_000, "acknowledge_ms": 30_000, "act_within_ms": 60_000}
        fields = {"kind": "modbus", "host": "127.0.0.1", "port": port, "heartbeat_ms": 20, **patient, **settings}
        with ModbusOutput(ModbusSettings(**fields)) as output:
            output.pulse(RUNNING)
            yield output

    return make


# ---- the handshake


def test_each_part_is_written_once_acknowledged_and_counted(modbus, plc: Plc, until) -> None:
    with modbus(plc.port) as output:
        parts = [judged(n, GOOD if n % 2 else BAD) for n in range(1, 41)]
        for part in parts:
            output.act(part)
        until(lambda: state_of(output).delivered == 40)
        assert state_of(output).missed == 0
    assert [words[1] for words in plc.parts] == list(range(1, 41))
    assert [words[2] for words in plc.parts] == list(range(1, 41)), "sequences rise by one"
    assert [words[3] for words in plc.parts] == [1 if n % 2 else 2 for n in range(1, 41)]
    assert [words[7:] for words in plc.parts] == [registers.id_words(part.part.part_id) for part in parts]


def test_the_line_never_waits_for_the_controller(modbus, plc: Plc) -> None:
    plc.deaf_s = 0.2
    with modbus(plc.port) as output:
        started_s = time.monotonic()
        for n in range(100):
            output.act(judged(n + 1))
            output.pulse(RUNNING)
        assert time.monotonic() - started_s < 100 * plc.deaf_s / 2, "to wait for it each time takes twice as long"


def test_a_controller_with_a_cycle_acknowledges_in_its_time(modbus, plc: Plc, until) -> None:
    plc.scan_s = 0.02
    with modbus(plc.port) as output:
        output.act(judged())
        until(lambda: state_of(output).delivered == 1)


def test_a_part_that_is_not_acknowledged_in_time_is_withdrawn_and_never_repeated(modbus, plc: Plc, until) -> None:
    plc.answers = False
    with modbus(plc.port, acknowledge_ms=30) as output:
        output.act(judged(7))
        until(lambda: plc.withdrawn)
        until(lambda: not state_of(output).well)
        assert "part 7 not acknowledged" in state_of(output).words
        assert state_of(output).missed == 1
        plc.answers = True
        until(lambda: state_of(output).well)
        for n in count(8):
            output.act(judged(n))
            until(lambda n=n: state_of(output).delivered + state_of(output).missed == n - 6)
            if state_of(output).delivered:
                break
            until(lambda: state_of(output).well)
    numbers = [words[1] for words in plc.parts]
    assert numbers[:2] == [7, 8]
    assert len(set(numbers)) == len(numbers), "what was withdrawn is never written again"


def test_a_verdict_that_waited_too_long_is_withheld(modbus, plc: Plc, until) -> None:
    plc.scan_s = 0.1
    with modbus(plc.port, act_within_ms=60) as output:
        for n in range(1, 6):
            output.act(judged(n))
        until(lambda: state_of(output).missed + state_of(output).delivered == 5)
        assert state_of(output).missed >= 3, "each one behind the first waits for the controller's cycle"
    assert len(plc.parts) == state_of(output).delivered


def test_parts_that_are_let_go_come_in_the_order_of_their_triggers_and_others_as_they_are_judged(
    modbus, plc: Plc, until
) -> None:
    """A part that nobody inspects is answered at its deadline: later than one behind it that was judged."""
    with modbus(plc.port) as output:
        for n, verdict in ((1, GOOD), (3, GOOD), (2, not_inspected("deadline of 9 ms passed")), (4, GOOD), (2, GOOD)):
            output.act(judged(n, verdict))
        until(lambda: state_of(output).delivered + state_of(output).missed == 5)
        assert state_of(output).missed == 1, "a PASS behind a later one's is withheld, and the part diverted"
    assert [(words[1], words[3]) for words in plc.parts] == [(1, 1), (3, 1), (2, 4), (4, 1)]


def test_an_acknowledgement_of_an_earlier_run_counts_for_no_part(modbus, plc: Plc, until) -> None:
    plc.acknowledged = plc._pending = 65_535
    with modbus(plc.port) as output:
        output.act(judged())
        until(lambda: state_of(output).delivered == 1)
    assert plc.parts[0][2] == 1, "65535 is followed by 1"


def test_the_heart_beats_while_the_loop_goes_round_and_stops_with_it(modbus, plc: Plc, until) -> None:
    with modbus(plc.port) as output:
        until(lambda: len(plc.heads) > 5)
        beats = [words[1] for _, words in plc.heads]
        assert beats == list(range(1, len(beats) + 1))
        assert {tuple(words[::2]) for _, words in plc.heads} == {(registers.VERSION, registers.STATES["running"])}
        time.sleep(1.1)
        heard = len(plc.heads)
        time.sleep(0.15)
        assert len(plc.heads) == heard, "the loop has not gone round for a second"
        output.pulse(RUNNING)
        until(lambda: len(plc.heads) > heard)


def test_the_end_is_told_and_the_last_outcome_withdrawn(modbus, plc: Plc, until) -> None:
    with modbus(plc.port) as output:
        output.act(judged())
        until(lambda: state_of(output).delivered == 1)
    assert plc.heads[-1][1][2] == registers.STATES["ended"]
    assert plc.withdrawn == 1


def test_parts_of_an_outage_are_missed_and_those_behind_it_are_not(modbus, plc: Plc, until) -> None:
    with modbus(plc.port) as output:
        output.act(judged(1))
        until(lambda: state_of(output).delivered == 1)
        plc.stop()
        until(lambda: not state_of(output).well)
        output.act(judged(2))
        until(lambda: state_of(output).missed == 1)
        plc.start()
        until(lambda: state_of(output).well)
        output.act(judged(3))
        until(lambda: state_of(output).delivered == 2)
    assert [words[1] for words in plc.parts] == [1, 3]


@pytest.mark.parametrize("kind", ["modbus", "gate"])
def test_a_controller_that_is_half_open_costs_the_line_nothing_and_its_parts_are_missed(deaf_port, until, kind) -> None:
    common = {"kind": kind, "host": "127.0.0.1", "port": deaf_port, "timeout_ms": 50}
    made = ModbusOutput(ModbusSettings(**common)) if kind == "modbus" else gate_output(deaf_port)
    with made as output:
        until(lambda: "no answer in time" in state_of(output).words)
        took_s = []
        for n in range(1, 6):
            started_s = time.monotonic()
            output.expect(judged(n).part)
            output.act(judged(n))
            took_s.append(time.monotonic() - started_s)
        assert min(took_s) < 0.05, "as long as an answer is waited for"
        until(lambda: state_of(output).missed == 5)


def test_a_controller_of_another_version_of_the_map_is_not_spoken_to(modbus, plc: Plc, until) -> None:
    plc.version = 1
    with modbus(plc.port) as output:
        until(lambda: "speaks version 1" in state_of(output).words)
        output.act(judged())
        until(lambda: state_of(output).missed == 1)
    assert not plc.parts


def test_a_register_that_the_controller_lacks_is_named(plc: Plc) -> None:
    link = ModbusLink("127.0.0.1", plc.port, 1, 1.0)
    with pytest.raises(PeerFault, match="exception 2 to function 3"):
        link.read_registers(5000, 4)
    link.close()


# ---- the map


@given(n=st.integers(1, 65_535))
def test_a_sequence_never_is_zero_and_never_stays(n: int) -> None:
    assert 1 <= registers.next_sequence(n) <= 65_535
    assert registers.next_sequence(n) != n


def test_the_words_of_a_part_are_those_of_the_map() -> None:
    part = TriggeredPart(new_id(), 70_000, 0, simulated=True)
    words = registers.part_words(9, JudgedPart(part, Verdict(Outcome.PASS, (), 0.01234, "good")))
    assert words == [1, 4464, 9, 1, 0, 123, 1, *registers.id_words(part.part_id)]
    assert len(words) == registers.PART_WORDS
    assert b"".join(word.to_bytes(2, "big") for word in words[7:]) == part.part_id.bytes


@pytest.mark.parametrize(
    ("verdict", "code", "probability"),
    [
        (GOOD, 0, 123),
        (BAD, 1, 9000),
        (Verdict(Outcome.REVIEW, ("blurred",)), 2, 65_535),
        (not_inspected("deadline of 300 ms passed: no verdict"), 10, 65_535),
        (not_inspected("no picture: truncated"), 11, 65_535),
        (not_inspected("ledger: 10000 rows wait unwritten"), 14, 65_535),
        (not_inspected("something new"), 19, 65_535),
    ],
)
def test_reasons_and_probabilities_have_their_codes(verdict: Verdict, code: int, probability: int) -> None:
    assert registers.reason_code(verdict) == code
    assert registers.probability_word(verdict.defect_probability) == probability


def test_the_reasons_of_the_line_are_those_that_the_map_knows() -> None:
    said = "".join(path.read_text() for path in Path(registers.__file__).parents[1].glob("*.py"))
    for words, _ in registers._REASONS:
        assert re.search(rf'f?"{words}', said), f"no reason of the line begins with {words!r}"


# ---- the gate


def gate_output(port: int, **settings: float) -> GateOutput:
    fields = {"kind": "gate", "host": "127.0.0.1", "port": port, "distance": 300, "before": 40, "after": 40, **settings}
    return GateOutput(GateSettings(**fields))


class Belt:
    """A belt whose time and place are set, and a gate at it: what the coil is when each moment's beat has gone out."""

    def __init__(self, plc: Plc, **settings: float) -> None:
        self.at_ms, self._plc = 0, plc
        made = {"kind": "gate", "host": "127.0.0.1", "port": plc.port, "timeout_ms": 30_000}
        fields = {**made, "distance": 300, "before": 40, "after": 40, **settings}
        self.work = CoilWork(GateSettings(**fields), lambda: self.at_ms * 1_000_000)

    def __enter__(self) -> Belt:
        self.work.begin()
        return self

    def __exit__(self, *exc: object) -> None:
        self.work.end(politely=True)

    def say(self, said: TriggeredPart | JudgedPart) -> bool:
        return self.work.do(Heard(said, self.at_ms * 1_000_000))

    def run(self, until_ms: int) -> dict[int, bool]:
        """Let five milliseconds go by, again and again; return what the gate did by then."""
        did = {}
        while self.at_ms < until_ms:
            self.work.begin()
            self.work.beat(RUNNING)
            did[self.at_ms] = self._plc.coil[-1][1]
            self.at_ms += 5
        return did


def at(ms: int, trigger: int = 1) -> TriggeredPart:
    return triggered(trigger, ms * 1_000_000)


def test_the_gate_lets_each_pass_go_at_its_time_and_nobody_else(plc: Plc) -> None:
    did: dict[int, bool] = {}
    with Belt(plc) as belt:
        for n, verdict in enumerate([GOOD, BAD, GOOD, None]):
            part = at(120 * n, n + 1)
            assert belt.say(part)
            did |= belt.run(120 * n + 50)
            assert verdict is None or belt.say(JudgedPart(part, verdict))
            did |= belt.run(120 * n + 120)
        did |= belt.run(800)
    assert [ms for ms, on in did.items() if on] == [*range(260, 345, 5), *range(500, 585, 5)]


def test_a_gate_that_takes_time_to_move_is_set_so_much_earlier(plc: Plc) -> None:
    with Belt(plc, lead_ms=60) as belt:
        belt.say(at(0))
        belt.say(JudgedPart(at(0), GOOD))
        part = at(0)
        belt.say(part)
        belt.say(JudgedPart(part, GOOD))
        assert not any(belt.run(400).values()), "of two parts at one place, one without a verdict"
    with Belt(plc, lead_ms=60) as belt:
        part = at(0)
        belt.say(part)
        belt.say(JudgedPart(part, GOOD))
        assert [ms for ms, on in belt.run(400).items() if on] == [*range(200, 285, 5)]


def test_a_pass_that_comes_when_its_part_is_at_the_gate_is_missed_and_diverted(plc: Plc, until) -> None:
    with gate_output(plc.port) as gate:
        until(lambda: plc.coil)
        part = triggered(at_ns=time.monotonic_ns() - 280_000_000)
        gate.pulse(RUNNING)
        gate.expect(part)
        gate.act(JudgedPart(part, GOOD))
        until(lambda: state_of(gate).missed == 1)
    assert not any(on for _, on in plc.coil)


def test_a_line_that_stands_still_lets_nobody_go(plc: Plc, until) -> None:
    with gate_output(plc.port, distance=1500, before=100, after=100) as gate:
        until(lambda: plc.coil)
        part = triggered()
        gate.pulse(RUNNING)
        gate.expect(part)
        gate.act(JudgedPart(part, GOOD))
        time.sleep(1.7)
    assert not any(on for _, on in plc.coil), "the loop was not heard of for a second, and the part was on its way"


def test_by_encoder_the_gate_opens_at_the_place_and_not_at_the_time(plc: Plc) -> None:
    plc.first_count = 2**32 - 300
    did = {}
    with Belt(plc, encoder_register=ENCODER, distance=600, before=80, after=80) as belt:
        belt.run(20)
        part = at(belt.at_ms)
        belt.say(part)
        belt.say(JudgedPart(part, GOOD))
        for count_on in range(0, 800, 10):  # through the counter's wrap, and then the belt stands for 50 ms
            plc.first_count = (2**32 - 300 + count_on) % 2**32
            belt.run(belt.at_ms + (55 if count_on == 600 else 10))
            did[count_on] = plc.coil[-1][1]
    assert [count_on for count_on, on in did.items() if on] == pytest.approx([*range(520, 690, 10)], abs=20)


def test_after_an_outage_the_parts_on_their_way_are_diverted(plc: Plc) -> None:
    with Belt(plc) as belt:
        part = at(0)
        belt.say(part)
        assert belt.say(JudgedPart(part, GOOD))
        assert not any(belt.run(200).values())
        plc.stop()
        with pytest.raises(PeerFault):
            belt.run(205)
        plc.start()
        assert not any(belt.run(400).values())


def test_a_gate_before_the_camera_is_refused() -> None:
    block = {"kind": "gate", "host": "x", "distance": 10, "before": 10, "after": 1}
    with pytest.raises(ConfigError, match="before must be less than distance"):
        outputs_settings(block, "test.toml")
