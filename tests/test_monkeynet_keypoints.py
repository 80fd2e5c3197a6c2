"""Do Monkey-Net's keypoints work inside the trained models? The table says it, and these tests."""

import torch

from aidagen import evaluation, zoo
from aidagen.evaluation import monkeynet_keypoints as table

BOUND = 0.75  # of a copy's error: what the keypoints' part of the flow alone leaves at most


def shares(rows, metric):
    """(data, split, method) -> the error as a share of copying the source."""
    value = {
        (r["data"], r["split"], r["method"]): r["value"] for r in rows if r["metric"] == metric
    }
    return {
        (data, split, method): x / value[data, split, "copy-source"]
        for (data, split, method), x in value.items()
        if method != "copy-source"
    }


def working(rows):
    """What the keypoints alone leave, by data and split, of the best checkpoint there is."""
    alone = shares(rows, "l1_moving_keypoints")
    return {
        (data, split): min(v for (d, s, _), v in alone.items() if (d, s) == (data, split))
        for data, split, _ in alone
    }


def test_keypoints_work_on_every_set():
    """On a few test clips, recomputed here; without a term the robot's keypoints do nothing."""
    rows = table.compute(limit=4, progress=lambda text: None).rows()
    assert {"robot", "bodies"} <= {data for data, _ in working(rows)} <= set(table.TRAINED)
    assert max(working(rows).values()) < BOUND, working(rows)
    alone = shares(rows, "l1_moving_keypoints")
    for data in ("robot", "bodies"):
        with_term, without = (alone[data, "test", m] for m in ("keypoint-warp", "monkeynet"))
        assert with_term < without, alone
    assert alone["robot", "test", "monkeynet"] > 0.95, alone


def test_the_stored_rows_say_so_by_more_than_the_interval():
    rows = evaluation.table("monkeynet-keypoints")
    assert {data for data, _ in working(rows)} == {"robot", "bodies", "faces"}
    assert max(working(rows).values()) < BOUND, working(rows)
    verdicts = {
        (c["data"], c["metric"]): c["verdict"]
        for c in rows.comparisons
        if (c["method"], c["against"]) == ("keypoint-warp", "monkeynet")
    }
    assert verdicts["robot", "l1_moving_keypoints"] == "better"
    assert verdicts["bodies", "l1_moving_keypoints"] == "better"


@torch.no_grad()
def test_the_keypoints_part_is_the_flow_without_its_residual():
    model = zoo.load("monkeynet-robot-64-keypoint-warp", "cpu")
    frames = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    rendering = model(frames[:1].expand(3, -1, -1, -1), frames)
    source = frames[:1].expand(3, -1, -1, -1)
    warp = model.generator.by_keypoints
    torch.testing.assert_close(warp(source, rendering._replace(residual=None)), rendering.deformed)
    without = rendering._replace(flow=rendering.flow - rendering.residual, residual=None)
    torch.testing.assert_close(warp(source, rendering), warp(source, without))
