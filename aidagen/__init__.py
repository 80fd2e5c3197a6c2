"""aidagen: a live course on image and video generation.

``import aidagen`` is cheap on purpose: torch and the rest are imported by the modules
that use them (``aidagen.grids``, ``aidagen.zoo``, ``aidagen.models.fomm`` ...).
"""

__version__ = "0.1.0"

SHOWCASE = "fomm-faces-128"  # the checkpoint that animates where no other one is named
