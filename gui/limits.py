"""The limits that judged the parts of a run: its recipe's, else its bundle's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, select

from db.tables import BUNDLES, RECIPES, RUNS

Limits = tuple[float, float]
"""`pass_below`, `reject_above`."""
CERTIFIED = "certified at "
"""With this the origin of limits begins that a certificate proved (`inspector.certificate.Certificate.short`)."""


def limits_of(connection: Connection, run_id: UUID) -> Limits | None:
    """None where neither says, as in rows of stations whose manifest was not kept."""
    its_recipe = and_(RECIPES.c.name == RUNS.c.recipe, RECIPES.c.revision == RUNS.c.recipe_revision)
    query = (
        select(RECIPES.c.text, BUNDLES.c.manifest)
        .select_from(RUNS)
        .join(RECIPES, its_recipe)
        .join(BUNDLES, BUNDLES.c.bundle_id == RUNS.c.bundle_id)
        .where(RUNS.c.run_id == run_id)
    )
    row = connection.execute(query).one()
    return _limits(_policy(row.text)) or _limits(row.manifest.get("limits") or {})


def _policy(recipe: str) -> Mapping[str, Any]:
    """What the recipe sets; stations write it as JSON, and whatever else stands there sets nothing."""
    try:
        content = json.loads(recipe)
    except json.JSONDecodeError:
        return {}
    policy = content.get("policy") if isinstance(content, dict) else None
    return policy if isinstance(policy, dict) else {}


def _limits(policy: Mapping[str, Any]) -> Limits | None:
    pair = [policy.get(name) for name in ("pass_below", "reject_above")]
    low, high = pair
    return (float(low), float(high)) if isinstance(low, int | float) and isinstance(high, int | float) else None
