"""Depthwise convolution with gradients that are fast on a processor in bfloat16.

oneDNN has no bfloat16 kernel for the input gradient of strided, nor for the weight gradient of 5 x 5 depthwise
convolutions, and falls back to loops that are 10 to 50 times slower (measured with torch 2.14). Here the first is a
stride-1 convolution of the zero-stuffed gradient; the second is put together from four overlapping 3 x 3 gradients.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """`conv2d` of an already padded (N, C, H, W) with (C, 1, 3, 3) or (C, 1, 5, 5), in the dtype of `x`."""
    near = weight.to(x.dtype).contiguous(memory_format=torch.channels_last)
    return _Depthwise.apply(x, near, stride)  # type: ignore[no-any-return]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, None, stride, 0, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_input, of_weight, _ = ctx.needs_input_grad
        return (
            _input_gradient(gradient, x, weight, ctx.stride) if of_input else None,
            _weight_gradient(gradient, x, weight, ctx.stride) if of_weight else None,
            None,
        )


def _input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    kernel = weight.shape[2]
    if stride > 1:
        size = (*gradient.shape[:2], x.shape[2] - kernel + 1, x.shape[3] - kernel + 1)
        stuffed = gradient.new_zeros(size).contiguous(memory_format=torch.channels_last)
        stuffed[:, :, ::stride, ::stride] = gradient
        gradient = stuffed
    return functional.conv2d(gradient, weight.flip(2, 3), None, 1, kernel - 1, 1, weight.shape[0])


def _weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    if weight.shape[2] == 3:
        return _small_weight_gradient(gradient, x, weight, stride)
    total = torch.empty_like(weight)
    corner = weight[:, :, :3, :3].contiguous(memory_format=torch.channels_last)
    reach_y, reach_x = ((size - 1) * stride + 3 for size in gradient.shape[2:])
    for top in (0, 2):
        for left in (0, 2):
            window = x[:, :, top : top + reach_y, left : left + reach_x].contiguous(memory_format=torch.channels_last)
            small = _small_weight_gradient(gradient, window, corner, stride)
            total[:, :, top : top + 3, left : left + 3] = small
    return total


def _small_weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    only_weight = [False, True, False]
    steps, none, one = [stride, stride], [0, 0], [1, 1]
    computed = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, steps, none, one, False, none, weight.shape[0], only_weight
    )
    return computed[1]  # type: ignore[no-any-return]
