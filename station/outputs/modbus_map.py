"""The register map, version 2: what each holding register means. docs/modbus.md describes it to who programs the PLC.

Both blocks lie in the controller's holding registers. The station writes the first and reads the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from db.order_kinds import OrderKind, OrderState
from inspector.errors import PeerFault
from inspector.values import Outcome, Verdict
from station.outputs.base import JudgedPart

VERSION = 2

# The station's block, from its base address.
HEAD = 0  # version, heartbeat, state
PART = 3  # part counter (2), sequence, outcome, reason, probability, flags, part id (8)
PART_WORDS = 15
OUTCOME = PART + 3
ANSWER = PART + PART_WORDS  # order number, its state, why it was refused, recipe in force, flags of the line
ANSWER_WORDS = 5
STATION_WORDS = ANSWER + ANSWER_WORDS

# The controller's block, from its base address.
PLC_WORDS = 7  # version, acknowledged sequence, controller's part counter (2), order number, kind, number of a recipe

STATES = {"starting": 1, "running": 2, "restarting": 3, "ending": 4, "ended": 5}
OUTCOMES = {Outcome.PASS: 1, Outcome.REJECT: 2, Outcome.REVIEW: 3, Outcome.NOT_INSPECTED: 4}
WITHDRAWN = 0
"""No outcome: a part whose sequence was not acknowledged in time is not for anybody any more."""
NO_PROBABILITY = 0xFFFF
SIMULATED = 1
LAST_SEQUENCE = 0xFFFF
ORDERS = {1: OrderKind.RUN, 2: OrderKind.HOLD, 3: OrderKind.RECIPE, 4: OrderKind.ROLLBACK, 5: OrderKind.SELF_TEST}
ORDER_STATES = {OrderState.WANTED: 1, OrderState.DOING: 2, OrderState.DONE: 3, OrderState.REFUSED: 4}
HELD = 1

_REASONS = (
    ("deadline", 10),
    ("no picture", 11),
    ("frame no longer held", 12),
    ("vision process", 13),
    ("ledger", 14),
    ("station stopped", 15),
    ("overload", 16),
    ("held", 17),
    ("change-over", 18),
)
"""How the reasons of parts that were not inspected begin, and their codes; 19 is any other."""
_DEFECT, _DOUBT, _UNKNOWN = 1, 2, 19


@dataclass(frozen=True, slots=True)
class PlcBlock:
    """What the controller says."""

    acknowledged: int
    parts: int
    """The controller's own count of parts, to be held against ours."""
    order: int = 0
    """Number of the order that it wants done; 0 none."""
    kind: int = 0
    recipe: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the station says of the controller's order, and of what is in force."""

    order: int = 0
    state: OrderState | None = None
    why: int = 0
    """Code of a refusal."""
    recipe: int = 0
    """Number of the recipe in force; 0: it has none."""
    held: bool = False


def head_words(heartbeat: int, state: str) -> list[int]:
    return [VERSION, heartbeat, STATES.get(state, 0)]


def part_words(sequence: int, judged: JudgedPart) -> list[int]:
    """Return the registers of a part, written in one request."""
    part, verdict = judged.part, judged.verdict
    return [
        *_long(part.trigger),
        sequence,
        OUTCOMES[verdict.outcome],
        reason_code(verdict),
        probability_word(verdict.defect_probability),
        SIMULATED if part.simulated else 0,
        *id_words(part.part_id),
    ]


def plc_block(words: Sequence[int]) -> PlcBlock:
    """Read the controller's block; raise PeerFault where it is of another version."""
    version, acknowledged, high, low, *order = words
    if version != VERSION:
        raise PeerFault(f"the controller speaks version {version} of the register map, this station version {VERSION}")
    return PlcBlock(acknowledged, high << 16 | low, *order)


def answer_words(answer: Answer) -> list[int]:
    state = 0 if answer.state is None else ORDER_STATES[answer.state]
    return [answer.order, state, answer.why, answer.recipe, HELD if answer.held else 0]


def next_sequence(sequence: int) -> int:
    """Return what follows: 1 to 65535, and 1 again; 0 is never used."""
    return sequence % LAST_SEQUENCE + 1


def reason_code(verdict: Verdict) -> int:
    if verdict.outcome is Outcome.PASS:
        return 0
    if verdict.outcome is not Outcome.NOT_INSPECTED:
        return _DEFECT if verdict.outcome is Outcome.REJECT else _DOUBT
    first = verdict.reasons[0] if verdict.reasons else ""
    return next((code for words, code in _REASONS if first.startswith(words)), _UNKNOWN)


def probability_word(probability: float | None) -> int:
    return NO_PROBABILITY if probability is None else round(10_000 * probability)


def id_words(part_id: UUID) -> list[int]:
    """Return a part id as eight registers, its first two bytes first."""
    return [int.from_bytes(part_id.bytes[at : at + 2], "big") for at in range(0, 16, 2)]


def _long(value: int) -> list[int]:
    return [value >> 16 & 0xFFFF, value & 0xFFFF]
