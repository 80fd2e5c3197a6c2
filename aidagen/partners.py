"""The processes of one training run: they end together, and with one sentence.

Lightning Fabric starts them (`aidagen train --devices 2`), or torchrun does, on several nodes.
Where one of them fails or is killed, the others get an error of their next collective operation, or
wait in it.
"""

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch.distributed
from lightning_fabric import Fabric

from aidagen.errors import AidagenError

ENDED = (
    "Another process of this run has ended (killed, or out of memory?), so this one stopped; the "
    "same command goes on from the last checkpoint."
)
GRACE = 20.0  # seconds that a process has to say so itself


class PartnerEnded(AidagenError):
    """Another process of this training run has ended before its time."""


def layout(devices: int | None, nodes: int | None) -> tuple[int, int]:
    """(processes on each node, nodes) of this run: as torchrun has started them, else as given.

    Raises ``AidagenError`` where torchrun has started others than were asked for, and where nobody
    has started anything on several nodes.
    """
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        started = here, int(os.environ["WORLD_SIZE"]) // here
        for option, wanted, there in zip(("devices", "num-nodes"), (devices, nodes), started):
            if wanted not in (None, there):
                raise AidagenError(
                    f"--{option} is {wanted}, but torchrun has started {started[0]} processes on "
                    f"each of {started[1]} nodes; leave --{option} out."
                )
        return started
    if (nodes or 1) > 1 and not any(name in os.environ for name in ("NODE_RANK", "SLURM_PROCID")):
        raise AidagenError(
            f"--num-nodes {nodes} needs somebody who starts a process on each node: use torchrun, "
            "as aidagen/cluster/slurm_train.sh does, and leave --num-nodes out."
        )
    return devices or 1, nodes or 1


@contextmanager
def heard(fabric: Fabric) -> Iterator[None]:
    """Raise ``PartnerEnded`` where the block fails because another process has ended.

    A process that waits in an operation which does not notice ends with the same sentence and
    exit code 2, ``GRACE`` seconds after Lightning has seen the other's end (every 5 seconds).
    """
    for thread in threading.enumerate():  # Lightning's ends this process by SIGKILL, in silence
        if thread.name == "child-process-observer":
            thread._terminate_all = _give_up
    if fabric.world_size > 1:
        atexit.register(_disconnect)
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
        if fabric.world_size > 1 and lost:
            raise PartnerEnded(ENDED) from error
        raise


def _disconnect() -> None:
    """End the connection: its threads would abort a process that ends while they run."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def leave(code: int) -> None:
    """End this process at once if it is one of several; otherwise nothing happens.

    Between a command's end and that of Python the others' connections close, and gloo's threads
    may abort whoever still stands.
    """
    if torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _give_up() -> None:
    time.sleep(GRACE)
    print(f"aidagen: {ENDED}", file=sys.stderr, flush=True)
    os._exit(2)


def first_alone(fabric: Fabric, act: Callable[[], object]) -> None:
    """Let the first process ``act``; where that fails with a sentence, all end.

    The first raises what ``act`` raised, the others ``SystemExit``: one sentence is enough.
    """
    failure = None
    if fabric.is_global_zero:
        try:
            act()
        except AidagenError as error:
            failure = error
    if fabric.broadcast(failure is not None):
        raise failure or SystemExit(2)
