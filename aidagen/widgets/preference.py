"""A preference study in a notebook: watch three clips, say which of two is better.

    Preference(plan, clips, "votes")    # see aidagen.study for plan and clips

Every vote is in its rater's file in the folder before the next pair is shown, so that closing the
tab, or the kernel, loses none; the cell goes on where the folder stops. The file is read again
before each vote, so that two notebooks on one folder do not erase each other's votes. The browser
gets only the present pair, under codes; which method is which never leaves the kernel.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from PIL import Image

from aidagen import study
from aidagen.errors import AidagenError
from aidagen.pixels import as_floats
from aidagen.study.page import part
from aidagen.widgets import controls, overlays
from aidagen.widgets.panel import Panel

_RENDER = """
function render({ model, el }) {
  let pair, clips = {};
  const root = document.createElement("div");
  el.append(root);
  const show = ballot(root, (act, pair) => model.send({ act, pair }));
  const forget = () => Object.values(clips).forEach((url) => URL.revokeObjectURL(url));
  function draw() {
    const view = model.get("view");
    if (!view.stage) return;
    if (view.pair !== pair) {
      forget();
      pair = view.pair;
      clips = Object.fromEntries(pair ? ["reference", "left", "right"].map((side) =>
        [side, URL.createObjectURL(new Blob([model.get(side)], { type: "video/mp4" }))]) : []);
    }
    show({ ...view, clips });
  }
  model.on("change:view", draw);
  draw();
  return () => { model.off("change:view", draw); forget(); };
}
export default { render };
"""

NEW = "somebody new"
CHANGED = "Another notebook changed these votes in the meantime, so this step was not saved."
DELETED = "Another notebook deleted these votes, so this step was not saved."


class Ballot(anywidget.AnyWidget):
    """What the browser knows: the texts, the pair at hand, and its three clips as mp4."""

    _esm = part("ballot.js") + _RENDER
    _css = part("ballot.css")
    view = traitlets.Dict().tag(sync=True)
    reference = traitlets.Bytes(b"").tag(sync=True)
    left = traitlets.Bytes(b"").tag(sync=True)
    right = traitlets.Bytes(b"").tag(sync=True)

    def __repr__(self) -> str:
        return f"Ballot({self.view.get('stage', '')!r})"


class Preference(Panel):
    """A study as a widget: consent, pair after pair, thanks.

    Args:
        plan: the `study.Plan`.
        clips: its `study.Clips`.
        folder: where the votes go, one file per rater.
        rater: whose votes to go on with; by default whoever voted last and did not finish, and
            otherwise somebody new.
        size: pixels of the clips that are sent.

    ``rater`` (a random code, "" before consent), ``done`` (votes given) and ``sentence`` are
    traits; `agree`, `vote`, `undo` and `remove` do what the buttons do.

    Raises:
        StudyError: where clips are missing or `rater` has no readable votes.
    """

    rater = traitlets.Unicode("")
    done = traitlets.Int(0)

    shows = "Preference study: a reference clip, and two clips to choose between"

    def __init__(
        self, plan: study.Plan, clips: study.Clips, folder: str | os.PathLike,
        rater: str | None = None, *, size: int = 256,
    ) -> None:  # fmt: skip
        self.plan, self.clips, self.folder = plan, clips, Path(folder)
        self._coded = study.anonymous(plan, clips, size)
        self._votes: study.Votes | None = None
        super().__init__()
        self.ballot = Ballot()
        self.ballot.on_msg(self._heard)
        self.who = controls.choice("Who votes", [(NEW, "")], 330)
        self.children = (self.who, self.ballot)
        self.who.observe(self._switch, "value")
        ballots = self._known()
        if rater is not None:
            self._votes = study.read_votes(study.path_of(self.folder, rater), plan)
        else:
            open_ones = [v for v in ballots.votes if len(v.chosen) < len(plan.pairs)]
            self._votes = max(open_ones, key=self._changed, default=None)
        refused = f" {ballots.refused[0]}" if ballots.refused else ""
        self._draw(self._greeting() + refused)

    def __repr__(self) -> str:
        state = "no consent" if self._votes is None else f"{self.done} of {len(self.plan.pairs)}"
        return f"Preference({self.plan.name!r}, {state})"

    # --- what it does ---------------------------------------------------------------------------

    @property
    def stage(self) -> str:
        """ "consent", "vote" or "done"."""
        if self._votes is None:
            return "consent"
        return "vote" if self.shown is not None else "done"

    @property
    def shown(self) -> study.Shown | None:
        """The pair at hand, by its codes."""
        if self._votes is None:
            return None
        schedule = self.plan.schedule(self._votes.rater)
        return schedule[self.done] if self.done < len(schedule) else None

    def agree(self) -> None:
        """Consent: from now on there is a file, under a new random code."""
        if self._votes is not None:
            raise study.StudyError("Consent was given already; vote, or choose somebody new.")
        code = study.new_code()
        while study.path_of(self.folder, code).exists():
            code = study.new_code()
        self._keep(study.Votes(self.plan.id, code), "Press Play and watch the three clips.")

    def vote(self, side: str) -> None:
        """Choose "left" (A), "right" (B) or, where the plan has it, "tie"."""
        if self.shown is None:
            raise study.StudyError("There is nothing to vote on: consent first, or all is judged.")
        if side not in (("left", "right", "tie") if self.plan.ties else ("left", "right")):
            raise study.StudyError(f"Vote left or right{' or tie' * self.plan.ties}, not {side!r}.")
        last = self.done + 1 == len(self.plan.pairs)
        saved = "All your votes are saved." if last else f"Vote {self.done + 1} is saved."
        self._keep(self._votes.with_vote(side), saved)

    def undo(self) -> None:
        """Take the last vote back; its pair is shown again."""
        if not self.done:
            raise study.StudyError("There is no vote to take back.")
        self._keep(self._votes.without_last(), f"Vote {self.done} is taken back: vote again.")

    def remove(self) -> None:
        """Stop, and delete all votes of this rater."""
        if self._votes is None:
            raise study.StudyError("There are no votes to delete.")
        path = study.path_of(self.folder, self._votes.rater)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise study.StudyError(
                f"Your votes could not be deleted ({(error.strerror or str(error)).lower()}): "
                f"delete {path} yourself."
            ) from error
        self._votes = None
        self._draw("Your votes are deleted.")

    def figure(self, size: int = 128) -> Image.Image:
        """A pair as it is shown, beginning, middle and end, for readers without a kernel."""
        pairs = {pair.id: pair for pair in self.plan.pairs if not pair.check}
        shown = next(s for s in self.plan.schedule("aaaaaaaa") if s.pair in pairs)
        pair = pairs[shown.pair]
        named = dict(zip(pair.clips, pair.methods))
        rows = [("Reference", "reference"), ("Clip A", named[shown.left]),
                ("Clip B", named[shown.right])]  # fmt: skip
        cells, words = [], []
        for title, what in rows:
            frames = self.clips.frames(pair.item, what)
            for at in (0, len(frames) // 2, len(frames) - 1):
                cells.append(as_floats(frames[at]))
                words.append(f"{title}, {at + 1}")
        return overlays.sheet(cells, 3, words, size=size, generated=range(3, 9))

    # --- files and page -------------------------------------------------------------------------

    def _keep(self, votes: study.Votes, sentence: str) -> None:
        path = study.path_of(self.folder, votes.rater)
        on_disk = study.read_votes(path, self.plan) if path.exists() else None
        if on_disk != self._votes:
            self._votes = on_disk
            self._draw(CHANGED if on_disk else DELETED)
            return
        study.write_votes(self.folder, votes, self.plan)  # first on the disk, then on the screen
        self._votes = votes
        self._draw(sentence)

    def _known(self) -> study.Ballots:
        if not self.folder.is_dir():
            return study.Ballots(())
        return study.gather(self.folder, self.plan)

    def _changed(self, votes: study.Votes) -> float:
        path = study.path_of(self.folder, votes.rater)
        return path.stat().st_mtime_ns if path.exists() else 0

    def _greeting(self) -> str:
        if self._votes is None:
            return ""
        given, total = len(self._votes.chosen), len(self.plan.pairs)
        if given == total:
            return "All your votes are saved."
        return (
            f"Welcome back: {given} of {total} votes are saved. Press Play to go on; if these "
            f"votes are not yours, choose {NEW!r} under Who votes."
        )

    def _draw(self, sentence: str) -> None:
        """Everything on the screen from the votes at hand."""
        self.rater = self._votes.rater if self._votes else ""
        self.done = len(self._votes.chosen) if self._votes else 0
        shown, total = self.shown, len(self.plan.pairs)
        sheet = self.plan.sheet()
        with self.ballot.hold_sync():
            for side in ("reference", "left", "right"):
                setattr(self.ballot, side, self._coded[getattr(shown, side)] if shown else b"")
            self.ballot.view = {
                **{key: sheet[key] for key in ("ethics", "consent", "question", "ties")},
                "stage": self.stage, "pair": shown and shown.pair, "done": self.done,
                "total": total, "sentence": sentence, "turn": self.ballot.view.get("turn", 0) + 1,
            }  # fmt: skip
        listed = [(f"{v.rater}: {len(v.chosen)} of {total} votes", v.rater)
                  for v in self._known().votes]  # fmt: skip
        self.who.unobserve(self._switch, "value")
        self.who.options = [(NEW, ""), *listed]
        self.who.value = self.rater
        self.who.observe(self._switch, "value")
        self.sentence = sentence

    def _switch(self, change: dict) -> None:
        """Another rater was chosen from the list."""
        try:
            path = study.path_of(self.folder, change["new"])
            self._votes = study.read_votes(path, self.plan) if change["new"] else None
            self._draw(self._greeting())
        except AidagenError as error:
            self._draw(str(error))

    def _heard(self, _: Any, message: dict, __: Any) -> None:
        """A button or key in the browser; one that comes late, for a pair gone by, does nothing."""
        act, pair = message.get("act"), message.get("pair")
        acts = {"agree": self.agree, "undo": self.undo, "remove": self.remove}
        try:
            if act in acts:
                acts[act]()
            elif self.shown is not None and pair == self.shown.pair:
                self.vote(act)
        except AidagenError as error:
            self._draw(str(error))
