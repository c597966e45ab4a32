"""`inspector retrain rules`: queue the trainings that are wanted by rule; for a timer."""

from __future__ import annotations

import argparse
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from inspector.documents import parse, read_bytes
from inspector.errors import ConfigError
from training.retrain.rules import RecipeRules, RulesSettings

DESCRIPTION = """Look once whether a training is wanted: so many new labels, a drift alarm, so many days since the last.
What is wanted is queued, once for each cause, however often this is called; `inspector retrain work` does it."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    verb.description = DESCRIPTION
    verb.add_argument("--database", metavar="URL", help="URL or file (default: the demo's ledger)")
    verb.add_argument("--settings", type=Path, required=True, metavar="FILE", help="retrain.toml: the rules, by recipe")
    verb.add_argument("--once", action="store_true", help="said for clearness: it looks once and ends in any case")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from db.engine import default_url, open_engine, writing
    from training.retrain.situation import queue_wanted

    settings = load_rules(args.settings)
    engine = open_engine(args.database or default_url())
    try:
        for rules in settings.recipe:
            training = read_bytes(rules.training, ConfigError).decode(errors="replace") if rules.training else ""
            with writing(engine) as connection:
                job = queue_wanted(connection, rules, training, datetime.now(UTC))
            print(f"{rules.name}: {f'job {job.job_id}: {job.reason}' if job else 'no training is wanted'}")
    finally:
        engine.dispose()
    return 0


def load_rules(path: Path) -> RulesSettings:
    """Read a file of rules, paths relative to its folder; raise ConfigError naming the file and every fault."""
    try:
        content = tomllib.loads(read_bytes(path, ConfigError).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML ({error})") from error
    settings = parse(str(path), content, RulesSettings, ConfigError)
    names = [rules.name for rules in settings.recipe]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: recipe.name: expected each name once")
    anchored = [_anchored(rules, path.parent) for rules in settings.recipe]
    return settings.model_copy(update={"recipe": tuple(anchored)})


def _anchored(rules: RecipeRules, folder: Path) -> RecipeRules:
    return rules if rules.training is None else rules.model_copy(update={"training": folder / rules.training})
