"""Find the crops of the faces set again: prints a table for `aidagen/datasets/faces.py`.

    python data_scripts/find_face_crops.py

Crops are found with dlib's frontal face detector (extra ``judges``) on every eighth frame: a square
of 1.65 face widths around the middle of the places where the face was seen in the segment, kept
inside the picture. The table in ``datasets/faces.py`` was made this way; then all crops of the clip
``franck`` were given one side (the detector's boxes come in steps of a fifth).
"""

import statistics
import sys

from aidagen import footage, sources
from aidagen.datasets import faces
from aidagen.errors import AidagenError
from aidagen.failures import guarded


def main() -> int:
    try:
        for name, clip in faces.FOOTAGE.items():
            print(name, find_crops(clip), flush=True)
    except AidagenError as error:
        print(f"find_face_crops: {error}", file=sys.stderr)
        return 2
    return 0


def find_crops(clip: faces.Footage) -> list[tuple[int, int, int]]:
    """(left, top, side) of every segment of one source clip, in its pixels."""
    import dlib

    detect, stride = dlib.get_frontal_face_detector(), clip.length + clip.gap
    boxes: dict[int, list] = {}
    for i, frame in enumerate(footage.read(sources.extract(clip.archive, clip.member))):
        height, width = frame.shape[1:]
        index, offset = divmod(i, stride)
        if offset < clip.length and offset % 8 == 0:
            detected = detect(frame.permute(1, 2, 0).contiguous().numpy(), 1)
            if detected:
                boxes.setdefault(index, []).append(max(detected, key=lambda box: box.width()))
    crops = []
    for index in range(len(clip.crops)):
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
    sys.exit(guarded(main, "find_face_crops"))
