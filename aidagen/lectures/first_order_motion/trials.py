"""Lecture 05's homework: a fault to find, an experiment to run, an open task.

`exercises` lists them with the others.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.answers import expected
from aidagen.grids import identity_grid
from aidagen.teaching.cases import drawn, matrices, points
from aidagen.teaching.material import Exercise, OpenTask, Wrong

# --- 05.5: a fault ------------------------------------------------------------------------------


def equivariance(
    p_x: Float[Tensor, "K 2"],
    p_y: Float[Tensor, "K 2"],
    matrix: Float[Tensor, "2 2"],
    shift: Float[Tensor, "xy=2"],
) -> Float[Tensor, ""]:
    """How far the points miss a known map: eq. (11), mean over points and axes.

    Frame Y was made by reading frame X at ``T(z) = matrix z + shift``; ``p_x`` and ``p_y`` are the
    points found in X and in Y.
    """
    carried = p_y @ matrix.T + shift  # T(p_y): where in X the point of Y was read
    return (p_x - carried).abs().mean()


def faulty_equivariance(p_x, p_y, matrix, shift):
    carried = p_x @ matrix.T + shift
    return (p_y - carried).abs().mean()


def _miss(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs().mean()


def _loss_picture(answer):
    """A detector without any error, and two with errors of a known size."""
    p_y, matrix, shift = points(51, 6), matrices(53, 1)[0], points(54, 1)[0]
    right = p_y @ matrix.T + shift
    misses = {"perfect": 0.0, "off by 0.1": 0.1, "off by 0.2": 0.2}
    return expected.bars(
        {name: float(answer(right + miss, p_y, matrix, shift)) for name, miss in misses.items()}
    )


EQUIVARIANCE = Exercise(
    id="05.5",
    title="A loss that punishes a perfect detector",
    minutes=8,
    difficulty=3,
    importance=3,
    kind="fault",
    reference=equivariance,
    cases=lambda: [
        (points(51, 3), points(52, 3), matrices(53, 1)[0], points(54, 1)[0]),
        (points(55, 5), points(56, 5), matrices(57, 1)[0], points(58, 1)[0]),
    ],
    expects="one number, the mean absolute miss over points and axes",
    hint="Take points in Y, carry them into X by T, and give both to your loss: it has to be 0.",
    hints=(
        "A detector is perfect if it marks the same thing in both frames. Y shows at z what X "
        "shows at T(z): which of its two points, put into T, gives the other?",
        "T takes places of Y to places of X. Carry the points that were found in Y, and compare "
        "them with those found in X.",
    ),
    picture=_loss_picture,
    picture_shows="Three bars, for a perfect detector and for two that are off by 0.1 and by 0.2: "
    "the loss is 0, 0.1 and 0.2.",
    wrong=(
        Wrong(
            "the map goes from X to Y",
            faulty_equivariance,
            "thinks forward: X is deformed by T, so its points move by T",
            "this loss is not 0 for a detector without any error: make one in your head, and ask "
            "in which frame T takes its argument.",
        ),
        Wrong(
            "matrix transposed",
            lambda p_x, p_y, matrix, shift: _miss(p_x, p_y @ matrix + shift),
            "multiplies rows of points by the matrix from the right",
            "the direction is right, but your matrix is transposed: for points stored as rows, "
            "A p is p @ A.T.",
        ),
        Wrong(
            "map inverted",
            lambda p_x, p_y, matrix, shift: _miss(p_x, (p_y - shift) @ torch.linalg.inv(matrix).T),
            "undoes T, as a forward warp would need it",
            "you carry the points of Y by the inverse of T; T itself already leads from Y to X.",
        ),
        Wrong(
            "shift left out",
            lambda p_x, p_y, matrix, shift: _miss(p_x, p_y @ matrix.T),
            "confuses T with its Jacobian, which eq. (13) is about",
            "you use the matrix alone, but where a point goes depends on the shift, too. The "
            "matrix alone is the Jacobian, of equation (13).",
        ),
        Wrong(
            "squared",
            lambda p_x, p_y, matrix, shift: (p_x - (p_y @ matrix.T + shift)).square().mean(),
            "uses L2 instead of L1",
            "the direction is right, but you square the miss; the given loss takes its absolute "
            "value, as the paper does.",
        ),
    ),
)


# --- 05.6: an experiment ------------------------------------------------------------------------


def orders(
    grid: Float[Tensor, "H W 2"],
    truth: Float[Tensor, "H W 2"],
    p_source: Float[Tensor, "xy=2"],
    p_driving: Float[Tensor, "xy=2"],
    jacobian: Float[Tensor, "2 2"],
    radius: float,
) -> tuple[float, float]:
    """What becomes of the error of a shift, and of a first-order map, when the radius is halved.

    ``truth`` says where each place of ``grid`` really reads. An error is the mean distance from it
    over the places within a radius of ``p_driving``; both results are the error at half the radius
    over the error at the whole one.
    """
    away = grid - p_driving
    made = (p_source + away, p_source + away @ jacobian.T)  # J = 1, and J
    errors = [(places - truth).norm(dim=-1) for places in made]
    near, far = away.norm(dim=-1) <= radius / 2, away.norm(dim=-1) <= radius
    return tuple(float(error[near].mean() / error[far].mean()) for error in errors)


def _motion_cases() -> list[tuple]:
    """Smooth motions with a known Jacobian and a curvature, on fine grids."""
    cases = []
    for seed, size, radius in ((61, 65, 0.4), (65, 81, 0.3)):
        grid = identity_grid(size, size)
        p_source, p_driving = points(seed, 1)[0], points(seed + 1, 1)[0] / 2
        jacobian, bend = matrices(seed + 2, 1)[0], drawn(seed + 3, 2, 3) - 0.3
        x, y = (grid - p_driving).unbind(-1)
        curved = torch.stack([x * x, x * y, y * y], -1) @ bend.T
        truth = p_source + (grid - p_driving) @ jacobian.T + curved
        cases.append((grid, truth, p_source, p_driving, jacobian, radius))
    return cases


def _errors(grid, truth, p_source, p_driving, jacobian, within: Tensor) -> list[float]:
    away = grid - p_driving
    made = (p_source + away, p_source + away @ jacobian.T)
    return [float((places - truth).norm(dim=-1)[within].mean()) for places in made]


def _upside_down(*arguments) -> tuple[float, float]:
    zeroth, first = orders(*arguments)
    return 1 / zeroth, 1 / first


def _ratio_of_both(grid, truth, p_source, p_driving, jacobian, radius) -> tuple[float, float]:
    distance = (grid - p_driving).norm(dim=-1)
    at = (grid, truth, p_source, p_driving, jacobian)
    far, near = _errors(*at, distance <= radius), _errors(*at, distance <= radius / 2)
    return far[1] / far[0], near[1] / near[0]


def _errors_alone(grid, truth, p_source, p_driving, jacobian, radius) -> tuple[float, float]:
    within = (grid - p_driving).norm(dim=-1) <= radius
    zeroth, first = _errors(grid, truth, p_source, p_driving, jacobian, within)
    return zeroth, first


def _squares(grid, truth, p_source, p_driving, jacobian, radius) -> tuple[float, float]:
    away = grid - p_driving
    near, far = away.norm(dim=-1) <= radius / 2, away.norm(dim=-1) <= radius
    made = (p_source + away, p_source + away @ jacobian.T)
    errors = [(places - truth).square().sum(-1) for places in made]
    zeroth, first = (float(error[near].mean() / error[far].mean()) for error in errors)
    return zeroth, first


def _order_picture(answer):
    zeroth, first = answer(*_motion_cases()[0])
    return expected.bars({"a shift alone": zeroth, "with the Jacobian": first})


ORDERS = Exercise(
    id="05.6",
    title="What does the first order buy?",
    minutes=12,
    difficulty=3,
    importance=2,
    kind="experiment",
    reference=orders,
    cases=_motion_cases,
    expects="two numbers, for J = 1 and for J: error at half the radius over that at the whole one",
    hint="Within each radius take the mean over all places of |predicted place - truth|.",
    hints=(
        "The places are p_source + (z - p_driving) for J = 1, and p_source + J (z - p_driving) "
        "for J. Points are rows: J d is d @ J.T.",
        "(grid - p_driving).norm(dim=-1) <= radius chooses the places. Choose with radius / 2 and "
        "with radius, and divide the first mean by the second.",
    ),
    picture=_order_picture,
    picture_shows="Two bars, what is left of the error at half the radius: about a half for a "
    "shift alone, about a quarter with the Jacobian.",
    wrong=(
        Wrong(
            "ratio upside down",
            _upside_down,
            "divides the larger radius's error by the smaller one's",
            "your ratios are upside down: the error at half the radius belongs in the numerator.",
        ),
        Wrong(
            "first order over zeroth order",
            _ratio_of_both,
            "compares the two maps at one radius instead of two radii for one map",
            "you divide the error of one map by that of the other, at each radius. Stay with one "
            "map, and compare its errors at the two radii.",
        ),
        Wrong(
            "errors at the whole radius",
            _errors_alone,
            "reports how large the errors are, not how they shrink",
            "these are the two errors at the whole radius; the question is by what factor each of "
            "them changes when the radius is halved.",
        ),
        Wrong(
            "squared distances",
            _squares,
            "takes the mean of squares, which doubles every order",
            "you take squared distances, so that both orders look twice as high; take distances.",
        ),
    ),
)


# --- an open task -------------------------------------------------------------------------------

OPEN_TASKS = (
    OpenTask(
        id="05.o1",
        title="Find the border",
        task="Choose one thing that the lecture's model was not trained on (a pet, a statue, a "
        "drawing, a face from the side, a hand) and animate it with a driving clip of your own or "
        "of the course. Then find the border where the animation fails: change one condition step "
        "by step (the angle of the head, the size of the face in the picture, the distance of the "
        "first driving frame from the source's pose) until the result breaks. Show the series, and "
        "say which part of the model fails first: keypoints, Jacobians, masks, occlusion, or the "
        "generator.",
        rubric=(
            (
                2,
                "One condition is changed, the others stay; the series has at least five steps.",
            ),
            (2, "'Broken' is defined before looking: a number, or a question put to other people."),
            (3, "The part that fails first is shown in the microscope, and not only named."),
            (2, "A prediction follows from the explanation, and is tried on a second example."),
            (1, "Everybody who can be seen has agreed, and the clips say that they are generated."),
        ),
    ),
)
