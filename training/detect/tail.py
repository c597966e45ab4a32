"""What stays float in the int8 graph of a detector: its last convolutions and the decoding behind them.

A box edge in 256 steps over a picture of 640 px would be off by a pixel; the last convolutions are a thousandth of the
work.
"""

from __future__ import annotations

import onnx


def tail_nodes(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Names of all nodes that lead to the outputs, back to and with the last convolution or average on each way."""
    makers = {name: node for node in graph.node for name in node.output}
    waiting = [output.name for output in graph.output]
    found: dict[str, None] = {}
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in found:
            continue
        found[node.name] = None
        if node.op_type not in ("Conv", "ReduceMean"):
            waiting.extend(node.input)
    return tuple(found)
