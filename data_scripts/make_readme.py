"""Write README's figures from the stored rows of the tables in `TABLES`.

    python data_scripts/make_readme.py            # between the marks in README.md
    python data_scripts/make_readme.py --check    # exit status 1 if README says anything else

Recompute the tables first where they are stale: `aidagen evaluate TABLE --recompute`.
"""

import argparse
import sys
from pathlib import Path

from aidagen import evaluation, files, markdown
from aidagen.errors import AidagenError
from aidagen.failures import guarded

README = Path(__file__).resolve().parents[1] / "README.md"
MARKS = "<!-- figures -->\n", "<!-- end of the figures -->\n"
FACES = "fomm-faces-128"
COPY = "copy-source"
TABLES = FACES, "animation", "smiles", "people", "playable"
PLACES = {
    ("faces-128", "segments"): "known people, new moments",
    ("faces-128", "random-pairs"): "the same, source from another clip",
    ("faces-128", "persons"): "people it never saw",
    ("heads-128", "heads"): "rendered people it never saw",
}
SYSTEMS = {"x2face": "X2Face", "monkeynet": "Monkey-Net", "fomm": "First Order Motion"}
SMILES = {
    "cmm-net": "CMM-Net, best-of-K with a handicap for frequent winners (`smile-64`)",
    "relaxed": "relaxed best-of-K",
    "push": "relaxed best-of-K and push",
    "best-of-k": "best-of-K",
    "pull-all": "pull-all",
    "single-mode": "one sequence for each label",
    "nearest-train": "those of the most similar training person",
}
PEOPLE = {
    "mask-nn": "ten parts, nearest-neighbour loss (`deformable-gan-people-128`)",
    "mask-l1": "ten parts, L1",
    "full": "one map, fitted, L1",
    "stn": "one map, learned, L1",
    "none": "plain skips, L1",
    "pg2": "two stages (PG2)",
    COPY: "the source, handed on as it is",
    "nearest-pose": "the training picture in the nearest pose",
}
PLAYED = {
    ("breakout", "caddy"): "Breakout (`playable-breakout-64`)",
    ("breakout", "caddy-fine"): "Breakout, trained for longer (`playable-breakout-64-fine`)",
    ("breakout", "latent-vq"): "Breakout, a code book instead",
    ("breakout", "true-actions"): "Breakout, told the buttons that were pressed",
    ("breakout", "random"): "Breakout, random actions",
    ("tennis", "caddy"): "Tennis (`playable-tennis-64`)",
    ("tennis", "random"): "Tennis, random actions",
    ("robot", "caddy"): "robot arm (`playable-robot-64`)",
    ("robot", "random"): "robot arm, random actions",
}
SETS = {
    ("faces", "segments"): "known people, new moments",
    ("bodies", "test"): "figures it never saw",
    ("robot", "test"): "scenes it never saw",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether README is right")
    check = parser.parse_args().check
    try:
        before = README.read_text("utf-8")
        tables = [evaluation.table(name) for name in TABLES]
        after = replaced(before, figures(*tables))
    except AidagenError as error:
        print(f"make_readme: {error}", file=sys.stderr)
        return 2
    if before == after:
        print("README.md says what the tables say")
    elif check:
        print("README.md does not say what the tables say: run data_scripts/make_readme.py")
        return 1
    else:
        files.write_text(README, after)
        print("README.md written")
    return 0


def replaced(text: str, figures: str) -> str:
    """The text with new figures between the marks. Raises AidagenError where there are none."""
    head, begin, rest = text.partition(MARKS[0])
    _, end, tail = rest.partition(MARKS[1])
    if not begin or not end:
        raise AidagenError(f"README.md lacks the marks {' and '.join(m.strip() for m in MARKS)}.")
    return f"{head}{begin}{figures}{end}{tail}"


def figures(faces, animation, smiles, people, playable) -> str:
    """The whole section, from the rows of `TABLES`."""
    parts = (_of_faces(faces), _of_systems(animation), _of_smiles(smiles), _of_people(people),
             _of_playable(playable))  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _of_faces(rows) -> str:
    find = {(r["data"], r["split"], r["method"], r["metric"]): r for r in rows}
    lines = []
    for (data, split), words in PLACES.items():

        def row(method, metric, place=(data, split)):
            return find[*place, method, metric]

        share = row(FACES, "l1_moving")["value"] / row(COPY, "l1_moving")["value"]
        mouth = find.get((data, split, FACES, "mouth_opening"))
        lines.append(
            (
                words,
                str(row(FACES, "l1")["n"]),
                _number(row(FACES, "l1"), 3),
                f"{row(COPY, 'l1')['value']:.3f}",
                f"{share:.2f}",
                f"{row(FACES, 'akd')['value']:.2f}",
                f"{row(COPY, 'akd')['value']:.2f}",
                f"{_number(mouth, 2)}, {mouth['n']} clips" if mouth else "–",
            )
        )
    heads = ("", "clips", "L1, model", "L1, copy", "moving pixels, share of a copy", "AKD, model",
             "AKD, copy", "mouth opening")  # fmt: skip
    return (
        f"`{FACES}` on clips held out from training, each rebuilt from one of its pictures (mean, "
        "95 % bootstrap interval over clips; one seed). A copy shows the source all the time. AKD "
        "is the distance of 68 landmarks found by a judge, per axis, in pixels. Mouth opening is "
        "the slope of the generated on the true distance of the inner lips, on clips whose mouth "
        "opens: 1 would be right, a copy has 0.\n\n" + markdown.table(heads, lines)
    )


def _number(row, digits: int) -> str:
    value, low, high = (
        f"{round(row[key], digits) + 0.0:.{digits}f}" for key in ("value", "low", "high")
    )
    return f"{value} ({low} to {high})"


def _of_systems(rows) -> str:
    found = {(*_place(r), r["method"]): r for r in rows if r["metric"] == "l1_moving"}
    lines = [
        (
            f"`{place[0]}`, {words}",
            str(found[*place, COPY]["n"]),
            *(
                f"{found[*place, system]['value'] / found[*place, COPY]['value']:.2f}"
                for system in SYSTEMS
            ),
        )
        for place, words in SETS.items()
    ]
    return (
        "X2Face, Monkey-Net and First Order Motion on three sets (lecture 04): error in the pixels "
        f"that move, as a share of copying the source. {_steps(rows)}\n\n"
        + markdown.table(("", "clips", *SYSTEMS.values()), lines)
    )


def _of_smiles(rows) -> str:
    found = {(r["method"], r["metric"]): r for r in rows}
    columns = {"mode_recall": 2, "mode_precision": 2, "landmark_error_best": 4, "diversity": 3}
    lines = [
        (words, *(_number(found[method, metric], digits) if (method, metric) in found
                  and found[method, metric]["n"] else "–" for metric, digits in columns.items()))
        for method, words in SMILES.items()
    ]  # fmt: skip
    return (
        "Smiles of rendered people it never saw, three true ones for each person and label "
        "(lecture 02): how many of them are hit, how many answers hit one, the error of the "
        "nearest answer and the distance between answers, both as a share of the distance between "
        "the eyes (mean, 95 % bootstrap interval over "
        f"{found['cmm-net', 'mode_recall']['n']} people and labels; one seed).\n\n"
        + markdown.table(("", "recall", "precision", "error", "diversity"), lines)
    )


def _of_people(rows) -> str:
    found = {(r["method"], r["metric"]): r for r in rows if r["split"] == "same-camera"}
    columns = {"l1_person": 3, "mask_ssim_true": 2, "akd": 1, "fd": 0}
    lines = [
        (words, *(_number(found[method, metric], digits) for metric, digits in columns.items()))
        for method, words in PEOPLE.items()
    ]
    heads = ("", "L1 where the person is", "SSIM there", "AKD", "Fréchet distance")
    return (
        "Rendered people it never saw, put into the pose of another of their pictures (lecture "
        f"03): mean, 95 % bootstrap interval over {found[COPY, 'l1_person']['n']} people; one "
        "seed, and the same steps for all models. AKD is the distance in pixels of the joints that "
        "a judge finds from those that were asked for.\n\n" + markdown.table(heads, lines)
    )


def _of_playable(rows) -> str:
    found = {(r["data"], r["method"], r["metric"]): r for r in rows}
    columns = {"action_kappa": 2, "delta_mse": 0, "add": 1, "psnr_delta": 1}
    lines = [
        (words, *(_number(found[*place, metric], digits) if (*place, metric) in found else "–"
                  for metric, digits in columns.items()))
        for place, words in PLAYED.items()
    ]  # fmt: skip
    clips = [found[data, "caddy", "action_kappa"]["n"] for data in ("breakout", "tennis", "robot")]
    return (
        "Actions that nobody labelled, on clips that no model saw (lecture 07): their agreement "
        "with what moved, beyond chance; the share of the displacements' variance that is left "
        "within actions, in percent; pixels between the painted and the true paddle or player "
        "(nothing detects the arm); what the painted frame gains over random actions, in dB "
        "(mean, 95 % bootstrap interval over {} clips of Breakout, {} of Tennis and {} of the "
        "robot; one seed).\n\n".format(*clips)
        + markdown.table(("", "kappa", "Δ-MSE", "pixels off", "dB gained"), lines)
    )


def _place(row) -> tuple[str, str]:
    return row["data"], row["split"]


def _steps(rows) -> str:
    """Whether each system is better than the one to its left, by the paired comparisons."""
    shown = set()  # (place, better system, worse system)
    for one in rows.comparisons:
        if one["metric"] == "l1_moving" and one["high"] < 0:
            shown.add((_place(one), one["method"], one["against"]))
        if one["metric"] == "l1_moving" and one["low"] > 0:
            shown.add((_place(one), one["against"], one["method"]))
    names = list(SYSTEMS)
    missing = [
        f"{SYSTEMS[right]} over {SYSTEMS[left]} on {place[0]}"
        for place in SETS
        for left, right in zip(names, names[1:])
        if (place, right, left) not in shown
    ]
    if not missing:
        return "Each column is better than the one before: the 95 % intervals exclude zero."
    return (
        "The 95 % interval of the difference shows each step to the right as an improvement, but "
        f"for {', '.join(missing)}."
    )


if __name__ == "__main__":
    sys.exit(guarded(main, "make_readme"))
