"""CMM-Net: one neutral face and a label -> K clearly different smile videos of that person.

Wang, Alameda-Pineda, Xu, Fua, Ricci, Sebe, "Every Smile Is Unique: Landmark-Guided Diverse Smile
Generation", CVPR 2018 (arXiv:1802.01873), rebuilt from its abstract and from lecture slides: no
code was published, and widths, weights and the form of the push-pull loss are this course's own.

A face is reduced to a picture of its landmarks, and the picture to an embedding. A recurrent
network that is told the label unfolds the embedding over time; K more recurrent networks bend this
sequence in K ways; the landmarks are read off every embedding and drawn again; and a U-Net paints
each drawing with the neutral face's own texture.

How this differs from what is known of the paper:
* the variational autoencoder also reads the 68 points off an embedding (`LandmarkVAE.points`):
  distances between sequences are taken between these points, in which an axis has a unit, and the
  painter reads a drawing of them. The decoder's own picture serves the autoencoder's training only;
* each mode's pull is a share of one formula (`pull`): all modes, the best one, or nearly the best;
  the recommended form draws one mode for each clip, and gives those that often win a handicap;
* the recurrent networks run freely from the first frame on, without teacher forcing, and the first
  of them is told the time as well as the label.

All parts can be trained at once, each on its own loss: nothing that a part learns from moves a
weight of another one.

Letters: B faces, T frames, K modes, E numbers of an embedding, H W pixels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from aidagen import losses, systems
from aidagen.blocks import Decoder, Encoder
from aidagen.judges.features import mobilenet_features
from aidagen.landmarks import expression
from aidagen.recurrence import ConditionalLSTM

# the 68 points of iBUG's order, joined to lines; True closes a line
LINES = (
    (range(0, 17), False), (range(17, 22), False), (range(22, 27), False), (range(27, 31), False),
    (range(31, 36), False), (range(36, 42), True), (range(42, 48), True), (range(48, 60), True),
    (range(60, 68), True),
)  # fmt: skip
SEGMENTS = tuple(
    pair for line, closed in LINES
    for pair in zip(line, [*line[1:], line[0]] if closed else line[1:])
)  # fmt: skip


@dataclass(frozen=True)
class SmileConfig:
    """Sizes."""

    size: int = 64  # pixels of a picture
    labels: int = 2  # posed, spontaneous
    modes: int = 3  # K
    people: int = 60  # that the identity network tells apart
    latent: int = 64  # E
    vae_width: int = 24  # channels after the first convolution
    vae_max: int = 96
    points_width: int = 256  # of the layer that reads points off an embedding
    label_width: int = 8  # of a label's embedding
    hidden: int = 256  # of the conditional LSTM
    waves: int = 4  # of its clock
    mode_hidden: int = 96  # of each mode's LSTM
    stroke: float = 1.5  # pixels of a landmark line, at 64 pixels
    painter_width: int = 24
    painter_blocks: int = 4
    painter_max: int = 96
    skips: bool = True  # of the painter
    critic_width: int = 24


class Smiles(NamedTuple):
    """K smiles of each face, and everything on the way."""

    images: Float[Tensor, "B K T 3 H W"]
    maps: Float[Tensor, "B K T 1 H W"]  # pictures of landmarks, as the painter saw them
    points: Float[Tensor, "B K T 68 2"]
    modes: Float[Tensor, "B K T E"]  # embeddings of the K sequences
    shared: Float[Tensor, "B T E"]  # what the label alone asks for, before any mode


class Faces(NamedTuple):
    """A batch to learn from: clips as landmarks, and of each clip two frames to paint."""

    points: Float[Tensor, "B T 68 2"]  # from a neutral frame on
    label: Int[Tensor, " B"]
    identity: Int[Tensor, " B"]
    neutral: Float[Tensor, "B 3 H W"]  # frame 0
    target: Float[Tensor, "B 3 H W"]
    at: Int[Tensor, " B"]  # the number of the target frame


# --- the equations -------------------------------------------------------------------------------


def landmark_map(
    points: Float[Tensor, "N 68 2"], size: int, stroke: float = 1.5
) -> Float[Tensor, "N 1 H W"]:
    """The landmarks as a line drawing: 1 on a line, 0 more than half a ``stroke`` beside it.

    ``stroke`` is in pixels of a picture of 64; lines of larger pictures are thicker.
    """
    half = stroke * size / 64 / 2
    x, y = ((points + 1) * (size - 1) / 2).unbind(-1)  # (N, 68) each, in pixels
    at = torch.arange(size, device=points.device, dtype=points.dtype)
    columns, rows = at[None, None, :], at[None, :, None]
    nearest = points.new_full((len(points), size, size), torch.inf)
    for i, j in SEGMENTS:
        from_x, from_y = columns - x[:, i, None, None], rows - y[:, i, None, None]
        along_x, along_y = ((z[:, j] - z[:, i])[:, None, None] for z in (x, y))
        length = (along_x.square() + along_y.square()).clamp(min=1e-6)  # squared
        # how far along the segment a pixel lies, from 0 to 1
        dot = from_x * along_x + from_y * along_y  # (N, H, W)
        share = (dot / length).clamp(0, 1)
        apart = from_x.square() + from_y.square() - share * (2 * dot - share * length)
        nearest = torch.minimum(nearest, apart)
    # the edge of a line is one pixel wide
    return (half + 0.5 - nearest.clamp(min=0).sqrt()).clamp(0, 1)[:, None]


def distances(
    made: Float[Tensor, "B K T 68 2"], truth: Float[Tensor, "B T 68 2"], placing: float = 0.02
) -> Float[Tensor, "B K"]:
    """Mean squared distance of each mode's expression from the true one.

    Clips of one person differ by how the head moves more than by how the mouth does. If landmarks
    were compared as they lie in the picture, the nearest mode would be the one whose head moves
    alike, so the head's motion is taken out (`landmarks.expression`). A small share, ``placing``,
    of the distance in the picture keeps the heads where they are.
    """
    face = (expression(made) - expression(truth)[:, None]).square().sum(-1).mean((-1, -2))
    return face + placing * (made - truth[:, None]).square().sum(-1).mean((-1, -2))


def pull(
    apart: Float[Tensor, "B K"], spread: float, handicap: Float[Tensor, " K"] | None = None
) -> Float[Tensor, ""]:
    """Draw one mode to the truth, and the others by the share ``spread`` of the force.

    0 is best-of-K: only one mode learns from a clip. (K - 1) / K draws all modes alike, so all of
    them end at the mean of what is true. Between them lies the relaxed form (Rupprecht et al., ICCV
    2017): modes that never win still learn to be plausible.

    The mode that is drawn is the nearest one, or with a ``handicap`` the one for which the distance
    times its handicap is least (see `handicapped`).
    """
    modes = apart.shape[1]
    best = apart.gather(1, winners(apart, handicap)[:, None])[:, 0]
    if modes == 1:
        return best.mean()
    others = (apart.sum(1) - best) / (modes - 1)
    return ((1 - spread) * best + spread * others).mean()


def winners(
    apart: Float[Tensor, "B K"], handicap: Float[Tensor, " K"] | None = None
) -> Int[Tensor, " B"]:
    """The mode that wins each clip."""
    return (apart if handicap is None else apart * handicap).argmin(dim=1)


def handicapped(
    handicap: Float[Tensor, " K"], won: Int[Tensor, " B"], rate: float
) -> Float[Tensor, " K"]:
    """The next handicap: larger for modes that won more than their share, and smaller for others.

    It moves until every mode wins as often as the others, so that none is left idle; a conscience,
    as DeSieno (ICNN 1988) called it. Experts in large language models are balanced in the same way.
    """
    share = F.one_hot(won, len(handicap)).float().mean(0)
    return handicap * (rate * (share - 1 / len(handicap))).exp()


def push(made: Float[Tensor, "B K T 68 2"], margin: float) -> Float[Tensor, ""]:
    """How much the modes' expressions are nearer to each other than ``margin``, also squared."""
    if made.shape[1] == 1:
        return made.new_zeros(())
    i, j = torch.triu_indices(made.shape[1], made.shape[1], offset=1)
    told = expression(made)
    apart = (told[:, i] - told[:, j]).square().sum(-1).mean((-1, -2))  # (B, pairs)
    return F.relu(margin - apart).mean()


# --- modules -------------------------------------------------------------------------------------


class LandmarkVAE(nn.Module):
    """A landmark picture as E numbers and back, and the points that the numbers stand for."""

    def __init__(self, config: SmileConfig):
        super().__init__()
        levels = config.size.bit_length() - 3  # down to 4 x 4
        widths = [min(config.vae_max, config.vae_width * 2**i) for i in range(levels)]
        self.top = widths[-1]
        down, up = [], []
        for a, b in zip([1, *widths], widths):
            down += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)]
        for a, b in zip(reversed(widths), [*reversed(widths[:-1]), 1]):
            up += [nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1)]
        self.down, self.up = nn.Sequential(*down), nn.Sequential(*up)
        self.to_latent = nn.Linear(16 * self.top, 2 * config.latent)
        self.from_latent = nn.Linear(config.latent, 16 * self.top)
        self.read = nn.Sequential(
            nn.Linear(config.latent, config.points_width), nn.ReLU(),
            nn.Linear(config.points_width, 2 * 68),
        )  # fmt: skip

    def encode(self, maps: Float[Tensor, "N 1 H W"]) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the embedding, each (N, E)."""
        return self.to_latent(self.down(maps).flatten(1)).chunk(2, dim=1)

    def logits(self, z: Float[Tensor, "N E"]) -> Float[Tensor, "N 1 H W"]:
        """The landmark picture before its sigmoid."""
        return self.up(self.from_latent(z).view(-1, self.top, 4, 4))

    def points(self, z: Float[Tensor, "*N E"]) -> Float[Tensor, "*N 68 2"]:
        """The landmarks that an embedding stands for."""
        return self.read(z).unflatten(-1, (68, 2))


class Modes(nn.Module):
    """K LSTMs read the shared sequence; what each says is added to it."""

    def __init__(self, config: SmileConfig):
        super().__init__()
        self.rnns = nn.ModuleList(
            nn.LSTM(config.latent, config.mode_hidden, batch_first=True)
            for _ in range(config.modes)
        )
        self.heads = nn.ModuleList(
            nn.Linear(config.mode_hidden, config.latent) for _ in range(config.modes)
        )

    def forward(self, shared: Float[Tensor, "B T E"]) -> Float[Tensor, "B K T E"]:
        bent = []
        for rnn, head in zip(self.rnns, self.heads):
            away = head(rnn(shared)[0])  # (B, T, E)
            bent.append(shared + away - away[:, :1])  # all modes begin at the neutral face
        return torch.stack(bent, dim=1)


class Painter(nn.Module):
    """A U-Net: a neutral face, its landmark picture and another one -> that expression."""

    def __init__(self, config: SmileConfig):
        super().__init__()
        sizes = (5, config.painter_width, config.painter_blocks, config.painter_max)
        self.skips = config.skips
        self.encoder, self.decoder = Encoder(*sizes), Decoder(*sizes, c_out=3)

    def forward(
        self,
        neutral: Float[Tensor, "N 3 H W"],
        neutral_map: Float[Tensor, "N 1 H W"],
        target_map: Float[Tensor, "N 1 H W"],
        skips: bool | None = None,
    ) -> Float[Tensor, "N 3 H W"]:
        """``skips`` False puts zeros in place of every skip; by default it is the config's."""
        levels = self.encoder(torch.cat([neutral, neutral_map, target_map], dim=1))
        if not (self.skips if skips is None else skips):
            levels = [torch.zeros_like(level) for level in levels[:-1]] + levels[-1:]
        return self.decoder(levels).sigmoid()


class Critic(nn.Module):
    """A patch discriminator: does this piece of a face look real, and fit its landmarks?"""

    def __init__(self, config: SmileConfig):
        super().__init__()
        w = config.critic_width
        layers, widths = [], [4, w, 2 * w, 4 * w]
        for a, b in zip(widths, widths[1:]):
            conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(a, b, 4, 2, 1))
            layers += [conv, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * w, 1, 3, padding=1))

    def forward(self, image: Tensor, drawn: Tensor) -> Float[Tensor, "N 1 h w"]:
        return self.layers(torch.cat([image, drawn], dim=1))


class Recognizer(nn.Module):
    """Tells the training people apart; its features say what the painter has to keep."""

    def __init__(self, config: SmileConfig):
        super().__init__()
        layers, widths = [], [3, 16, 32, 64, 64]
        for a, b in zip(widths, widths[1:]):
            layers += [nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(64, config.people)

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 64"]:
        return self.layers(image).mean((2, 3))


class SmileNet(nn.Module):
    """CMM-Net, whole: `forward` makes K smile videos of each face."""

    def __init__(self, config: SmileConfig = SmileConfig()):
        super().__init__()
        self.config = config
        self.vae = LandmarkVAE(config)
        self.unfold = ConditionalLSTM(
            config.latent, config.labels, config.label_width, config.hidden, config.waves
        )
        self.bend = Modes(config)
        self.painter = Painter(config)

    def draw(self, points: Float[Tensor, "N 68 2"]) -> Float[Tensor, "N 1 H W"]:
        """Landmarks as the picture that the encoder reads."""
        return landmark_map(points, self.config.size, self.config.stroke)

    def embed(self, points: Float[Tensor, "N 68 2"]) -> Float[Tensor, "N E"]:
        """The embedding of a face by its landmarks: the posterior's mean."""
        return self.vae.encode(self.draw(points))[0]

    def maps(self, z: Float[Tensor, "N E"]) -> Float[Tensor, "N 1 H W"]:
        """The points that an embedding stands for as a drawing, which the painter reads.

        The decoder's own picture is softer: of lips and lids it makes one blob.
        """
        return self.draw(self.vae.points(z))

    def sequences(
        self, points: Float[Tensor, "B 68 2"], label: Int[Tensor, " B"], frames: int = 32
    ) -> tuple[Float[Tensor, "B K T E"], Float[Tensor, "B T E"]]:
        """Embeddings of K smiles, and of the sequence that they share."""
        shared = self.unfold(self.embed(points), label, frames)
        return self.bend(shared), shared

    def forward(
        self,
        neutral: Float[Tensor, "B 3 H W"],
        points: Float[Tensor, "B 68 2"],
        label: Int[Tensor, " B"],
        frames: int = 32,
    ) -> Smiles:
        """``points`` are the landmarks of the ``neutral`` faces."""
        modes, shared = self.sequences(points, label, frames)  # (B, K, T, E), (B, T, E)
        each = modes.shape[1] * frames
        maps = self.maps(modes.flatten(0, 2))  # (B K T, 1, H, W)
        first = self.maps(shared[:, 0])  # (B, 1, H, W)
        images = self.painter(
            neutral.repeat_interleave(each, 0), first.repeat_interleave(each, 0), maps
        )
        shape = modes.shape[:3]
        return Smiles(
            images.unflatten(0, shape), maps.unflatten(0, shape), self.vae.points(modes), modes,
            shared,
        )  # fmt: skip


# --- training ------------------------------------------------------------------------------------


class LossWeights(NamedTuple):
    """Of the terms; a part whose terms are all 0 stays as it is."""

    stroke: float = 10.0  # what a pixel on a line counts in the VAE, beside 1 for the background
    divergence: float = 1e-4  # of the embedding from a normal distribution; grows over a third
    points: float = 1000.0  # of points read off an embedding
    vae: float = 1.0  # of the three above
    sequence: float = 100.0  # of the conditional LSTM's landmarks
    pull: float = 100.0
    spread: float = 0.0  # of the pull, on modes that are not chosen (see `pull`)
    balance: float = 0.1  # how fast handicaps move; 0: the nearest mode is chosen
    push: float = 0.0
    margin: float = 0.001  # squared distance below which modes push; between true modes it is 0.001
    pixels: float = 20.0
    moved: float = 40.0  # of pixels where the drawings of neutral and target face differ, once more
    perceptual: float = 1.0
    adversarial: float = 0.2
    identity: float = 2.0


class Objective(systems.Objective):
    """All parts at once, each with an optimizer and a loss of its own."""

    def __init__(self, model: SmileNet, weights: LossWeights):
        super().__init__()
        self.model, self.weights = model, weights
        config = model.config
        self.critic, self.recognizer = Critic(config), Recognizer(config)
        self.perceptual = losses.PerceptualPyramid(mobilenet_features(), (1.0,))
        self.register_buffer("handicap", torch.ones(config.modes))
        self.painted: tuple = (None, None, None)  # the last batch, its pictures and drawings
        paints = weights.pixels > 0
        self.parts = {
            "vae": (model.vae, weights.vae > 0),
            "sequence": (model.unfold, weights.sequence > 0),
            "modes": (model.bend, weights.pull > 0),
            "recognizer": (self.recognizer, paints),
            "painter": (model.painter, paints),
            "critic": (self.critic, paints),
        }
        for part, trained in self.parts.values():
            part.requires_grad_(trained)

    def phases(self) -> dict[str, list[nn.Parameter]]:
        return {
            name: list(part.parameters()) for name, (part, trained) in self.parts.items() if trained
        }

    def forward(self, phase: str, batch: Faces, step: systems.Step) -> dict[str, Tensor]:
        return getattr(self, f"_{phase}")(batch, step)

    def run(self, model: SmileNet, batch: Faces) -> Tensor:
        return model.painter(batch.neutral, *self._drawn(model, batch))

    def _vae(self, batch: Faces, step: systems.Step) -> dict[str, Tensor]:
        """Four frames of each clip: their pictures and points from the embedding."""
        w, vae = self.weights, self.model.vae
        rows = torch.arange(len(batch.points))[:, None]
        chosen = torch.randint(batch.points.shape[1], (len(rows), 4), generator=step.generator)
        points = batch.points[rows, chosen].flatten(0, 1)  # (4 B, 68, 2)
        drawn = self.model.draw(points)
        mean, log_variance = vae.encode(drawn)
        noise = torch.randn(mean.shape, generator=step.generator).to(mean)
        z = mean + noise * (log_variance / 2).exp()
        heavier = 1 + (w.stroke - 1) * drawn
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
        return {
            "picture": w.vae
            * F.binary_cross_entropy_with_logits(vae.logits(z), drawn, weight=heavier),
            "divergence": w.vae * w.divergence * min(1.0, 3 * step.progress) * divergence,
            "points": w.vae * w.points * (vae.points(mean) - points).square().sum(-1).mean(),
        }

    def _sequence(self, batch: Faces, step: systems.Step) -> dict[str, Tensor]:
        shared = self._shared(batch, learning=True)
        made = self.model.vae.points(shared)[:, None]  # (B, 1, T, 68, 2)
        return {"sequence": self.weights.sequence * distances(made, batch.points).mean()}

    def _modes(self, batch: Faces, step: systems.Step) -> dict[str, Tensor]:
        w = self.weights
        made = self.model.vae.points(self.model.bend(self._shared(batch)))  # (B, K, T, 68, 2)
        apart = distances(made, batch.points)  # (B, K)
        pulled = pull(apart, w.spread, self.handicap)
        with torch.no_grad():
            won = winners(apart, self.handicap)
            self.handicap.copy_(handicapped(self.handicap, won, w.balance))
        return {"pull": w.pull * pulled, "push": w.push * push(made, w.margin)}

    def _shared(self, batch: Faces, learning: bool = False) -> Float[Tensor, "B T E"]:
        with torch.no_grad():
            z = self.model.embed(batch.points[:, 0])
        with torch.set_grad_enabled(learning):
            return self.model.unfold(z, batch.label, batch.points.shape[1])

    def _recognizer(self, batch: Faces, step: systems.Step) -> dict[str, Tensor]:
        scores = self.recognizer.head(self.recognizer(torch.cat([batch.neutral, batch.target])))
        return {"recognizer": F.cross_entropy(scores, batch.identity.repeat(2))}

    def _painter(self, batch: Faces, step: systems.Step) -> dict[str, Tensor]:
        w = self.weights
        drawn = self._drawn(self.model, batch)
        image = self.model.painter(batch.neutral, *drawn)
        self.painted = batch, image.detach(), drawn[1]
        # eyes and mouth are a small part of a picture, and nearly all of an expression
        moved = F.max_pool2d((drawn[1] - drawn[0]).abs(), 3, 1, 1)
        away = (image - batch.target).abs()
        kept, own = self.recognizer(image), self.recognizer(batch.target).detach()
        return {
            "pixels": w.pixels * losses.scaled_l1(image, batch.target),
            "moved": w.moved * (moved * away).sum() / (3 * moved.sum() + 1),
            "perceptual": w.perceptual * self.perceptual(image, batch.target),
            "adversarial": w.adversarial
            * losses.least_squares_generator(self.critic(image, drawn[1])),
            "identity": w.identity * F.l1_loss(kept, own),
        }

    def _critic(self, batch: Faces, step: systems.Step) -> dict[str, Tensor]:
        last, image, drawn = self.painted
        if last is not batch:  # the painter's phase has not seen it
            first, drawn = self._drawn(self.model, batch)
            with torch.no_grad():
                image = self.model.painter(batch.neutral, first, drawn)
        real, fake = self.critic(batch.target, drawn), self.critic(image, drawn)
        return {"critic": losses.least_squares_discriminator(real, fake)}

    @torch.no_grad()
    def _drawn(self, model: SmileNet, batch: Faces) -> tuple[Tensor, Tensor]:
        """Landmark pictures of the neutral and of the target frame, as embeddings show them."""
        rows = torch.arange(len(batch.points))
        points = torch.cat([batch.points[:, 0], batch.points[rows, batch.at]])
        first, then = model.maps(model.embed(points)).chunk(2)
        return first, then


def objective(config: SmileConfig, weights: LossWeights | None = None) -> Objective:
    """An untrained model with its losses."""
    return Objective(SmileNet(config), weights or LossWeights())


SYSTEM = systems.System(config=SmileConfig, model=SmileNet, objective=objective)
