"""The blocks that several systems share."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from aidagen import blocks


def case(b=2, c=3, d=4, h=12, w=15, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = (b, c, h, w), (d, c, 3, 3), (d,)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


@pytest.mark.parametrize("size", [(1, 1), (12, 15), (5, 16)])
def test_an_enlarged_picture_is_convolved_without_being_made(size):
    x, weight, bias = case(h=size[0], w=size[1], dtype=torch.float64)
    plain = F.conv2d(F.interpolate(x, scale_factor=2), weight, bias, padding=1)
    torch.testing.assert_close(blocks.conv_of_enlarged(x, weight, bias), plain)


def test_its_gradients_are_those_of_the_definition():
    given = [x.requires_grad_() for x in case(b=1, c=2, d=2, h=3, w=2, dtype=torch.float64)]
    assert gradcheck(blocks.conv_of_enlarged, given)


@pytest.mark.parametrize("side", [8, 16])
def test_an_up_block_is_its_definition(side):
    """Small maps are enlarged, larger ones are not; nobody can tell."""
    block = blocks.UpBlock(3, 4).eval()
    x, _, _ = case(h=side, w=side)
    plain = F.relu(block.norm(block.conv(F.interpolate(x, scale_factor=2))))
    torch.testing.assert_close(block(x), plain)


def test_an_up_block_of_a_large_map_makes_no_enlarged_one(monkeypatch):
    monkeypatch.setattr(F, "interpolate", None)
    assert blocks.UpBlock(3, 4)(case()[0]).shape == (2, 4, 24, 30)
