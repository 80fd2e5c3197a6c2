"""`pytest --nbval-lax notebooks` compares judgements, in profile smoke.

Pictures, clips, HTML and widgets are looked at by people; cells tagged nbval-check-output
print sentences that hold in every profile, and those are compared.
"""

import os

os.environ.setdefault("AIDAGEN_PROFILE", "smoke")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

NOT_COMPARED = (
    "stderr",
    "text/html",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/svg+xml",
    "video/mp4",
    "application/vnd.jupyter.widget-view+json",
)


def pytest_collectstart(collector):
    if collector.path is not None and collector.path.suffix == ".ipynb":
        collector.skip_compare = tuple({*getattr(collector, "skip_compare", ()), *NOT_COMPARED})
