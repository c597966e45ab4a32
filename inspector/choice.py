"""The runtime `auto`: the fastest that is proved on this very machine, and a spare for the day when it fails.

What was measured is kept beside the bundle, `runtimes/<bundle id>.json`, and holds for this processor and these
versions of the libraries; anything else is measured again. `inspector bundle verify --runtimes all` writes it too, and
with parts of the station's own.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from inspector.bundle import ID_DIGITS, Bundle
from inspector.documents import read_json
from inspector.errors import BundleError, RuntimeUnavailable
from inspector.fallback import SteadyModel
from inspector.model import load_model
from inspector.parity import Evidence, RuntimeTable, candidates, machine, prove, settled
from inspector.recipe import Recipe
from inspector.values import Image

logger = logging.getLogger(__name__)


def table_path(bundle: Bundle) -> Path:
    """Return where the table of this machine is kept for a bundle."""
    return bundle.path.resolve().parent / "runtimes" / f"{bundle.id[:ID_DIGITS]}.json"


def stored_table(bundle: Bundle) -> RuntimeTable | None:
    """Return the table of this bundle on this machine, if it has been measured with these libraries."""
    path = table_path(bundle)
    if not path.is_file():
        return None
    try:
        table = read_json(path, RuntimeTable, BundleError)
    except BundleError as error:
        logger.warning("%s; measured again", error)
        return None
    return table if table.bundle == bundle.id and table.machine == machine() else None


def store_table(bundle: Bundle, table: RuntimeTable) -> Path | None:
    """Keep a table; a folder that cannot be written costs the next start a measurement, no more."""
    path = table_path(bundle)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.new")
        scratch.write_text(table.model_dump_json(indent=2) + "\n")
        scratch.replace(path)
    except OSError as error:
        logger.warning("%s: cannot be written (%s); runtimes are measured at each start", path, error.strerror)
        return None
    return path


def ready_model(bundle: Bundle, recipe: Recipe) -> tuple[SteadyModel, Recipe]:
    """Load the fastest proved runtime and a spare of another library; return them with the recipe that names it.

    Raises:
        BundleError, RuntimeUnavailable: no runtime of this machine is proved.
    """
    fit = _fit(bundle, recipe)
    others = [one for one in fit if one.candidate.runtime.kind != fit[0].candidate.runtime.kind]
    chosen = [one.candidate for one in (fit[0], *others[:1])]
    models = [load_model(bundle, one.precision, one.runtime) for one in chosen]
    for model in models:
        model.predict([_blank(bundle)])
    logger.info("runtime: %s, %.2f ms; spare: %s", chosen[0].name, fit[0].p50_ms or 0.0, [c.name for c in chosen[1:]])
    return SteadyModel(models, recipe.runtime.give_up_ms / 1e3), settled(recipe, chosen[0])


def _blank(bundle: Bundle) -> Image:
    spec = bundle.manifest.input
    return np.full((spec.height, spec.width, 6 if bundle.manifest.template else 3), 128, np.uint8)


def _fit(bundle: Bundle, recipe: Recipe) -> list[Evidence]:
    """Proved candidates, the fastest first; enrolled variants belong to the precision that they were enrolled at."""
    table = stored_table(bundle)
    if table is None:
        measuring = recipe.model_copy(update={"enrolment": None, "expected": None})
        table = prove(bundle, measuring, ways=tuple(candidates(bundle)))
        store_table(bundle, table)
    proved = [one for one in table.proved if recipe.enrolment is None or one.candidate.precision == recipe.precision]
    if not proved:
        reasons = "; ".join(f"{one.candidate.name}: {one.refused}" for one in table.evidence)
        raise RuntimeUnavailable(f"{bundle.path}: no runtime of this machine is proved ({reasons})")
    return proved
