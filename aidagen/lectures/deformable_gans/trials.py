"""Lecture 03's homework: deform and aggregate, a fault to find, an experiment, an open task.

`exercises` lists them with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.answers import expected
from aidagen.poses import MIRRORED, Pose, numbers, stickman
from aidagen.teaching.cases import drawn, matrices
from aidagen.teaching.material import Exercise, OpenTask, Wrong

ORDER = torch.tensor(MIRRORED)

# --- 03.3: deform and aggregate ------------------------------------------------------------------


def deform(
    features: Float[Tensor, "C H W"],
    maps: Float[Tensor, "P 2 3"],
    masks: Float[Tensor, "P H W"],
) -> Float[Tensor, "C H W"]:
    """Features read through the map of each part, each within its mask, and the largest of them.

    Pixel (x, y), counted from 0, of part p reads the pixel nearest to maps_p (x, y, 1); outside of
    the features there is zero.
    """
    h, w = features.shape[1:]
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    here = torch.stack([x, y, torch.ones_like(x)], dim=-1).float()  # (H, W, 3)
    there = torch.einsum("pij,hwj->phwi", maps, here).round().long()  # (P, H, W, 2)
    x, y = there.unbind(-1)
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    read = features[:, y.clamp(0, h - 1), x.clamp(0, w - 1)]  # (C, P, H, W)
    return (read * inside * masks).amax(1)


def _read(features: Tensor, maps: Tensor, exchanged: bool = False, border: bool = False) -> Tensor:
    """(C, P, H, W): what each part reads."""
    h, w = features.shape[1:]
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    places = [y, x] if exchanged else [x, y]
    here = torch.stack([*places, torch.ones_like(x)], dim=-1).float()
    there = torch.einsum("pij,hwj->phwi", maps, here).round().long()
    x, y = there.unbind(-1)
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    read = features[:, y.clamp(0, h - 1), x.clamp(0, w - 1)]
    return read if border else read * inside


def _deform_cases() -> list[tuple[Tensor, Tensor, Tensor]]:
    cases = []
    for seed, parts, c, h, w in ((31, 3, 2, 7, 5), (41, 2, 3, 5, 6)):
        turned = matrices(seed, parts)
        shift = 4 * drawn(seed + 1, parts, 2, 1) - 1.03
        masks = (drawn(seed + 2, parts, h, w) < 0.6).float()
        cases.append((drawn(seed + 3, c, h, w), torch.cat([turned, shift], dim=2), masks))
    return cases


@torch.no_grad()
def _deform_picture(answer):
    """A striped picture: its left half is shifted down, its right half stays."""
    y = torch.arange(24)[:, None]
    stripes = torch.stack([(y // 4 % 2).float(), (y // 4 % 3 == 0).float(), 0.4 + 0.0 * y])
    features = stripes.expand(3, 24, 24).clone()
    features[2] = torch.linspace(0.1, 0.9, 24)
    maps = torch.tensor([[[1.0, 0, 0], [0, 1, -7]], [[1, 0, 0], [0, 1, 0]]])
    left = (torch.arange(24) < 14).float().expand(24, 24)
    return expected.shown(answer(features, maps, torch.stack([left, left.flip(1)])).clamp(0, 1))


DEFORM = Exercise(
    id="03.3",
    title="Deform and aggregate",
    minutes=15,
    difficulty=3,
    importance=3,
    reference=deform,
    cases=_deform_cases,
    expects="features (C, H, W): of each pixel the largest of what its parts read",
    hint="For each part: where does each pixel read, is that inside, and is the pixel in the mask? "
    "Then take the maximum over parts.",
    hints=(
        "Build (x, y, 1) for every pixel first; one einsum then gives the places that all parts "
        "read.",
        "Round the places, look the features up at clamped places, and multiply by inside and "
        "mask before you take the maximum.",
    ),
    picture=_deform_picture,
    picture_shows="Stripes whose left half lies seven pixels lower than the right half; above it "
    "the left half is black, and in a strip in the middle, which both masks cover, the brighter of "
    "the two is seen.",
    wrong=(
        Wrong(
            "sum over parts",
            lambda features, maps, masks: (_read(features, maps) * masks).sum(1),
            "parts are blended",
            "you add the parts up, so that places in two masks become twice as strong: take the "
            "maximum.",
        ),
        Wrong(
            "the masks are left out",
            lambda features, maps, masks: _read(features, maps).amax(1),
            "the maximum is expected to find the right part by itself",
            "each part speaks everywhere in your answer; multiply by its mask before the maximum.",
        ),
        Wrong(
            "x and y are exchanged",
            lambda features, maps, masks: (_read(features, maps, exchanged=True) * masks).amax(1),
            "a pixel is thought of as (row, column)",
            "you hand (y, x, 1) to the maps; they take x, the column, first.",
        ),
        Wrong(
            "the border is repeated",
            lambda features, maps, masks: (_read(features, maps, border=True) * masks).amax(1),
            "clamps places and forgets that they were outside",
            "places outside of the features read the border in your answer; they should read zero.",
        ),
        Wrong(
            "average",
            lambda features, maps, masks: (
                (_read(features, maps) * masks).sum(1) / masks.sum(0).clamp(min=1)
            ),
            "takes the other aggregation",
            "this is the average over the masks that cover a pixel; the maximum is asked for.",
        ),
    ),
)


# --- 03.4: a fault -------------------------------------------------------------------------------


def mirrored(
    joints: Float[Tensor, "18 2"], known: Float[Tensor, " 18"], partner: Tensor
) -> tuple[Tensor, Tensor]:
    """The pose in the mirrored picture: x negated, and each joint takes the name of its partner.

    ``partner[i]`` is the number of the joint that joint i becomes: of the right elbow the left one,
    of the nose the nose itself.
    """
    flipped = joints * torch.tensor([-1.0, 1.0])
    return flipped[partner], known[partner]


def faulty_mirrored(joints, known, partner):
    flipped = joints * torch.tensor([-1.0, 1.0])
    return flipped, known


def _mirror_cases() -> list[tuple[Tensor, Tensor, Tensor]]:
    return [
        (drawn(seed, 18, 2) - 0.3, (drawn(seed + 1, 18) < 0.6).float(), ORDER) for seed in (51, 53)
    ]


def standing() -> Float[Tensor, "18 2"]:
    """A person who is seen from the front and raises the right arm; their right is on our left."""
    x = [0, 0, -0.4, -0.7, -0.6, 0.4, 0.5, 0.55, -0.25, -0.3, -0.3, 0.25, 0.3, 0.3,
         0.08, -0.08, 0.18, -0.18]  # fmt: skip
    y = [-0.78, -0.6, -0.58, -0.72, -0.9, -0.58, -0.3, 0, 0, 0.4, 0.85, 0, 0.4, 0.85,
         -0.82, -0.82, -0.79, -0.79]  # fmt: skip
    return torch.tensor([x, y]).T.contiguous()


def _mirror_picture(answer):
    """The figure of sticks of the mirrored pose: right side red, left side green, torso blue."""
    seen = torch.ones(18)
    seen[numbers("left wrist")] = 0
    joints, known = answer(standing(), seen, ORDER)
    pose = Pose(torch.as_tensor(joints)[None].float(), torch.as_tensor(known)[None] > 0.5)
    return expected.shown(stickman(pose, 128, 64)[0].clamp(0, 1))


MIRROR = Exercise(
    id="03.4",
    title="The wrong sleeve",
    minutes=10,
    difficulty=2,
    importance=3,
    kind="fault",
    reference=mirrored,
    cases=_mirror_cases,
    expects="the mirrored joints (18, 2), and which of them are known (18)",
    hint="A mirror exchanges left and right: in places *and* in names.",
    hints=(
        "The person raises the right arm. Which arm does the person in the mirror raise?",
        "`partner` says what becomes of the names. Which of the two tensors has to be put into "
        "that order?",
    ),
    picture=_mirror_picture,
    picture_shows="A figure of sticks that raises the arm on the right of the picture; that side "
    "is green, which stands for the person's left. The other forearm, not seen, is missing.",
    wrong=(
        Wrong(
            "names stay",
            faulty_mirrored,
            "mirroring is taken to change places alone",
            "the right elbow is still called right, but in the mirrored picture it is a left one. "
            "Each part now reads the sleeve of the other arm.",
        ),
        Wrong(
            "what is known stays",
            lambda joints, known, partner: (
                (joints * torch.tensor([-1.0, 1.0]))[partner],
                known,
            ),
            "visibility is forgotten",
            "the joints have their new names, but whether they are known still goes by the old "
            "ones: a hidden left wrist becomes a hidden right wrist.",
        ),
        Wrong(
            "names alone",
            lambda joints, known, partner: (joints[partner], known[partner]),
            "exchanging names is taken to mirror the picture",
            "you exchange the names and leave the places: this is the person seen from behind, "
            "not in a mirror. Negate x, too.",
        ),
        Wrong(
            "upside down",
            lambda joints, known, partner: (
                (joints * torch.tensor([1.0, -1.0]))[partner],
                known[partner],
            ),
            "the axes are confused",
            "you negate y, so that the person stands on the head; the mirror changes x.",
        ),
    ),
)


# --- 03.5: missing joints ------------------------------------------------------------------------

Paint = Callable[[Float[Tensor, " J"]], Float[Tensor, "3 H W"]]


def cost_of_missing(
    paint: Paint,
    known: Float[Tensor, " J"],
    groups: Sequence[Sequence[int]],
    truth: Float[Tensor, "3 H W"],
) -> Float[Tensor, " G"]:
    """By how much the mean absolute error of the picture grows if a group of joints is not known.

    Each group is hidden by itself; ``paint(known)`` is the picture that is made if those joints
    are known.
    """

    def error(seen: Tensor) -> Tensor:
        return (paint(seen) - truth).abs().mean()

    costs = []
    for group in groups:
        seen = known.clone()
        seen[list(group)] = 0
        costs.append(error(seen) - error(known))
    return torch.stack(costs)


def _cumulative(paint, known, groups, truth):
    seen, costs = known.clone(), []
    for group in groups:
        seen[list(group)] = 0
        costs.append((paint(seen) - truth).abs().mean() - (paint(known) - truth).abs().mean())
    return torch.stack(costs)


def _of_group(known: Tensor, group: Sequence[int], others: bool = False) -> Tensor:
    seen = torch.zeros_like(known) if others else known.clone()
    seen[list(group)] = known[list(group)] if others else 0
    return seen


def _toy(seed: int) -> tuple[Paint, Tensor]:
    """A picture of which each known joint paints a share. Joint 4 is a wrong one: the truth, which
    is near to the sum of all others, has nothing of it."""
    shares = drawn(seed, 8, 3, 4, 3) / 8
    truth = shares.sum(0) - shares[4] + 0.05 * drawn(seed + 1, 3, 4, 3)
    return lambda known: torch.einsum("j,jchw->chw", known, shares), truth


def _missing_cases() -> list[tuple]:
    cases = []
    for seed in (61, 71):
        paint, truth = _toy(seed)
        known = torch.ones(8)
        known[seed % 8] = 0
        cases.append((paint, known, ((0, 1), (2, 3, 6), (4,)), truth))
    return cases


def _missing_picture(answer):
    paint, truth = _toy(81)
    groups = {"wrist": (0,), "elbow, wrist": (0, 1), "whole arm": (0, 1, 2), "a wrong joint": (4,)}
    costs = answer(paint, torch.ones(8), tuple(groups.values()), truth)
    return expected.bars(dict(zip(groups, torch.as_tensor(costs).tolist(), strict=True)))


MISSING = Exercise(
    id="03.5",
    title="What a missing joint costs",
    minutes=12,
    difficulty=2,
    importance=2,
    kind="experiment",
    reference=cost_of_missing,
    cases=_missing_cases,
    expects="one number for each group: error without its joints, minus error with all of them",
    hint="Hide one group at a time, paint, measure the error against the truth, and subtract the "
    "error with nothing hidden.",
    hints=(
        "Is everything that was hidden for the last group known again when you hide the next one?",
        "`seen = known.clone()` belongs inside the loop.",
    ),
    picture=_missing_picture,
    picture_shows="Four bars: a hidden wrist costs least, elbow and wrist more, the whole arm "
    "most; a joint that is wrong costs less than nothing.",
    wrong=(
        Wrong(
            "hidden for good",
            _cumulative,
            "the mask is changed in place",
            "what you hid for the first group is still hidden for the next one; begin from a fresh "
            "copy each time.",
        ),
        Wrong(
            "against the picture with all joints",
            lambda paint, known, groups, truth: torch.stack(
                [(paint(_of_group(known, g)) - paint(known)).abs().mean() for g in groups]
            ),
            "a change is taken for an error",
            "you measure how much the picture *changes*. A change can also be for the better: "
            "compare both pictures with the truth.",
        ),
        Wrong(
            "the error itself",
            lambda paint, known, groups, truth: torch.stack(
                [(paint(_of_group(known, g)) - truth).abs().mean() for g in groups]
            ),
            "forgets what is wrong anyway",
            "this is the whole error; what the missing joints cost is the error minus that with "
            "all joints.",
        ),
        Wrong(
            "all but the group",
            lambda paint, known, groups, truth: torch.stack(
                [
                    (paint(_of_group(known, g, others=True)) - truth).abs().mean()
                    - (paint(known) - truth).abs().mean()
                    for g in groups
                ]
            ),
            "keeps what should be hidden",
            "you keep the group and hide all other joints; it is the other way round.",
        ),
    ),
)

GROUPS = {  # of joints, for the figure of 03.5
    "right wrist": numbers("right wrist"),
    "right arm": numbers("right elbow", "right wrist"),
    "both arms": numbers("right elbow", "right wrist", "left elbow", "left wrist"),
    "right leg": numbers("right knee", "right ankle"),
    "both legs": numbers("right knee", "right ankle", "left knee", "left ankle"),
    "head": numbers("nose", "left eye", "right eye", "left ear", "right ear"),
    "hips": numbers("right hip", "left hip"),
}


# --- an open task --------------------------------------------------------------------------------

OPEN_TASKS = (
    OpenTask(
        id="03.o1",
        title="A part that the ten parts leave out",
        task="The ten parts of the method are torso, head, thighs, shins, upper arms and forearms. "
        "Find something on our people that none of them carries well (a skirt, a backpack, long "
        "hair, a bag in the hand), and show it on three people who were chosen by a rule. Then "
        "give it a part of its own: points to fit, a map, a mask, and what happens where it is not "
        "seen. Compare the features that your part carries with those of the true picture, as the "
        "lecture does for limbs, before you think of training anything.",
        rubric=(
            (2, "The thing is named, and the rule by which the people were chosen is said."),
            (2, "Map and mask are written down as equations or ten lines of code, and drawn."),
            (2, "It is said what happens if the thing, or the joints that it needs, are hidden."),
            (3, "The distance of carried and not carried features to the true ones is measured "
                "over ten pairs or more, with an interval."),
            (1, "The text says what this measurement does not show."),
        ),
    ),
)  # fmt: skip
