"""What the models screen says of bundles."""

from __future__ import annotations

from db.bundle_states import BundleState
from db.deployments import Deployment
from db.history.shadowing import ShadowProgress
from db.orders import OrderKind
from gui.figures.tiles import between, percent
from gui.models.bundles import GIVEN_HERE, ORDERED_HERE, BundlesController
from gui.models.papers import Papers
from gui.models.shelf import Place, Shelved, StateGiven
from gui.naming import day_and_time, short
from gui.order_texts import order_line, order_word
from gui.words import tr

STATES_SHOWN = 4
ORDERS_SHOWN = 3


def state_word(state: BundleState | None) -> str:
    words = {
        BundleState.CANDIDATE: tr("candidate"),
        BundleState.APPROVED: tr("approved"),
        BundleState.SHADOW: tr("in the shadow"),
        BundleState.SERVING: tr("serving"),
        BundleState.RETIRED: tr("retired"),
        BundleState.REFUSED: tr("refused"),
    }
    return tr("without a state") if state is None else words[state]


def bundle_line(bundle: Shelved) -> str:
    """Two lines of a list."""
    where = tr("serves at {stations}", stations=", ".join(bundle.serves_at)) if bundle.serves_at else ""
    proof = tr("certified") if bundle.is_certified else tr("not certified")
    said = [each for each in (where, state_word(bundle.state), proof) if each]
    made = "" if bundle.made_at is None else f"  ·  {day_and_time(bundle.made_at)}"
    return f"{short(bundle.bundle_id)}  ·  {bundle.task}{made}\n{'  ·  '.join(said)}"


def about_text(bundle: Shelved) -> str:
    said = [tr("classes: {names}", names=", ".join(bundle.classes))]
    if bundle.parent:
        said.append(tr("trained from {bundle}", bundle=short(bundle.parent)))
    said.append(tr("limits: {proof}", proof=bundle.proof or tr("nobody says where they come from")))
    return "  ·  ".join(said)


def places_text(places: tuple[Place, ...]) -> str:
    """What serves where."""
    if not places:
        return tr("No station has run on this database yet.")
    return "\n".join(_place_text(place) for place in places)


def states_text(bundle: Shelved) -> str:
    if not bundle.states:
        return tr("Nobody has given it a state.")
    return "\n".join(_given_text(given) for given in bundle.states[:STATES_SHOWN])


def shadow_text(shadowed: tuple[ShadowProgress, ...]) -> str:
    if not shadowed:
        return tr("It was in no shadow.")
    return "\n".join(_shadow_text(each) for each in shadowed)


def orders_text(place: Place | None) -> str:
    if place is None:
        return ""
    if not place.reads_orders:
        return tr("{station} reads orders in its own ledger, which this database is not.", station=place.station)
    return "\n".join(order_line(given) for given in place.orders[:ORDERS_SHOWN]) or tr("No order yet.")


def papers_text(papers: Papers) -> str:
    """Certificate and card, as Markdown."""
    certificate = papers.certificate
    head = f"## {tr('Certificate')}\n\n"
    if certificate is None:
        return f"{head}{tr('This bundle carries no certificate.')}\n\n---\n\n{papers.card}"
    lines = [certificate.short(), *certificate.lines()]
    lines.append(tr("on data set {name}, {split}", name=certificate.dataset, split=certificate.split))
    listed = "".join(f"- {line}\n" for line in lines)
    return f"{head}{listed}\n---\n\n{papers.card}"


def message_text(controller: BundlesController) -> str:
    if controller.error:
        return tr("{error}\nYour reason is still here.", error=controller.error)
    if isinstance(controller.done, BundleState):
        return tr("Said: {state}. It is in the audit log.", state=state_word(controller.done))
    if isinstance(controller.done, OrderKind):
        return tr("Ordered: {kind}. The list of orders says what comes of it.", kind=order_word(controller.done))
    return ""


def hint_text(controller: BundlesController) -> str:
    """What stands in the way of a change."""
    if controller.bundle is None:
        return ""
    if controller.session is not None and not _may_anything(controller):
        return tr("Your role, or what became of this bundle, allows no change here.")
    if controller.needs_second:
        return tr("Nothing proves the limits of this bundle: to approve it, a second person has to agree.")
    return tr("Every change asks for a reason.")


def _may_anything(controller: BundlesController) -> bool:
    return any(map(controller.may_give, GIVEN_HERE)) or any(map(controller.may_order, ORDERED_HERE))


def _place_text(place: Place) -> str:
    now = place.now
    if now is None:
        return tr("{station}: has never run", station=place.station)
    words = {"station": place.station, "bundle": short(now.bundle_id), "recipe": now.recipe}
    if now.until is None:
        return tr("{station}: {bundle} under {recipe} since {time}", **words, time=day_and_time(now.since)) + _by(now)
    return tr("{station}: stopped at {time}, with {bundle} under {recipe}", **words, time=day_and_time(now.until))


def _by(now: Deployment) -> str:
    if now.approval is not None:
        return tr(", approved by {person}", person=now.approval.person)
    return tr(", approved by nobody")


def _given_text(given: StateGiven) -> str:
    where = "" if given.station is None else f" ({given.station})"
    return f"{day_and_time(given.at)}  {state_word(given.state)}{where}; {given.person}: {given.reason}"


def _shadow_text(each: ShadowProgress) -> str:
    return tr(
        "{station}, beside {bundle}: {judged} parts judged, {skipped} skipped for lack of time, agrees on {share} "
        "({count} of {judged}), {band}",
        station=each.station,
        bundle=short(each.serving),
        judged=each.judged,
        skipped=each.skipped,
        share=percent(each.agreement.value),
        count=each.same,
        band=between(each.agreement),
    )
