"""The pose studio: drag the joints of a pose, and the person in the picture follows.

    studio = PoseStudio({"whole method": model, "plain skips": other}, people, {"walk": clip})
    studio                                  # in a notebook: it plays; pause, drag joints, choose
    studio.move("left wrist", right=0.3, up=0.2)        # or by hand
    studio.take_away("left knee"); studio.bring_back("left knee")
    studio.model, studio.swapped = "plain skips", True
    studio.figure(models="all")             # a still picture, for readers without a kernel

The source is encoded once for each person and model; a drag costs one ``render``. What lies between
is shown beside the picture: the masks of the ten parts over it, and the source's features of one
level before and after the maps have carried them, or as a single part reads them. ``posing`` runs
the models, ``pose_views`` draws, ``pose_words`` says what is unusual about a pose.
"""

from collections.abc import Mapping, Sequence
from typing import Any, no_type_check

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image
from torch import Tensor

from aidagen.errors import AidagenError
from aidagen.models.deformable_gan_geometry import PARTS
from aidagen.poses import JOINTS, NUMBER, Pose
from aidagen.widgets import controls, overlays, pose_pictures, pose_views, pose_words, posing
from aidagen.widgets.canvas import PointCanvas, listed, reach
from aidagen.widgets.film import Film, View, in_turn
from aidagen.widgets.panel import Panel
from aidagen.widgets.pose_views import ALL, OVER, Look
from aidagen.widgets.posing import Posing

AROUND = 8  # pixels of the picture by which joints may lie beyond its border
FAULT = "Left and right swapped"


class PoseStudio(Panel):
    """A person, a target pose whose joints can be dragged, and what the models make of both.

    It opens with the first clip playing, where there are clips; ``frame`` is then the one in which
    the joints are farthest from the first frame's, until somebody scrubs or pauses.

    Joints may be dragged up to 8 pixels beyond the picture's border; whatever lies farther out, in
    a pose that was given, is put there. A joint outside the picture counts as not known, as in the
    data that the models were trained on: the network sees no bump for it. So does a joint that is
    taken away; joints that are not numbers count as taken away.

    Args:
        models: name -> a model of people in poses, which has ``encode(picture, pose, backdrop)``,
            ``render(encoded, pose)`` and a ``config`` with ``height`` and ``width``: a
            `DeformableGAN` of any variant, or a `PG2`.
        people: names, pictures ``(3, H, W)`` in [0, 1], their poses (`Pose` of one) and backdrops
            ``(3, H, W)``, which the models paint them before.
        clips: name -> a `Pose` of T moments, to play.
        poses: name -> a `Pose` of one, to choose beside the people's own.
        pose: the one to open with; by default the first clip, pose, or other person's pose.
        size: width of the large picture on the screen, in CSS pixels.
        fps: frames of a clip per second.

    ``person``, ``model``, ``pose``, ``frame`` (of a clip, from 1), ``over`` ("skeleton", "masks" or
    "nothing"), ``part`` (of the ten, or "all parts"), ``level`` (from 1, the finest; 0 for none),
    ``swapped``, ``points`` (18 pairs (x, y); -1 and 1 are at the centres of the outermost pixels),
    ``missing`` (numbers of joints, from 0) and ``joint`` (the one last touched) are traits.
    ``image`` is the picture made, ``rendering`` all that led to it, and ``sentence`` says what
    happened.

    Raises:
        AidagenError: on models and people that do not fit each other, and on a choice that does
            not exist.
    """

    person = traitlets.Unicode()
    model = traitlets.Unicode()
    pose = traitlets.Unicode()
    frame = traitlets.Int(1)
    over = traitlets.Unicode(OVER[0])
    part = traitlets.Unicode(ALL)
    level = traitlets.Int(2)
    swapped = traitlets.Bool(False)
    points = traitlets.Any([])
    missing = traitlets.List(traitlets.Int())
    joint = traitlets.Int(0)

    shows = "Pose studio: a person, a target pose with joints to drag, and the picture painted"

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self,
        models: Mapping[str, Any],
        people: Sequence[tuple[str, Tensor, Pose, Tensor]],
        clips: Mapping[str, Pose] | None = None,
        *,
        poses: Mapping[str, Pose] | None = None,
        pose: str | None = None,
        size: int = 224,
        fps: float = 8.0,
    ) -> None:
        self.posing, self.size = Posing(models, people), size
        self.poses = posing.gathered(clips or {}, poses or {}, self.posing.people)
        names = list(self.poses)
        first = names[0] if clips or poses else names[min(1, len(names) - 1)]
        self._quiet, self._rest, self._seated = True, (None, None), None
        self._most = reach(self.posing.size, AROUND)
        someone = next(iter(self.posing.people))
        self.levels = max((self.posing.levels(m, someone) for m in self.posing.models), key=len)
        super().__init__()
        self.person, self.model = someone, next(iter(self.posing.models))
        self.level = min(self.level, len(self.levels))
        self.pose = first if pose is None else pose
        self.frame = posing.liveliest(self.poses[self.pose])
        self._build(fps)
        self._quiet = False
        self.observe(self._picked, "pose")
        self.observe(self._stepped, "frame")
        self.observe(self._moved, ["points", "missing"])
        self.observe(self._redraw, list(Look._fields))
        self.observe(self._joint_chosen, "joint")
        self.reset()

    def __repr__(self) -> str:
        return f"PoseStudio({self.person!r}, {self.model!r}, {self._where!r})"

    @property
    def _where(self) -> str:
        """The name of the pose, and which frame of it."""
        frames = len(self.poses[self.pose].joints)
        return self.pose + (f", frame {self.frame} of {frames}" if frames > 1 else "")

    # --- what it does ---------------------------------------------------------------------------

    @property
    def target(self) -> Pose:
        """The pose as it stands, as the models are given it unless the sides are swapped."""
        return posing.known_pose(self.points, self.missing, self._at().joints[0])

    def move(self, joint: str, right: float = 0.0, up: float = 0.0) -> None:
        """Move a joint on from where it is; half the picture's width, or height, is 1."""
        k = self._number(joint)
        points = [list(point) for point in self.points]
        points[k] = [points[k][0] + right, points[k][1] - up]
        self.joint, self.points = k, points

    def take_away(self, joint: str) -> None:
        """Tell the models nothing of a joint."""
        self.missing = sorted({*self.missing, self._number(joint)})

    def bring_back(self, joint: str) -> None:
        """A joint that was taken away is told again."""
        self.missing = [k for k in self.missing if k != self._number(joint)]

    def _number(self, joint: str) -> int:
        if joint not in NUMBER:
            raise AidagenError(f"There is no joint {joint!r}; there are {', '.join(JOINTS)}.")
        return NUMBER[joint]

    def _given(self, look: Look, target: Pose) -> Pose:
        """What the model is told of a target pose."""
        return posing.swapped(target) if look.swapped else target

    def _render(self, look: Look, target: Pose) -> Any:
        return self.posing.render(look.model, look.person, self._given(look, target))

    def _at(self, pose: str | None = None, frame: int | None = None) -> Pose:
        """A pose as it was given, or one frame of a clip."""
        picked = self.poses[pose or self.pose]
        t = frame or (self.frame if pose in (None, self.pose) else posing.liveliest(picked))
        return Pose(*(x[t - 1 : t] for x in picked))

    # --- in words and pictures ------------------------------------------------------------------

    def describe(self) -> str:
        """Who is painted in which pose, what was moved, and what the network does without."""
        look, target = self._look(), self.target
        said = [f"{look.person}, {self._where}; model: {look.model}."]
        moves = pose_words.moves(self.canvas.home, self.points)
        if moves or self.missing != posing.numbers(~self._at().visible[0]):
            apart = float((self.image - self._before(look)).abs().mean())
            what = f"{pose_words.about_moves(moves)}; the picture" if moves else "The picture"
            said.append(f"{what} changed by {apart:.3f} on average.")
        if look.swapped:
            said.append("Left and right are swapped: each left joint is told as the right one.")
        said += pose_words.about_joints(self.points, self.missing)
        source, given = self.posing.people[look.person].pose, self._given(look, target)
        said += pose_words.about_parts(source, given, self.rendering, self.posing.size, moves)
        said += pose_views.lacking(self.posing, look, self.rendering)
        return " ".join(said)

    def _before(self, look: Look) -> Tensor:
        """The picture of the pose as it was picked; made when a joint is first moved."""
        key = (look.person, look.model, look.swapped, self.pose, self.frame)
        if self._rest[0] != key:
            rendering = self._render(look, posing.inside(self._at()))
            self._rest = key, rendering.image[0].float().cpu().clone()
        return self._rest[1]

    def figure(
        self,
        width: int = 160,
        *,
        models: Sequence[str] | str | None = None,
        pose: str | None = None,
        frame: int | None = None,
        **chosen: Any,
    ) -> Image.Image:
        """The source, the picture with its skeleton, and the features, in one row for each model.

        ``models`` are names, or "all"; ``pose`` and ``frame`` choose an untouched pose, and
        ``person``, ``over``, ``part``, ``level``, ``swapped`` and ``model`` what else there is, for
        the figure alone; the live widget stays as it is.
        """
        target = self.target
        if pose is not None or frame is not None:
            self._check("pose", pose or self.pose)
            self._check("frame", frame or 1, pose)
            target = posing.inside(self._at(pose, frame))
        look = self._look(**chosen)
        names = list(self.posing.models) if models == "all" else models or [look.model]
        rows = []
        for name in [names] if isinstance(names, str) else names:
            self._check("model", name)
            each = look._replace(model=name)
            rendering = self._render(each, target)
            made = pose_views.painted(each, rendering, width, target)
            rows.append([
                pose_views.source(self.posing, each, width), made._replace(caption=name),
                *pose_views.features(self.posing, each, rendering, width),
            ])  # fmt: skip
        columns = max(map(len, rows))
        blank = made._replace(caption="", pixels=np.full_like(made.pixels, 255))
        views = [view for row in rows for view in row + [blank] * (columns - len(row))]
        return overlays.sheet([v.pixels for v in views], columns, [v.caption for v in views])

    # --- controls -------------------------------------------------------------------------------

    def _build(self, fps: float) -> None:
        image = next(iter(self.posing.people.values())).image[0]
        self.canvas = PointCanvas(
            image, listed(self._at().joints[0], self._most), JOINTS, size=self.size, says=False,
            caption="Painted; drag the joints", colours=pose_pictures.colours(), dot=6.0,
            bones=pose_pictures.STICKS, around=AROUND, removable=True, pixels=self.posing.size,
        )  # fmt: skip
        small, large = round(0.6 * self.size), round(0.75 * self.size)
        self.source = PointCanvas(image, size=small)
        self.screens = [PointCanvas(image, size=large, smooth=False) for _ in range(2)]
        levels = [(f"{i}: {h} x {w}, {c} features", i) for i, (c, h, w) in
                  enumerate(self.levels, 1)]  # fmt: skip
        self.person_choice = controls.choice("Person", list(self.posing.people), 220)
        self.model_choice = controls.choice("Model", list(self.posing.models), 260)
        self.pose_choice = controls.choice("Pose", list(self.poses), 260)
        self.over_choice = controls.choice("Over the picture", OVER, 240)
        self.part_choice = controls.choice("Part", [ALL, *PARTS], 220)
        self.level_choice = controls.choice("Level", [("none", 0), *levels], 300)
        self.swapped_box = controls.labelled(widgets.Checkbox, FAULT, 240, indent=False)
        self.known_box = controls.labelled(widgets.Checkbox, "", 260, value=True, indent=False)
        self.reset_button = widgets.Button(description="Reset the pose")
        self.legend = widgets.HTML(pose_views.legend())
        frames = len(self.poses[self.pose].joints)
        self._follow(Film(None, frames, value=self.frame, fps=fps, autoplay=frames > 1))
        for trait, linked in (
            ("person", self.person_choice), ("model", self.model_choice),
            ("pose", self.pose_choice), ("over", self.over_choice), ("part", self.part_choice),
            ("level", self.level_choice), ("swapped", self.swapped_box),
        ):  # fmt: skip
            traitlets.link((self, trait), (linked, "value"))
        for trait, linked in (("points", "points"), ("missing", "missing"), ("joint", "chosen")):
            self.set_trait(trait, getattr(self.canvas, linked))
            traitlets.link((self, trait), (self.canvas, linked))
        self.known_box.observe(self._known_ticked, "value")
        self.reset_button.on_click(lambda _: self.reset())
        who = [self.person_choice] if len(self.posing.people) > 1 else []
        which = [self.model_choice] if len(self.posing.models) > 1 else []
        idea = [self.part_choice, self.level_choice] if self.levels else []
        beside = widgets.VBox([
            controls.row(*self.screens, align="flex-start"), self.legend,
            controls.row(self.known_box, self.reset_button), self.spoken,
        ], layout={"flex": "1 1 24em"})  # fmt: skip
        self.children = (
            controls.row(*who, *which, self.pose_choice, self.swapped_box),
            controls.row(self.over_choice, *idea),
            self.film,
            controls.row(self.source, self.canvas, beside, align="flex-start"),
        )

    @in_turn
    def _picked(self, change: dict) -> None:
        """Another pose, or a clip, which plays."""
        picked = self.poses[self.pose]
        self._quiet = True
        self.film.load(None, len(picked.joints), posing.liveliest(picked))
        self._quiet = False
        self.reset()

    @in_turn
    def _stepped(self, change: dict) -> None:
        if not self._quiet:
            self.reset()

    @in_turn
    def reset(self) -> None:
        """Put all joints where the picked pose has them."""
        joints, visible = (x[0] for x in self._at())
        points = listed(joints, self._most)
        self._quiet = True
        with self.canvas.hold_sync():
            self.canvas.home, self.points, self.missing = points, points, posing.numbers(~visible)
        self._quiet = False
        self._redraw()

    @in_turn
    def _moved(self, change: dict) -> None:
        """A joint was moved, taken away or brought back."""
        if not self._quiet:
            self.film.playing = False
            self._redraw()

    @in_turn
    def _joint_chosen(self, change: dict | None = None) -> None:
        quiet, self._quiet = self._quiet, True
        self.known_box.description = f"{JOINTS[self.joint].capitalize()} known"
        self.known_box.value = self.joint not in self.missing
        self._quiet = quiet

    @in_turn
    def _known_ticked(self, change: dict) -> None:
        if not self._quiet:
            (self.bring_back if change["new"] else self.take_away)(JOINTS[self.joint])

    @in_turn
    def _redraw(self, change: dict | None = None) -> None:
        if self._quiet:
            return
        look = self._look()
        self.rendering = self._render(look, self.target)
        self.image = self.rendering.image[0].float().cpu().clone()
        self._joint_chosen()
        self.canvas.drawn = look.over != "nothing"
        self.canvas.colours = pose_pictures.colours(look.swapped)
        masked = getattr(self.rendering, "masks", None) is not None
        self.part_choice.disabled = not masked
        self.level_choice.disabled = not self.posing.levels(look.model, look.person)
        self.legend.layout.display = None if masked and look.over == "masks" else "none"
        self.sentence = self.describe()
        self.say()
        made = pose_views.painted(look, self.rendering, 2 * self.size)
        self.canvas.show(made.pixels, made.alt)
        if self._seated != look.person:
            self._seated = look.person
            self._show(self.source, pose_views.source(self.posing, look, 2 * self.source.size))
        views = pose_views.features(self.posing, look, self.rendering, 2 * self.screens[0].size)
        for i, screen in enumerate(self.screens):
            screen.layout.display = None if views else "none"
            if views:
                self._show(screen, views[i])

    @staticmethod
    def _show(screen: PointCanvas, view: View) -> None:
        screen.caption = view.caption
        screen.show(view.pixels, view.alt)

    def _look(self, **chosen: Any) -> Look:
        """The present choices, but for those that are given."""
        for trait, value in chosen.items():
            self._check(trait, value)
        return Look(**{**{name: getattr(self, name) for name in Look._fields}, **chosen})

    def _check(self, trait: str, value: Any, pose: str | None = None) -> None:
        frames = len(self.poses[pose or self.pose].joints) if trait == "frame" else 0
        options = {
            "person": list(self.posing.people), "model": list(self.posing.models),
            "pose": list(self.poses), "over": OVER, "part": (ALL, *PARTS),
            "level": range(len(self.levels) + 1), "swapped": (False, True),
            "frame": range(1, frames + 1), "joint": range(len(JOINTS)),
        }.get(trait)  # fmt: skip
        if options is None:
            raise AidagenError(f"There is nothing to choose by the name {trait!r}; there are "
                               f"{', '.join(Look._fields)}.")  # fmt: skip
        if value not in options:
            few = isinstance(options, range)
            told = f"{options[0]} to {options[-1]}" if few else ", ".join(map(str, options))
            raise AidagenError(f"{trait} is one of {told}; not {value!r}.")

    @traitlets.validate("person", "model", "pose", "over", "part", "joint")
    def _refuse(self, proposal: Any) -> Any:
        self._check(proposal["trait"].name, proposal["value"])
        return proposal["value"]

    @traitlets.validate("points")
    def _placed(self, proposal: Any) -> list[list[float]]:
        points = listed(proposal["value"], self._most)
        if len(points) != len(JOINTS):
            raise AidagenError(f"A pose has {len(JOINTS)} joints; {len(points)} were given.")
        return points

    @traitlets.validate("missing")
    def _numbered(self, proposal: Any) -> list[int]:
        for k in proposal["value"]:
            self._check("joint", k)
        return sorted(set(proposal["value"]))
