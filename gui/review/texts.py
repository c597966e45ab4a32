"""What the review screen says of a part."""

from __future__ import annotations

from gui.badges import outcome_word
from gui.review.controller import BLIND, CHOOSE, MAY_NOT, NOTHING_KNOWN, QUEUE_EMPTY, Said, Words
from gui.review.desk import PartInHand
from gui.review.queue import Need, QueuedPart
from gui.words import tr
from inspector.values import Outcome


def need_text(queued: QueuedPart) -> str:
    """Why the part is in the queue."""
    if queued.need is Need.DISAGREES and queued.why.shadow is not None:
        bundle, outcome = queued.why.shadow
        return tr(
            "The bundle in the shadow, {bundle}, says {outcome}", bundle=bundle[:8], outcome=outcome_word(outcome)
        )
    if queued.need is Need.DOUBTED:
        return tr("Persons disagree: {labels}", labels=", ".join(queued.why.labels))
    if queued.need is Need.NEAR_LIMIT and queued.why.distance is not None:
        return tr("Near a limit: {distance} from it", distance=f"{queued.why.distance:.3f}")
    if queued.need is Need.NOVEL and queued.why.novelty is not None:
        return tr("Unlike all that is known: novelty {novelty}", novelty=f"{queued.why.novelty:.3f}")
    return _plain_need(queued.need)


def _plain_need(need: Need) -> str:
    return {
        Need.ASKED: tr("Somebody asked for a label"),
        Need.NEAR_LIMIT: tr("Near a limit"),
        Need.DISAGREES: tr("The bundle in the shadow disagrees"),
        Need.NOVEL: tr("Unlike all that is known"),
        Need.REPEAT: tr("Repeat: labelled before, shown again blind"),
        Need.AUDIT: tr("Audit: drawn at random, judged blind"),
        Need.DOUBTED: tr("Persons disagree"),
        Need.UNDECIDED: tr("The machine could not decide"),
        Need.REJECTED: tr("Rejected"),
    }[need]


def verdict_text(part: PartInHand) -> str:
    """What the machine would call the part, and why it said so."""
    if part.verdict_label is None:
        return tr("No network judged this part.")
    leans = part.record.outcome is Outcome.REVIEW
    words = tr("The machine leans to {label}") if leans else tr("The machine says {label}")
    return words.format(label=part.verdict_label)


def reasons_text(part: PartInHand) -> str:
    return "; ".join(part.record.reasons)


def part_text(part: PartInHand) -> str:
    record = part.record
    named = [tr("Part {number}", number=record.trigger), record.station, record.recipe]
    named += [
        f"{word} {value}" for word, value in ((tr("lot"), record.tag.lot), (tr("serial"), record.tag.serial)) if value
    ]
    return "  ·  ".join([*named, f"{record.triggered_at.astimezone():%Y-%m-%d %H:%M:%S}"])


def said_text(said: Said) -> str:
    """The last label; of a blind one also what the machine had said, which may be known now."""
    record = said.part.record
    words = tr("Part {number}: {label}", number=record.trigger, label=said.label)
    if said.part.queued.blind and record.label is not None:
        words += " · " + tr("the machine had said {label}", label=record.label)
    return words


def message_text(words: Words) -> str:
    """The notice above the part; empty where there is nothing to say."""
    told = {
        CHOOSE: tr("Which defect is it? Press its number."),
        BLIND: tr("This part is judged blind: say what it is, G for good or the number of the defect."),
        NOTHING_KNOWN: tr("No network judged this part: say what it is, G for good or the number of the defect."),
        QUEUE_EMPTY: "",
        MAY_NOT: tr("Your role does not label parts."),
    }
    if words.error:
        return tr("{error}\nNothing that you typed or drew is lost.", error=words.error)
    return told.get(words.key, "")
