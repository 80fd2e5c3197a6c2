"""A clip that is read, computed and written at the same time is the animator's clip."""

import threading
import time
from pathlib import Path

import pytest
import torch
import untrained
from tiny_model import Rendering, TinyModel

from aidagen import inference, streaming, video
from aidagen.animation import AnimationError, Animator, prepare
from aidagen.errors import AidagenError
from aidagen.pixels import as_bytes, as_floats


def moving(count, size=64):
    torch.manual_seed(0)
    ends = torch.nn.functional.interpolate(torch.rand(2, 3, 5, 5), size, mode="bicubic")
    share = torch.linspace(0, 1, count)[:, None, None, None]
    return as_bytes(ends[:1] + share * (ends[1:] - ends[:1]))


def animator(mode="relative", batch=4, model=None):
    return Animator(model or untrained.model(), as_floats(moving(2)[1]), mode, batch)


def pictures(one, frames, side=None):
    return torch.cat(list(streaming.streamed(one, streaming.batches(frames, one.batch), side)))


@pytest.mark.parametrize("mode", ["relative", "absolute"])
@pytest.mark.parametrize(("count", "side"), [(1, None), (4, 64), (10, None), (10, 50)])
def test_the_pictures_are_the_animators(mode, count, side):
    one, frames = animator(mode), moving(count)
    shown = [prepare(each.image, side or 64) for each in one.animate(as_floats(frames))]
    ours = pictures(one, frames, side)
    assert ours.dtype == torch.uint8 and ours.shape == (count, 3, side or 64, side or 64)
    difference = (ours.int() - as_bytes(torch.stack(shown)).int()).abs()
    assert difference.max() <= 1  # what lies between two bytes may be rounded either way
    assert (difference > 0).float().mean() < 1e-3
    assert count == 1 or (ours[0].int() - ours[-1].int()).abs().max() > 3  # something moves


def test_batches_hold_all_frames_in_order():
    frames = moving(10)
    made = list(streaming.batches(iter(frames), 4))
    assert [len(each) for each in made] == [4, 4, 2] and torch.equal(torch.cat(made), frames)
    assert list(streaming.batches(iter(()), 4)) == []


def test_a_batch_is_given_when_the_next_one_is_under_way():
    seen = []

    def frames():
        for index in range(3):
            seen.append(f"computes {index}")
            yield moving(2)

    for index, batch in enumerate(streaming.streamed(animator(), frames())):
        seen.append(f"gives {index}")
        assert batch.shape == (2, 3, 64, 64)
    assert seen == ["computes 0", "computes 1", "gives 0", "computes 2", "gives 1", "gives 2"]


def test_what_is_no_picture_is_told():
    class Off(TinyModel):
        value = float("nan")

        def render(self, encoded, motion):
            made = super().render(encoded, motion)
            return made._replace(image=made.image.index_fill(3, torch.tensor([3]), self.value))

    one = animator(model=Off(64).eval())
    with pytest.raises(AnimationError, match="not numbers"):
        pictures(one, moving(3))
    one.model.value = 7.0
    with pytest.raises(AnimationError, match=r"from .* to 7, where 0 to 1 was expected"):
        pictures(one, moving(3))
    one.model.value = 1.2  # is cut off, as by the writer
    assert pictures(one, moving(3))[..., 3].eq(255).all()
    with pytest.raises(AnimationError, match="no frames"):
        pictures(one, [])


def test_memory_that_runs_out_is_told():
    class Full(TinyModel):
        def render(self, encoded, motion) -> Rendering:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(AnimationError, match="with 4 frames at a time; use a smaller batch"):
        pictures(animator(model=Full(64).eval()), moving(3))


def test_a_film_is_written_while_the_next_batches_are_computed(tmp_path, monkeypatch):
    path, threads, done = tmp_path / "out.mp4", set(), []
    add = video.Writer.add

    def spied(self, frame):
        threads.add(threading.current_thread().name)
        add(self, frame)

    monkeypatch.setattr(video.Writer, "add", spied)
    one, frames = animator(), moving(11)
    with video.Writer(path, 25, mark=False, crf=0) as out:
        streaming.film(one, iter(frames), out, done=done.append)
        assert out.frames == 11
    assert threads == {"writing behind"} and done == [4, 4, 3]
    shown = torch.stack(list(video.read(path)))
    assert (shown.int() - pictures(one, frames).int()).abs().float().mean() < 3  # as yuv420p


def test_errors_of_the_writer_are_its_own_and_nothing_is_left(tmp_path, monkeypatch):
    def full(self, frame):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aidagen.video.Encoder.add", full)
    with (
        pytest.raises(AidagenError, match=r"could not be written .no space left"),
        video.Writer(tmp_path / "out.mp4", 25) as out,
    ):
        streaming.film(animator(), iter(moving(40)), out)
    assert list(tmp_path.iterdir()) == []
    assert not {each.name for each in threading.enumerate()} & {"writing behind", "reading ahead"}


@pytest.mark.parametrize("problem", [KeyboardInterrupt, SystemExit])
def test_whoever_is_stopped_leaves_no_file(tmp_path, problem):
    def stop(count):
        raise problem

    with pytest.raises(problem), video.Writer(tmp_path / "out.mp4", 25) as out:
        streaming.film(animator(), iter(moving(40)), out, done=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_writer_holds_few_batches():
    class Slow(video.Writer):
        def add(self, frame):
            time.sleep(0.01)
            self.frames += 1

    read, behind_by, out = 0, [], Slow("out.mp4")

    def frames():
        nonlocal read
        for frame in moving(40):
            read += 1
            behind_by.append(read - out.frames)
            yield frame

    streaming.film(animator(batch=2, model=TinyModel(64).eval()), frames(), out)
    assert out.frames == 40
    # two batches wait on either side; one is in each thread's hand, and one under way
    assert max(behind_by) <= 2 * (2 + 2 + 4)


def test_more_encoders_than_one_only_beside_a_gpu(tmp_path):
    one = animator()
    assert streaming.encoders(one) == 1
    one.device = torch.device("cuda")
    assert streaming.encoders(one) > 1
    written = []
    for name, threads in (("a", 4), ("b", 4), ("c", 1)):
        path = Path(tmp_path / f"{name}.mp4")
        video.write(path, moving(8, 256), threads=threads)
        written.append(path.read_bytes())
    assert written[0] == written[1] != written[2]  # as many threads give the same file again


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_painter_of_fast_streams_as_well(dtype):
    """`--fast` on a GPU is float16; the CPU's float16 goes the same way, but slower."""
    model = untrained.model()
    ready = inference.prepared(model, dtype)
    kinds = {weight.dtype for weight in ready.parameters()}
    assert kinds == {torch.float32, dtype}
    exact, fast = (pictures(animator(model=each), moving(5)) for each in (model, ready))
    assert (exact.int() - fast.int()).abs().max() <= 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_makes_the_same_pictures_in_pinned_memory(tmp_path):
    frames = moving(10)
    wanted = pictures(animator(), frames)
    one = animator(model=untrained.model().to("cuda"))
    made = list(streaming.batches(frames, 4, pinned=True))
    assert all(each.is_pinned() for each in made)
    given = list(streaming.streamed(one, made, 64))
    assert all(each.is_pinned() for each in given)
    assert (torch.cat(given).int() - wanted.int()).abs().float().mean() < 1  # TF32
    with video.Writer(tmp_path / "out.mp4", 25, mark=False) as out:
        streaming.film(one, iter(frames), out)
    assert video.info(tmp_path / "out.mp4").frames == 10
