"""How the playable video model is trained: schedules, terms, the alarm, whole short runs."""

import copy
import logging
import math
from dataclasses import replace

import pytest
import torch
from small_games import TINY, Bars

from aidagen import losses as shared
from aidagen import training
from aidagen.models import playable
from aidagen.models.playable import losses
from aidagen.models.playable.schedules import Ramp, Stages
from aidagen.recipes import Recipe
from aidagen.systems import Step

SHORT = Stages(temperature=1.0, length=5, real=2, pretraining=0)
PLAIN = playable.LossWeights(perceptual=0.0, stages=SHORT)


def step(number=0):
    return Step(number, 100, torch.Generator().manual_seed(number))


def objective(weights=PLAIN, config=TINY):
    torch.manual_seed(0)
    return playable.Objective(playable.Playable(config), weights).train()


def test_schedules():
    ramp = Ramp(1.0, 0.4, 10, begin=5)
    assert [ramp.at(n) for n in (0, 5, 10, 15, 99)] == pytest.approx([1, 1, 0.7, 0.4, 0.4])
    assert [Ramp(0.0, 2.0, 0, begin=3).at(n) for n in (2, 3)] == [0, 2]
    stages = Stages(length=Ramp(3, 5, 10), real=2, pretraining=4, free=8, rest=Ramp(1, 0, 4, 8))
    told = [stages.at(n) for n in (0, 4, 8, 10, 12)]
    assert [now.length for now in told] == [3, 3, 4, 5, 5]
    assert [now.pretraining for now in told] == [True, False, False, False, False]
    assert [now.free for now in told] == [True, True, False, False, False]
    assert [now.rest for now in told] == pytest.approx([1, 1, 1, 0.5, 0])
    weights = playable.LossWeights(information=Ramp(0.0, 0.3, 10)).at(5)
    assert weights.information == pytest.approx(0.15) and weights.pixels == 2.0


def test_a_free_stage_ends_after_pretraining():
    stages = SHORT._replace(pretraining=10, free=5)
    with pytest.raises(playable.ModelError, match="free stage ends at step 5"):
        playable.Objective(playable.Playable(TINY), PLAIN._replace(stages=stages))


def test_a_clip_is_cut_to_the_length_of_the_hour():
    weights = PLAIN._replace(stages=SHORT._replace(length=Ramp(3, 5, 10)))
    made, seen = objective(weights), []
    made.model.representation_network.register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))
    for number in (0, 5, 10):
        seen.clear()
        made("model", Bars(8).draw(2, torch.Generator().manual_seed(0)), step(number))
        assert seen[0] == 2 * made.weights.stages.at(number).length
    starts = set()
    for seed in range(30):
        cut = playable.training.stretch(6, 3, torch.Generator().manual_seed(seed))
        assert cut.stop == cut.start + 3
        starts.add(cut.start)
    assert starts == {0, 1, 2, 3}
    assert playable.training.stretch(6, 7, torch.Generator()) == slice(0, 6)


PARTS = {
    "E": "representation_network", "A": "action_network", "R": "dynamics_network",
    "D": "rendering_network", "direct": "state_to_hidden_state_layer",
}  # fmt: skip
NOTHING = PLAIN._replace(
    pixels=0.0, states=0.0, hidden=0.0, directions=0.0, information=0.0
)  # fmt: skip
REACHES = {  # each term alone -> the parts that learn from it
    "pixels": "EARD",
    "states": "EARD",
    "directions": "EA",
    "information": "EARD",
    "poses": "EARD",
    "entropy": "EA",
    "divergence": "EARD",
}


@pytest.mark.parametrize(("term", "parts"), REACHES.items())
def test_each_term_reaches_its_parts(term, parts):
    made = objective(NOTHING._replace(**{term: 1.0}))
    terms = made("model", Bars().draw(4, torch.Generator().manual_seed(0)), step())
    assert term in terms
    sum(terms.values()).backward()
    for letter, name in PARTS.items():
        gradients = [p.grad for p in getattr(made.model, name).parameters() if p.requires_grad]
        moved = [g for g in gradients if g is not None and g.abs().max() > 1e-9]
        assert bool(moved) == (letter in parts), f"{term}: {name}"
    assert made.model.centroids.grad is None


def test_a_gradient_reaches_every_parameter():
    stages = SHORT._replace(pretraining=1)
    made = objective(PLAIN._replace(poses=1e-3, stages=stages))
    for number in (0, 1):  # pretraining, and a roll-out
        batch = Bars().draw(4, torch.Generator().manual_seed(number))
        sum(made("model", batch, step(number)).values()).backward()
    for name, parameter in made.model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name
    phased = {id(p) for p in made.phases()["model"]}
    assert id(made.model.centroids) not in phased


def test_pretraining_paints_every_frame_from_its_state():
    made = objective(PLAIN._replace(stages=SHORT._replace(pretraining=1)))
    frames = Bars().draw(2, torch.Generator().manual_seed(0)).frames
    out = made.run(made.model, Bars().draw(2, torch.Generator().manual_seed(0)))
    assert out.images[0].shape == frames[:, :5].shape and out.expected.shape[1] == 4
    terms = made("model", Bars().draw(2, torch.Generator().manual_seed(0)), step())
    assert set(terms) == {"pixels", "directions", "hidden", "usage"}
    later = made("model", Bars().draw(2, torch.Generator().manual_seed(0)), step(1))
    assert set(later) == {"pixels", "states", "directions", "information", "usage"}
    assert not later["usage"].requires_grad


class Halves(torch.nn.Module):
    """A feature network of one known feature."""

    def forward(self, x):
        return [torch.nn.functional.avg_pool2d(x, 2)]


def test_the_perceptual_term_is_a_mean_over_resolutions():
    torch.manual_seed(0)
    pyramid = shared.PerceptualPyramid(Halves(), (1.0,))
    weights = NOTHING._replace(perceptual=0.5)
    made = playable.Objective(playable.Playable(TINY), weights, pyramid).train()
    frames = Bars(5).draw(2, torch.Generator().manual_seed(0)).frames
    out = made.reconstruct(made.model, frames, SHORT.at(0), torch.Generator().manual_seed(0))
    found = made.frame_terms(out, frames, weights)["perceptual"]
    wanted = 0.0
    for images in out.images:
        target = losses.resized(frames[:, 1:], images.shape[-2:])
        apart = [Halves()(x.flatten(0, 1))[0] for x in (images, target)]
        wanted += 0.5 * (apart[0] - apart[1]).abs().mean() / 3
    torch.testing.assert_close(found, wanted)


# --- collapse ------------------------------------------------------------------------------------


def test_usage_speaks_once_when_actions_are_lost_and_again_when_they_are_back(caplog):
    usage = playable.Usage(3, threshold=0.5)
    for n in range(200):
        usage.count(torch.arange(9) % 3, n)
    assert usage.entropy.item() == pytest.approx(1) and not caplog.records
    for n in range(200, 400):
        usage.count(torch.ones(9, dtype=torch.long), n)
    (told,) = caplog.messages
    assert "actions collapse" in told and "Action 2 of 3" in told and "below 0.50" in told
    at = int(told.split()[1].rstrip(":"))
    assert 220 < at < 300  # a single odd batch is no collapse
    assert usage.entropy < 0.2
    for n in range(400, 600):
        usage.count(torch.arange(9) % 3, n)
    assert len(caplog.messages) == 2 and "taken again" in caplog.messages[1]
    by_hand = -sum(s * math.log(s) for s in usage.shares.tolist()) / math.log(3)
    assert usage.entropy.item() == pytest.approx(by_hand, abs=1e-5)
    # one action alone has nothing to lose
    single = playable.Usage(1)
    single.count(torch.zeros(9, dtype=torch.long), 0)
    assert single.entropy == 1 and len(caplog.messages) == 2


def test_training_reports_a_collapse(caplog):
    caplog.set_level(logging.WARNING)
    weights = PLAIN._replace(stages=SHORT._replace(length=3))
    made = objective(weights)
    with torch.no_grad():
        made.model.action_network[0].final_fc.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
        made.usage.rate = 0.2
        for number in range(12):
            batch = Bars(3).draw(2, torch.Generator().manual_seed(number))
            terms = made("model", batch, step(number))
    (told,) = caplog.messages
    assert "Action 3 of 3" in told
    assert terms["usage"] < 0.5


# --- whole runs ----------------------------------------------------------------------------------


def recipe(weights, steps, **changes):
    return Recipe(TINY, Bars(4), steps, weights, batch=8, rate=3e-3, ema=0.9, **changes)


def test_a_free_stage_ends_in_named_actions_and_a_run_goes_on_from_its_checkpoint():
    stages = Stages(temperature=1.0, length=3, real=1, pretraining=2, free=4, rest=0.5)
    weights = PLAIN._replace(stages=stages)
    first = training.Training(objective(weights), recipe(weights, 8))
    free = [first.step() for _ in range(4)]
    assert "usage" not in free[3] and "information" not in free[3] and not first.bare.named
    assert int(first.bare.remembered) == 4 * 8 * 2
    state = copy.deepcopy(first.state())
    seen = first.bare.recent[: 4 * 8 * 2].clone()
    following = first.step()
    assert {"usage", "information"} <= set(following) and first.bare.named
    centroids = playable.clustered(seen, 3)
    weight = first.bare.model.action_network[0].final_fc.weight
    torch.testing.assert_close(weight.data, 4 * centroids, atol=0.05, rtol=0)  # after one step
    second = training.Training(objective(weights), recipe(weights, 8))
    second.restore(state)
    assert second.step() == pytest.approx(following)
    assert first.step() == pytest.approx(second.step())
    model = first.averaged()
    assert not model.training
    assert model(Bars().draw(2, torch.Generator().manual_seed(0)).frames).image.isfinite().all()


def test_directions_that_are_held_learn_nothing_and_are_told_all_the_same():
    weights = PLAIN._replace(stages=SHORT._replace(free=10, held=5))
    made = objective(weights, replace(TINY, places=True))
    batch, network = Bars().draw(2, torch.Generator().manual_seed(0)), made.model.action_network
    for number, learns in ((4, False), (5, True)):
        made.zero_grad()
        terms = made("model", batch, step(number))
        assert ("directions" in terms) == learns
        sum(terms.values()).backward()
        grads = [p.grad for p in network.parameters() if p.grad is not None and p.grad.any()]
        assert bool(grads) == learns
        told = made.model.dynamics_network.recurrent_layers_blocks[0][0].cell.input_gate.weight
        first = TINY.state + TINY.actions  # the channels that carry the direction
        assert told.grad[:, first : first + TINY.dimensions].any()


def test_the_power_of_a_difference_is_part_of_the_weights():
    batch = Bars().draw(2, torch.Generator().manual_seed(0))
    by_power = {power: objective(PLAIN._replace(power=power))("model", batch, step())["pixels"]
                for power in (1, 2)}  # fmt: skip
    assert by_power[2] < by_power[1]


# --- told by a code book, or by labels -----------------------------------------------------------


CODES = PLAIN._replace(told="code", commitment=0.25, information=0.0)


def test_a_code_has_the_gradient_of_its_direction():
    centroids = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    direction = torch.tensor([[0.3, 0.2], [-2.0, 0.1]], requires_grad=True)
    code = playable.training.coded(direction, centroids)
    assert torch.allclose(code, torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    (code * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert direction.grad.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_codes_move_and_are_pressed_as_actions():
    made = objective(CODES)
    model, batch = made.model, Bars().draw(4, torch.Generator().manual_seed(0))
    before = model.centroids.clone()
    terms = made("model", batch, step())
    assert not torch.equal(before, model.centroids)
    assert {"pixels", "commitment"} <= set(terms)
    sum(term for key, term in terms.items() if key != "usage").backward()
    reached = model.action_network[0].mean_fc.weight.grad
    assert reached.abs().sum() > 0  # through codes
    made.press_codes()
    model.eval()
    world = model.begin(batch.frames[0, 0])
    for action in range(3):
        pressed, _ = model.play(world, action)
        nobody = torch.zeros(1, 3)
        coded, _ = model.play(world, nobody, model.centroids[action][None])
        assert torch.allclose(pressed, coded, atol=1e-6)
    seen = model.find_actions(model.encode(model.observe(batch.frames)), 6)
    apart = torch.cdist(seen.sampled.flatten(0, 1), model.centroids)
    assert seen.logits.flatten(0, 1).argmax(-1).tolist() == apart.argmin(-1).tolist()


def test_true_actions_are_told_and_have_to_be_there():
    class Labelled(Bars):
        def draw(self, count, generator):
            drawn = super().draw(count, generator)
            taken = torch.cat([drawn.labels["actions"] + 1, torch.zeros(count, 1).long()], 1)
            return drawn._replace(labels={"actions": taken})

    weights = PLAIN._replace(told="label", stages=SHORT._replace(length=4))
    made, batch = objective(weights), Labelled().draw(4, torch.Generator().manual_seed(0))
    now = weights.stages.at(0)
    frames, labels = made.cut(batch, now, torch.Generator().manual_seed(3))
    first = [(batch.frames[:, n] - frames[:, 0]).abs().sum().item() for n in range(6)].index(0.0)
    assert labels.tolist() == batch.labels["actions"][:, first : first + 4].tolist()
    out = made.reconstruct(made.model, frames, now, torch.Generator().manual_seed(0), labels)
    assert out.action.argmax(-1).tolist() == labels[:, :-1].tolist()
    assert not out.variation.any()
    terms = made("model", batch, step())
    assert terms["pixels"].requires_grad
    with pytest.raises(playable.ModelError, match=r'labels=\("actions",\)'):
        made("model", batch._replace(labels={}), step())
    with pytest.raises(playable.ModelError, match="got 'guess'"):
        objective(PLAIN._replace(told="guess"))


def test_variability_is_told_in_some_clips():
    made = objective(PLAIN._replace(stages=SHORT._replace(silent=0.5)))
    frames = Bars().draw(16, torch.Generator().manual_seed(0)).frames
    now = made.weights.stages.at(0)
    out = made.reconstruct(made.model, frames, now, torch.Generator().manual_seed(1))
    told = out.variation.flatten(1).any(1)
    assert 0 < told.sum() < 16
    out = made.reconstruct(made.model, frames, now._replace(silent=0.0), torch.Generator())
    assert out.variation.flatten(1).any(1).all()
