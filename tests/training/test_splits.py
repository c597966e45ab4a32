from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inspector.dataset import Dataset, Sample, Split
from inspector.errors import DatasetError
from training.recipe import PartsRecipe
from training.splits import cut_parts

RECIPE = PartsRecipe()


def make_dataset(seed: int, groups: int = 60, *, val: bool = True) -> Dataset:
    """Groups of 1 to 6 images; now and then one group holds two labels, as one part can."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        split: Split = "val" if val and group % 6 == 0 else "test" if group % 6 == 1 else "train"
        labels = rng.choice(["good", "scratch", "stain"], 2, p=[0.6, 0.25, 0.15])
        for number in range(int(rng.integers(1, 7))):
            name = f"{group}_{number}.png"
            label = str(labels[number % 2 if rng.random() < 0.1 else 0])
            rows.append(Sample(name, Path(name), split, label, f"g{group}", None, None, {}))
    return Dataset(Path("somewhere"), tuple(rows), ("good",), "hash")


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("val", [True, False])
def test_no_group_is_in_two_parts_and_no_sample_is_lost(seed: int, val: bool) -> None:
    dataset = make_dataset(seed, val=val)
    named = cut_parts(dataset, RECIPE, seed).named()
    groups = [{sample.group for sample in samples} for samples in named.values()]
    assert sum(len(group) for group in groups) == len(set().union(*groups))
    assert sum(map(len, named.values())) == sum(row.split != "test" for row in dataset.rows)


@pytest.mark.parametrize("val", [True, False])
def test_rows_of_test_are_in_no_part(val: bool) -> None:
    parts = cut_parts(make_dataset(3, val=val), RECIPE, 0)
    assert all(sample.split != "test" for samples in parts.named().values() for sample in samples)


def test_val_of_the_index_is_the_validation_part() -> None:
    dataset = make_dataset(1)
    parts = cut_parts(dataset, RECIPE, 0)
    assert parts.validation == dataset.select("val")
    assert parts.validation_origin == "val of the index"


def test_without_val_validation_is_cut_from_train() -> None:
    parts = cut_parts(make_dataset(1, val=False), RECIPE, 0)
    assert parts.validation_origin == "cut from train"
    assert {sample.split for sample in parts.validation} == {"train"}


def test_parts_are_stratified_as_far_as_groups_allow() -> None:
    parts = cut_parts(make_dataset(2, groups=600), RECIPE, 0)
    for label in ("good", "scratch", "stain"):
        held = sum(sample.label == label for sample in parts.calibration)
        total = held + sum(sample.label == label for sample in (*parts.fit, *parts.selection))
        assert held / total == pytest.approx(RECIPE.calibration_share, abs=0.04)


def test_the_same_seed_cuts_the_same_parts_and_another_seed_others() -> None:
    dataset = make_dataset(4)
    assert cut_parts(dataset, RECIPE, 5) == cut_parts(dataset, RECIPE, 5)
    assert cut_parts(dataset, RECIPE, 5) != cut_parts(dataset, RECIPE, 6)


def test_every_label_keeps_a_group_to_fit_on() -> None:
    for seed in range(10):
        parts = cut_parts(make_dataset(seed, groups=90), RECIPE, seed)
        everything = {sample.label for samples in parts.named().values() for sample in samples}
        assert {sample.label for sample in parts.fit} >= everything - {sample.label for sample in parts.validation}


def test_a_set_of_one_label_is_refused_by_name() -> None:
    rows = tuple(Sample(f"{n}", Path(f"{n}"), "train", "good", f"g{n}", None, None, {}) for n in range(20))
    with pytest.raises(DatasetError, match=r"label: expected at least two labels in train, found \['good'\]"):
        cut_parts(Dataset(Path("d"), rows, ("good",), "hash"), RECIPE, 0)


def test_a_set_without_train_rows_is_refused() -> None:
    rows = (Sample("a", Path("a"), "val", "good", "g", None, None, {}),)
    with pytest.raises(DatasetError, match="split: expected rows of train"):
        cut_parts(Dataset(Path("d"), rows, ("good",), "hash"), RECIPE, 0)
