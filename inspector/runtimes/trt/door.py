"""A network's door as TensorRT wants it: bytes become floats before anything else reads them.

Needs `onnx`, which is no part of the edge install: graphs made for TensorRT come with such a door.
"""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

MOVES = ("Transpose", "Slice", "Concat")
"""Operators that only move pixels: they do the same to bytes and to floats."""


def with_cast_first(content: bytes) -> bytes:
    """Return a network whose bytes become floats at its door; what is no network is returned as it is."""
    try:
        model = onnx.load_from_string(content)
    except DecodeError:
        return content
    if model.graph.input:
        cast_first(model.graph)
    return bytes(model.SerializeToString())


def cast_first(graph: onnx.GraphProto) -> None:
    """Turn bytes into floats before they are moved; a graph that computes with bytes stays as it is."""
    door = graph.input[0].name
    moved = _moved(graph, door)
    readers = [node for node in graph.node if moved & set(node.input) and not moved & set(node.output)]
    casts = [node for node in readers if node.op_type == "Cast"]
    if moved == {door} or not casts or any(node.op_type not in ("Cast", "Shape") for node in readers):
        return
    first = helper.make_node("Cast", [door], [f"{door}_float"], casts[0].name, to=TensorProto.FLOAT)
    at_door = {door: first.output[0]}
    floats = at_door | {cast.output[0]: at_door.get(cast.input[0], cast.input[0]) for cast in casts}
    for cast in casts:
        graph.node.remove(cast)
    for node in graph.node:
        node.input[:] = [floats.get(name, name) for name in node.input]
    graph.node.insert(0, first)
    for stale in [value for value in graph.value_info if value.name in moved]:
        graph.value_info.remove(stale)


def _moved(graph: onnx.GraphProto, door: str) -> set[str]:
    """The network's input and every tensor that is nothing but its pixels in other places."""
    moved = {door}
    for node in graph.node:
        if node.op_type in MOVES and moved & set(node.input):
            moved.update(node.output)
    return moved
