"""What has to happen before OpenGL is started in this process."""

import importlib
from importlib.util import find_spec


def before_mesa() -> None:
    """Load triton, where it is installed; call this before any OpenGL context is created.

    Mesa's software renderer and triton each bring a copy of LLVM. A process that loads triton
    after Mesa crashes (seen with triton 3.9 and LLVM 15); the other way round, both work. PyTorch
    loads triton by itself, as soon as something is compiled.
    """
    if find_spec("triton"):
        importlib.import_module("triton")
