"""A preference study as one HTML file that needs neither kernel nor network.

The clips lie inside. The browser keeps the votes after every one, so that a closed tab loses none;
at the end the rater downloads a file and hands it in. No method's name is in the page.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from functools import cache
from html import escape
from pathlib import Path

from aidagen import files
from aidagen.publishing import pages
from aidagen.study.clips import SIZE, Clips, anonymous
from aidagen.study.plan import Plan, StudyError
from aidagen.study.votes import FORMAT

# the browser itself refuses every request that would leave the page
POLICY = (
    "default-src 'none'; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "form-action 'none'; base-uri 'none'"
)
STYLE = """
main { max-width: 54rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; }
#export { border: 1px solid var(--line); border-radius: 4px; padding: .2em 1em; margin: 1em 0; }
#export button { font: inherit; padding: .3em 1em; min-height: 34px; }
"""
LARGEST = 64 * 2**20  # bytes of a page that a browser still opens with ease


@cache
def part(name: str) -> str:
    """A script or style of the ballot, with the transport bar of all widgets."""
    here, bar = Path(__file__).parent, Path(__file__).parents[1] / "widgets"
    before = {"ballot.js": bar / "transport.js", "ballot.css": bar / "widgets.css"}
    files_of = [before[name]] if name in before else []
    return "".join(each.read_text(encoding="utf-8") for each in [*files_of, here / name])


def html(plan: Plan, clips: dict[str, bytes], title: str = "Which clip is better?") -> str:
    """The page around clips by their codes, as `anonymous` gives them. Raises StudyError."""
    encoded = {code: b64encode(content).decode("ascii") for code, content in clips.items()}
    content = json.dumps({"format": FORMAT, **plan.sheet(), "clips": encoded})
    if len(content) > LARGEST:
        raise StudyError(
            f"The page would take {len(content) / 2**20:.0f} MB, {LARGEST / 2**20:.0f} are the "
            "limit; take fewer items, or shorter clips."
        )
    content = content.replace("<", "\\u003c")
    body = (
        f"<main><h1>{escape(title)}</h1>\n<noscript><p>This page needs JavaScript, which is "
        'switched off here.</p></noscript>\n<div id="ballot"></div>\n'
        '<section id="export" aria-label="Your votes" hidden><p>Your votes are in this browser '
        "alone until you hand them in: download the file and give it to your teacher.</p>"
        '<p><button type="button" id="download">Download my votes</button></p></section></main>\n'
        f'<script type="application/json" id="study">{content}</script>'
    )
    script = part("ballot.js") + part("ballot_page.js")
    document = pages.page(title, body, STYLE + part("ballot.css"), script)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY, quote=True)}">\n'
    return document.replace("<title>", f"{policy}<title>", 1)


def page(
    plan: Plan, clips: Clips, path: str | os.PathLike, title: str = "Which clip is better?",
    size: int = SIZE,
) -> Path:  # fmt: skip
    """Write the study as one HTML file to hand out; its clips have `size` pixels.

    Raises:
        StudyError: where a clip is missing, or the title names a method.
        FileError: where the file cannot be written.
    """
    path = Path(path)
    if named := [m for m in plan.methods if m.lower() in title.lower().split()]:
        raise StudyError(f"The title is seen by raters; leave {named[0]!r} out of it.")
    files.write_text(path, html(plan, anonymous(plan, clips, size), title))
    return path
