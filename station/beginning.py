"""What a station begins with: what was ordered last holds over the configuration, until another order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db.engine import open_engine, storage_errors
from db.orders import holds
from db.records import Run
from db.servings import Served, Serving, last_serving
from inspector.bundle import load_bundle
from inspector.errors import InspectorError
from inspector.recipe import Recipe
from station.auditing import AuditPlan, audit_plan
from station.config import StationConfig
from station.holding import Holding
from station.ordering import listed, run_value, serving_now
from station.status import ServingNow
from station.trust import require_no_replay, require_trusted


@dataclass(frozen=True, slots=True)
class Beginning:
    """A bundle under a recipe, and whether the line is held. `fault` says why it is not what was ordered."""

    config: StationConfig
    run: Run
    served: Served
    plan: AuditPlan | None
    holding: Holding
    standing: ServingNow
    fault: str | None = None


def beginning_of(config: StationConfig, fault: str | None = None) -> Beginning:
    """Return what serves first; given a `fault` of what was ordered, the configuration.

    Raises:
        UserError: the configuration's own bundle, or the database, cannot be used.
    """
    last, holding = _on_record(config)
    if fault is None and last is not None and last.served.order is not None:
        try:
            recipe = listed(config, last.recipe).recipe
            return _beginning(config, last.served.bundle_path, recipe, last.served.order, holding, None)
        except InspectorError as error:
            fault = str(error)
    beginning = _beginning(config, config.station.bundle, config.recipe, None, holding, fault)
    if fault is None and last is not None and last.recipe == config.recipe.name:
        require_no_replay(load_bundle(beginning.served.bundle_path), last, config)
    return beginning


def _on_record(config: StationConfig) -> tuple[Serving | None, Holding]:
    engine = open_engine(config.database_url)
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            held = holds(connection, config.station.name)
            holding = Holding(f"{held.order.reason} ({held.order.person})") if held else Holding()
            return last_serving(connection, config.station.name), holding
    finally:
        engine.dispose()


def _beginning(
    config: StationConfig, path: Path, recipe: Recipe, order: int | None, holding: Holding, fault: str | None
) -> Beginning:
    config, bundle = config.on(path, recipe), load_bundle(path)
    require_trusted(bundle, config)
    plan = audit_plan(config, recipe.policy or bundle.manifest.limits)
    run = run_value(config, bundle, plan)
    standing = serving_now(run, bundle, recipe)
    return Beginning(config, run, Served(bundle.path, order), plan, holding, standing, fault)
