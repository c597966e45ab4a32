"""What the what-if says."""

from __future__ import annotations

from gui.figures.tiles import percent
from gui.limits import Limits
from gui.whatif.controller import WhatIfController
from gui.whatif.model import expected_cost
from gui.words import tr
from inspector.risk import Rate

Shown = tuple[str, str, str]
"""A heading, the value that limits would have, and its count, bound and the value now."""


def effects_text(controller: WhatIfController) -> tuple[Shown, ...]:
    """Escapes, overkill, load of review, cost."""
    then, now, known = controller.then, controller.now, controller.bounds
    if then is None or now is None:
        return tuple((heading, "-", "") for heading in headings())
    fresh = known if known is not None and known.limits == then.limits else None
    rates = (
        (then.escapes, now.escapes, None if fresh is None else fresh.escapes, tr("labelled defective parts pass")),
        (then.overkill, now.overkill, None if fresh is None else fresh.overkill, tr("labelled good parts rejected")),
        (then.review, now.review, None if fresh is None else fresh.review, tr("parts to a person")),
    )
    said = [_rate(heading, *one) for heading, one in zip(headings(), rates, strict=False)]
    return (*said, _cost(controller, None if fresh is None else fresh.cost))


def headings() -> tuple[str, str, str, str]:
    return tr("ESCAPES"), tr("OVERKILL"), tr("REVIEW LOAD"), tr("COST OF 1,000 PARTS")


def _rate(heading: str, then: Rate | None, now: Rate | None, bound: float | None, what: str) -> Shown:
    if then is None or now is None:
        return heading, "-", tr("no such part is labelled")
    counted = tr("{count} of {n} {what}", count=then.count, n=then.n, what=what)
    return heading, percent(then.value), f"{counted}; {_bound(bound)}; {tr('now {value}', value=percent(now.value))}"


def _bound(bound: float | None) -> str:
    return tr("bound follows") if bound is None else tr("at most {share} (95 %)", share=percent(bound))


def _cost(controller: WhatIfController, bound: float | None) -> Shown:
    heading, then, now = headings()[3], controller.then, controller.now
    value = None if then is None else expected_cost(then, controller.costs)
    before = None if now is None else expected_cost(now, controller.costs)
    if value is None or before is None:
        return heading, "-", tr("it needs labelled parts of both kinds")
    most = tr("bound follows") if bound is None else tr("at most {cost} (95 %)", cost=f"{bound:.1f}")
    return heading, f"{value:.1f}", f"{most}; {tr('now {value}', value=f'{before:.1f}')}"


def about_text(controller: WhatIfController) -> str:
    subject = controller.subject
    if subject is None:
        return "" if controller.reading else tr("No recipe has run on this database yet.")
    number = tr("as it ran") if subject.number == 0 else tr("revision {number}", number=subject.number)
    words = [subject.recipe, number, subject.bundle_id[:8]]
    words.append(tr("{n} parts", n=len(subject.parts.every.pass_scores)))
    if subject.parts.left_out:
        words.append(tr("{n} not inspected, left out", n=subject.parts.left_out))
    if subject.simulated:
        words.append(tr("rendered parts, since there are no others"))
    return "  ·  ".join(words)


def region_text(controller: WhatIfController) -> str:
    """What the limits are to the certificate, and what saving them takes."""
    subject = controller.subject
    if subject is None:
        return ""
    if not controller.moved:
        return tr("These limits are in force. Drag a limit, or type one.")
    if not controller.may_save:
        return tr("Your role may try limits, and not save them.")
    if subject.certified is None:
        return tr("The bundle has no certified limits: a second person, who may approve limits, has to agree.")
    if controller.needs_second:
        return tr(
            "Outside what is certified (pass below at most {below}, reject from at least {above}): a second person, "
            "who may approve limits, has to agree.",
            **_named(subject.certified),
        )
    return tr(
        "Inside what is certified (pass below at most {below}, reject from at least {above}): both bounds still hold.",
        **_named(subject.certified),
    )


def message_text(controller: WhatIfController) -> str:
    if controller.error:
        return tr("{error}\nLimits and reason are still here.", error=controller.error)
    if controller.saved is not None:
        return tr(
            "Saved as revision {number} of {recipe}. A station runs it once its own configuration has it.",
            number=controller.saved.number,
            recipe=controller.saved.recipe,
        )
    return ""


def _named(limits: Limits) -> dict[str, str]:
    return {"below": f"{limits[0]:g}", "above": f"{limits[1]:g}"}
