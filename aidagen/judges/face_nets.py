"""The four networks of face-api.js in plain torch: detector, 68 landmarks, expression, identity.

Architectures and weights: face-api.js by Vincent Mühler (MIT), kept alive as npm
`@vladmandic/face-api`; the weights are read out of that archive (8-bit, dequantised) and loaded
strictly. Every network takes RGB images in [0, 1] at its own side length and is differentiable.

Letters: B images, C channels, S side of the square input, N cells along a side.
"""

from __future__ import annotations

import json

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import sources

FACE_MEAN = (122.782, 117.001, 104.298)  # of 0..255 RGB: landmarks, expression, identity
DETECTOR_MEAN = (117.001, 114.697, 97.404)
EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")


class Separable(nn.Module):
    """A 3×3 filter per channel, then a 1×1 mixture; TensorFlow's "same" border."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(_same(x, self.stride)))


def _same(x: Tensor, stride: int) -> Tensor:
    """TensorFlow's "same" for a 3×3 kernel: at stride 2 it pads right and bottom only."""
    return F.pad(x, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))


class FaceNet(nn.Module):
    """What the four share: frozen, eval mode, input normalised inside."""

    file = ""
    side = 112
    mean_rgb = FACE_MEAN

    def __init__(self):
        super().__init__()
        mean = torch.tensor(self.mean_rgb)[:, None, None] / 255
        self.register_buffer("mean", mean, persistent=False)

    @classmethod
    def pretrained(cls) -> FaceNet:
        """The network with its published weights."""
        network = cls()
        network.load_state_dict(_published(cls.file))
        return network.requires_grad_(False).eval()


class TinyFaceDetector(FaceNet):
    """A YOLO of 0.19 M parameters: per cell and anchor a box and a confidence."""

    file = "tiny_face_detector_model"
    mean_rgb = DETECTOR_MEAN
    anchors = (
        (1.603231, 2.094468),
        (6.041143, 7.080126),
        (2.882459, 3.518061),
        (4.266906, 5.178857),
        (9.041765, 10.66308),
    )

    def __init__(self):
        super().__init__()
        widths = (16, 32, 64, 128, 256, 512)
        self.conv0 = nn.Conv2d(3, 16, 3)
        for i in range(1, 6):
            setattr(self, f"conv{i}", Separable(widths[i - 1], widths[i]))
        self.conv8 = nn.Conv2d(512, 25, 1)
        self.register_buffer("anchor", torch.tensor(self.anchors), persistent=False)

    def forward(
        self, image: Float[Tensor, "B 3 S S"]
    ) -> tuple[Float[Tensor, "B M 4"], Float[Tensor, "B M"]]:
        """M = N·N·5 boxes (centre x, centre y, width, height; fractions) and scores in [0, 1]."""
        x = F.leaky_relu(self.conv0(image - self.mean), 0.1)
        x = F.max_pool2d(x, 2, ceil_mode=True)
        for i in range(1, 6):
            x = F.leaky_relu(getattr(self, f"conv{i}")(x), 0.1)
            if i < 5:
                x = F.max_pool2d(x, 2, ceil_mode=True)
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 2, 1)
        x = self.conv8(x)
        cells = x.shape[-1]
        x = x.unflatten(1, (5, 5)).permute(0, 3, 4, 1, 2)  # B N N anchor (x y w h score)
        steps = torch.arange(cells, device=x.device)
        corner = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)[:, :, None]
        centre = (corner + x[..., :2].sigmoid()) / cells
        size = x[..., 2:4].exp() * self.anchor / cells
        return torch.cat([centre, size], -1).flatten(1, 3), x[..., 4].sigmoid().flatten(1)


class DenseBlock(nn.Module):
    """Four separable convolutions, each fed the sum of those before it."""

    def __init__(self, inputs: int, outputs: int, first: bool):
        super().__init__()
        self.first = first
        self.conv0 = nn.Conv2d(inputs, outputs, 3, 2) if first else Separable(inputs, outputs, 2)
        for i in (1, 2, 3):
            setattr(self, f"conv{i}", Separable(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        total = F.relu(self.conv0(_same(x, 2) if self.first else x))
        for i in (1, 2, 3):
            total = total + getattr(self, f"conv{i}")(F.relu(total))
        return F.relu(total)


class DenseFaceNet(FaceNet):
    """Four dense blocks and a linear layer: 112 × 112 face → landmarks or expression."""

    def __init__(self, outputs: int):
        super().__init__()
        widths = (3, 32, 64, 128, 256)
        for i in range(4):
            setattr(self, f"dense{i}", DenseBlock(widths[i], widths[i + 1], first=i == 0))
        self.fc = nn.Linear(256, outputs)

    def forward(self, face: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B outputs"]:
        x = face - self.mean
        for i in range(4):
            x = getattr(self, f"dense{i}")(x)
        return self.fc(F.avg_pool2d(x, 7, 2).flatten(1))


class Landmark68Net(DenseFaceNet):
    """iBUG's 68 points as fractions of the square crop (see `forward`)."""

    file = "face_landmark_68_model"

    def __init__(self):
        super().__init__(2 * 68)

    def forward(self, face: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 68 2"]:
        return super().forward(face).unflatten(1, (68, 2))


class ExpressionNet(DenseFaceNet):
    """Probabilities of the seven `EXPRESSIONS`."""

    file = "face_expression_model"

    def __init__(self):
        super().__init__(len(EXPRESSIONS))

    def forward(self, face: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 7"]:
        return super().forward(face).softmax(-1)


class ScaledConv(nn.Module):
    """Convolution, then a learnt scale and shift per channel (a folded batch norm)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1):
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding)
        self.scale = nn.ParameterDict({"weight": torch.ones(outputs), "bias": torch.zeros(outputs)})

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.scale["weight"][:, None, None] + (
            self.scale["bias"][:, None, None]
        )


class IdentityBlock(nn.Module):
    """Residual block; `down` halves the picture and zero-pads the short cut's channels."""

    def __init__(self, inputs: int, outputs: int, down: bool = False):
        super().__init__()
        self.down = down
        self.conv1 = ScaledConv(inputs, outputs, 3, 2 if down else 1)
        self.conv2 = ScaledConv(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x)))
        if self.down:
            x = F.avg_pool2d(x, 2, 2)
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return F.relu(x + y)


class IdentityNet(FaceNet):
    """dlib's 29-layer face ResNet as face-api has it: 150 × 150 face → 128 numbers."""

    file = "face_recognition_model"
    side = 150
    blocks = (
        ("conv32_1", 32, 32), ("conv32_2", 32, 32), ("conv32_3", 32, 32),
        ("conv64_down", 32, 64), ("conv64_1", 64, 64), ("conv64_2", 64, 64), ("conv64_3", 64, 64),
        ("conv128_down", 64, 128), ("conv128_1", 128, 128), ("conv128_2", 128, 128),
        ("conv256_down", 128, 256), ("conv256_1", 256, 256), ("conv256_2", 256, 256),
        ("conv256_down_out", 256, 256),
    )  # fmt: skip

    def __init__(self):
        super().__init__()
        self.conv32_down = ScaledConv(3, 32, 7, 2)
        for name, inputs, outputs in self.blocks:
            setattr(self, name, IdentityBlock(inputs, outputs, down="down" in name))
        self.fc = nn.Linear(256, 128, bias=False)

    def forward(self, face: Float[Tensor, "B 3 150 150"]) -> Float[Tensor, "B 128"]:
        x = F.max_pool2d(F.relu(self.conv32_down(face - self.mean)), 3, 2)
        for name, _, _ in self.blocks:
            x = getattr(self, name)(x)
        return self.fc(x.mean((2, 3)))


def _published(file: str) -> dict[str, Tensor]:
    """State dict under our keys, out of face-api's manifest and 8-bit binary file."""
    folder = "package/model"
    manifest_path = sources.extract("face-api", f"{folder}/{file}-weights_manifest.json")
    manifest = json.loads(manifest_path.read_text())[0]
    data = b"".join(
        sources.extract("face-api", f"{folder}/{part}").read_bytes() for part in manifest["paths"]
    )
    separable = {
        entry["name"].rsplit("/", 1)[0]
        for entry in manifest["weights"]
        if entry["name"].endswith("pointwise_filter")
    }
    state, offset = {}, 0
    for entry in manifest["weights"]:
        count = int(np.prod(entry["shape"]))
        coding = entry.get("quantization")
        kind = np.dtype(coding["dtype"] if coding else "<f4")
        array = np.frombuffer(data, kind, count, offset).astype(np.float32)
        offset += count * kind.itemsize
        if coding:
            array = array * np.float32(coding["scale"]) + np.float32(coding["min"])
        array = array.reshape(entry["shape"])
        if array.ndim == 4:  # TensorFlow: height width in out; depthwise: height width in 1
            order = (2, 3, 0, 1) if "depthwise" in entry["name"] else (3, 2, 0, 1)
            array = array.transpose(order)
        elif array.ndim == 2:
            array = array.T
        key = _key(entry["name"], separable)
        state[key] = torch.from_numpy(np.ascontiguousarray(array))
    return state


def _key(name: str, separable: set[str]) -> str:
    """`dense0/conv1/pointwise_filter` → `dense0.conv1.pointwise.weight`, and so on."""
    *stem, last = name.split("/")
    ending = {
        "depthwise_filter": ("depthwise", "weight"),
        "pointwise_filter": ("pointwise", "weight"),
        "filters": ("weight",),
        "weights": ("weight",),
        "biases": ("bias",),
        "bias": ("pointwise", "bias") if "/".join(stem) in separable else ("bias",),
    }.get(last, (last, "weight"))
    return ".".join((*stem, *ending))
