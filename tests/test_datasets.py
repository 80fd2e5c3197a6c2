"""The layout of all data sets, and what the real ones promise (where they are at hand)."""

import hashlib
import json
import os
import stat
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from aidagen import datasets, sources, spans
from aidagen.datasets import cartoons, faces, layout, rendered
from aidagen.encoding import KEYFRAMES
from aidagen.sound import Sound

ABOUT = {"name": "toy", "version": "1", "source": "here", "licence": "CC0"}


def moving_square(n=6, size=32):
    frames = np.full((n, size, size, 3), 30, np.uint8)
    for t in range(n):
        frames[t, 8:16, 4 + 3 * t : 12 + 3 * t] = (200, 80, 40)
    return frames


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


def one_clip(root, frames, **options):
    """The only clip of a set that was just written."""
    entry = layout.write_clip(root, "train", "one", frames, **options)
    return layout.finish_set(root, ABOUT, {"train": {"one": entry}}).clips("train")[0]


@pytest.fixture
def decoded(monkeypatch):
    """How many frames were decoded, as a list with one number."""
    count, decode = [0], spans._from_keyframe

    def counted(*arguments):
        for frame in decode(*arguments):
            count[0] += 1
            yield frame

    monkeypatch.setattr(spans, "_from_keyframe", counted)
    return count


def test_a_set_is_written_and_read_back(tmp_path):
    frames = moving_square()
    labels = {"boxes": np.arange(24.0).reshape(6, 4), "person": np.array("anna")}
    entry = layout.write_clip(tmp_path, "train", "one", frames, labels)
    written = layout.finish_set(tmp_path, ABOUT, {"train": {"one": entry}})
    (clip,) = written.clips("train")
    assert written.clips("test") == written.stills("train") == [] and len(clip) == 6
    assert repr(written) == "ClipSet(toy: 1 train, 0 val, 0 test)"
    read = clip.frames()
    assert read.shape == (6, 3, 32, 32)
    assert np.abs(read.permute(0, 2, 3, 1).numpy().astype(int) - frames).mean() < 2
    assert (clip.frames(1, 5, 2) == read[1:5:2]).all()
    assert clip.labels()["person"] == "anna"
    np.testing.assert_array_equal(clip.labels()["boxes"], labels["boxes"])
    assert not list(tmp_path.rglob("*.part")) and len(list(tmp_path.rglob("*.mp4"))) == 1
    # the hash follows pixels and labels
    other = layout.write_clip(tmp_path, "train", "one", frames, {**labels, "person": np.array("b")})
    assert other["sha256"] != entry["sha256"]


@pytest.mark.parametrize("fps", [25, 20, Fraction(25, 2), Fraction(30000, 1001)])
@pytest.mark.parametrize("count", [1, 7])
def test_the_frame_rate_is_exact(tmp_path, fps, count):
    assert one_clip(tmp_path, moving_square(count), fps=fps).fps == fps


@pytest.mark.parametrize("shape", [(12, 30, 46), (1, 17, 9)])
def test_lossless_clips_keep_every_bit(tmp_path, shape):
    frames = noise(*shape)
    clip = one_clip(tmp_path, frames, lossless=True)
    assert clip.entry["lossless"]
    np.testing.assert_array_equal(clip.frames().permute(0, 2, 3, 1).numpy(), frames)
    lossy = one_clip(tmp_path, frames)  # the same noise, so the test above can fail
    assert "lossless" not in lossy.entry
    assert (lossy.frames().permute(0, 2, 3, 1).numpy() != frames).mean() > 0.5


@pytest.mark.parametrize("lossless", [False, True])
def test_parts_of_a_long_clip_are_exact_and_cheap(tmp_path, decoded, lossless):
    count = 2 * KEYFRAMES + 20
    clip = one_clip(tmp_path, noise(count, 16, 16), lossless=lossless)
    whole = clip.frames()
    assert decoded == [count]
    for start in range(0, count, 7):
        decoded[0] = 0
        assert torch.equal(clip.frames(start, start + 3), whole[start : start + 3]), start
        assert decoded[0] <= min(start, KEYFRAMES) + 3, start
    assert torch.equal(clip.frames(5, 90, 20), whole[5:90:20])
    assert torch.equal(clip.frames(-3), whole[-3:])
    assert torch.equal(clip.frames(9, 2, -3), whole[[9, 6, 3]])


@pytest.mark.parametrize("name", ["heads", "bodies", "robot"])
def test_parts_of_shipped_clips_are_exact_and_cheap(name, decoded):
    for clip in datasets.load(name).clips("test")[::8]:
        whole = clip.frames()
        decoded[0] = 0
        assert torch.equal(clip.frames(0, 1), whole[:1]) and decoded == [1]
        decoded[0] = 0
        assert torch.equal(clip.frames(3, 9), whole[3:9]) and decoded == [9]
        assert torch.equal(clip.frames(10, None, 6), whole[10::6])
        assert torch.equal(clip.frames(31), whole[31:])
        assert clip.fps == datasets.load(name).info["fps"]


def test_sound_goes_with_the_frames(tmp_path):
    """Each frame's stretch of a track is where it was put, and the stretches make the whole."""
    rate, fps, count = 22050, Fraction(25, 2), 10
    samples = torch.arange(count * 1764) % 1000 / 32768
    clip = one_clip(tmp_path, moving_square(count), fps=fps, track=Sound(samples[None], rate))
    assert clip.entry["sound"] and clip.sound().rate == rate
    assert torch.equal(clip.sound().samples, samples[None])
    part = clip.sound(2, 5).samples
    assert torch.equal(part, samples[None, 2 * 1764 : 5 * 1764])
    pieces = [clip.sound(t, t + 1).samples for t in range(count)]
    assert torch.equal(torch.cat(pieces, 1), samples[None])
    louder = one_clip(tmp_path, moving_square(count), fps=fps, track=Sound(2 * samples[None], rate))
    assert louder.entry["sha256"] != clip.entry["sha256"]
    with pytest.raises(layout.DatasetError, match="no sound track"):
        one_clip(tmp_path, moving_square()).sound()


def test_a_set_of_stills(tmp_path):
    """Pictures with labels, as a classifier learns from: exact, and found by split."""
    pictures = {f"{kind}-{i}": noise(16, 20 + i) for kind in ("cat", "dog") for i in range(2)}
    entries = {"train": {}, "test": {}}
    for name, picture in pictures.items():
        split = "test" if name == "dog-1" else "train"
        entry = layout.write_still(tmp_path, split, name, picture, {"animal": np.array(name[:3])})
        entries[split][name] = {**entry, "animal": name[:3]}
    written = layout.finish_set(tmp_path, ABOUT, stills=entries)
    assert written.clips("train") == [] and len(written.stills("train")) == 3
    for split in ("train", "test"):
        for still in written.stills(split):
            assert still.labels()["animal"] == still.entry["animal"] == still.name[:3]
            seen = still.picture().permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(seen, pictures[still.name])
            assert len(still) == 1 and torch.equal(still.frames(), still.picture()[None])
    before = written.hash
    entries["test"]["dog-1"]["sha256"] = "of another picture"
    assert layout.finish_set(tmp_path, ABOUT, stills=entries).hash != before
    still = written.stills("test")[0]
    still.path.write_bytes(still.path.read_bytes()[:60])
    with pytest.raises(layout.DatasetError, match=r"dog-1\.png"):
        still.picture()


def test_clips_and_stills_of_a_set_are_drawn_alike(tmp_path):
    labels = {"square": np.array(1)}
    clip = layout.write_clip(tmp_path, "train", "moves", moving_square(), labels)
    still = layout.write_still(tmp_path, "train", "rests", moving_square(1)[0], labels)
    clips, stills = {"train": {"moves": clip}}, {"train": {"rests": still}}
    both = layout.finish_set(tmp_path, ABOUT, clips, stills)
    assert repr(both) == "ClipSet(toy: 2 train, 0 val, 0 test)"
    assert [example.name for example in both.examples("train")] == ["moves", "rests"]
    for example, count in zip(both.examples("train"), (6, 1)):
        assert example.frames().shape == (count, 3, 32, 32) and len(example) == count
        assert example.labels()["square"] == 1 and "sha256" in example.entry


def test_faults_of_a_set_are_one_sentence(tmp_path):
    with pytest.raises(layout.DatasetError, match="no finished data set"):
        layout.ClipSet(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(layout.DatasetError, match="damaged"):
        layout.ClipSet(tmp_path)
    with pytest.raises(layout.DatasetError, match="licence"):
        layout.finish_set(tmp_path, {"name": "x", "version": "1", "source": "s"}, {})
    with pytest.raises(layout.DatasetError, match="given no frames"):
        layout.write_clip(tmp_path, "train", "none", [])
    assert not list(tmp_path.rglob("none*")) and not list(tmp_path.rglob("*.part"))
    with pytest.raises(datasets.AidagenError, match="heads, many_heads, people, robot"):
        datasets.load("nothing")
    with pytest.raises(datasets.AidagenError, match="no data set named 'layout'"):
        datasets.load("layout")


def test_a_data_set_is_added_by_adding_a_file(tmp_path, monkeypatch):
    one_clip(tmp_path / "data", moving_square())
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "squares.py").write_text(
        "from aidagen.datasets.layout import ClipSet\n"
        f"def load():\n    return ClipSet({str(tmp_path / 'data')!r})\n"
    )
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(tmp_path / "code")])
    assert "squares" in datasets.names() and "heads" in datasets.names()
    assert len(datasets.load("squares").clips("train")) == 1


def test_what_may_be_passed_on_is_said_by_the_set(tmp_path):
    for name in ("heads", "bodies", "people", "robot"):
        assert datasets.load(name).redistributable
    one_clip(tmp_path, moving_square())
    assert not layout.ClipSet(tmp_path).redistributable


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_a_set_that_was_made_can_be_read_by_all_who_read_other_files(tmp_path):
    before = os.umask(0o022)
    try:
        with layout.making(tmp_path / ("long" * 60)) as folder:
            (folder / "dataset.json").write_text("{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ("long" * 60)).stat().st_mode) == 0o755


def test_a_set_is_cut_once(tmp_path):
    """A folder that holds a set is not made again, nor is the work thrown away at its end."""
    one_clip(tmp_path / "set", moving_square())
    with pytest.raises(layout.DatasetError, match="holds a finished data set"):
        with layout.making(tmp_path / "set"):
            pass


# ---- sets that are rendered ---------------------------------------------------------------------
class Squares:
    """A studio that draws squares, breaks down when told to, and remembers what it drew."""

    def __init__(self, breaks_at=None):
        self.breaks_at, self.drawn, self.opened = breaks_at, [], 0

    def __call__(self):
        self.opened += 1
        return self.draw

    def draw(self, seed, index):
        if index == self.breaks_at:
            raise KeyboardInterrupt
        self.drawn.append(index)
        frames, drawn = moving_square(4 + seed), []

        def one_by_one():
            for frame in frames:
                drawn.append(frame)
                yield frame

        return rendered.Drawing(
            one_by_one(), lambda: {"count": np.array(len(drawn))}, {"number": index}
        )


def make_squares(root, studio, clips=6, size=32, seed=0, only=None):
    return rendered.make(
        root, ABOUT, rendered.Shares(of=4, test=1, val=1), studio,
        clips=clips, size=size, seed=seed, fps=20, crf=15, only=only, progress=False,
    )  # fmt: skip


def test_a_rendered_set_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_squares(tmp_path, Squares(breaks_at=3))
    assert not (tmp_path / "dataset.json").exists()
    studio = Squares()
    squares = make_squares(tmp_path, studio)
    assert studio.drawn == [3, 4, 5]
    assert {s: [c.name for c in squares.clips(s)] for s in layout.SPLITS} == {
        "train": ["0002", "0003"], "val": ["0001", "0005"], "test": ["0000", "0004"],
    }  # fmt: skip
    for clip in squares.clips("train"):
        assert clip.labels()["count"] == len(clip) == 4 and clip.entry["number"] == int(clip.name)
    command = "data_scripts/make_set.py toy --clips 6 --size 32 --seed 0"
    assert squares.info["made_by"] == command and squares.info["fps"] == 20
    assert {path.name for path in tmp_path.iterdir()} == {"dataset.json", *layout.SPLITS}
    # a finished set grows; nobody is drawn twice, and who is there stays
    studio, before = Squares(), squares.info["clips"]["test"]
    grown = make_squares(tmp_path, studio, clips=8)
    assert studio.drawn == [6, 7] and grown.info["clips"]["test"] == before
    assert make_squares(tmp_path, studio, clips=8).hash == grown.hash
    assert studio.opened == 1, "nothing is missing, so no renderer is needed"


def test_sets_of_other_sizes_and_seeds_are_not_mixed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_squares(tmp_path, Squares(breaks_at=2))
    studio = Squares()
    make_squares(tmp_path, studio, clips=2, seed=1)  # unfinished clips of seed 0 do not count
    assert studio.drawn == [0, 1]
    with pytest.raises(layout.DatasetError, match="seed 1, not 32 and 0"):
        make_squares(tmp_path, Squares())
    for clips, size in ((0, 32), (2, 63), (2, 8)):
        with pytest.raises(layout.DatasetError, match="give at least one clip and an even size"):
            make_squares(tmp_path / "none", Squares(), clips, size)
    assert not (tmp_path / "none").exists()


def test_one_split_of_a_rendered_set_can_be_drawn_alone(tmp_path):
    studio = Squares()
    tests = make_squares(tmp_path / "tests", studio, only="test")
    assert studio.drawn == [0, 4] and repr(tests) == "ClipSet(toy: 0 train, 0 val, 2 test)"
    assert tests.info["made_by"].endswith("--seed 0 --only test")
    whole = make_squares(tmp_path / "whole", Squares())
    assert whole.info["clips"]["test"] == tests.info["clips"]["test"]
    with pytest.raises(layout.DatasetError, match="no split 'exam'; there are train, val, test"):
        make_squares(tmp_path / "none", Squares(), only="exam")
    assert not (tmp_path / "none").exists()


def test_a_set_has_other_sizes_where_it_says_so(monkeypatch):
    small, large = datasets.load("heads"), datasets.load("heads-128")
    assert (small.info["size"], large.info["size"]) == (64, 128)
    monkeypatch.setattr(faces, "load", lambda size=64: f"faces of {size} pixels")
    assert datasets.load("faces-96") == "faces of 96 pixels"
    for name, words in {
        "heads-96": "heads ship at 64 and 128 pixels, not at 96; render them",
        "robot-128": "Data set robot has one size only; load it as 'robot'",
        "faces-big": "no data set named 'faces-big'",
        "heads-": "no data set named 'heads-'",
    }.items():
        with pytest.raises(datasets.AidagenError, match=words) as caught:
            datasets.load(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["heads", "bodies", "people", "robot"])
def test_the_commands_that_made_the_packs_are_there(name):
    script, *arguments = datasets.load(name).info["made_by"].split()
    assert (Path(__file__).parents[1] / script).exists() and arguments[0] == name


@pytest.mark.parametrize("name", ["heads", "heads-128", "bodies", "people", "robot"])
def test_the_clips_of_the_packs_are_who_they_were(name):
    """Every hash fits its files, and that of the set covers its clips alone: tables rest on it."""
    pack = datasets.load(name)
    for split in layout.SPLITS:
        for clip in pack.clips(split):
            digest = hashlib.sha256(clip.path.read_bytes())
            labels = clip.labels()
            for key in sorted(labels):
                digest.update(key.encode() + np.ascontiguousarray(labels[key]).tobytes())
            assert digest.hexdigest() == clip.entry["sha256"], clip
    entries = json.dumps(pack.info["clips"], sort_keys=True)
    assert pack.hash == hashlib.sha256(entries.encode()).hexdigest()


def test_a_damaged_clip_is_named(tmp_path):
    clip = one_clip(tmp_path, moving_square())
    content = clip.path.read_bytes()
    for damaged in (content[:100], content[: len(content) // 2], b""):
        clip.path.write_bytes(damaged)
        with pytest.raises(layout.DatasetError, match=r"one\.mp4"):
            clip.frames()
    clip.path.unlink()
    with pytest.raises(layout.DatasetError, match=r"one\.mp4"):
        clip.frames()
    with pytest.raises(layout.DatasetError, match="no frame in 6:None:1"):
        clip.frames(6)


def at_hand(name):
    module = {"faces": faces, "cartoons": cartoons}[name]
    root = sources.home() / "data" / f"{name}-64-v{module.VERSION}"
    if not (root / "dataset.json").exists():
        pytest.skip(f"the {name} set is fetched footage and has not been made on this machine")
    return datasets.load(name)


def test_faces_are_split_by_moment_and_by_person():
    made = at_hand("faces")
    people = {
        split: {c.entry["person"] for c in made.clips(split) if c.entry["group"] == "segments"}
        for split in layout.SPLITS
    }
    unseen = {c.entry["person"] for c in made.clips("test") if c.entry["group"] == "persons"}
    assert people["train"] == people["test"] == {"franck", "cap"}
    assert unseen == set(faces.UNSEEN) and not unseen & people["train"]
    spans = {}
    for split in layout.SPLITS:
        for clip in made.clips(split):
            labels = clip.labels()
            span = (int(labels["start"]), int(labels["start"]) + len(clip))
            spans.setdefault(str(labels["source"]), []).append(span)
    for ranges in spans.values():  # no frame is in two clips
        ranges.sort()
        assert all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:]))


def test_cartoons_hold_out_pairs_and_a_character():
    made = at_hand("cartoons")
    train = made.clips("train")
    trained = {(c.entry["character"], c.entry["move"]) for c in train}
    characters, moves = ({pair[i] for pair in trained} for i in (0, 1))
    for clip in made.clips("test"):
        character, move = clip.entry["character"], clip.entry["move"]
        assert (character, move) not in trained and move in moves
        assert (character in characters) == (clip.entry["group"] == "unseen-pair")
    # the same move has the same number of frames for every character: a true answer exists
    lengths = {}
    for split in layout.SPLITS:
        for clip in made.clips(split):
            lengths.setdefault(clip.entry["move"], set()).add(len(clip))
    assert all(len(found) == 1 for found in lengths.values())


def test_descriptions_are_json(tmp_path):
    for name in ("faces", "cartoons"):
        made = at_hand(name)
        text = (made.root / "dataset.json").read_text()
        assert json.loads(text)["name"] == name and "licence" in made.info
