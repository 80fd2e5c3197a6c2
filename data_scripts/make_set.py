"""Make a data set again, or a larger one: whatever `aidagen/datasets/NAME.py` can ``make``.

    python data_scripts/make_set.py heads                    # into data/heads
    python data_scripts/make_set.py bodies --out data/bodies-128 --size 128 --clips 1000 --seed 1
    python data_scripts/make_set.py heads --size 128 --only test --out aidagen/packs/heads-128

Rendering heads, bodies and people needs `pip install aidagen[data]` and EGL, the robot
`aidagen[robot]` and EGL; bodies and people fetch recorded motion once (holosoma-retargeting and
pybullet, 100 MB each, see NOTICE). A rendered set takes about five minutes; an interrupted run goes
on where it stopped. Faces and cartoons are cut from packages that are fetched (NOTICE says what is
known of their rights). The packs inside the package are made with ``--out aidagen/packs/NAME``.
"""

import argparse
import inspect
import sys
from pathlib import Path

from aidagen import discovery
from aidagen.datasets.layout import SPLITS
from aidagen.errors import AidagenError
from aidagen.failures import guarded


def main() -> int:
    sets = discovery.with_attribute("aidagen.datasets", "make")
    sets = {name: module for name, module in sets.items() if hasattr(module, "load")}
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], argument_default=argparse.SUPPRESS
    )
    parser.add_argument("name", choices=sets)
    parser.add_argument("--out", type=Path, help="folder to write (default data/NAME)")
    parser.add_argument("--clips", type=int, help="clips in all (default: as many as it has)")
    parser.add_argument("--size", type=int, help="height in pixels (default: as it ships)")
    parser.add_argument("--seed", type=int, help="of all that is drawn at random (default 0)")
    parser.add_argument("--only", choices=SPLITS, help="draw the clips of one split alone")
    given = vars(parser.parse_args())
    make = sets[name := given.pop("name")].make
    folder = given.pop("out", Path("data") / name)
    for option in given.keys() - inspect.signature(make).parameters.keys():
        why = "" if "clips" in inspect.signature(make).parameters else " (it is cut, not rendered)"
        parser.error(f"the {name} set has no --{option}{why}")
    try:
        finished = make(folder, **given)
    except AidagenError as error:
        print(f"make_set: {error}", file=sys.stderr)
        return 2
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{finished} in {folder}: {total / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main, "make_set"))
