from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from inspector.documents import read_toml
from inspector.errors import RecipeError
from training.anomaly.recipe import AnomalyRecipe
from training.detect.recipe import DetectRecipe
from training.embed.recipe import EmbedRecipe
from training.recipe import TrainingRecipe
from training.segment.recipe import SegmentRecipe

CONFIGS = Path(__file__).parents[2] / "configs" / "training"


def load(path: Path) -> TrainingRecipe:
    return read_toml(path, TrainingRecipe, RecipeError)


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from fields_of(inner)
        else:
            yield f"{model.__name__}.{name}", field.description


def test_the_written_out_defaults_are_the_defaults() -> None:
    assert load(CONFIGS / "default.toml") == TrainingRecipe()


def test_a_run_goes_on_with_other_settings_of_what_comes_after_fitting_and_with_no_others() -> None:
    from training.fitting import AFTER_FITTING, fingerprint

    plain = TrainingRecipe()
    assert set(TrainingRecipe.model_fields) > AFTER_FITTING - {"banks", "beside"}  # of anomaly recipes
    laxer = TrainingRecipe.model_validate({"quantise": {"int8_flips": 0.2}, "policy": {"escape": 0.2}})
    assert fingerprint(laxer, 0) == fingerprint(plain, 0)
    longer = TrainingRecipe.model_validate({"fit": {"epochs": 31}})
    assert len({fingerprint(plain, 0), fingerprint(longer, 0), fingerprint(plain, 1)}) == 3


def test_every_field_is_described() -> None:
    assert [name for name, description in fields_of(TrainingRecipe) if not description] == []


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    assert load(path).fit.epochs >= 1


TASKS: dict[str, type[BaseModel]] = {
    "anomaly": AnomalyRecipe,
    "detect": DetectRecipe,
    "embed": EmbedRecipe,
    "segment": SegmentRecipe,
}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*/*.toml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_shipped_recipes_of_the_other_tasks_are_valid_and_change_something(path: Path) -> None:
    kind = TASKS[path.parent.name]
    assert read_toml(path, kind, RecipeError) != kind()


@pytest.mark.parametrize("kind", TASKS.values())
def test_every_field_of_every_task_is_described(kind: type[BaseModel]) -> None:
    assert [name for name, description in fields_of(kind) if not description] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[fit]\nepoch = 3", "fit.epoch: unknown field"),
        ("[fit]\nepochs = 0", "fit.epochs"),
        ("backbone = 'resnet'", "backbone"),
        ("[input]\nheight = 100", "input.height"),
        ("[fit", "not TOML"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "fast.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=expected) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
