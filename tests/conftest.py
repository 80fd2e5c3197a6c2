"""One thread, fixed seeds, shapes checked: what every test starts from."""

import os
import random

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")  # before torch is loaded
os.environ.setdefault("MPLBACKEND", "agg")

import jaxtyping
import numpy as np
import pytest

# the shapes in the signatures of aidagen hold in every call that a test makes
if os.environ.get("AIDAGEN_SHAPES", "1") == "1":
    jaxtyping.install_import_hook("aidagen", "shapes.check")


@pytest.fixture(autouse=True)
def _seeded():
    import torch

    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
