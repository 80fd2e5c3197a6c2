"""Lecture 00's homework: a fault to find, an experiment to run, an open task.

`exercises` lists them with the others.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import grids
from aidagen.answers import expected
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, OpenTask, Wrong

# --- 00.4: a fault ------------------------------------------------------------------------------


def turn(picture: Float[Tensor, "C H W"], degrees: float) -> Float[Tensor, "H W 2"]:
    """The grid through which ``grids.warp`` shows the picture turned clockwise."""
    _, height, width = picture.shape
    a = math.radians(degrees)
    back = torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    half = torch.tensor([(width - 1) / 2, (height - 1) / 2])  # pixels for one unit of x, of y
    return (grids.identity_grid(height, width) * half) @ back.T / half


def faulty_turn(picture, degrees):
    _, height, width = picture.shape
    a = math.radians(degrees)
    back = torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    return grids.identity_grid(height, width) @ back.T


def _turn(picture: Tensor, degrees: float, half_width: float, half_height: float) -> Tensor:
    _, height, width = picture.shape
    half = torch.tensor([half_width, half_height])
    a = math.radians(degrees)
    back = torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    return (grids.identity_grid(height, width) * half) @ back.T / half


def _turn_picture(answer):
    wide = expected.face()[:, 12:52]  # 64 x 40
    return expected.read(wide, answer(wide, 35.0))


TURN = Exercise(
    id="00.4",
    title="A turn that shears",
    minutes=8,
    difficulty=2,
    importance=2,
    kind="fault",
    reference=turn,
    cases=lambda: [(drawn(11, 3, 4, 7), 30.0), (drawn(12, 1, 6, 3), -50.0)],
    expects="a grid (H, W, 2) of places to read, floats",
    hint="A turn keeps lengths: measure how far apart two pixels are before and after it.",
    hints=(
        "The function is right for square pictures. What is different about a picture that is "
        "wider than it is high?",
        "One unit of x is (W - 1) / 2 pixels, one unit of y is (H - 1) / 2. Go to pixels, turn, "
        "and come back.",
    ),
    picture=_turn_picture,
    picture_shows="A head, turned clockwise by 35 degrees in a picture that is wider than it is "
    "high; its proportions are unchanged.",
    wrong=(
        Wrong(
            "turned in coordinates from -1 to 1",
            faulty_turn,
            "takes a unit of x and a unit of y for the same length",
            "this function turns a square picture correctly and shears a wide one: ask in which "
            "unit it turns.",
        ),
        Wrong(
            "turned the other way",
            lambda picture, degrees: turn(picture, -degrees),
            "turns the grid where the content should turn",
            "your picture turns anticlockwise: the grid says where to READ, so it turns in the "
            "opposite direction to the content. The given matrix was right.",
        ),
        Wrong(
            "width and height swapped",
            lambda picture, degrees: _turn(
                picture, degrees, picture.shape[1] - 1, picture.shape[2] - 1
            ),
            "takes x for the row",
            "your shear has become stronger: x has (W - 1) / 2 pixels for one unit, and y has "
            "(H - 1) / 2; yours are the other way round.",
        ),
        Wrong(
            "not taken back",
            lambda picture, degrees: (
                turn(picture, degrees)
                * torch.tensor([(picture.shape[2] - 1) / 2, (picture.shape[1] - 1) / 2])
            ),
            "goes to pixels and stays there",
            "your grid is in pixels: after the turn, divide by what you multiplied by.",
        ),
        Wrong(
            "pixels instead of steps",
            lambda picture, degrees: _turn(picture, degrees, *picture.shape[:0:-1]),
            "counts W pixels instead of the W - 1 steps between them",
            "nearly right: between the centres of W pixels there are W - 1 steps, and H - 1 for "
            "the height.",
        ),
    ),
)


# --- 00.5: an experiment ------------------------------------------------------------------------


def read_again(picture: Float[Tensor, "C H W"], times: int) -> tuple[float, float, str]:
    """Half a pixel to the right and back, ``times`` times: what is lost, and what loses it.

    Mean absolute change of the picture if it is read at every step, and if the steps are added up
    first and it is read once.
    """
    _, height, width = picture.shape
    still = grids.identity_grid(height, width)
    step = torch.tensor([1 / (width - 1), 0.0])  # half a pixel
    often, total = picture[None], torch.zeros(2)
    for way in [-step, step] * times:
        often = grids.warp(often, (still + way)[None], padding="border")
        total = total + way
    once = grids.warp(picture[None], (still + total)[None], padding="border")
    changes = [float((made[0] - picture).abs().mean()) for made in (often, once)]
    return changes[0], changes[1], "reading"


def _read_often(picture: Tensor, ways: list[float]) -> Tensor:
    """What changed after steps of so many pixels to the left, the picture read at each one."""
    _, height, width = picture.shape
    often = picture[None]
    for way in ways:
        step = torch.tensor([2 * way / (width - 1), 0.0])
        grid = grids.identity_grid(height, width) + step
        often = grids.warp(often, grid[None], padding="border")
    return often[0] - picture


def _size(change: Tensor) -> float:
    return float(change.abs().mean())


def _loss_picture(answer):
    often, once, word = answer(drawn(15, 3, 16, 16), 8)
    return expected.bars({"read at every step": often, "read once": once}, word)


READ_AGAIN = Exercise(
    id="00.5",
    title="What does reading cost?",
    minutes=10,
    difficulty=2,
    importance=2,
    kind="experiment",
    reference=read_again,
    cases=lambda: [(drawn(13, 3, 5, 8), 1), (drawn(14, 1, 6, 9), 3)],
    expects="two numbers and a word: the change if the picture is read at every step, the change "
    "if it is read once, and what loses detail, 'moving' or 'reading'",
    hint="The steps cancel: a picture that is read only once comes out as it went in.",
    hints=(
        "Loop over [-step, step] * times with step = (1 / (W - 1), 0). In the loop, warp the last "
        "picture (padding='border') for the first number, and add up the steps for the second.",
        "In both cases the picture is moved equally often. If only one of the two has lost detail, "
        "what caused the loss?",
    ),
    words=("moving", "reading"),
    picture=_loss_picture,
    picture_shows="Two bars, one for the change if the picture is read at every step and one, "
    "of length zero, for the change if it is read once; below them the conclusion, one word.",
    wrong=(
        Wrong(
            "the other conclusion",
            lambda picture, times: (*read_again(picture, times)[:2], "moving"),
            "sees the loss grow with the number of moves, but not that the readings grow with it",
            "your numbers are right, your conclusion is not: read only once, the picture was moved "
            "just as often and has lost nothing.",
        ),
        Wrong(
            "steps of a whole pixel",
            lambda picture, times: (
                _size(_read_often(picture, [-1.0, 1.0] * times)),
                0.0,
                "reading",
            ),
            "takes 2 / (W - 1) for half a pixel",
            "your steps are whole pixels, at which nothing is interpolated: half a pixel is "
            "1 / (W - 1).",
        ),
        Wrong(
            "there and not back",
            lambda picture, times: (
                _size(_read_often(picture, [-0.5] * times)),
                _size(_read_often(picture, [-0.5 * times])),
                "reading",
            ),
            "measures the movement, not what reading loses",
            "your picture never comes back, so you measure how far it went: step right, then left.",
        ),
        Wrong(
            "squared change",
            lambda picture, times: (
                float(_read_often(picture, [-0.5, 0.5] * times).square().mean()),
                0.0,
                "reading",
            ),
            "mistakes L2 for L1",
            "you square the change; the mean of its absolute value was asked for.",
        ),
    ),
)


# --- an open task -------------------------------------------------------------------------------

OPEN_TASKS = (
    OpenTask(
        id="00.o1",
        title="A number that misleads",
        task="Find two generated pictures of the same true frame such that the one with the lower "
        "L1 error is the one that you would call worse. Make them with the model of this lecture, "
        "or by degrading a true frame (blur, shift, noise, a change of brightness). Show them side "
        "by side with their numbers and with the copy's, and explain in at most 150 words what L1 "
        "does not see.",
        rubric=(
            (
                2,
                "Both numbers are computed on the same frame, with the copy's number beside them.",
            ),
            (
                2,
                "Three other people, who do not know the numbers, agree on which picture is worse.",
            ),
            (3, "The explanation says what L1 adds up, and why this change hardly raises it."),
            (2, "It proposes a measurement that would have ranked both correctly, and tries it."),
            (1, "Somebody else can run everything again: code, seed and frame number are given."),
        ),
    ),
)
