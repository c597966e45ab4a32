"""Training by anomalib's own Lightning engine, on our pictures and our split."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.allocation import map_large_blocks
from training.anomaly.anomalib_graph import LITE, anomalib_at_hand, load_backbone, no_download
from training.anomaly.recipe import AnomalibRecipe


class _Good(Dataset[Any]):
    """Good pictures as anomalib wants them: (3, H, W) float RGB of 0..1."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        from anomalib.data import ImageItem

        rgb = self.images[index].flip(0).float() / 255
        return ImageItem(image=rgb, gt_label=torch.tensor(False), image_path=str(index))


def fit(recipe: AnomalibRecipe, images: Tensor, seed: int) -> Any:
    """Train on good pictures (N, 3, H, W) uint8 BGR and return the Lightning model; raise AnomalibMissing."""
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder, anomalib_at_hand():
        from anomalib.data import ImageBatch
        from anomalib.engine import Engine

        model = build(recipe)
        if recipe.kind == "patchcore":
            map_large_blocks()
            model.fit = torch.no_grad()(model.fit)  # called when the epoch ends, with gradients on
        loader = DataLoader(_Good(images), recipe.batch_size, shuffle=True, collate_fn=ImageBatch.collate)
        logging.getLogger("anomalib").setLevel(logging.ERROR)
        engine = Engine(
            default_root_dir=Path(folder),
            max_epochs=1 if recipe.kind == "patchcore" else recipe.epochs,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        engine.fit(model, train_dataloaders=loader)
    if recipe.kind == "patchcore" and not len(model.model.memory_bank):
        model.fit()
    return model.eval()


def build(recipe: AnomalibRecipe) -> Any:
    """Return an untrained Lightning model whose backbone has ImageNet's weights."""
    from anomalib.models import Patchcore, Stfpm
    from anomalib.pre_processing import PreProcessor
    from torchvision.transforms.v2 import Normalize

    ready = PreProcessor(transform=Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]))
    parts: dict[str, Any] = {"pre_processor": ready, "post_processor": False, "evaluator": False, "visualizer": False}
    with no_download():
        if recipe.kind == "stfpm":
            student = Stfpm(backbone=LITE, layers=list(recipe.layers), **parts)
            load_backbone(student.model.teacher_model)
            return student
        bank = Patchcore(
            backbone=LITE,
            layers=list(recipe.layers),
            pre_trained=False,
            coreset_sampling_ratio=recipe.coreset_share,
            num_neighbors=recipe.neighbours,
            **parts,
        )
        load_backbone(bank.model.feature_extractor)
        return bank
