"""`inspector train --task anomaly`, from a checked data set to a bundle."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch

from inspector import metrics
from inspector.bundle import Manifest
from inspector.errors import RecipeError
from training.anomaly.anomalib_graph import AnomalibGraph, station_graph
from training.anomaly.bank import learn
from training.anomaly.material import Material, load_material
from training.anomaly.network import AnomalyNetwork
from training.anomaly.paired import PairedNetwork
from training.anomaly.recipe import AnomalyRecipe, BankRecipe, SyntheticRecipe
from training.anomaly.spoil import with_spoilt
from training.anomaly.taught import TaughtNetwork, batches, fitting_and_held, teach, with_drawn
from training.budget import Budget
from training.conversion import Keep
from training.delivery import Delivery, deliver
from training.fitting import CHECKPOINT
from training.graph import StationGraph
from training.light import LevelLight, light_nodes
from training.order import Order, say
from training.quantise import spread
from training.recipe import InputRecipe
from training.scoring import torch_outputs
from training.weights import load_imagenet

OUTPUTS = ("score", "map")
Notes = dict[str, float | int | str]
"""What the manifest says of how it was learnt."""


def train(order: Order[AnomalyRecipe], budget: Budget) -> Path:
    """Learn the bank, export, quantise, calibrate, prove; return the folder of the bundle below `order.out`."""
    if order.parent is not None:
        order = replace(order, recipe=like_parent(order.recipe, order.parent.manifest))
    material = load_material(order.dataset, order.recipe, order.seed)
    say(material.summary())
    began = time.perf_counter()
    graph, notes = _fitted(order, material, budget)
    minutes = (time.perf_counter() - began) / 60
    say(f"{notes['learnt']}: learnt in {minutes:.1f} min; exporting")
    folder = deliver(delivery(order, material, graph, notes), budget)
    (order.out / CHECKPOINT).unlink(missing_ok=True)
    return folder


def like_parent(recipe: AnomalyRecipe, parent: Manifest) -> AnomalyRecipe:
    """Return the recipe for a bank among the parent's features: its size and its bank, so that nothing is chosen again.

    Raises:
        RecipeError: the parent has no bank, or looks at pictures of another size or light.
    """
    spec, theirs = parent.input, parent.training.get("bank")
    if not isinstance(theirs, int):
        raise RecipeError(
            "--fast: expected a parent with a bank of good places; this one was taught, or is of anomalib"
        )
    wanted = InputRecipe(height=spec.height, width=spec.width, fit=spec.fit)
    if theirs >= len(recipe.banks) or wanted != recipe.input:
        raise RecipeError(f"input, banks: expected the parent's, {spec.height} x {spec.width} px, bank {theirs}")
    return recipe.model_copy(update={"banks": (recipe.banks[theirs],)})


def _fitted(order: Order[AnomalyRecipe], material: Material, budget: Budget) -> tuple[StationGraph, Notes]:
    recipe, images = order.recipe, material.fit.images
    if recipe.synthetic is not None:
        return _taught(order, recipe.synthetic, material, budget)
    if recipe.anomalib is not None:
        from training.anomaly.anomalib_engine import fit

        return station_graph(fit(recipe.anomalib, images, order.seed)), {"learnt": f"anomalib {recipe.anomalib.kind}"}
    return best_bank(recipe, material, order.seed)


def _taught(
    order: Order[AnomalyRecipe], recipe: SyntheticRecipe, material: Material, budget: Budget
) -> tuple[StationGraph, Notes]:
    fitted = teach(order, recipe, material, budget)
    notes: Notes = {"learnt": "defects drawn on good parts", "backbone": order.recipe.backbone, **fitted.notes()}
    network = fitted.graph.network
    if order.recipe.beside is None or not isinstance(network, TaughtNetwork):
        return fitted.graph, notes
    paired = pair(order.recipe, order.recipe.beside, network, material, order.seed)
    return paired, {**notes, "learnt": f"{notes['learnt']}, beside {order.recipe.beside.size} good places at most"}


def pair(recipe: AnomalyRecipe, bank: BankRecipe, taught: TaughtNetwork, material: Material, seed: int) -> StationGraph:
    """Learn a bank from the pictures that the network was fitted on; return the graph of both.

    Pictures that were held from both say what is usual of each opinion.
    """
    fitting, held = fitting_and_held(material)
    size = (material.spec.height, material.spec.width)
    alone = StationGraph(build_network(recipe, bank, size))
    learn(alone, torch.from_numpy(np.stack(fitting)).permute(0, 3, 1, 2), recipe, bank, seed)
    network = alone.network
    if not isinstance(network, AnomalyNetwork):
        raise TypeError(f"expected an AnomalyNetwork, got {type(network).__name__}")
    paired = PairedNetwork(taught, network)
    graph = StationGraph(paired)
    paired.learn(batches(graph, fitting), batches(graph, held))
    return graph.eval().requires_grad_(False)


def best_bank(recipe: AnomalyRecipe, material: Material, seed: int) -> tuple[StationGraph, Notes]:
    """Learn each bank of the recipe; return the one with the highest AUROC on the calibration part.

    Limits and probabilities are then set on parts that had a say in this one choice.
    """
    is_defect = material.calibration.is_defect([sample.label for sample in material.parts.fit])
    both = 0 < int(is_defect.sum()) < len(is_defect)
    tried: list[tuple[float, StationGraph, Notes]] = []
    for number, bank in enumerate(recipe.banks if both else recipe.banks[:1]):
        torch.manual_seed(seed)
        graph = StationGraph(build_network(recipe, bank, (material.spec.height, material.spec.width)))
        kept = learn(graph, material.fit.images, recipe, bank, seed)
        notes: Notes = {"learnt": f"{kept} good places", "backbone": recipe.backbone, "bank": number}
        if both and len(recipe.banks) > 1:
            scores = [float(one["score"][0]) for one in torch_outputs(graph, OUTPUTS, material.calibration)]
            notes["calibration_auroc"] = round(metrics.auroc(np.array(scores), is_defect), 4)
            say(f"bank {number}, stages {bank.stages}: AUROC {notes['calibration_auroc']} on the calibration part")
        tried.append((float(notes.get("calibration_auroc", 0)), graph, notes))
    best = max(tried, key=lambda one: one[0])
    return best[1], best[2]


def build_network(recipe: AnomalyRecipe, bank: BankRecipe, size: tuple[int, int]) -> AnomalyNetwork:
    """Return a network with an empty bank; EfficientNet-Lite0 has ImageNet's weights, or WeightsMissing."""
    network = AnomalyNetwork(recipe.backbone, size, bank.stages, bank.stride, bank.window, bank.top_share)
    network.light = LevelLight() if recipe.level_light else None
    if recipe.backbone == "efficientnet-lite0":
        load_imagenet(network.backbone)
    for unit in network.backbone.units():
        unit.frozen = True
    return network.eval().requires_grad_(False)


def delivery(order: Order[AnomalyRecipe], material: Material, graph: StationGraph, notes: Notes) -> Delivery:
    """Return all that the bundle of a learnt graph needs."""
    recipe = order.recipe
    strange = with_drawn if recipe.synthetic is not None else with_spoilt
    return Delivery(
        task="anomaly",
        graph=graph,
        outputs=OUTPUTS,
        classes=material.kinds,
        dataset=order.dataset,
        seed=order.seed,
        lineage=order.lineage(),
        out=order.out,
        spec=material.spec,
        parts=material.parts,
        calibration=material.calibration,
        validation=material.validation,
        ranges=strange(spread(material.fit, recipe.quantise.images, order.seed), order.seed),
        quantise=recipe.quantise,
        policy=recipe.policy,
        metric="image_auroc",
        golden=recipe.golden_per_bundle,
        keep_float=kept_nodes(recipe, graph),
        training={**notes, "recipe": recipe.model_dump_json(exclude_unset=True)},
    )


def kept_nodes(recipe: AnomalyRecipe, graph: StationGraph) -> Keep:
    """Which nodes stay float for the way in which the graph was learnt."""
    if isinstance(graph, AnomalibGraph):
        return scoring_nodes
    return _of_ours(recipe)


def _of_ours(recipe: AnomalyRecipe) -> Keep:
    finders = (float_nodes, product_nodes, *((light_nodes,) if recipe.level_light else ()))

    def kept(graph: onnx.GraphProto) -> tuple[str, ...]:
        return tuple(name for finder in finders for name in finder(graph))

    return kept


SCORING = ("MatMul", "AveragePool", "ReduceL2", "ReduceSum", "Concat")
"""Where the networks of anomalib begin to compare."""


def float_nodes(graph: onnx.GraphProto) -> tuple[str, ...]:
    """What stands between the product with the bank and its maximum: distances are small differences of its numbers."""
    products = {node.output[0] for node in graph.node if node.op_type == "MatMul"}
    return tuple(node.name for node in graph.node if node.op_type == "Add" and products.intersection(node.input))


def product_nodes(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Products with a whitening, all but a bank's: they enlarge what varies little, and rounding with it."""
    added = {name for node in graph.node if node.op_type == "Add" for name in node.input}
    return tuple(node.name for node in graph.node if node.op_type == "MatMul" and node.output[0] not in added)


def scoring_nodes(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Everything behind the last backbone convolution's product with a bank, or any distance, of anomalib's graphs.

    Their lengths are taken of unrounded places, so a rounded product would not fit them.
    """
    reached: set[str] = set()
    kept = []
    for node in graph.node:
        if node.op_type in SCORING or reached.intersection(node.input):
            reached.update(node.output)
            kept.append(node.name)
    return tuple(kept)
