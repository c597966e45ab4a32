from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from training.depthwise import depthwise


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_are_those_of_finite_differences(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    side = 4 * stride + kernel
    x = torch.randn(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
    even = x[:, :, : (side - kernel) // stride * stride + kernel, :]
    assert torch.autograd.gradcheck(lambda a, b: depthwise(a, b, stride), (even[..., : even.shape[2]], weight))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_values_and_gradients_are_those_of_torch(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    side = 5 * stride + kernel
    base = torch.randn(2, 4, side, side), torch.randn(4, 1, kernel, kernel)
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in base] for _ in range(2))
    y = depthwise(ours[0], ours[1], stride)
    expected = functional.conv2d(theirs[0], theirs[1], stride=stride, groups=4)
    torch.testing.assert_close(y, expected)
    y.square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4)
