"""Make the faces set at another size, or find its crops again.

    python data_scripts/make_faces.py --size 128        # cut the set at 128 x 128 pixels
    python data_scripts/make_faces.py --find-crops      # print a crop table for datasets/faces.py

``datasets.load("faces")`` makes the 64-pixel set by itself; this is for everything else. Crops are
found with dlib's frontal face detector (extra ``judges``) on every eighth frame: a square of 1.65
face widths around the middle of the places where the face was seen in the segment, kept inside
the picture. The table in ``datasets/faces.py`` was made this way and then, for the clip
``franck``, given one side throughout (the detector's boxes come in steps of a fifth).
"""

import argparse
import statistics
import sys

import av

from aidagen import sources
from aidagen.datasets import faces
from aidagen.errors import AidagenError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="height and width in pixels (even)")
    parser.add_argument("--find-crops", action="store_true")
    given = parser.parse_args()
    try:
        if given.find_crops:
            for name, footage in faces.FOOTAGE.items():
                print(name, find_crops(footage), flush=True)
            return 0
        if given.size < 16 or given.size % 2:
            print(f"--size must be even and at least 16, not {given.size}.", file=sys.stderr)
            return 2
        print(faces.load(given.size))
    except AidagenError as error:
        print(f"make_faces: {error}", file=sys.stderr)
        return 2
    return 0


def find_crops(footage: faces.Footage) -> list[tuple[int, int, int]]:
    """(left, top, side) of every segment of one source clip."""
    import dlib

    detect, stride = dlib.get_frontal_face_detector(), footage.length + footage.gap
    boxes: dict[int, list] = {}
    with av.open(str(sources.extract(footage.archive, footage.member))) as container:
        stream = container.streams.video[0]
        width, height = stream.width, stream.height
        for i, frame in enumerate(container.decode(stream)):
            index, offset = divmod(i, stride)
            if offset < footage.length and offset % 8 == 0:
                found = detect(frame.to_ndarray(format="rgb24"), 1)
                if found:
                    boxes.setdefault(index, []).append(max(found, key=lambda box: box.width()))
    crops = []
    for index in range(len(footage.crops)):
        seen = boxes.get(index) or boxes[max(k for k in boxes if k < index)]
        face = max(statistics.median(box.width() for box in seen), 90)
        x = [(box.left() + box.right()) / 2 for box in seen]
        y = [(box.top() + box.bottom()) / 2 for box in seen]
        side = min(round(1.65 * face), height) // 2 * 2
        left = (min(x) + max(x)) / 2 - side / 2
        top = (min(y) + max(y)) / 2 - 0.06 * face - side / 2
        crops.append(
            (round(min(max(left, 0), width - side)), round(min(max(top, 0), height - side)), side)
        )
    return crops


if __name__ == "__main__":
    sys.exit(main())
