"""What must be built before a recipe's runtime can be loaded, and what can serve for so long.

A TensorRT engine takes seconds to many minutes to build, and is built again when GPU, driver, library or bundle are
others. A station goes on serving meanwhile: with the bundle that serves, or at its start with another proved runtime.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from inspector.bundle import Bundle
from inspector.choice import can_load, stored_table, usable
from inspector.errors import RuntimeFault, UserError
from inspector.model import AUTO
from inspector.parity import Candidate, candidates, settled
from inspector.post import Post
from inspector.recipe import Recipe
from inspector.runtimes import Tell, build

logger = logging.getLogger(__name__)


def unbuilt(bundle: Bundle, recipe: Recipe, post: Post | None = None) -> tuple[Candidate, ...]:
    """Return the runtimes that the recipe wants loaded and that have something to build first."""
    return tuple(one for one in _wanted(bundle, recipe, post) if not can_load(bundle, one))


def build_ahead(bundle: Bundle, recipe: Recipe, post: Post | None, tell: Tell) -> None:
    """Build whatever the recipe's runtime needs; `tell` hears which, and how far it is.

    Where `auto` has yet to measure, one that cannot be built is no candidate, and measuring will say why.

    Raises:
        BundleError, RuntimeUnavailable: it cannot be built.
    """
    for one in unbuilt(bundle, recipe, post):
        try:
            build(bundle.model_path(one.precision), one.runtime, partial(_tell_of, one, tell))
        except (UserError, RuntimeFault) as error:
            if recipe.runtime.kind != AUTO:
                raise
            logger.warning("%s cannot be built: %s", one.name, error)


def _tell_of(one: Candidate, tell: Tell, words: str) -> None:
    tell(f"{one.name}: {words}")


def stand_in(bundle: Bundle, recipe: Recipe, post: Post) -> Recipe | None:
    """Return the recipe that names a proved runtime with nothing to build; None where this machine has none.

    The fastest at the recipe's precision, which its limits were proved at; where that leaves too little of a part's
    deadline, the fastest at any.
    """
    table = stored_table(bundle, post)
    ready = [one for one in usable(table, recipe) if can_load(bundle, one.candidate)] if table else []
    quick = [one for one in ready if (one.p99_ms or 0.0) <= 1e3 * post.patience_s]
    alike = sorted(quick, key=lambda one: one.candidate.precision != recipe.precision)
    return settled(recipe, alike[0].candidate) if alike else None


def _wanted(bundle: Bundle, recipe: Recipe, post: Post | None) -> Sequence[Candidate]:
    """For `auto` the fastest proved one; before anything is measured, all that will be measured."""
    if recipe.runtime.kind != AUTO:
        return (Candidate(precision=recipe.precision, runtime=recipe.runtime),)
    table = stored_table(bundle, post)
    return tuple(candidates(bundle)) if table is None else [one.candidate for one in usable(table, recipe)[:1]]
