"""The runtime `auto`: the fastest that is proved on this very machine, and a spare for the day when it fails.

What was measured is kept in the station's folder, or beside the bundle where there is no station:
`runtimes/<bundle id>.json`. It holds for this processor and these versions of the libraries; anything else is
measured again. `inspector station measure` writes it with the station's own frames, `inspector bundle verify
--runtimes all` with parts of a data set.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from inspector.bundle import ID_DIGITS, Bundle
from inspector.documents import read_json
from inspector.errors import BundleError, RuntimeFault, RuntimeUnavailable, UserError
from inspector.fallback import SteadyModel
from inspector.model import AUTO, Model, load_model
from inspector.parity import Candidate, Evidence, RuntimeTable, candidates, machine, prove, settled
from inspector.post import Post
from inspector.recipe import Recipe
from inspector.runtimes import is_built
from inspector.values import Image

logger = logging.getLogger(__name__)


def table_path(bundle: Bundle, post: Post | None = None) -> Path:
    """Return where the table of this machine is kept for a bundle."""
    home = post.folder if post else bundle.path.resolve().parent
    return home / "runtimes" / f"{bundle.id[:ID_DIGITS]}.json"


def stored_table(bundle: Bundle, post: Post | None = None) -> RuntimeTable | None:
    """Return the table of this bundle on this machine, if it has been measured with these libraries.

    A station takes the one beside the bundle where it has none of its own.
    """
    own = _read_table(bundle, table_path(bundle, post))
    return own if own or post is None else _read_table(bundle, table_path(bundle))


def _read_table(bundle: Bundle, path: Path) -> RuntimeTable | None:
    if not path.is_file():
        return None
    try:
        table = read_json(path, RuntimeTable, BundleError)
    except BundleError as error:
        logger.warning("%s; measured again", error)
        return None
    return table if table.bundle == bundle.id and table.machine == machine() else None


def store_table(bundle: Bundle, table: RuntimeTable, post: Post | None = None) -> Path | None:
    """Keep a table; a folder that cannot be written costs the next start a measurement, no more."""
    path = table_path(bundle, post)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.new")
        scratch.write_text(table.model_dump_json(indent=2) + "\n")
        scratch.replace(path)
    except OSError as error:
        logger.warning("%s: cannot be written (%s); runtimes are measured at each start", path, error.strerror)
        return None
    return path


def ready_model(bundle: Bundle, recipe: Recipe, post: Post | None = None) -> tuple[Model | SteadyModel, Recipe]:
    """Load what the recipe asks for, with a proved spare of another library; return it with the recipe that names it.

    For `auto` that is the fastest proved runtime. A runtime that the recipe names has a spare where a station has
    measured its runtimes.

    Raises:
        BundleError, RuntimeUnavailable: no runtime of this machine is proved, or the one that is named is refused.
    """
    if recipe.runtime.kind == AUTO:
        fit = _fit(bundle, recipe, post)
        chosen = fit[0].candidate
        logger.info("runtime: %s, %.2f ms", chosen.name, fit[0].p50_ms or 0.0)
    else:
        chosen = Candidate(precision=recipe.precision, runtime=recipe.runtime)
        table = stored_table(bundle, post)
        if table is None:
            return load_model(bundle, chosen.precision, chosen.runtime), recipe
        _require_not_refused(bundle, chosen, table)
        fit = usable(table, recipe)
    return _steady(bundle, recipe, [chosen, *_spare(bundle, chosen, fit)], post), settled(recipe, chosen)


def _spare(bundle: Bundle, chosen: Candidate, fit: Sequence[Evidence]) -> list[Candidate]:
    """The fastest of another library with nothing to build, first of the precision that the limits were proved at."""
    others = [one.candidate for one in fit if one.candidate.runtime.kind != chosen.runtime.kind]
    ready = (one for one in sorted(others, key=lambda one: one.precision != chosen.precision) if can_load(bundle, one))
    return list(islice(ready, 1))


def _steady(bundle: Bundle, recipe: Recipe, chosen: Sequence[Candidate], post: Post | None) -> SteadyModel:
    models = [load_model(bundle, one.precision, one.runtime) for one in chosen]
    for model in models:
        model.predict([_blank(bundle)])
    logger.info("spare runtime: %s", chosen[1].name if len(chosen) > 1 else "none")
    give_up_s = recipe.runtime.give_up_ms / 1e3
    return SteadyModel(models, min(give_up_s, post.patience_s) if post else give_up_s)


def _require_not_refused(bundle: Bundle, chosen: Candidate, table: RuntimeTable) -> None:
    """A runtime that ran here and said something else than it should is refused, whatever its threads are."""
    ran = [one for one in table.evidence if one.describes and one.candidate.computes_as(chosen)]
    if ran and all(one.refused for one in ran):
        raise BundleError(f"{bundle.path}: {chosen.name} is refused on this machine: {ran[0].refused}")


def _blank(bundle: Bundle) -> Image:
    spec = bundle.manifest.input
    return np.full((spec.height, spec.width, 6 if bundle.manifest.template else 3), 128, np.uint8)


def _fit(bundle: Bundle, recipe: Recipe, post: Post | None) -> list[Evidence]:
    """Proved candidates, the fastest first; measured now where that was not done before."""
    table = stored_table(bundle, post)
    if table is None:
        measuring = recipe.model_copy(update={"enrolment": None, "expected": None})
        table = prove(bundle, measuring, ways=tuple(candidates(bundle)))
        store_table(bundle, table, post)
    proved = usable(table, recipe)
    if not proved:
        reasons = "; ".join(f"{one.candidate.name}: {one.refused}" for one in table.evidence)
        raise RuntimeUnavailable(f"{bundle.path}: no runtime of this machine is proved ({reasons})")
    return proved


def usable(table: RuntimeTable, recipe: Recipe) -> list[Evidence]:
    """Return what is proved and fits the recipe, the fastest first.

    Enrolled variants belong to the precision that they were enrolled at.
    """
    return [one for one in table.proved if recipe.enrolment is None or one.candidate.precision == recipe.precision]


def can_load(bundle: Bundle, candidate: Candidate) -> bool:
    """Tell whether a runtime has nothing to build first; of one that cannot be had at all, loading will say why."""
    try:
        return is_built(bundle.model_path(candidate.precision), candidate.runtime)
    except (UserError, RuntimeFault):
        return True
