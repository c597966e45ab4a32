"""MIL's operations as their documentation describes them, in torch: what a stored Core ML package means, anywhere.

Written from coremltools' reference of MIL operations (iOS 15 and 16), not from our converter. Rounding to float16
happens where the package casts. What Apple's runtime makes of the package only macOS can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

Tensors = Mapping[str, Any]
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "int32": torch.int64, "bool": torch.bool}


def load_program(package: Path) -> Any:
    """Read a package back: its specification and its weights file."""
    import coremltools
    from coremltools.converters.mil.frontend.milproto.load import load

    spec = coremltools.utils.load_spec(str(package))
    weights = package / "Data" / "com.apple.CoreML" / "weights"
    return load(spec, spec.specificationVersion, str(weights))


def evaluate(program: Any, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run a program on images (1, 3, H, W) of 0..255 by input name."""
    function = program.functions["main"]
    known = {name: torch.from_numpy(np.ascontiguousarray(value)).float() for name, value in images.items()}
    for operation in function.operations:
        made = _run(operation, known)
        known.update(zip((one.name for one in operation.outputs), made, strict=True))
    return {one.name: known[one.name].numpy() for one in function.outputs}


def _run(operation: Any, known: Tensors) -> tuple[Any, ...]:
    if operation.op_type == "const":
        return (_tensor(operation.val.val),)
    inputs = {name: _value(value, known) for name, value in operation.inputs.items() if value is not None}
    made = OPERATIONS[operation.op_type](**inputs)
    return made if isinstance(made, tuple) else (made,)


def _value(value: Any, known: Tensors) -> Any:
    return [known[one.name] for one in value] if isinstance(value, list | tuple) else known[value.name]


def _tensor(value: Any) -> Any:
    if isinstance(value, str | bool):
        return value
    array = np.asarray(value)
    return torch.from_numpy(array.astype(np.int64) if array.dtype.kind in "iu" else array.copy())


def _ints(value: Any) -> list[int]:
    return [int(one) for one in torch.as_tensor(value).reshape(-1)]


def _widely(function: Callable[..., torch.Tensor], x: torch.Tensor, *others: Any, **options: Any) -> torch.Tensor:
    """Sums are kept in float32, as every unit does, and rounded once."""
    wide = [one.float() if isinstance(one, torch.Tensor) else one for one in others]
    return function(x.float(), *wide, **options).to(x.dtype)


def _sides(pad: Any) -> list[int]:
    """Before and after of each axis, first axis first, in torch's order: last axis first."""
    pairs = [(a, b) for a, b in zip(_ints(pad)[::2], _ints(pad)[1::2], strict=True)]
    return [side for pair in reversed(pairs) for side in pair]


def conv(
    x: Any, weight: Any, strides: Any, pad_type: str, pad: Any, dilations: Any, groups: Any, bias: Any = None
) -> Any:
    assert pad_type == "custom"
    padded = functional.pad(x, _sides(pad))
    return _widely(
        functional.conv2d, padded, weight, bias, stride=_ints(strides), dilation=_ints(dilations), groups=int(groups)
    )


def max_pool(x: Any, kernel_sizes: Any, strides: Any, pad_type: str, pad: Any, ceil_mode: Any = False) -> Any:
    assert pad_type == "custom"
    assert not ceil_mode
    lowest = functional.pad(x, _sides(pad), value=-float("inf"))
    return functional.max_pool2d(lowest, _ints(kernel_sizes), _ints(strides))


def avg_pool(
    x: Any,
    kernel_sizes: Any,
    strides: Any,
    pad_type: str,
    pad: Any,
    exclude_padding_from_average: Any = False,
    ceil_mode: Any = False,
) -> Any:
    assert pad_type == "custom"
    assert not ceil_mode

    def averaged(one: torch.Tensor) -> torch.Tensor:
        return _widely(functional.avg_pool2d, functional.pad(one, _sides(pad)), _ints(kernel_sizes), _ints(strides))

    return averaged(x) / averaged(torch.ones_like(x)) if exclude_padding_from_average else averaged(x)


def pad(x: Any, pad: Any, mode: str, constant_val: Any = 0.0) -> Any:
    options = {"value": float(constant_val)} if mode == "constant" else {}
    return functional.pad(x, _sides(pad), mode=mode, **options)


def slice_by_index(x: Any, begin: Any, end: Any, stride: Any = None, end_mask: Any = None, **masks: Any) -> Any:
    """NumPy's slices; a masked end runs to the border, forwards or backwards."""
    assert not any(bool(torch.as_tensor(mask).any()) for mask in masks.values())
    strides = _ints(stride) if stride is not None else [1] * x.dim()
    open_ends = torch.as_tensor(end_mask).tolist() if end_mask is not None else [False] * x.dim()
    zipped = zip(_ints(begin), _ints(end), strides, open_ends, strict=True)
    cuts = tuple(slice(start, None if is_open else stop, step) for start, stop, step, is_open in zipped)
    return torch.from_numpy(x.numpy()[cuts].copy())


def upsample_nearest_neighbor(x: Any, scale_factor_height: Any, scale_factor_width: Any) -> Any:
    return x.repeat_interleave(int(scale_factor_height), -2).repeat_interleave(int(scale_factor_width), -1)


def upsample_bilinear(
    x: Any, scale_factor_height: Any, scale_factor_width: Any, align_corners: Any, half_pixel_centers: Any = None
) -> Any:
    """The grid of the documentation's note: min(Xin - 1, max(0, i * spacing + 0.5 * spacing - 0.5))."""
    assert not align_corners
    for axis, factor in ((-2, int(scale_factor_height)), (-1, int(scale_factor_width))):
        side = x.shape[axis]
        place = ((torch.arange(side * factor) + 0.5) / factor - 0.5).clamp(0, side - 1)
        low = place.floor().long()
        share = (place - low).to(x.dtype).reshape(-1, *[1] * (-1 - axis))
        before, after = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp(max=side - 1))
        x = before + (after - before) * share
    return x


def pixel_shuffle(x: Any, upscale_factor: Any) -> Any:
    """[n, C * f * f, H, W] -> [n, C, H * f, W * f]."""
    n, channels, height, width = x.shape
    f = int(upscale_factor)
    parted = x.reshape(n, channels // f**2, f, f, height, width)
    return parted.permute(0, 1, 4, 2, 5, 3).reshape(n, channels // f**2, height * f, width * f)


def gather(x: Any, indices: Any, axis: Any, **options: Any) -> Any:
    return torch.from_numpy(np.take(x.numpy(), torch.as_tensor(indices).long().numpy(), axis=int(axis)))


def gather_nd(x: Any, indices: Any, **options: Any) -> Any:
    return x[tuple(indices.long().movedim(-1, 0))]


def topk(x: Any, k: Any, axis: Any, ascending: Any = False, **options: Any) -> Any:
    return torch.topk(x, int(k), dim=int(axis), largest=not ascending)


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, axes: Any, keep_dims: Any = False) -> Any:
        return function(x, tuple(_ints(axes)), bool(keep_dims))

    return run


def _expand_dims(x: Any, axes: Any) -> Any:
    return torch.from_numpy(np.expand_dims(x.numpy(), tuple(_ints(axes))))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "avg_pool": avg_pool,
    "cast": lambda x, dtype: x.to(_DTYPES[dtype]),
    "concat": lambda values, axis, **options: torch.cat(values, int(axis)),
    "conv": conv,
    "exp": lambda x: torch.exp(x),
    "expand_dims": _expand_dims,
    "gather": gather,
    "gather_along_axis": lambda x, indices, axis, **options: torch.gather(x, int(axis), indices.long()),
    "gather_nd": gather_nd,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "identity": lambda x: x,
    "less_equal": lambda x, y: x <= y,
    "linear": lambda x, weight, bias=None: _widely(functional.linear, x, weight, bias),
    "log": lambda x, epsilon=0.0: torch.log(x + float(epsilon)),
    "matmul": lambda x, y, transpose_x=False, transpose_y=False: (
        (x.mT if transpose_x else x) @ (y.mT if transpose_y else y)
    ),
    "max_pool": max_pool,
    "maximum": lambda x, y: torch.maximum(x, torch.as_tensor(y, dtype=x.dtype)),
    "minimum": lambda x, y: torch.minimum(x, torch.as_tensor(y, dtype=x.dtype)),
    "mul": lambda x, y: x * y,
    "pad": pad,
    "pixel_shuffle": pixel_shuffle,
    "pow": lambda x, y: x**y,
    "real_div": lambda x, y: x / y,
    "reduce_argmax": lambda x, axis, keep_dims, **options: torch.argmax(x, int(axis), bool(keep_dims)),
    "reduce_argmin": lambda x, axis, keep_dims, **options: torch.argmin(x, int(axis), bool(keep_dims)),
    "reduce_l2_norm": _reduced(lambda x, axes, keep: x.square().sum(axes, keep).sqrt()),
    "reduce_max": _reduced(torch.amax),
    "reduce_mean": _reduced(torch.mean),
    "reduce_min": _reduced(torch.amin),
    "reduce_sum": _reduced(torch.sum),
    "relu": lambda x: x.clamp(min=0),
    "relu6": lambda x: x.clamp(0, 6),
    "reshape": lambda x, shape: x.reshape(_ints(shape)),
    "select": lambda cond, a, b: torch.where(cond, a, b),
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "slice_by_index": slice_by_index,
    "softmax": lambda x, axis: torch.softmax(x, int(axis)),
    "softplus": lambda x: torch.log1p(torch.exp(x.double())).to(x.dtype),
    "sqrt": lambda x: torch.sqrt(x),
    "squeeze": lambda x, axes: torch.from_numpy(np.squeeze(x.numpy(), tuple(_ints(axes)))),
    "sub": lambda x, y: x - y,
    "tile": lambda x, reps: x.tile(_ints(reps)),
    "topk": topk,
    "transpose": lambda x, perm: x.permute(_ints(perm)),
    "upsample_bilinear": upsample_bilinear,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
}
