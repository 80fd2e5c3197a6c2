"""Parity with the published playable video model (CADDY): same keys, same numbers.

Pictures are in [0, 1] here and in [-1, 1] there. Directions are not sampled.
"""

import numpy as np
import pytest
import torch
from golden_rule import Golden, fill_keys, filled, image, normal

from aidagen import zoo
from aidagen.models import playable
from aidagen.models.playable import actions, losses, schedules
from aidagen.models.playable.actions import Gaussian, one_hot

FIRST = {"bair": 101, "breakout": 111}  # number of the first picture


@pytest.fixture(scope="module", params=FIRST)
def published(request):
    """A filled model with its clips and golden numbers."""
    name = request.param
    parts = {"model": filled(fill_keys(f"playable/{name}")), "optimizer": {}, "step": 3}
    model = zoo.load_published("playable", name, parts)
    size = model.config.height, model.config.width
    frames = [[image(FIRST[name] + t + 10 * s, *size) for t in range(4)] for s in range(2)]
    frames = torch.stack([torch.stack(clip) for clip in frames])
    return name, model, frames, Golden(f"playable_{name}")


def buttons(model, last):
    """Actions of three steps, (2, 3, K); the last one of the second clip is ``last``."""
    k = model.config.actions
    return one_hot(torch.tensor([[1, 0, k - 1], [2, k - 1, last]]), k)


def signed(images):
    return 2 * images - 1


@pytest.mark.parametrize("config", playable.PUBLISHED)
def test_parity_playable_keys_and_fill_rule(config):
    """Every published config has the original's keys and shapes; the rule fills them alike."""
    keys = fill_keys(f"playable/{config}")
    with torch.device("meta"):
        model = playable.Playable(playable.playable_published(config))
    found = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert found == {key: shape for key, (shape, *_) in keys.items()}
    for key, value in filled(keys).items() if config == "breakout" else ():
        if value.is_floating_point():
            total, absolute = keys[key][1:]
            np.testing.assert_allclose(value.double().sum().item(), total, rtol=1e-5, atol=1e-4)
            np.testing.assert_allclose(value.double().abs().sum().item(), absolute, rtol=1e-5)


@torch.no_grad()
def test_parity_playable_states_and_actions(published):
    _, model, frames, golden = published
    encoded = model.encode(model.observe(frames))
    golden.check(encoded.state.unflatten(0, (2, 4)), "representation/state@s4x4x4")
    golden.check(encoded.attention.unflatten(0, (2, 4)), "representation/attention@s2")
    found = model.find_actions(encoded, 4)
    golden.check(found.logits, "action/logits_from_mean_direction")
    golden.check(torch.stack(found.directions, 2), "action/direction_distribution")
    golden.check(torch.stack(found.poses, 2), "action/state_distribution")
    golden.check(found.probabilities, "action/probabilities")
    golden.check(model.centroids, "centroids")
    rest = actions.variability(found.sampled, found.probabilities, model.centroids)
    golden.check(rest.flatten(0, 1), "action/variations_from_probabilities")


@torch.no_grad()
def test_parity_playable_dynamics_and_rendering(published):
    """Three steps on real states: output, the memory of every layer, frames of every size."""
    name, model, frames, golden = published
    states = model.encode(model.observe(frames)).state.unflatten(0, (2, 4))
    memory, told = model.dynamics_network.begin(2), buttons(model, last=1)
    golden.check(told[:, 0], "dynamics/one_hot_step1")
    for n in range(3):
        variation = 0.5 * normal(f"caddy/{name}/variation{n}", (2, model.config.dimensions))
        golden.check(variation, f"dynamics/variation_step{n + 1}")
        hidden, memory = model.dynamics_network(states[:, n], told[:, n], variation, memory)
        golden.check(hidden, f"dynamics/output_step{n + 1}@s8x4x4")
        if n == 1:
            continue
        for layer, cell in enumerate(memory):
            golden.check(cell.hidden, f"dynamics/lstm{layer}_hidden_step{n + 1}@s16x4x4")
            golden.check(cell.cell, f"dynamics/lstm{layer}_cell_step{n + 1}@s16x4x4")
        images = model.rendering_network(hidden)
        for level, (picture, stride) in enumerate(zip(images, (4, 4, 2), strict=True)):
            golden.check(signed(picture), f"rendering/step{n + 1}_res{level}@s{stride}")

    start = model.pretrain(frames[:1, :2])
    golden.check(start.hidden[0], "pretraining/hidden@s16x4x4")
    golden.check(signed(start.images[0][0]), "pretraining/render@s8")


@torch.no_grad()
def test_parity_playable_rollout_and_losses(published):
    name, model, frames, golden = published
    label, action = f"caddy/{name}/rollout_variation", buttons(model, last=0)
    variation = 0.3 * normal(label, (6, model.config.dimensions)).unflatten(0, (2, 3))
    out = model.rollout(frames, 2, lambda found: (action, variation))
    made, real = (x.state.unflatten(0, (2, 4)) for x in (out.made, out.real))
    golden.check(signed(out.image), "rollout/reconstructed_observations@s16")
    golden.check(made, "rollout/reconstructed_states@s8x4x4")
    golden.check(out.found.logits, "rollout/action_logits")
    looks = out.made.attention.unflatten(0, (2, 4))[:, 1:]
    golden.check(looks, "rollout/reconstructed_attention@s4")
    golden.check(out.variation, "rollout/variations")
    golden.check(out.replayed.logits, "rollout/reconstructed_action_logits")
    golden.check(torch.stack(out.replayed.directions, 2), "rollout/reconstructed_directions")
    golden.check(torch.stack(out.replayed.poses, 2), "rollout/reconstructed_action_states")

    def check(value, key):
        golden.check(value.reshape(1), f"loss/{key}")

    for level, images in enumerate(out.images):
        check(2 * losses.observation_error(images, frames), f"observations_res{level}")
    check(losses.states_mse(made, real), "states")
    check(losses.standard_kl(out.found.directions), "direction_kl")
    check(losses.gaussian_kl(out.replayed.poses, out.found.poses), "action_state_kl")
    p, q = out.found.probabilities, out.replayed.probabilities
    check(-losses.mutual_information(losses.joint(p, q)), "mutual_information")
    check(losses.entropy(p).mean(), "entropy")

    _, own = model.explained(out.found, action)
    golden.check(own, "rollout_default_variation/variations")
    if name == "breakout":  # the smaller one
        out = model.rollout(frames, 3, lambda found: model.explained(found, action))
        golden.check(signed(out.image), "rollout_default_variation/reconstructed_observations@s16")


@torch.no_grad()
def test_parity_playable_play(published):
    _, model, frames, golden = published
    last = model.config.actions - 1
    world = model.begin(frames[0, 0])
    for n, action in enumerate((last, 0, 1), 1):
        picture, world = model.play(world, action)
        golden.check(signed(picture), f"play/frame{n}@s16")
    seen = signed(world.observation[0, :3]).mean((1, 2))
    golden.check(seen, "play/next_observation_mean_per_channel")
    world = model.begin(frames[0, 0])
    for share in (0.25, 0.75):
        picture, world = model.play(world, *model.between(0, last, share))
        golden.check(signed(picture), f"play/interpolated_{share}@s16")


def test_parity_playable_losses():
    """Every loss and small part on given inputs."""
    golden = Golden("playable_losses")
    p, q = golden["input/p"], golden["input/q"]
    first, second = (Gaussian(*golden[f"input/dist{n}"].unbind(2)) for n in (1, 2))

    def check(value, key):
        golden.check(value.reshape(1) if value.ndim == 0 else value, key)

    together = losses.joint(p, q)
    check(together, "mi/joint")
    check(-losses.mutual_information(together), "mi/loss")
    check(-losses.mutual_information(together, 1.5), "mi/loss_lambda1.5")
    smoothed = losses.SmoothedJoint(7)
    for n, pair in enumerate(((p, q), (q, p.flip(0)), (p, p)), 1):
        together = smoothed(*pair)
        check(-losses.mutual_information(together), f"mi_smooth/loss{n}")
        check(smoothed.estimate, f"mi_smooth/estimate{n}")
    check(losses.standard_kl(first), "kl/standard")
    check(losses.gaussian_kl(first, second), "kl/general")
    check(losses.gaussian_kl(first, second, smallest=0.0), "kl/general_eps0")
    logits = golden["input/logits1"], golden["input/logits2"]
    check(losses.categorical_kl(*logits), "kl/categorical")
    check(losses.entropy(logits[0].softmax(-1)).mean(), "entropy/logits")
    check(losses.entropy(p).mean(), "entropy/probabilities")

    made, real = normal("caddy/loss/hs", (2, 3, 4, 5, 6)), normal("caddy/loss/hr", (2, 4, 4, 5, 6))
    check(losses.states_mse(made, real), "states/mse")
    check(losses.states_mse(made, real), "hidden_states/mse_shorter")
    frames = torch.stack([image(n, 24, 32, 6)[:3] for n in range(130, 134)])[None]
    small = torch.stack([image(n, 12, 16) for n in range(140, 143)])[None]
    check(2 * losses.observation_error(small, frames), "observations/l1_shorter_half_resolution")
    large = torch.stack([image(n, 24, 32) for n in range(140, 143)])[None]
    weights = losses.motion_weights(frames, large, bias=0.1)
    golden.check(weights, "observations/motion_weight_mask@s2")


def test_parity_playable_centroids_and_sampling():
    golden = Golden("playable_losses")
    p, q = golden["input/p"], golden["input/q"]
    means = [golden[f"input/dist{n}"].unbind(2)[0] for n in (1, 2)]
    centroids = actions.Centroids(playable.playable_published("bair"))
    centroids.estimated_centroids.data = normal("estimated_centroids", (7, 2))
    golden.check(centroids.estimated_centroids, "centroid/before")
    golden.check(centroids.distance.reshape(1), "centroid/average_distance")
    centroids.eval()
    centroids.update(means[0], p)
    golden.check(centroids.estimated_centroids, "centroid/after_eval_update")
    centroids.train()
    for n, (mean, assignment) in enumerate(zip(means, (p, q)), 1):
        centroids.update(mean, assignment)
        golden.check(centroids.estimated_centroids, f"centroid/after_update{n}")
    rest = actions.variability(means[0], q, centroids.estimated_centroids)
    golden.check(rest, "centroid/variations")

    noise = golden["gumbel/uniform"]
    for temperature in (1.0, 0.4):
        for hard in (False, True):
            found = actions.gumbel_softmax(
                p.flatten(0, 1).log(), temperature, uniform=noise, hard=hard
            )
            golden.check(found, f"gumbel/{'hard' if hard else 'soft'}_t{temperature}")


@pytest.mark.parametrize(("at", "config"), enumerate(playable.PUBLISHED))
def test_parity_playable_schedules(at, config):
    """Temperature, sequence length and number of real frames at some steps of a run."""
    golden = Golden("playable_losses")
    for step, *wanted in golden["annealing/bair_breakout_tennis"][at].tolist():
        now = schedules.PUBLISHED[config].at(int(step))
        assert now.temperature == pytest.approx(wanted[0], abs=1e-5)
        assert [now.length, now.real] == wanted[1:]


def test_parity_playable_checkpoint_doctor():
    """A damaged checkpoint is refused by the names of its faults."""
    state = filled(fill_keys("playable/breakout"))
    del state["dynamics_network.recurrent_layers_blocks.1.0.initial_hidden_state"]
    state["centroid_estimator.estimated_centroids"] = torch.zeros(4, 1)
    state["extra.weight"] = torch.zeros(1)
    with pytest.raises(zoo.CheckpointMismatch) as caught:
        zoo.load_published("playable", "breakout", {"model": state})
    told = caught.value
    assert told.missing == ["dynamics_network.recurrent_layers_blocks.1.0.initial_hidden_state"]
    assert told.extra == ["extra.weight"]
    assert "estimated_centroids (4, 1) instead of (3, 1)" in told.misshaped[0]
    with pytest.raises(zoo.CheckpointMismatch, match="model"):
        zoo.load_published("playable", "breakout", {"generator": {}})
    with pytest.raises(playable.ModelError, match="tennis"):
        zoo.load_published("playable", "pong", {"model": {}})
