"""The training loop: presets, pairs of frames, checkpoints that resume exactly.

    aidagen train fomm-faces-64 --minutes 90

Lightning Fabric decides device, precision and number of processes. Every random choice of step n
is drawn from (seed, n) alone, so a run that was stopped and resumed takes the same steps as one
that was not, and no generator state has to be saved. The weights that ship are the exponential
moving average of the trained ones.
"""

import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from aidagen import datasets, grids, zoo
from aidagen.errors import AidagenError
from aidagen.judges.features import mobilenet_features
from aidagen.keypoints import RandomTransform
from aidagen.losses import PerceptualPyramid
from aidagen.presets import PRESETS, RENDERED, Preset


class TrainingError(AidagenError):
    """A run that cannot start, or a checkpoint that is not of this run."""


# --- pairs of frames -----------------------------------------------------------------------------


class Pairs:
    """Training clips in memory, from which pairs (source, driving) of one person are drawn."""

    def __init__(
        self, shares: dict[str, float], across: float, jitter: float, placing: float = 0.0
    ):
        self.shares, self.across, self.placing = shares, across, placing
        self.clips: dict[str, list[Tensor]] = {}
        self.kin: dict[str, list[list[int]]] = {}  # clips of the same person, for every clip
        for name in shares:
            clips = datasets.load(name).clips("train")
            self.clips[name] = [clip.frames() for clip in clips]
            keys = [
                clip.entry.get("person") or clip.entry.get("character") or clip.name
                for clip in clips
            ]
            self.kin[name] = [[j for j, other in enumerate(keys) if other == key] for key in keys]
        # imported here, as the augmentations take a second to import
        from kornia.augmentation import ColorJiggle

        self.colours = ColorJiggle(jitter, jitter, jitter, jitter / 2, p=1.0) if jitter else None

    def draw(
        self, batch: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 3 H W"]]:
        """One batch, in [0, 1]: random frames, flipped, coloured and placed together."""

        def pick(n: int) -> int:
            return int(torch.randint(n, (), generator=generator))

        sources, drivings = [], []
        names = list(self.shares)
        shares = torch.tensor(list(self.shares.values()))
        for _ in range(batch):
            name = names[int(torch.multinomial(shares, 1, generator=generator))]
            clips = self.clips[name]
            i = j = pick(len(clips))
            if torch.rand((), generator=generator) < self.across:
                j = self.kin[name][i][pick(len(self.kin[name][i]))]
            pair = [clips[i][pick(len(clips[i]))], clips[j][pick(len(clips[j]))]]
            if torch.rand((), generator=generator) < 0.5:
                pair = [frame.flip(-1) for frame in pair]
            sources.append(pair[0])
            drivings.append(pair[1])
        source = torch.stack(sources).float() / 255
        driving = torch.stack(drivings).float() / 255
        if self.colours is not None:
            with torch.random.fork_rng(devices=[]):  # kornia draws from the global generator
                torch.manual_seed(pick(2**31 - 1))
                source = self.colours(source)
            driving = self.colours(driving, params=self.colours._params)
        if self.placing:
            source, driving = self._place(source, driving, generator)
        return source, driving

    def _place(self, source: Tensor, driving: Tensor, generator: torch.Generator):
        """Both frames zoomed, turned and shifted alike; what comes in from outside is reflected."""
        log_zoom, turn, x, y = self.placing * torch.randn(4, len(source), generator=generator)
        cos, sin = log_zoom.exp() * turn.cos(), log_zoom.exp() * turn.sin()
        theta = torch.stack([cos, -sin, x, sin, cos, y], dim=-1).unflatten(-1, (2, 3))
        grid = grids.affine_grid(theta, *source.shape[2:])
        return [grids.warp(frames, grid, padding="reflection") for frames in (source, driving)]


# --- the loop ------------------------------------------------------------------------------------


def run(
    name: str,
    *,
    out: Path | str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    devices: int = 1,
    precision: str = "32-true",
    profile: str = "lecture",
    fresh: bool = False,
    install: bool = False,
    report: Callable[[dict], None] | None = None,
) -> Path:
    """Train preset ``name`` until its steps are done or ``minutes`` are over.

    The run lives in ``out`` (default ``runs/<name>``): ``checkpoint.pt`` every two minutes and at
    the end, ``history.json``, and the averaged weights with their card. It goes on from its
    checkpoint unless ``fresh``. ``install`` puts finished weights where the zoo finds them.
    ``profile="smoke"`` takes three steps. Returns the path of the weights.
    """
    if name not in PRESETS:
        raise TrainingError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
    preset = PRESETS[name]
    if steps or profile == "smoke":
        preset = replace(preset, steps=steps or 3)
    out = Path(out or Path("runs") / name)
    fabric = Fabric(devices=devices, precision=precision, accelerator="auto")
    fabric.launch()
    fabric.seed_everything(preset.seed, verbose=False)

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"Cannot make the run's folder {out}: {error.strerror}.") from error
    system = zoo.SYSTEMS[zoo.system_of(preset.config)]
    model = system.model(preset.config, adversarial=preset.weights.adversarial > 0)
    features = PerceptualPyramid(mobilenet_features(), preset.scales)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(preset.ema), use_buffers=True)
    objective = system.objective(model, features, preset.weights)
    trained = [p for part, module in model.named_children() if part != "discriminator"
               for p in module.parameters()]  # fmt: skip
    optimizers = [torch.optim.Adam(trained, preset.rate, betas=(0.5, 0.999))]
    if model.discriminator is not None:
        optimizers.append(
            torch.optim.Adam(model.discriminator.parameters(), preset.rate, betas=(0.5, 0.999))
        )
    objective, *optimizers = fabric.setup(objective, *optimizers)
    average = average.to(fabric.device)
    state = {
        "name": name,
        "preset": _plain(preset),
        "model": model,
        "average": average,
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "step": 0,
        "seconds": 0.0,
        "history": [],
    }
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists() and not fresh:
        _resume(fabric, checkpoint, state, optimizers)

    pairs = Pairs(preset.data, preset.across, preset.jitter, preset.placing)
    start, saved = time.monotonic() - state["seconds"], time.monotonic()
    budget = math.inf if minutes is None else time.monotonic() + 60 * minutes
    sums: dict[str, float] = {}
    counted = 0  # steps in these sums; fewer than 50 after a resume
    try:
        for step in range(state["step"], preset.steps):
            if time.monotonic() > budget:
                break
            terms = _step(fabric, preset, pairs, objective, optimizers, step)
            average.update_parameters(model)
            state["step"], state["seconds"] = step + 1, time.monotonic() - start
            for key, value in terms.items():
                sums[key] = sums.get(key, 0.0) + value.item()
            counted += 1
            if (step + 1) % 50 == 0 or step + 1 == preset.steps:
                row = {"step": step + 1, "seconds": round(state["seconds"], 1)}
                row |= {key: round(value / counted, 4) for key, value in sums.items()}
                state["history"].append(row)
                sums, counted = {}, 0
                if report is not None and fabric.is_global_zero:
                    report(row)
            if step + 1 in preset.snapshots and fabric.is_global_zero:
                zoo.save_weights(average.module, out / "snapshots" / f"{step + 1}.safetensors")
            if time.monotonic() - saved > 120:
                _save(fabric, checkpoint, state, optimizers)
                saved = time.monotonic()
    finally:  # an interrupted run keeps what it learned
        _save(fabric, checkpoint, state, optimizers)
    path = out / f"{name}.safetensors"
    if fabric.is_global_zero:
        _measure_norms(average.module, pairs, preset, min(50, state["step"]), fabric.device)
        _write_text(out / "history.json", json.dumps(state["history"]))
        card = _card(name, preset, state)
        zoo.save(average.module, preset.config, card, path)
        zoo.join_snapshots(out / "snapshots", path.with_name(f"{name}.snapshots"))
        if install:
            zoo.install(path)
    fabric.barrier()
    return path


def _step(fabric, preset, pairs, objective, optimizers, step) -> dict[str, Tensor]:
    # every process draws its own pairs; every choice depends on (seed, step, process) alone
    seed = (preset.seed * 1_000_003 + step) * 64 + fabric.global_rank
    generator = torch.Generator().manual_seed(seed)
    source, driving = (x.to(fabric.device) for x in pairs.draw(preset.batch, generator))
    transform = RandomTransform.sample(
        len(source),
        generator=generator,
        sigma_affine=preset.sigma_affine,
        sigma_tps=preset.sigma_tps,
        align_corners=preset.config.align_corners,
        device=fabric.device,
    )
    # warm up over 100 steps, then down to a tenth along half a cosine
    rate = min(1.0, (step + 1) / 100) * (
        0.1 + 0.45 * (1 + math.cos(math.pi * step / max(preset.steps, 1)))
    )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = preset.rate * rate
    terms, against = objective(source, driving, transform)
    total = sum(terms.values())
    if not torch.isfinite(total):
        raise TrainingError(
            f"The loss is {total.item()} at step {step}; lower the rate or resume an earlier "
            "checkpoint (nothing was overwritten)."
        )
    optimizers[0].zero_grad()
    fabric.backward(total, retain_graph=against is not None)
    optimizers[0].step()
    if against is not None:
        optimizers[1].zero_grad()  # also drops what the generator's step left in it
        fabric.backward(against)
        optimizers[1].step()
        terms = {**terms, "discriminator": against}
    return {key: value.detach() for key, value in terms.items()}


@torch.no_grad()
def _measure_norms(
    model: nn.Module, pairs: Pairs, preset: Preset, batches: int, device: torch.device
) -> None:
    """Batch-norm statistics of averaged weights, measured afresh on training pairs.

    The average of the statistics met on the way fits neither the averaged weights nor the last.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms or not batches:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    model.train()
    generator = torch.Generator().manual_seed(preset.seed)
    for _ in range(batches):
        model(*(x.to(device) for x in pairs.draw(preset.batch, generator)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def _resume(fabric: Fabric, path: Path, state: dict, optimizers) -> None:
    try:
        stored = torch.load(path, map_location=fabric.device, weights_only=True)
    except Exception as error:
        raise TrainingError(
            f"{path} is not a readable checkpoint ({type(error).__name__}); start again with "
            "--fresh or delete it."
        ) from error
    wanted, found = ({**p, "steps": 0} for p in (state["preset"], stored["preset"]))
    if wanted != found:
        raise TrainingError(
            f"{path} belongs to a run of {stored['name']} with other settings; start again with "
            "--fresh or give another --out."
        )
    state["model"].load_state_dict(stored["model"])
    state["average"].load_state_dict(stored["average"])
    for optimizer, values in zip(optimizers, stored["optimizers"]):
        optimizer.load_state_dict(values)
    for key in ("step", "seconds", "history"):
        state[key] = stored[key]


def _save(fabric: Fabric, path: Path, state: dict, optimizers) -> None:
    if not fabric.is_global_zero:
        return
    stored = {
        **state,
        "model": state["model"].state_dict(),
        "average": state["average"].state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    temporary = path.with_suffix(".part")
    torch.save(stored, temporary)
    os.replace(temporary, path)


def _plain(preset: Preset) -> dict:
    """The preset as JSON would keep it."""
    return json.loads(json.dumps({**asdict(preset), "weights": preset.weights._asdict()}))


def _card(name: str, preset: Preset, state: dict) -> dict:
    sets = {}
    for data in preset.data:
        info = datasets.load(data)
        sets[data] = {"version": info.info["version"], "hash": info.hash}
    return {
        "name": name,
        "system": zoo.system_of(preset.config),
        "data": sets,
        "preset": _plain(preset),
        "steps": state["step"],
        "minutes": round(state["seconds"] / 60, 1),
        "machine": f"{platform.machine()} CPU, {torch.get_num_threads()} thread"
        if not torch.cuda.is_available()
        else torch.cuda.get_device_name(),
        "torch": torch.__version__.split("+")[0],
        "command": f"aidagen train {name}",
        "licence": "MIT (trained on pictures of our own rendering alone)"
        if set(preset.data) <= RENDERED
        else "see NOTICE: trained on third-party footage, outside the project's licences",
    }


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(path.suffix + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def history(path: Path | str) -> Iterator[dict]:
    """The rows of a run's ``history.json``."""
    yield from json.loads(Path(path).read_text(encoding="utf-8"))
