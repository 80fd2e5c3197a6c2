"""Lecture 04's exercises on judging generated clips; `exercises` lists them with the others."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aidagen.answers import expected
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, Wrong

# --- 04.4: the pixels that move ------------------------------------------------------------------


def l1_moving(
    made: Float[Tensor, "T 3 H W"],
    truth: Float[Tensor, "T 3 H W"],
    source: Float[Tensor, "3 H W"],
    threshold: float,
) -> Float[Tensor, ""]:
    """Mean absolute error over the pixels in which truth and source differ; mean over frames."""
    moving = (truth - source).abs().amax(1) > threshold  # (T, H, W)
    error = (made - truth).abs().mean(1) * moving
    return (error.sum((1, 2)) / moving.sum((1, 2))).mean()


def _over(made: Tensor, truth: Tensor, chosen: Tensor) -> Tensor:
    """Per frame, the mean error over the chosen pixels (T, H, W); then the mean over frames."""
    error = ((made - truth).abs().mean(1) * chosen).sum((1, 2))
    return (error / chosen.sum((1, 2))).mean()


def _masked_mean(made: Tensor, truth: Tensor, source: Tensor, threshold: float) -> Tensor:
    moving = (truth - source).abs().amax(1) > threshold
    return ((made - truth).abs().mean(1) * moving).mean()


def _clip_cases() -> list[tuple]:
    """Two short clips in which a part moves; the generated ones move too little and are noisy."""
    cases = []
    for seed, (t, h, w) in ((70, (2, 4, 5)), (80, (3, 5, 4))):
        source = 0.4 * drawn(seed, 3, h, w)
        moves = drawn(seed + 1, t, 1, h, w) < torch.linspace(0.4, 0.7, t).view(t, 1, 1, 1)
        truth = source + moves * torch.where(drawn(seed + 2, t, 3, h, w) < 0.5, 0.5, 0.02)
        noise = 0.5 * (drawn(seed + 3, t, 3, h, w) - 0.5)
        cases.append((source + 0.3 * (truth - source) + noise, truth, source, 0.2))
    return cases


def _moving_picture(answer):
    """Three generated clips of a head that moves in a resting picture."""
    face, shifts = expected.face(), (2, 4, 6)
    inside = torch.zeros(64, 64)
    inside[8:56, 16:48] = 1
    truth = torch.stack([face + inside * (torch.roll(face, n, -1) - face) for n in shifts])
    clips = {"frozen": face.expand_as(truth), "halfway": (face + truth) / 2, "noisy": truth + 0.05}
    return expected.bars({n: float(answer(clip, truth, face, 0.1)) for n, clip in clips.items()})


L1_MOVING = Exercise(
    id="04.4",
    title="The pixels that move",
    minutes=8,
    difficulty=2,
    reference=l1_moving,
    cases=_clip_cases,
    expects="one number, the mean over the frames",
    hint="Which pixels count depends on truth and source alone, never on the generated clip.",
    importance=3,
    place="class",
    hints=(
        "Three steps: a mask of pixels from truth and source, the error times the mask, and a "
        "division by the number of pixels in the mask, frame by frame.",
        "(truth - source).abs().amax(1) > threshold is the mask (T, H, W). Sum over the last two "
        "axes, divide, and only then take the mean over the frames.",
    ),
    picture=_moving_picture,
    picture_shows="Three bars, for a frozen clip, one that goes halfway and one that is a little "
    "too bright: the frozen clip's bar is the longest, the halfway clip's half as long.",
    wrong=(
        Wrong(
            "all pixels",
            lambda made, truth, source, threshold: (made - truth).abs().mean(),
            "the plain L1",
            "this is the plain L1 over all pixels; leave out those where truth and source agree.",
        ),
        Wrong(
            "divided by all pixels",
            _masked_mean,
            "sets the resting pixels to zero but still counts them",
            "you sum over the moving pixels but divide by the number of all pixels, so the less "
            "moves, the better your number. Divide by the number of moving pixels.",
        ),
        Wrong(
            "pixels chosen by the generated clip",
            lambda made, truth, source, threshold: _over(
                made, truth, (made - source).abs().amax(1) > threshold
            ),
            "lets the candidate choose where it is judged",
            "you choose the pixels that move in the generated clip, so a frozen clip would not be "
            "judged at all. Choose those that move in the truth.",
        ),
        Wrong(
            "pixels chosen by the error",
            lambda made, truth, source, threshold: _over(
                made, truth, (made - truth).abs().amax(1) > threshold
            ),
            "confuses what moves with what is wrong",
            "you choose the pixels that are wrong and then measure how wrong they are: choose "
            "those in which truth and source differ.",
        ),
        Wrong(
            "mean over channels before the threshold",
            lambda made, truth, source, threshold: _over(
                made, truth, (truth - source).abs().mean(1) > threshold
            ),
            "averages the channels first, so that a change of colour vanishes",
            "a pixel moves if any of its channels changes by more than the threshold; you compare "
            "the mean over its channels.",
        ),
    ),
)


# --- 04.5: how sure is a preference? -------------------------------------------------------------


def share_interval(
    votes: Float[Tensor, "items raters"], picks: Int[Tensor, "draws items"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The 95 % bootstrap interval of a share of votes, whole items drawn with replacement."""
    shares = votes.mean(1)[picks].mean(1)  # (draws,): whole items, with all their votes
    low, high = torch.quantile(shares, torch.tensor([0.025, 0.975]))
    return low, high


def _quantiles(shares: Tensor, tail: float) -> tuple[Tensor, Tensor]:
    low, high = torch.quantile(shares, torch.tensor([tail, 1 - tail]))
    return low, high


def _standard_error(votes: Tensor, picks: Tensor) -> tuple[Tensor, Tensor]:
    shares = votes.mean(1)[picks].mean(1)
    half = 1.96 * shares.std() / len(shares) ** 0.5
    return shares.mean() - half, shares.mean() + half


def _vote_cases() -> list[tuple[Tensor, Tensor]]:
    """Items that people agree about: most are liked by nearly all raters, some by nearly none."""
    cases = []
    for seed, items, raters in ((90, 12, 8), (95, 20, 6)):
        liking = torch.where(drawn(seed, items, 1) < 0.6, 0.9, 0.15)
        votes = (drawn(seed + 1, items, raters) < liking).float()
        generator = torch.Generator().manual_seed(seed + 2)
        cases.append((votes, torch.randint(items, (200, items), generator=generator)))
    return cases


def _interval_picture(answer):
    votes, picks = _vote_cases()[0]
    low, high = answer(votes, picks)
    return expected.bars({"2.5 % quantile": float(low), "97.5 % quantile": float(high)})


SHARE_INTERVAL = Exercise(
    id="04.5",
    title="How sure is a preference?",
    minutes=7,
    difficulty=3,
    reference=share_interval,
    cases=_vote_cases,
    expects="two numbers, the 2.5 % and the 97.5 % quantile",
    hint="One draw is one resampled study: the items of one row of picks, with all their votes.",
    importance=2,
    hints=(
        "votes.mean(1) is one share for each item. Indexing it with picks gives a table of draws.",
        "The mean over the second axis of that table is one share for each draw; torch.quantile "
        "takes both quantiles at once.",
    ),
    picture=_interval_picture,
    picture_shows="Two bars, the lower and the upper end of the interval; the upper end is clearly "
    "longer than the lower one.",
    wrong=(
        Wrong(
            "single votes drawn",
            lambda votes, picks: _quantiles(votes.flatten()[picks].mean(1), 0.025),
            "takes all votes for independent",
            "you draw single votes, and few of them. Votes on the same clip resemble each other: "
            "draw whole items, each with all its votes.",
        ),
        Wrong(
            "a 90 % interval",
            lambda votes, picks: _quantiles(votes.mean(1)[picks].mean(1), 0.05),
            "leaves 5 % on either side",
            "you leave out 5 % on each side: a 95 % interval leaves out 2.5 % on each.",
        ),
        Wrong(
            "the error of the mean of the draws",
            _standard_error,
            "divides by the root of the number of draws, as if more draws gave more certainty",
            "your interval shrinks with the number of draws, as if each draw were more people: "
            "take the quantiles of the drawn shares.",
        ),
        Wrong(
            "smallest and largest",
            lambda votes, picks: _quantiles(votes.mean(1)[picks].mean(1), 0.0),
            "takes the whole range for the interval",
            "you return the smallest and the largest draw, which move apart as more are drawn: "
            "take the 2.5 % and 97.5 % quantiles.",
        ),
    ),
)
