"""A notebook's cells as HTML that needs no network: Markdown, MathML, code, outputs.

Formulas become MathML when the page is made; pictures and clips lie inside the page; a widget is
shown by the picture in its stored state, or by its own sentence. Where none of these works, an
AidagenError names the cell, so that no page is published with a gap.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from aidagen.errors import AidagenError
from aidagen.publishing.copies import folded
from aidagen.publishing.execution import WIDGET_STATE, WIDGET_VIEW

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from nbformat import NotebookNode

NETWORK = re.compile(r"""<[^>]*\b(?:src|data|poster)\s*=\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)
ENTITY = re.compile(r"&(?!#?\w+;)")
PICTURES = ("image/png", "image/jpeg")
STYLE = """
:root { --ink: #1b1b1f; --paper: #fff; --faint: #5b5b66; --line: #c9c9d2; --deep: #0b4f8a;
  --code: #f5f5f7; --note: #fff8e1; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); line-height: 1.45;
  font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
a { color: var(--deep); }
h1, h2, h3 { line-height: 1.2; margin: 0 0 .6em; }
img, video, svg { max-width: 100%; height: auto; }
pre { background: var(--code); padding: .6em .8em; overflow: auto; border-radius: 4px;
  font-size: .82em; line-height: 1.35; white-space: pre-wrap; }
.output pre { background: none; border-left: 3px solid var(--line); border-radius: 0; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .92em; }
table { border-collapse: collapse; margin: .8em 0; }
th, td { border: 1px solid var(--line); padding: .25em .6em; text-align: left;
  vertical-align: top; }
.math.block { display: flex; align-items: center; justify-content: center; margin: .8em 0; }
.math.block .tag { margin-left: 2em; }
.widget { color: var(--faint); font-style: italic; }
details { margin: .4em 0; }
@media (prefers-color-scheme: dark) { :root { color-scheme: light; } }
"""


def mathml(formula: str, display: bool) -> str:
    r"""A LaTeX formula as MathML; ``\tag{4}`` becomes (4) at its side.

    Raises AidagenError for what the converter does not know.
    """
    from latex2mathml.converter import convert

    tag = re.search(r"\\tag\{([^{}]*)\}", formula)
    plain = re.sub(r"\\tag\{[^{}]*\}|\\(?:not)?label\{[^{}]*\}", "", formula).strip()
    plain = re.sub(r"\{(?:aligned|split|gathered)\}", "{align*}", plain)
    try:
        converted = convert(plain, display="block" if display else "inline")
    except Exception as problem:  # latex2mathml's errors have no common class
        raise AidagenError(f"The formula {plain!r} does not become MathML ({problem!r}).") from None
    if "\\" in converted or ENTITY.search(converted):
        raise AidagenError(f"The formula {plain!r} holds a command that does not become MathML.")
    number = f'<span class="tag">({escape(tag[1])})</span>' if tag else ""
    said = converted.replace("<math ", f'<math alttext="{escape(plain, quote=True)}" ', 1)
    return said + number


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return reader.use(
        dollarmath_plugin,
        allow_labels=False,
        double_inline=True,
        renderer=lambda formula, how: mathml(formula, how["display_mode"]),
    )


def markdown(text: str) -> str:
    """Markdown with formulas and inline HTML, as HTML."""
    return _reader().render(text)


def heading(text: str) -> str:
    """The Markdown of a heading, without its marks, as HTML to stand inside a line."""
    return _reader().renderInline(text)


def code(text: str) -> str:
    """Python, coloured."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(text, PythonLexer(), HtmlFormatter(cssclass="code"))


@cache
def style() -> str:
    """The style sheet of all pages."""
    from pygments.formatters import HtmlFormatter

    colours = HtmlFormatter(cssclass="code").get_style_defs(".code pre")
    return STYLE + "\n".join(line for line in colours.splitlines() if "line" not in line)


def cell(one: NotebookNode, notebook: NotebookNode, inputs: bool = True) -> str:
    """A cell of ``notebook`` as HTML: its text, or its code (where ``inputs``) and outputs.

    Raises AidagenError naming the cell.
    """
    tags = one.metadata.get("tags", [])
    if "remove-cell" in tags:
        return ""
    try:
        if one.cell_type != "code":
            html = markdown(one.source)
        else:
            shown = inputs and not folded(one) and one.source.strip()
            parts = [code(one.source)] if shown else []
            alt = one.metadata.get("alt", "")
            outputs = [output(o, notebook, alt) for o in one.get("outputs", [])]
            if any(outputs):
                parts.append(f'<div class="output">{"".join(outputs)}</div>')
            html = "\n".join(parts)
        if match := NETWORK.search(html):
            raise AidagenError(f"It loads something from the network: {match[0]!r}.")
    except AidagenError as problem:
        raise AidagenError(f"Cell {one.get('id', '')}: {problem}") from None
    return f'<div class="cell">{html}</div>\n' if html else ""


def output(given: NotebookNode, notebook: NotebookNode, alt: str) -> str:
    """One output as HTML: a picture, a clip, a table, a widget's picture, or text."""
    if given.output_type == "stream":
        return f"<pre>{escape(given.text)}</pre>" if given.name == "stdout" else ""
    if given.output_type == "error":
        raise AidagenError(f"It failed with {given.ename}: {given.evalue}.")
    data: dict[str, Any] = given.get("data", {})
    for kind in PICTURES:
        if kind in data:
            said = given.metadata.get(kind, {}).get("alt") or alt
            return _picture(kind, data[kind], said)
    if WIDGET_VIEW in data:
        stored = widget_picture(notebook, data[WIDGET_VIEW]["model_id"])
        words = escape(data.get("text/plain", "A widget"))
        caption = data.get("text/html") or f'<p class="widget">Live in the notebook: {words}</p>'
        return (_picture("image/png", stored, alt or words) if stored else "") + caption
    for kind in ("image/svg+xml", "text/html"):
        if kind in data:
            return re.sub(r"<script\b.*?</script>", "", data[kind], flags=re.DOTALL | re.IGNORECASE)
    if "text/markdown" in data:
        return markdown(data["text/markdown"])
    if "text/latex" in data:
        return markdown(data["text/latex"])
    return f"<pre>{escape(data['text/plain'])}</pre>" if "text/plain" in data else ""


def _picture(kind: str, content: str, alt: str) -> str:
    content = "".join(content.split())
    return f'<img alt="{escape(alt, quote=True)}" src="data:{kind};base64,{content}">'


def widget_picture(notebook: NotebookNode, model: str) -> str | None:
    """The first picture in the stored state of a widget or of one inside it, in base64."""
    state = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    waiting, seen = [model], set()
    while waiting:
        name = waiting.pop(0)
        one = state.get(name)
        if one is None or name in seen:
            continue
        seen.add(name)
        if one.get("model_name") == "ImageModel":
            for buffer in one.get("buffers", []):
                if buffer.get("path") == ["value"] and buffer.get("encoding") == "base64":
                    if buffer["data"].startswith("iVBOR"):  # PNG
                        return buffer["data"]
        waiting += re.findall(r"IPY_MODEL_(\w+)", str(one.get("state", {})))
    return None


def page(title: str, body: str, extra_style: str = "", script: str = "") -> str:
    """A whole HTML document."""
    ending = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="aidagen">\n'
        f"<title>{escape(title)}</title>\n<style>{style()}{extra_style}</style>\n</head>\n"
        f"<body>\n{body}\n{ending}</body>\n</html>\n"
    )
