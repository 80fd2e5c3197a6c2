"""The playable video model at a tiny size: losses against slow references, actions, roll-outs."""

import math
from dataclasses import replace

import pytest
import torch
from small_games import TINY, Bars, gaussian, lively, probabilities, random

from aidagen.models import playable
from aidagen.models.playable import actions, losses
from aidagen.models.playable.actions import Gaussian, one_hot


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return lively(playable.Playable(TINY))


# --- every loss against a slow reference ---------------------------------------------------------


def test_mutual_information_by_counting():
    p, q = probabilities(0), probabilities(1)
    k, table = 3, [[0.0] * 3 for _ in range(3)]
    for a, b in zip(p.flatten(0, 1).tolist(), q.flatten(0, 1).tolist()):
        for i in range(k):
            for j in range(k):
                table[i][j] += (a[i] * b[j] + a[j] * b[i]) / 2 / 10
    torch.testing.assert_close(losses.joint(p, q), torch.tensor(table))
    rows = [sum(row) for row in table]
    by_hand = sum(
        table[i][j] * math.log(table[i][j] / (rows[i] * rows[j]))
        for i in range(k)
        for j in range(k)
    )
    found = losses.mutual_information(losses.joint(p, q)).item()
    assert found == pytest.approx(by_hand, abs=1e-6)


def test_mutual_information_of_known_cases():
    certain = one_hot(torch.arange(12) % 3, 3)
    agreed = losses.mutual_information(losses.joint(certain, certain)).item()
    assert agreed == pytest.approx(math.log(3), abs=1e-6)
    collapsed = one_hot(torch.zeros(12, dtype=torch.long), 3)
    unsure = torch.full((12, 3), 1 / 3)
    for p, q in ((collapsed, collapsed), (certain, unsure), (unsure, unsure)):
        assert losses.mutual_information(losses.joint(p, q)).item() == pytest.approx(0, abs=1e-6)


def test_a_smoothed_joint_remembers_and_learns_from_the_batch_alone():
    smoothed, by_hand = losses.SmoothedJoint(3, rate=0.25), torch.full((3, 3), 1 / 9)
    for seed in range(3):
        p, q = probabilities(seed).requires_grad_(), probabilities(seed + 5)
        found = smoothed(p, q)
        by_hand = 0.75 * by_hand + 0.25 * losses.joint(p, q).detach()
        torch.testing.assert_close(found.detach(), by_hand)
        losses.mutual_information(found).backward()
        assert p.grad.abs().max() > 0
    assert not smoothed.estimate.requires_grad
    assert "estimate" in smoothed.state_dict()  # a run that is resumed goes on with it


def test_divergences_are_those_of_torch():
    p, q = gaussian(0, 2, 4, 3), gaussian(5, 2, 4, 3)
    normal = [torch.distributions.Normal(x.mean, x.variance.sqrt()) for x in (p, q)]
    unit = torch.distributions.Normal(torch.zeros(3), torch.ones(3))

    def wanted(a, b):
        return torch.distributions.kl_divergence(a, b).sum(-1).mean()

    torch.testing.assert_close(losses.standard_kl(p), wanted(normal[0], unit))
    torch.testing.assert_close(losses.gaussian_kl(p, q), wanted(*normal))
    narrow = Gaussian(q.mean, q.variance * 1e-4)  # the clamp holds it back
    assert losses.gaussian_kl(p, narrow) < losses.gaussian_kl(p, narrow, smallest=0.0) / 100
    logits = random(2, 4, 3), random(2, 4, 3, seed=1)
    each = [torch.distributions.Categorical(logits=x) for x in logits]
    wanted = torch.distributions.kl_divergence(each[1], each[0]).mean()
    torch.testing.assert_close(losses.categorical_kl(*logits), wanted)
    torch.testing.assert_close(losses.entropy(each[0].probs), each[0].entropy())


def test_a_pose_is_not_brought_near_by_growing_vague():
    p, q = gaussian(0, 2, 4, 3), gaussian(5, 2, 4, 3)
    for x in (*p, *q):
        x.requires_grad_()
    losses.gaussian_kl(p, q).backward()
    assert p.mean.grad.abs().max() > 0 and q.mean.grad.abs().max() > 0
    assert p.variance.grad is None and q.variance.grad is None


def test_pixels_count_more_where_something_moves():
    frames, made = random(1, 3, 3, 4, 6), random(1, 2, 3, 4, 6, seed=1)
    again = torch.cat([frames[:, :1], made], dim=1)
    weights = losses.motion_weights(frames, made, bias=0.1)
    total = torch.zeros(())
    for t in range(3):
        for y in range(4):
            for x in range(6):
                wanted = 1.0
                if t:
                    wanted = 0.1 + sum(
                        2 * (clip[0, t, c, y, x] - clip[0, t - 1, c, y, x]).abs().item()
                        for clip in (frames, again)
                        for c in range(3)
                    )
                    apart = (made[0, t - 1, :, y, x] - frames[0, t, :, y, x]).abs().mean()
                    total += wanted * apart / (2 * 4 * 6)
                assert weights[0, t, 0, y, x].item() == pytest.approx(wanted, abs=1e-5)
    torch.testing.assert_close(losses.observation_error(made, frames, weights), total)
    plain = (made - frames[:, 1:]).abs().mean()
    torch.testing.assert_close(losses.observation_error(made, frames), plain)
    small = torch.nn.functional.avg_pool2d(frames[0], 2)[None]  # what halving does here
    half = random(1, 2, 3, 2, 3, seed=3)
    wanted = (half - small[:, 1:]).abs().mean()
    torch.testing.assert_close(losses.observation_error(half, frames), wanted)


def test_states_are_compared_from_the_end():
    real, made = random(2, 4, 3, 2, 2), random(2, 3, 3, 2, 2, seed=1)
    wanted = ((made - real[:, 1:]) ** 2).mean()
    torch.testing.assert_close(losses.states_mse(made, real), wanted)
    torch.testing.assert_close(losses.states_mse(real, made), wanted)


# --- actions -------------------------------------------------------------------------------------


def test_variability_and_centroids_one_by_one():
    d, p = random(2, 5, 2), probabilities(0)
    centroids = actions.Centroids(TINY)
    before = centroids.estimated_centroids.clone()
    rest = actions.variability(d, p, before)
    for b in range(2):
        for t in range(5):
            wanted = sum(p[b, t, k] * (d[b, t] - before[k]) for k in range(3))
            torch.testing.assert_close(rest[b, t], wanted)
    taken = p * torch.tensor([1.0, 1.0, 0.0])  # the last action never
    centroids.train()
    centroids.update(d, taken)
    for k in range(2):
        mean = sum(taken[b, t, k] * d[b, t] for b in range(2) for t in range(5))
        wanted = 0.9 * before[k] + 0.1 * mean / taken[..., k].sum()
        torch.testing.assert_close(centroids.estimated_centroids[k].data, wanted)
    assert torch.equal(centroids.estimated_centroids[2].data, before[2])


def test_gumbel_samples_follow_the_probabilities():
    p = torch.tensor([0.6, 0.3, 0.1])
    many = p.log().expand(20_000, 3)
    generator = torch.Generator().manual_seed(0)
    soft = actions.gumbel_softmax(many, 0.5, generator)
    shares = one_hot(soft.argmax(-1), 3).mean(0)
    torch.testing.assert_close(shares, p, atol=0.015, rtol=0)
    torch.testing.assert_close(soft.sum(-1), torch.ones(20_000))
    colder = actions.gumbel_softmax(many, 0.1, torch.Generator().manual_seed(0))
    assert colder.max(-1).values.mean() > soft.max(-1).values.mean() + 0.1
    logits = p.log().requires_grad_()
    hard = actions.gumbel_softmax(logits[None], 1.0, generator, hard=True)
    assert sorted(hard[0].tolist()) == pytest.approx([0, 0, 1], abs=1e-6)
    hard[0, 0].backward()
    assert logits.grad.abs().max() > 0
    # noise of exactly 0 is still a number
    assert actions.gumbel_softmax(logits[None], 1.0, uniform=torch.zeros(1, 3)).isfinite().all()


def test_directions_go_from_frame_to_frame(model):
    frames = random(2, 4, 3, 16, 32)
    found = model.find_actions(model.encode(model.observe(frames)), 4)
    assert found.logits.shape == (2, 3, 3) and found.sampled.shape == (2, 3, 2)
    plain = actions.directions(found.poses)
    for b in range(2):
        for t in range(3):
            wanted = found.poses.mean[b, t + 1] - found.poses.mean[b, t]
            torch.testing.assert_close(plain.mean[b, t], wanted)
            wanted = found.poses.variance[b, t + 1] + found.poses.variance[b, t]
            torch.testing.assert_close(plain.variance[b, t], wanted)
    noisy = model.find_actions(
        model.encode(model.observe(frames)), 4, torch.Generator().manual_seed(0)
    )
    assert not torch.allclose(noisy.sampled, found.sampled)
    samples = Gaussian(torch.full((20_000, 1), 3.0), torch.full((20_000, 1), 4.0))
    drawn = samples.sample(torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(3, abs=0.05)
    assert drawn.var().item() == pytest.approx(4, abs=0.15)


def test_normalised_directions_cannot_shrink():
    torch.manual_seed(0)
    network = actions.ActionNetwork(TINY).train()
    torch.nn.init.normal_(network.mean_fc.weight, std=1e-3)
    torch.nn.init.constant_(network.variance_fc.weight, 0.0)
    torch.nn.init.constant_(network.variance_fc.bias, 1e-6)
    encoded = playable.Encoded(random(12, 16, 2, 4), torch.ones(12, 1, 2, 4), random(12, 3, 2, 4))
    found = network(encoded, 4)
    flat = found.directions.mean.flatten(0, 1)
    torch.testing.assert_close(flat.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    assert (flat.std(0, correction=0) > 0.5).all()
    plain = actions.directions(found.poses)
    assert plain.mean.abs().max() < 0.05
    torch.testing.assert_close(found.directions.variance, plain.variance)


def test_clusters_become_actions():
    centres = torch.tensor([[-2.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    taken = torch.randint(3, (300,), generator=torch.Generator().manual_seed(0))
    points = centres[taken] + 0.2 * gaussian(1, 300, 2).mean
    found = playable.clustered(points, 3)
    torch.testing.assert_close(found, centres, atol=0.1, rtol=0)
    network = actions.ActionNetwork(TINY)
    network.classify_by(found)
    logits = network.final_fc(points)
    assert torch.equal(logits.argmax(-1), torch.cdist(points, found).argmin(-1))
    # sure of a centroid, unsure between two
    assert network.final_fc(found[0]).softmax(-1)[0] > 0.99
    middle = network.final_fc((found[0] + found[1]) / 2).softmax(-1)
    torch.testing.assert_close(middle[0], middle[1])
    with pytest.raises(playable.ModelError, match="3 clusters"):
        playable.clustered(points[:2], 3)


@torch.no_grad()
def test_naming_actions_does_not_change_what_comes_next():
    torch.manual_seed(0)
    model = lively(playable.Playable(TINY))
    network, frames = model.dynamics_network, random(4, 1, 3, 16, 32)
    state, direction = model.encode(model.observe(frames)).state, gaussian(3, 4, 2).mean
    memory, nothing = network.begin(4), torch.zeros(4, 3)
    free, kept = network(state, nothing, direction, memory)
    centroids = gaussian(7, 3, 2).mean
    network.learn_actions(centroids)
    for action in (one_hot(torch.tensor([0, 1, 2, 1]), 3), probabilities(0, n=4).flatten(0, 1)):
        rest = actions.variability(direction, action, centroids)
        told, remembered = network(state, action, rest, memory)
        torch.testing.assert_close(told, free, atol=1e-4, rtol=0)
        torch.testing.assert_close(remembered[2].cell, kept[2].cell, atol=1e-4, rtol=0)
        without, _ = network(state, action, torch.zeros_like(rest), memory)
        assert (without - free).abs().max() > 0.01


# --- roll-outs and play --------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("stack", [1, 3])
def test_a_rollout_is_play_step_by_step(stack):
    torch.manual_seed(0)
    model = lively(playable.Playable(replace(TINY, stack=stack)))
    frames, taken = random(2, 5, 3, 16, 32), torch.tensor([[0, 1, 2, 1], [2, 2, 0, 1]])
    variation = gaussian(0, 2, 4, 2).mean
    out = model.rollout(frames, 1, lambda found: (one_hot(taken, 3), variation))
    assert [tuple(x.shape) for x in out.images] == [
        (2, 4, 3, 16, 32), (2, 4, 3, 8, 16), (2, 4, 3, 4, 8)
    ]  # fmt: skip
    assert 0 <= out.image.min() and out.image.max() <= 1
    for b in range(2):
        world = model.begin(frames[b, 0])
        for t in range(4):
            picture, world = model.play(world, int(taken[b, t]), variation[b, t][None])
            torch.testing.assert_close(picture, out.image[b, t], atol=1e-4, rtol=0)
    # with two real frames, the second one is seen; with all, none of its own
    two = model.rollout(frames, 2, lambda found: (one_hot(taken, 3), variation))
    torch.testing.assert_close(two.image[:, 0], out.image[:, 0])
    assert (two.image[:, 1] - out.image[:, 1]).abs().max() > 0.01
    other = model.rollout(frames, 1, lambda found: (one_hot((taken + 1) % 3, 3), variation))
    assert (other.image - out.image).abs().max() > 0.01
    every = model.rollout(frames, 9, lambda found: (one_hot(taken, 3), variation))
    torch.testing.assert_close(every.made.state, every.real.state)
    torch.testing.assert_close(every.replayed.logits, every.found.logits)


def test_observations_hold_the_newest_frame_first():
    frames = torch.arange(4.0)[None, :, None, None, None].expand(1, 4, 3, 16, 32)
    seen = playable.model.observations(frames, 3)[0, :, ::3, 0, 0]  # one number per frame
    assert seen.tolist() == [[0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 2, 1]]
    following = playable.model.later(seen[None, 3, :, None, None].repeat_interleave(3, 1),
                                     torch.full((1, 3, 1, 1), 4.0))  # fmt: skip
    assert following[0, ::3, 0, 0].tolist() == [4, 3, 2]


@torch.no_grad()
def test_two_worlds_are_played_at_once(model):
    frames = random(2, 3, 16, 32)
    alone, first = [], model.begin(frames[0])
    for action in (0, 2, 1):
        picture, first = model.play(first, action)
        alone.append(picture)
    worlds = [model.begin(frame) for frame in frames]
    for n, action in enumerate((0, 2, 1)):
        picture, worlds[0] = model.play(worlds[0], action)
        _, worlds[1] = model.play(worlds[1], 2 - action)
        assert torch.equal(picture, alone[n])


@torch.no_grad()
def test_between_two_actions(model):
    model.centroids.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.2, 0.1]]))
    for share, nearer in ((0.0, 0), (0.25, 0), (0.75, 1), (1.0, 1)):
        action, rest = model.between(0, 1, share)
        assert action.argmax().item() == nearer
        point = action @ model.centroids + rest
        torch.testing.assert_close(point[0], torch.tensor([share, 0.0]))
    # any point at all belongs to the nearest of all actions
    assert model.at(torch.tensor([0.25, 0.0]))[0].argmax() == 2
    by_number, _ = model.play(model.begin(random(3, 16, 32)), 1)
    by_point, _ = model.play(model.begin(random(3, 16, 32)), *model.at(torch.tensor([1.0, 0.0])))
    torch.testing.assert_close(by_number, by_point)


def test_what_does_not_fit_is_refused_in_a_sentence(model):
    with pytest.raises(playable.ModelError, match=r"\(B, T, 3, 16, 32\)"):
        model(random(1, 3, 3, 32, 32))
    with pytest.raises(playable.ModelError, match="two frames"):
        model(random(1, 1, 3, 16, 32))
    with pytest.raises(playable.ModelError, match="0 to 2; got 3"):
        model.play(model.begin(random(3, 16, 32)), 3)
    with pytest.raises(playable.ModelError, match="multiple of 16"):
        playable.PlayableConfig(height=60)
    with pytest.raises(playable.ModelError, match="discriminator"):
        playable.Playable(TINY, adversarial=True)


def test_the_small_size_is_as_large_as_it_says():
    model = playable.Playable(playable.playable_small())
    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert f"{size:,} trained parameters" in playable.playable_small.__doc__
    stored = sum(x.numel() for x in model.state_dict().values())
    assert 2 * stored < 4e6  # bytes, in half precision


def test_a_squared_difference_is_least_where_a_thing_is_painted_faintly_in_each_place():
    frames = torch.zeros(4, 2, 3, 1, 4)  # a bright pixel that is anywhere
    frames[torch.arange(4), 1, :, 0, torch.arange(4)] = 1.0
    nothing, faint = torch.zeros(4, 1, 3, 1, 4), torch.full((4, 1, 3, 1, 4), 0.25)

    def error(made, power):
        return losses.observation_error(made, frames, power=power).item()

    assert error(nothing, 1) < error(faint, 1) and error(faint, 2) < error(nothing, 2)


def test_directions_begin_as_ways_of_what_is_seen():
    """Before anything is learnt, a bar that goes left or right is told apart."""
    torch.manual_seed(0)
    model = playable.Playable(replace(TINY, places=True)).train()
    batch = Bars(6).draw(64, torch.Generator().manual_seed(0))
    found = model.find_actions(model.encode(model.observe(batch.frames)), 6)
    first, last = batch.frames[:, :, 0, 0, 0] > 0.5, batch.frames[:, :, 0, 0, -1] > 0.5
    whole = ~(first & last)  # the bar does not leave on one side and come back on the other
    whole = whole[:, 1:] & whole[:, :-1]
    taken = batch.labels["actions"][whole].double()
    ways = found.directions.mean.detach()[whole].double()
    fit = torch.cat([ways, torch.ones(len(ways), 1).double()], dim=1)
    left = taken[:, None] - fit @ torch.linalg.lstsq(fit, taken[:, None]).solution
    assert left.var() < 0.6 * taken.var()


def test_states_can_be_a_quarter_of_a_frame():
    model = lively(playable.Playable(replace(TINY, scale=4, places=True)))
    made = model.rollout(Bars(4).draw(2, torch.Generator().manual_seed(0)).frames, 2)
    assert made.real.state.shape[2:] == (4, 8) and made.real.colours.shape == (8, 3, 4, 8)
    assert [tuple(image.shape[-2:]) for image in made.images] == [(16, 32), (8, 16), (4, 8)]
    with pytest.raises(playable.ModelError, match="4 or 8 times smaller"):
        replace(TINY, scale=2)
