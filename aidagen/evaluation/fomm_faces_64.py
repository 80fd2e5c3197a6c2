"""The table of `fomm-faces-64` (`replayed_faces`): people, and rendered heads, at 64 pixels."""

from aidagen.evaluation import replayed_faces

TABLE = replayed_faces.table("fomm-faces-64", ("faces", "heads"))
