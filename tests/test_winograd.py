"""Winograd's convolutions equal the plain ones, whatever their sizes."""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aidagen.winograd import WinogradConv, WinogradError, at_points, doubled, suits


def conv_of(c, d, **given):
    torch.manual_seed(c + d)
    return nn.Conv2d(c, d, 3, padding=1, **given)


def plain(conv, x, double):
    return conv.double()(F.interpolate(x.double(), scale_factor=2) if double else x.double())


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("b", "c", "d", "h", "w"),
    [(1, 3, 5, 8, 8), (2, 5, 7, 13, 9), (3, 1, 1, 1, 1), (4, 6, 2, 3, 17), (1, 4, 4, 4, 5)],
)
def test_it_equals_the_plain_convolution(b, c, d, h, w, bias, double):
    conv = conv_of(c, d, bias=bias)
    x = torch.randn(b, c, h, w)
    ours = WinogradConv(conv, double).convolve(x)
    wanted = plain(conv, x, double)
    assert ours.shape == wanted.shape and ours.dtype == torch.float32
    assert (ours - wanted).abs().max() < 2e-5 * wanted.abs().max().clamp(min=1)


@pytest.mark.parametrize("double", [False, True])
def test_pictures_and_rows_of_tiles_come_in_parts(monkeypatch, double):
    """What the cache holds decides how often the loop runs, not what comes out."""
    conv, x = conv_of(8, 6), torch.randn(5, 8, 19, 14)
    wanted = plain(conv_of(8, 6), x, double)
    line = 36 * 4 * 8  # one row of tiles; a picture has five
    for numbers in (1, 2 * line, 10 * line, 1 << 30):
        monkeypatch.setattr("aidagen.winograd._NUMBERS", numbers)
        assert (WinogradConv(conv, double).convolve(x) - wanted).abs().max() < 2e-5


def test_any_layout_of_memory_and_grown_scratch():
    conv = conv_of(4, 3)
    ours = WinogradConv(conv)
    for size in (6, 30, 9):
        x = torch.randn(2, 4, size, size + 1)
        strided = torch.randn(2, 4, size, 2 * size + 2)[..., ::2]
        for each in (x, x.contiguous(memory_format=torch.channels_last), strided):
            assert (ours.convolve(each) - conv(each)).abs().max() < 1e-5


def test_a_kernel_at_its_points():
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, 1, 2] = 1.0  # g = y x^2: at x and y of 0, 1, -1, 2, -2, infinity
    values = at_points(kernel)[..., 0, 0]
    assert values[:, 0].tolist() == [0] * 6 and values[0].tolist() == [0] * 6
    assert values[1, 5] == pytest.approx(-1 / 6) and values[2, 5] == pytest.approx(1 / 6)
    four = doubled(torch.ones(1, 1, 3, 3))
    assert four.sum((-1, -2)).flatten().tolist() == [9.0] * 4
    # the points that five rows and columns leave out hold nothing
    for p in (0, 1):
        for q in (0, 1):
            left = at_points(four[p, q])[..., 0, 0].clone()
            left[p : p + 5, q : q + 5] = 0
            assert left.abs().max() == 0


def test_it_is_used_where_it_pays():
    large, small = WinogradConv(conv_of(96, 96)), WinogradConv(conv_of(4, 96))
    assert large.pays(torch.zeros(1, 96, 32, 32)) and not large.pays(torch.zeros(1, 96, 16, 16))
    assert large.pays(torch.zeros(4, 96, 16, 16)) and not small.pays(torch.zeros(9, 4, 64, 64))
    assert not large.pays(torch.zeros(1, 96, 32, 32, device="meta"))
    x = torch.randn(1, 96, 16, 16)
    assert torch.equal(large(x), large.conv(x)) and large.points is None
    wide = torch.randn(1, 96, 31, 33)
    assert large(wide).shape == wide.shape and large.points is not None
    made = large.points[0][0]
    large(wide)
    assert large.points[0][0] is made  # once
    enlarged = WinogradConv(conv_of(4, 4), double=True)
    x = torch.randn(1, 4, 5, 6)
    assert torch.equal(enlarged(x), enlarged.conv(F.interpolate(x, scale_factor=2)))


def test_what_does_not_fit_is_refused_in_a_sentence():
    for conv in (nn.Conv2d(4, 4, 3), conv_of(4, 4, stride=2), conv_of(4, 4, groups=2),
                 nn.Conv2d(4, 4, 5, padding=2), conv_of(4, 4).double(), nn.Conv3d(1, 1, 3),
                 conv_of(4, 4, padding_mode="reflect")):  # fmt: skip
        assert not suits(conv)
        with pytest.raises(WinogradError, match=r"serves convolutions 3 x 3 .* as it is\.$"):
            WinogradConv(conv)
    for kind in (torch.float64, torch.bfloat16, torch.uint8):
        with pytest.raises(WinogradError, match=rf"float32; the picture is {kind}\."):
            WinogradConv(conv_of(4, 4))(torch.zeros(1, 4, 8, 8).to(kind))


def test_inference_mode_and_threads_share_nothing_wrongly():
    """Scratch memory of one thread, made in inference mode, serves outside of it as well."""
    ours = WinogradConv(conv_of(8, 8))
    pictures = [torch.randn(2, 8, 20, 20) for _ in range(4)]
    with torch.no_grad():
        wanted = [ours.conv(x) for x in pictures]
    errors = []

    def work(x, y):
        with torch.inference_mode():
            for _ in range(20):
                errors.append((ours.convolve(x) - y).abs().max().item())

    threads = [threading.Thread(target=work, args=each) for each in zip(pictures, wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work(pictures[0], wanted[0])
    assert len(errors) == 100 and max(errors) < 1e-5
    assert (ours.convolve(pictures[1]) - wanted[1]).abs().max() < 1e-5  # no inference tensors left
