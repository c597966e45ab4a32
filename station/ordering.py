"""Orders on their way to the loop: read from the ledger's database, looked at, and handed over.

A thread of its own reads four times a second and opens what is wanted, so that a bundle which is missing, altered or
no bundle at all is refused before any vision process hears of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from db.engine import open_engine, storage_errors
from db.orders import GivenOrder, OrderKind, unsettled, unsettled_numbers
from db.records import Run
from db.servings import Serving, former_serving, last_serving, served_by
from inspector.bundle import Bundle, load_bundle
from inspector.certificate import is_certified, standing
from inspector.errors import DatabaseError, InspectorError, OrderRefused
from inspector.recipe import Recipe
from station.auditing import AuditPlan, audit_plan
from station.config import ListedRecipe, StationConfig
from station.inbox import Action
from station.order_book import OrderBook
from station.status import ServingNow
from station.succession import Proposal
from station.trust import require_no_replay, require_trusted

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.25
_CHANGES = {OrderKind.RECIPE, OrderKind.BUNDLE, OrderKind.ROLLBACK}

Take = Callable[[GivenOrder | Proposal], None]
Refuse = Callable[[GivenOrder, str], None]


def run_value(config: StationConfig, bundle: Bundle, plan: AuditPlan | None) -> Run:
    """Return the run of a bundle under the configuration's recipe."""
    recipe = config.recipe
    return Run(
        station=config.station.name,
        recipe=recipe.name,
        recipe_revision=recipe.revision(),
        recipe_text=recipe.model_dump_json(),
        bundle_id=bundle.id,
        task=bundle.manifest.task,
        classes=bundle.manifest.classes,
        manifest=bundle.manifest.model_dump(mode="json"),
        audit=plan.strata if plan else (),
    )


def propose(config: StationConfig, order: GivenOrder, path: Path, recipe: Recipe) -> Proposal:
    """Open a bundle, and return what would be if it served under a recipe; raise UserError where it cannot."""
    config = config.on(path, recipe)
    bundle = load_bundle(path)
    require_trusted(bundle, config)
    plan = audit_plan(config, recipe.policy or bundle.manifest.limits)
    run = run_value(config, bundle, plan)
    return Proposal(order, run, bundle.path, recipe, plan, serving_now(run, bundle, recipe))


def serving_now(run: Run, bundle: Bundle, recipe: Recipe) -> ServingNow:
    """Return what is told of a bundle while it serves."""
    certified = is_certified(bundle, recipe)
    return ServingNow(run.run_id, run.recipe, run.bundle_id, standing(bundle, recipe), certified)


def listed(config: StationConfig, wanted: str) -> ListedRecipe:
    """Return the recipe that is wanted by its name, or by `name@` and the beginning of its revision."""
    name, _, revision = wanted.partition("@")
    found = config.recipes.get(name)
    if found is None:
        raise OrderRefused(f"recipe {name!r}: not in the configuration; expected one of {', '.join(config.recipes)}")
    actual = found.recipe.revision()
    if not actual.startswith(revision):
        raise OrderRefused(f"recipe {name!r}: revision {revision[:16]} is wanted, the configuration has {actual[:16]}")
    return found


def _way_back(connection: Connection, order: GivenOrder) -> Serving | None:
    """What a rollback leads to: the bundle that it names, or what served before; None: nothing, or no rollback."""
    given = order.order
    if given.kind is not OrderKind.ROLLBACK:
        return None
    if given.wanted:
        return served_by(connection, given.station, given.wanted)
    return former_serving(connection, given.station)


@contextmanager
def _connected(database: str | Path) -> Iterator[Connection]:
    """One connection, kept; raise DatabaseError where the database cannot be read, then or later."""
    engine = open_engine(database)
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


class OrderFeed:
    """Reads a station's orders while it runs. Open with `with`, once its loop can take them."""

    def __init__(
        self, config: StationConfig, look_again_s: float = LOOK_AGAIN_S, book: OrderBook | None = None
    ) -> None:
        self._config = config
        self._book = book
        self._look_again_s = look_again_s
        self._stop = threading.Event()
        self._handed: set[int] = set()
        self._fault = ""

    def begin(self, do_later: Callable[[Action], None], take: Take, refuse: Refuse) -> None:
        """Hand each order over by `do_later`, to be taken or refused on the loop's thread."""
        self._do_later, self._take, self._refuse = do_later, take, refuse
        self._thread = threading.Thread(target=self._run, name="orders", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with _connected(self._config.database_url) as connection:
                    while not self._stop.wait(self._look_again_s):
                        self._look(connection)
                        if self._book is not None:
                            self._book.look(connection)
            except DatabaseError as error:
                self._warn(str(error))
                self._stop.wait(self._look_again_s)

    def _warn(self, fault: str) -> None:
        """Say once that orders cannot be read; it is tried again all the same."""
        if fault != self._fault:
            self._fault = fault
            logger.warning("orders cannot be read: %s", fault)

    def _look(self, connection: Connection) -> None:
        """Hand over what is new; there hardly ever is."""
        station = self._config.station.name
        is_new = not unsettled_numbers(connection, station) <= self._handed
        self._fault = ""
        if not is_new:
            return
        with connection.begin():
            new = [order for order in unsettled(connection, station) if order.number not in self._handed]
            now = last_serving(connection, station)
            former = {order.number: _way_back(connection, order) for order in new}
        for order in new:
            self._handed.add(order.number)
            self._hand_over(order, now, former[order.number])

    def _hand_over(self, order: GivenOrder, now: Serving | None, former: Serving | None) -> None:
        try:
            looked_at = self._looked_at(order, now, former)
        except InspectorError as error:
            why = str(error)
            self._do_later(lambda: self._refuse(order, why))
        else:
            self._do_later(lambda: self._take(looked_at))

    def _looked_at(self, order: GivenOrder, now: Serving | None, former: Serving | None) -> GivenOrder | Proposal:
        kind, wanted = order.order.kind, order.order.wanted
        if kind is OrderKind.RECIPE:
            choice = listed(self._config, wanted)
            return propose(self._config, order, choice.bundle, choice.recipe)
        if kind is OrderKind.ROLLBACK:
            if former is None:
                never = f"rollback: bundle {wanted[:16]} has never served at this station"
                raise OrderRefused(never if wanted else "rollback: nothing else has served at this station")
            return propose(self._config, order, former.served.bundle_path, self._recipe_of(former))
        if kind is OrderKind.BUNDLE:
            require_no_replay(load_bundle(Path(wanted)), now, self._config)
        if kind is OrderKind.BUNDLE or (kind is OrderKind.SHADOW and wanted):
            return propose(self._config, order, Path(wanted), self._recipe_of(now))
        return order

    def _recipe_of(self, serving: Serving | None) -> Recipe:
        return self._config.recipe if serving is None else listed(self._config, serving.recipe).recipe
