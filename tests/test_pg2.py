"""PG2: two stages in one phase, and the mask that counts the person twice."""

from dataclasses import replace

import pytest
import torch
from people_in_poses import batch, figures

from aidagen import poses
from aidagen.models import pg2
from aidagen.poses import Pose
from aidagen.systems import Step

TINY = replace(pg2.PG2Config(), channels=4, bottleneck=8, disc_channels=8)
STEP = Step(0, 1, torch.Generator().manual_seed(0))


def test_every_phase_trains_its_own_part():
    """Gradients reach every parameter of a phase."""
    whole = pg2.Training(TINY)
    given, phases = batch(2), whole.phases()
    assert list(phases) == ["generator", "discriminator"]
    own = [id(p) for parameters in phases.values() for p in parameters]
    assert sorted(own) == sorted(id(p) for p in whole.parameters())
    for phase, parameters in phases.items():
        whole.zero_grad(set_to_none=True)
        terms = whole(phase, given, STEP)
        sum(terms.values()).backward()
        for parameter in parameters:
            assert parameter.grad is not None and parameter.grad.isfinite().all()
        moved = [p for p in parameters if p.grad.abs().sum() > 0]
        # before an instance norm a bias does nothing
        assert len(moved) >= len(parameters) - (2 if phase == "discriminator" else 0)
    assert set(pg2.Training(TINY, pg2.LossWeights(adversarial=0.0)).phases()) == {"generator"}


def test_the_stages_hand_no_gradients_to_each_other():
    whole = pg2.Training(TINY)
    terms = whole("generator", batch(2), STEP)
    terms["refine"].backward(retain_graph=True)
    assert all(p.grad is None for p in whole.model.coarse.parameters())
    whole.zero_grad(set_to_none=True)
    terms["coarse"].backward()
    assert all(p.grad is None for p in whole.model.refine.parameters())


def test_the_discriminator_is_shown_the_picture_of_the_same_step():
    """It is not made again: the next phase uses it up, and makes one where there is none."""
    whole = pg2.Training(TINY)
    whole("generator", batch(2), STEP)
    kept = whole.made[STEP.generator]
    assert not kept.requires_grad
    first = whole("discriminator", batch(2), STEP)["discriminator"]
    assert not whole.made
    again = whole("discriminator", batch(2), STEP)["discriminator"]
    torch.testing.assert_close(first, again)


def test_a_backdrop_reaches_both_stages():
    model = pg2.PG2(replace(TINY, background=True)).eval()
    given = batch(1, backdrop=True)
    with pytest.raises(pg2.ModelError, match="backdrop; give it one"):
        model.encode(given.source)
    found = [model.render(model.encode(given.source, None, behind), given.target_pose)
             for behind in (given.backdrop, 1 - given.backdrop)]  # fmt: skip
    assert not torch.equal(found[0].coarse, found[1].coarse)


def test_the_refined_picture_is_the_coarse_one_and_a_difference():
    torch.manual_seed(0)
    whole = pg2.Training(TINY)
    given = batch(2)
    with torch.no_grad():
        found = whole.run(whole.model, given)
        one = whole.model.render(whole.model.encode(given.source[:1]), given.target_pose)
    assert torch.equal(found.image, (found.coarse + found.difference).clamp(0, 1))
    torch.testing.assert_close(found.image[0], one.image[0], atol=1e-5, rtol=1e-5)
    assert found.pose_map.sum() == poses.discs(given.target_pose, 128, 64).sum() > 0


def test_a_clamped_pixel_can_come_back():
    """Where coarse + difference leaves [0, 1], the loss still moves the second stage."""
    whole = pg2.Training(TINY, pg2.LossWeights(adversarial=0.0))
    with torch.no_grad():
        whole.model.refine.last.bias.fill_(5.0)
    terms = whole("generator", batch(1), STEP)
    sum(terms.values()).backward()
    assert (whole.model.refine.last.bias.grad > 0).all()


def test_the_first_stage_is_never_stuck_at_its_backdrop():
    """Whatever it painted before, its loss moves it: also from a picture that is all backdrop."""
    whole = pg2.Training(replace(TINY, background=True), pg2.LossWeights(adversarial=0.0))
    for started in (0.0, 5.0, -5.0):
        with torch.no_grad():
            whole.model.coarse.last.weight.zero_()
            whole.model.coarse.last.bias.fill_(started)
        whole.zero_grad(set_to_none=True)
        given = batch(2, backdrop=True)
        if not started:
            painted = whole.run(whole.model, given).coarse
            torch.testing.assert_close(painted, given.backdrop)
        whole("generator", given, STEP)["coarse"].backward()
        assert whole.model.coarse.last.weight.grad.abs().sum() > 0, started


def test_the_mask_counts_the_person_twice():
    pose = figures(1)
    mask = poses.person_mask(pose, 128, 64)
    assert mask[0, 0, 40, 32] == 1 and mask[0, 0, 5, 5] == 0  # between shoulders and hips; a corner
    target = torch.zeros(1, 3, 128, 64)
    on, off = (pg2.pose_mask_loss(target + where, target, mask) for where in (mask, 1 - mask))
    share = mask.mean()
    torch.testing.assert_close(on, 2 * share)
    torch.testing.assert_close(off, 1 - share)
    nobody = Pose(pose.joints, torch.zeros_like(pose.visible))
    assert poses.person_mask(nobody, 128, 64).sum() == 0


def test_what_does_not_fit_is_told_in_a_sentence():
    with pytest.raises(pg2.ModelError, match=r"\(B, 3, 128, 64\); got \(1, 3, 64, 64\)"):
        pg2.PG2(TINY).encode(torch.rand(1, 3, 64, 64))
    with pytest.raises(pg2.ModelError, match="that 32 divides; got 100 x 64"):
        pg2.PG2(replace(TINY, height=100))


def test_the_small_size_is_what_its_docstring_says():
    with torch.device("meta"):
        count = sum(p.numel() for p in pg2.PG2(pg2.pg2_small()).parameters())
    assert f"{count:,}" in pg2.pg2_small.__doc__
    assert 2 * count < 4e6  # bytes of a checkpoint
