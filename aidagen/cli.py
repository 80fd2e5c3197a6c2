"""The ``aidagen`` command: animate, evaluate, train, bundle, check, lab, play.

What a user can put right is told in one sentence on stderr, with exit code 2; `aidagen.failures`
says the other codes. Nothing heavy is imported before a command needs it: help comes at once.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import aidagen
from aidagen.errors import AidagenError
from aidagen.failures import guarded

_STOPPED = {
    "animate": "Stopped by Ctrl-C; no file was written.",
    "train": "Stopped by Ctrl-C; the same command goes on from the last checkpoint.",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = message[:1].upper() + message[1:]
        raise AidagenError(f"{message} (see {self.prog} --help).")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    os.environ.setdefault("GOMP_SPINCOUNT", "0")  # read when torch is loaded: waiting threads sleep
    command = ""

    def run() -> int | None:
        nonlocal command
        given = _parser().parse_args(argv)
        command = given.command
        return given.run(given)

    code = guarded(run, stopped=lambda: _STOPPED.get(command, "Stopped by Ctrl-C."))
    if partners := sys.modules.get("aidagen.partners"):  # a training run was begun
        partners.leave(code)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="aidagen", description="A live course on image and video generation.")
    parser.add_argument("--version", action="version", version=f"aidagen {aidagen.__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )

    def command(name: str, run: Callable, text: str) -> argparse.ArgumentParser:
        subparser = commands.add_parser(name, help=text, description=text)
        subparser.set_defaults(run=run)
        return subparser

    one = command("animate", _animate, "Animate a picture with the movement of a clip.")
    one.add_argument("source", help="picture, or clip whose first frame is taken")
    one.add_argument("driving", help="clip (or picture) that gives the movement")
    one.add_argument("out", help="the clip to write, an .mp4")
    one.add_argument(
        "--model",
        default=aidagen.SHOWCASE,
        metavar="NAME",
        help="as `aidagen check` lists them (default: %(default)s, for faces)",
    )
    one.add_argument(
        "--mode",
        choices=("relative", "absolute"),
        default="relative",
        help="take over the movement since the first frame (default), or places as they are",
    )
    for option, text in (
        ("--adapt-scale", "scale the movement by the size of source and driving keypoints"),
        ("--adapt-variance", "Monkey-Net: the source's covariances, changed as the driving ones"),
        ("--clip-mean", "Monkey-Net: keypoints stay inside the picture"),
    ):
        one.add_argument(option, action="store_true", help=f"{text} (mode relative)")
    one.add_argument(
        "--fast",
        action="store_true",
        help="paint in half precision where the device is faster so; prints what it costs",
    )
    one.add_argument(
        "--batch", type=_count, metavar="N", help="frames at a time (4 on a CPU, 16 on a GPU)"
    )
    one.add_argument(
        "--size", type=_size, metavar="PIXELS", help="width and height of OUT (the model's)"
    )
    one.add_argument(
        "--strip", action="store_true", help="DRIVING is one picture of square frames side by side"
    )
    one.add_argument("--device", default="auto", help="cpu, cuda ... (default: the best there is)")
    one.add_argument("--no-sound", action="store_true", help="leave the driving clip's sound out")
    one.add_argument("--no-mark", action="store_true", help="leave the visible mark out")
    one.add_argument("--no-note", action="store_true", help="leave the note in the metadata out")

    one = command("evaluate", _evaluate, "Print a table of scores.")
    one.add_argument("table", help="a model's or a table's name")
    one.add_argument("--json", action="store_true", help="the rows as JSON")
    one.add_argument("--recompute", action="store_true", help="compute them afresh")
    one.add_argument("--limit", type=_count, metavar="N", help="only N clips of each split")

    one = command("train", _train, "Train a model, or several that share a GPU.")
    one.add_argument("recipes", nargs="+", metavar="RECIPE", help="names of models to train")
    one.add_argument(
        "--devices", type=_count, metavar="N", help="GPUs, or processes, on each node (1)"
    )
    one.add_argument(
        "--num-nodes", type=_count, metavar="N", help="machines (as torchrun has started them)"
    )
    one.add_argument(
        "--precision", default="32-true", help="32-true (default), 16-mixed, bf16-mixed ..."
    )
    one.add_argument(
        "--profile",
        choices=("smoke", "lecture", "full"),
        default="lecture",
        help="smoke: three steps, to see that it runs",
    )
    one.add_argument("--minutes", type=_minutes, metavar="M", help="time budget of this call")
    one.add_argument("--steps", type=_count, metavar="N", help="instead of the recipe's")
    again = one.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        dest="fresh",
        action="store_false",
        default=False,
        help="go on with what DIR holds (default)",
    )
    again.add_argument("--fresh", action="store_true", help="start anew")
    one.add_argument(
        "--out", type=Path, metavar="DIR", help="of the run (runs/RECIPE), or of several (runs)"
    )
    one.add_argument("--install", action="store_true", help="use the weights from now on")

    one = command("bundle", _bundle, "Pack what a machine without network needs to train.")
    one.add_argument("recipes", nargs="+", metavar="RECIPE", help="names of models to train")
    one.add_argument("out", type=Path, metavar="OUT", help="a .tar.gz or .zip, or else a folder")

    command("check", _check, "Check that everything that the course needs is installed and works.")

    one = command("lab", _lab, "Open the course in JupyterLab.")
    one.add_argument("--no-browser", action="store_true", help="only print the address")
    one.add_argument("--port", type=_count, default=8888, metavar="N")

    one = command("play", _play, "Play in the world of a model, in the browser.")
    one.add_argument("name", metavar="NAME", help="a playable model, as playable-breakout-64")
    one.add_argument("--no-browser", action="store_true", help="only print the address")
    one.add_argument("--port", type=_count, default=8888, metavar="N")
    return parser


def _number(low: int | float, high: int | float, kind: type, what: str) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return convert


_count = _number(1, 10**6, int, "a whole number from 1 on")
_size = _number(16, 4096, int, "a number of pixels from 16 to 4096")
_minutes = _number(0.01, 10**6, float, "a number of minutes")


# ------------------------------------------------------------------------------------ commands


def _animate(given: argparse.Namespace) -> None:
    from aidagen import animating

    animating.run(given)


def _evaluate(given: argparse.Namespace) -> None:
    from aidagen import evaluation

    rows = evaluation.table(given.table, recompute=given.recompute, limit=given.limit)
    print(json.dumps(rows, indent=1) if given.json else evaluation.format_table(rows))


def _train(given: argparse.Namespace) -> None:
    from aidagen import runs

    names = ("minutes", "steps", "profile", "fresh", "install")
    settings = {"report": _report, **{name: vars(given)[name] for name in names}}
    if len(given.recipes) > 1:
        if given.devices or given.num_nodes or given.precision != "32-true":
            raise AidagenError(
                "Several recipes share one GPU in full precision; leave --devices, --num-nodes and "
                "--precision out, or train one recipe at a time."
            )
        weights = runs.together(given.recipes, out=given.out or Path("runs"), **settings)
    else:
        weights = [
            runs.run(
                given.recipes[0],
                out=given.out,
                devices=given.devices,
                nodes=given.num_nodes,
                precision=given.precision,
                **settings,
            )
        ]
    for path in weights:
        print(f"The weights are in {path}.")


def _report(row: dict[str, int | float | str]) -> None:
    name = f"{row['name']}: " if "name" in row else ""
    numbers = (f"{key} {value:g}" for key, value in row.items() if key != "name")
    print(name + "  ".join(numbers), flush=True)


def _bundle(given: argparse.Namespace) -> None:
    from aidagen import recipes
    from aidagen.cluster import bundle

    if str(given.out) in recipes.all_recipes():
        raise AidagenError(f"The last name is OUT; say where to write, as in {given.out} node.zip.")
    entries = bundle.collect(given.recipes)
    parts = bundle.sizes(entries)
    for part, size in {**parts, "all": sum(parts.values())}.items():
        print(f"{size / 1e6:7.2f} MB  {part}")
    size = bundle.write(entries, given.out)
    print(f"{given.out}: {size / 1e6:.1f} MB; its README.txt says how to train with it.")


def _check(given: argparse.Namespace) -> int:
    from aidagen import checkup

    return checkup.run()


def _play(given: argparse.Namespace) -> int:
    from aidagen.publishing import play

    return play.serve(given.name, port=given.port, browser=not given.no_browser)


def _lab(given: argparse.Namespace) -> int:
    from aidagen.publishing import lab

    return lab.serve(port=given.port, browser=not given.no_browser)
