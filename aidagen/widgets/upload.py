"""A button to choose a file with; Python gets its bytes, and the notebook none of them.

    Upload("Choose a picture", take, say)    # take(content, name) is called with the whole file

ipywidgets' own FileUpload has the file in its state, which JupyterLab can save with the notebook,
and sends it in one message, of which Jupyter's server takes 10 MB. Here the file comes in parts,
each asked for by the kernel, and none of them is in a trait. ``upload.js`` is the browser's side.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from aidagen.errors import AidagenError
from aidagen.widgets.controls import STYLE

MEGABYTE = 2**20


class Upload(anywidget.AnyWidget):
    """A button that opens the browser's dialog for one file.

    Args:
        label: what the button says.
        take: called with the bytes of a file and its name; an `AidagenError` of it is said.
        say: called with a sentence on what went wrong.
        accept: kinds of files that the dialog offers, as in HTML.
        megabytes: how large a file may be (2^20 bytes each); of a larger one only the first part
            is sent, and a sentence is said.
    """

    _esm = Path(__file__).with_name("upload.js")
    _css = STYLE

    label = traitlets.Unicode().tag(sync=True)
    accept = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, label: str, take: Callable[[bytes, str], None], say: Callable[[str], None],
        *, accept: str = "image/*", megabytes: int = 300,
    ) -> None:  # fmt: skip
        self._take, self._say, self.megabytes = take, say, megabytes
        self._parts, self._turn = bytearray(), None
        super().__init__(label=label, accept=accept)
        self.on_msg(self._heard)

    def __repr__(self) -> str:
        return f"Upload({self.label!r})"

    def _heard(self, _: Any, message: dict, buffers: list) -> None:
        """A part of a file, from byte ``at`` on; the answer says which one comes next.

        ``turn`` tells files apart: of one in whose place another was chosen, nothing is taken.
        """
        name, size, at, turn = (message[key] for key in ("name", "size", "at", "turn"))
        if at == 0:
            self._parts, self._turn = bytearray(), turn
        if turn != self._turn or at != len(self._parts):
            return
        self._parts += b"".join(buffers)
        if (left := size - len(self._parts)) > 0 and buffers and size <= self.megabytes * MEGABYTE:
            self.send({"turn": turn, "next": len(self._parts)})
            return
        content, self._parts, self._turn = bytes(self._parts), bytearray(), None
        self.send({"turn": turn, "next": None})
        try:
            if size > self.megabytes * MEGABYTE:
                raise AidagenError(
                    f"{name} has {size / MEGABYTE:.0f} MB; choose a file of {self.megabytes} MB or "
                    "less."
                )
            if left > 0:
                raise AidagenError(
                    f"{name} cannot be read by the browser: it was moved, changed or locked in the "
                    "meantime; choose it again."
                )
            self._take(content, name)
        except AidagenError as error:
            self._say(str(error))
