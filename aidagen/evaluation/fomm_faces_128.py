"""The table of `fomm-faces-128` (`replayed_faces`): people, and rendered heads, at 128 pixels."""

from aidagen.evaluation import replayed_faces

TABLE = replayed_faces.table("fomm-faces-128", ("faces-128", "heads-128"))
