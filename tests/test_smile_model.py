"""CMM-Net part by part: the drawing, the loss with its three forms, sequences, and what trains."""

import re
from dataclasses import replace

import pytest
import torch
from small_smiles import SMALL, Drawn, batch

from aidagen import training
from aidagen.models import recurrent_smile, smile
from aidagen.recipes.smile import RECIPES
from aidagen.recurrence import ConditionalLSTM
from aidagen.systems import Step


@pytest.fixture(scope="module")
def face():
    """68 points that look a little like a face, (68, 2) in [-1, 1]."""
    t = torch.linspace(0, torch.pi, 17)
    jaw = torch.stack([-0.7 * t.cos(), 0.1 + 0.7 * t.sin()], -1)
    rest = torch.rand(51, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    return torch.cat([jaw, rest])


# --- the drawing ---------------------------------------------------------------------------------


def test_a_landmark_picture_is_the_distance_to_the_nearest_line(face):
    size, stroke = 48, 2.0
    drawn = smile.landmark_map(face[None], size, stroke)
    assert drawn.shape == (1, 1, size, size)
    places = (face + 1) * (size - 1) / 2
    for y, x in ((3, 3), (20, 24), (30, 12), (40, 24), (24, 40)):
        distances = []
        for i, j in smile.SEGMENTS:
            a, b, p = places[i], places[j], torch.tensor([float(x), float(y)])
            t = ((p - a) @ (b - a) / (b - a).square().sum()).clamp(0, 1)
            distances.append((p - a - t * (b - a)).norm())
        wanted = (stroke * size / 64 / 2 + 0.5 - min(distances)).clamp(0, 1)
        assert drawn[0, 0, y, x] == pytest.approx(wanted.item(), abs=1e-3), (x, y)


def test_lines_close_where_a_face_does():
    pairs = set(smile.SEGMENTS)
    assert {(41, 36), (47, 42), (59, 48), (67, 60)} <= pairs, "eyes and lips are closed"
    assert not {(16, 0), (16, 17), (21, 22), (30, 31), (26, 27)} & pairs
    assert len(pairs) == 63


def test_points_on_top_of_each_other_can_be_drawn(face):
    same = face.clone()
    same[36:48] = 0.1
    assert smile.landmark_map(same[None], 32).isfinite().all()


# --- the loss ------------------------------------------------------------------------------------


def test_pull_in_its_three_forms():
    apart = torch.tensor([[1.0, 4.0, 7.0]], requires_grad=True)
    for spread, wanted, gradient in (
        (0.0, 1.0, (1, 0, 0)),
        (2 / 3, 4.0, (1 / 3, 1 / 3, 1 / 3)),
        (0.05, 0.95 + 0.05 * 5.5, (0.95, 0.025, 0.025)),
    ):
        loss = smile.pull(apart, spread)
        assert loss.item() == pytest.approx(wanted)
        (got,) = torch.autograd.grad(loss, apart)
        assert got[0].tolist() == pytest.approx(gradient)
    assert smile.pull(torch.tensor([[2.0], [4.0]]), 0.05) == 3.0, "one mode is simply pulled"


def smiles_of(face, *moved):
    """Answers of two frames, (1, K, 2, 68, 2): a face, and its mouth moved, in eyes' distances."""
    made = face.expand(1, len(moved), 2, 68, 2).clone()
    eyes = (face[36] - face[45]).norm()
    for k, (x, y) in enumerate(moved):
        made[0, k, 1, 48:] += eyes * torch.tensor([x, y])
    return made


SHARE = 20 / 68 / 2  # of points and frames in which the mouth moves


def test_distances_are_of_expressions_and_hardly_of_where_the_head_is(face):
    made = smiles_of(face, (0.1, 0.0), (0.0, 0.0))
    truth = smiles_of(face, (0.1, 0.0))[:, 0]
    assert smile.distances(made, truth)[0, 0] < 1e-6
    assert smile.distances(made, truth, placing=0)[0, 1].item() == pytest.approx(0.01 * SHARE)
    elsewhere = truth.clone()
    elsewhere[:, 1] = 1.1 * elsewhere[:, 1] + 0.2
    moved_head = smile.distances(made, elsewhere)[0, 0]
    apart = (elsewhere - truth).square().sum(-1).mean().item()
    assert moved_head.item() == pytest.approx(0.02 * apart, rel=1e-3)
    assert smile.distances(made, elsewhere, placing=0)[0].tolist() == pytest.approx(
        [0, 0.01 * SHARE], abs=1e-6
    )


def test_a_handicap_chooses_and_does_not_weigh():
    apart = torch.tensor([[1.0, 4.0, 7.0]], requires_grad=True)
    for handicap, winner in (((1.0, 1.0, 1.0), 0), ((5.0, 1.0, 1.0), 1), ((9.0, 9.0, 0.1), 2)):
        loss = smile.pull(apart, 0.0, torch.tensor(handicap))
        (drawn,) = torch.autograd.grad(loss, apart)
        assert drawn[0].tolist() == [float(k == winner) for k in range(3)]
        assert loss == apart[0, winner]


def test_handicaps_move_until_all_modes_win_alike():
    """Mode 0 lies near two groups of clips, and modes 1 and 2 are idle far away."""
    apart = torch.tensor([[1.0, 12.0, 15.0], [1.0, 11.0, 15.0], [1.0, 30.0, 9.0]])
    handicap = torch.ones(3)
    for _ in range(60):
        handicap = smile.handicapped(handicap, smile.winners(apart, handicap), 0.1)
    won = []
    for _ in range(30):
        won.append(smile.winners(apart, handicap))
        handicap = smile.handicapped(handicap, won[-1], 0.1)
    shares = torch.cat(won).bincount(minlength=3) / 90
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.1)
    still = smile.handicapped(torch.tensor([2.0, 1.0]), torch.tensor([0, 0, 1]), 0.0)
    assert still.tolist() == [2.0, 1.0], "without a rate the nearest wins for ever"


def test_handicaps_are_kept_with_the_run():
    torch.manual_seed(0)
    objective = smile.objective(SMALL, smile.LossWeights(vae=0, sequence=0, pixels=0))
    step, faces = Step(0, 10, torch.Generator().manual_seed(0)), batch()
    with torch.no_grad():
        modes, _ = objective.model.sequences(faces.points[:, 0], faces.label, 5)
        apart = smile.distances(objective.model.vae.points(modes), faces.points)
    objective("modes", faces, step)
    wanted = smile.handicapped(torch.ones(3), apart.argmin(1), 0.1)
    assert torch.allclose(objective.state_dict()["handicap"], wanted)


def test_push_ends_at_the_margin(face):
    # squared distances 0.01, 0.09, 0.1, times the share that moves
    made = smiles_of(face, (0.0, 0.0), (0.1, 0.0), (0.0, 0.3))
    assert smile.push(made, 0.005 * SHARE) == 0
    assert smile.push(made, 0.04 * SHARE).item() == pytest.approx(0.03 * SHARE / 3, rel=1e-4)
    assert smile.push(made[:, :1], 1.0) == 0, "one mode has nobody to push"


def test_pulling_all_averages_the_modes_and_pulling_the_best_does_not(face):
    """Three true answers to one question; K = 3 free answers, moved by each form of the pull."""
    true = smiles_of(face, (0.0, 0.0), (0.5, 0.0), (0.0, 0.5))[0]  # (3, 2, 68, 2)
    hit = {}
    for name, spread in (("all", 2 / 3), ("best", 0.0), ("relaxed", 0.05)):
        start = 0.02 * torch.randn(3, 1, 68, 2, generator=torch.Generator().manual_seed(3))
        bent = (start + (true[:, 1:] - true[:, :1]).mean(0)).requires_grad_(True)
        optimizer = torch.optim.Adam([bent], lr=0.01)
        for _ in range(150):
            optimizer.zero_grad()
            made = torch.cat([true[:, :1], true[:, :1] + bent], 1)
            smile.pull(smile.distances(made.expand(3, -1, -1, -1, -1), true), spread).backward()
            optimizer.step()
        apart = smile.distances(made.detach().expand(3, -1, -1, -1, -1), true)  # (truth, K)
        hit[name] = (apart.min(1).values < 0.1 * 0.25 * SHARE).sum().item()
    assert hit["all"] == 0, "their mean is none of them"
    assert hit["best"] == hit["relaxed"] == 3


# --- sequences -----------------------------------------------------------------------------------


def test_sequences_begin_at_the_neutral_face_and_follow_the_label():
    torch.manual_seed(0)
    model = smile.SmileNet(SMALL).eval()
    points = batch().points[:, 0]
    with torch.no_grad():
        z = model.embed(points)
        modes, shared = model.sequences(points, torch.tensor([0, 0, 0]), 6)
        others, _ = model.sequences(points, torch.tensor([1, 1, 1]), 6)
    assert modes.shape == (3, 3, 6, 8) and shared.shape == (3, 6, 8)
    assert torch.equal(shared[:, 0], z)
    assert torch.allclose(modes[:, :, 0], z[:, None].expand(-1, 3, -1), atol=1e-6)
    assert (modes[:, 0] - modes[:, 1]).abs().max() > 1e-4
    assert torch.equal(modes[:, :, 0], others[:, :, 0])
    assert (modes - others)[:, :, 1:].abs().amax((1, 2, 3)).min() > 1e-4


def test_a_clock_tells_every_step_of_a_clip_from_every_other():
    with torch.no_grad():
        unfold = ConditionalLSTM(4, 2, 3, 5, waves=4)
        told = torch.stack([unfold.told(torch.tensor([1]), at)[0] for at in range(32)])
        assert told.shape == (32, 3 + 8)
        assert torch.equal(told[:, :3], unfold.label.weight[1].expand(32, -1))
        assert (torch.cdist(told, told) + torch.eye(32)).min() > 0.1
        silent = ConditionalLSTM(4, 2, 3, 5)
        assert torch.equal(silent.told(torch.tensor([1]), 3), silent.told(torch.tensor([1]), 9))


def test_a_film_of_every_face_by_itself():
    torch.manual_seed(0)
    model, faces = smile.SmileNet(SMALL).eval(), batch()
    with torch.no_grad():
        made = model(faces.neutral, faces.points[:, 0], faces.label, 4)
        alone = model(faces.neutral[1:2], faces.points[1:2, 0], faces.label[1:2], 4)
    assert made.images.shape == (3, 3, 4, 3, 32, 32) and made.maps.shape == (3, 3, 4, 1, 32, 32)
    assert made.points.shape == (3, 3, 4, 68, 2)
    for whole, one in zip(made, alone, strict=True):
        assert torch.allclose(whole[1:2], one, atol=5e-3)  # lines are drawn by a root of squares


def test_skips_off_hides_the_face_but_for_what_passes_the_bottleneck():
    torch.manual_seed(0)
    painter = smile.Painter(SMALL).eval()
    neutral, maps = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        with_skips, without = painter(neutral, maps, maps), painter(neutral, maps, maps, False)
        again = smile.Painter(smile.SmileConfig(**{**vars(SMALL), "skips": False})).eval()
        again.load_state_dict(painter.state_dict())
        assert torch.equal(again(neutral, maps, maps), without)
    assert not torch.allclose(with_skips, without)


# --- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vae", "sequence", "modes", "recognizer", "painter", "critic"])
def test_each_phase_gives_its_own_part_a_gradient(name):
    torch.manual_seed(0)
    objective = smile.objective(SMALL, smile.LossWeights(spread=0.1, push=1.0, margin=10.0))
    phases = objective.phases()
    step = Step(0, 10, torch.Generator().manual_seed(0))
    sum(objective(name, batch(), step).values()).backward()
    moved = [p for p in phases[name] if p.grad is not None and p.grad.abs().sum() > 0]
    assert len(moved) > len(phases[name]) / 2
    # these are read or scored by, and no optimizer of this phase moves them
    helpers = {"painter": {"recognizer", "critic"}, "sequence": {"vae"}, "modes": {"vae"}}
    for other in phases.keys() - {name} - helpers.get(name, set()):
        assert all(p.grad is None or p.grad.abs().sum() == 0 for p in phases[other]), other


def test_parts_without_a_weight_stay_as_they_are():
    modes_only = smile.LossWeights(vae=0, sequence=0, pixels=0)
    objective = smile.objective(SMALL, modes_only)
    assert list(objective.phases()) == ["modes"]
    assert not any(p.requires_grad for p in objective.model.painter.parameters())


def test_the_model_of_pictures_learns_in_three_phases():
    torch.manual_seed(0)
    config = recurrent_smile.RecurrentConfig(
        size=32, latent=8, width=4, max_width=8, hidden=12, critic_width=4, people=5
    )
    objective = recurrent_smile.objective(config)
    frames = torch.rand(2, 6, 3, 32, 32)
    clips = recurrent_smile.Clips(frames, torch.tensor([0, 1]), torch.tensor([2, 3]))
    step = Step(0, 10, torch.Generator().manual_seed(0))
    for name, parameters in objective.phases().items():
        objective.zero_grad()
        terms = objective(name, clips, step)
        assert all(term.isfinite() for term in terms.values())
        sum(terms.values()).backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters), name
    with torch.no_grad():
        made = objective.model.eval()(frames[:, 0], clips.label, 7)
    assert made.images.shape == (2, 7, 3, 32, 32) and made.codes.shape == (2, 7, 8)


# --- recipes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_starts(name):
    """Three steps: every term is a number, and what the recipe trains moves, and nothing else."""
    recipe = RECIPES[name]
    assert recipe.config.size == int(re.search(r"\d+", name)[0])
    wanted = "smiles" if recipe.config.size == 64 else "smiles-128"
    assert list(recipe.data.shares) == [wanted]
    recipe = replace(
        recipe, data=Drawn(recipe.config.size, "recurrent" in name), batch=2, steps=3, start=None
    )
    objective = recipe.system.objective(recipe.config, recipe.weights)
    before = {n: p.detach().clone() for n, p in objective.model.named_parameters()}
    history = training.fit(objective, recipe)
    assert len(history) == 3 and all(v == v for row in history for v in row.values())
    moved = {n.split(".")[0] for n, p in objective.model.named_parameters()
             if not torch.equal(p, before[n])}  # fmt: skip
    part = {"landmarks": {"vae"}, "sequence": {"unfold"}, "painter": {"painter"},
            "no-skips": {"painter"}}  # fmt: skip
    last = name.split("64")[-1].split("128")[-1].removeprefix("-")
    everything = {"pictures", "unfold"}
    assert moved == (everything if "recurrent" in name else part.get(last, {"bend"}))


def test_every_recipe_begins_where_another_ends():
    for name, recipe in RECIPES.items():
        if recipe.start is not None:
            assert RECIPES[recipe.start].config == replace(recipe.config, skips=True), name
            assert RECIPES[recipe.start].data == recipe.data, name
