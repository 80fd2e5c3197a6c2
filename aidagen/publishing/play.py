"""One playground alone in the browser: ``aidagen play NAME``.

A notebook of one folded cell, made anew each time, is shown by JupyterLab without its file browser,
with Jupyter's own token, on this machine alone. It is run as it opens, by the course's extension of
JupyterLab; that runs only notebooks that ask for it *and* are signed on this machine, as this one.
"""

import difflib
from pathlib import Path

from aidagen import files, sources, zoo
from aidagen.errors import AidagenError
from aidagen.publishing import lab

RUN = "aidagen_run"  # the notebook's metadata by which it asks to be run

CELL = """from aidagen.widgets.playground import Playground
from aidagen.widgets.worlds import shipped

Playground({{{title!r}: shipped({name!r})}})"""

ABOUT = """# {title}
The world of the model `{name}`, painted frame by frame. It opens below within a minute."""


def serve(name: str, port: int = 8888, browser: bool = True) -> int:
    """Serve the playground of the playable model ``name`` until it is stopped; see `lab.serve`.

    Raises AidagenError for a name that is no playable model's, and where JupyterLab is missing.
    """
    known = zoo.of_system("playable")
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise AidagenError(
            f"There is no playable model {name!r}{meant}; there are {', '.join(known) or 'none'}."
        )
    lab.require()
    root = sources.home() / "play"
    settings = lab.settings(root)
    notebook = write(root, name)
    lab.trust(root, [notebook])
    first = notebook.relative_to(root)
    line = lab.command(root, lab.free_port(port), lab.wanted(browser), first, alone=True)
    print(f"aidagen: JupyterLab opens the playground of {name}; Ctrl-C ends it.", flush=True)
    return lab.become(line, root, settings)


def write(root: Path, name: str) -> Path:
    """The notebook of one folded cell, in ``root``."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    title = next(iter(zoo.card(name)["data"])).capitalize()
    cells = [
        new_markdown_cell(ABOUT.format(title=title, name=name), id="about"),
        new_code_cell(CELL.format(title=title, name=name), id="playground",
                      metadata={"jupyter": {"source_hidden": True}}),
    ]  # fmt: skip
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel, RUN: True})
    path = root / f"{name}.ipynb"
    files.write_text(path, nbformat.writes(notebook))
    return path
