"""Plots of claims and trainings: what they draw is what the rows say."""

import io

import numpy as np
import pytest
from PIL import Image

from aidagen.errors import AidagenError
from aidagen.evaluation.sheets import Rows
from aidagen.teaching import check, plots


def row(method, value, split="people", metric="l1", n=8):
    return {
        "data": "made-up", "split": split, "method": method, "metric": metric,
        "unit": "share of pixels", "value": value, "low": 0.9 * value, "high": 1.2 * value,
        "n": n, "seed": 0,
    }  # fmt: skip


def comparison(method, against, difference):
    return {
        "data": "made-up", "split": "people", "metric": "l1", "method": method,
        "against": against, "difference": difference, "low": difference - 0.1,
        "high": difference + 0.3, "n": 8, "verdict": "undecided",
    }  # fmt: skip


ROWS = Rows(
    [
        row("model", 0.2),
        row("copy", 0.4),
        row("model", 0.6, "others", n=5),
        row("copy", 0.8, "others"),
    ],
    "made-up",
    [comparison("model", "copy", -0.2), comparison("other", "model", 0.5)],
    [],
)
METHODS = {"model": "the model", "copy": "a copy"}
PLACES = {("made-up", "people"): "known", ("made-up", "others"): "unknown"}


def drawn(plot):
    """(value, low, high) of each point of a claim, from top to bottom, read from the figure."""
    points = []
    for container in plot.figure.axes[0].containers:
        line, _, (bar,) = container.lines
        (low, y), (high, _) = bar.get_segments()[0]
        points.append((y, line.get_xdata()[0], low, high))
    return [point[1:] for point in sorted(points)]


def test_a_claim_draws_each_value_with_its_interval():
    plot = plots.claim(ROWS, "l1", METHODS, {("made-up", "people"): "known"})
    assert np.allclose(drawn(plot), [(0.2, 0.18, 0.24), (0.4, 0.36, 0.48)])
    names = [label.get_text() for label in plot.figure.axes[0].get_yticklabels()]
    assert names == ["the model", "a copy"]
    assert "the model: 0.2 (0.18 to 0.24)" in plot.alt and "95 %" in plot.alt
    assert plot.figure.axes[0].get_xlim()[0] == 0  # values are seen from zero on


def test_a_claim_at_several_places_has_its_methods_in_a_legend():
    plot = plots.claim(ROWS, "l1", METHODS, PLACES)
    assert [point[0] for point in drawn(plot)] == [0.2, 0.4, 0.6, 0.8]
    names = [label.get_text() for label in plot.figure.axes[0].get_yticklabels()]
    assert names == ["known", "unknown"]
    (legend,) = plot.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["the model", "a copy"]
    assert "means over 5 to 8 clips" in plot.figure.axes[0].get_xlabel()


def test_shares_divide_value_and_interval():
    plot = plots.claim(
        ROWS, "l1", {"model": "the model"}, PLACES, share_of="copy", line=(0.5, "half of a copy")
    )
    assert np.allclose(drawn(plot), [(0.5, 0.45, 0.6), (0.75, 0.675, 0.9)])
    assert any(text.get_text() == "half of a copy" for text in plot.figure.axes[0].texts)


def test_differences_come_from_the_comparisons_and_are_turned_where_they_are_stored_the_other_way():
    methods = {"other": "the other one"}
    plot = plots.claim(ROWS, "l1", methods, {("made-up", "people"): ""}, paired_with="model")
    assert np.allclose(drawn(plot), [(0.5, 0.4, 0.8)])
    turned = plots.claim(
        ROWS, "l1", {"copy": "a copy"}, {("made-up", "people"): ""}, paired_with="model"
    )
    assert np.allclose(drawn(turned), [(0.2, -0.1, 0.3)])


@pytest.mark.parametrize(
    ("metric", "methods", "places", "more", "says"),
    [
        ("psnr", METHODS, PLACES, {}, "no metric 'psnr'; they hold l1"),
        ("l1", {"nobody": "x"}, PLACES, {}, "no l1 of nobody"),
        ("l1", METHODS, None, {}, "several places"),
        ("l1", METHODS, PLACES, {"share_of": "nobody"}, "no 'nobody'"),
        ("l1", {"copy": "x"}, PLACES, {"paired_with": "nobody"}, "compared with 'nobody'"),
    ],
)
def test_what_is_not_in_the_rows_is_said(metric, methods, places, more, says):
    with pytest.raises(AidagenError, match=says):
        plots.claim(ROWS, metric, methods, places, **more)


def test_every_term_of_a_history_is_drawn_even_those_that_come_late():
    history = [{"pixels": 2.0 / (i + 1), "warp": 1.0} for i in range(40)]
    history[20:] = [step | {"late": 0.5} for step in history[20:]]
    plot = plots.terms(history, {"pixels": "L1 of the frame"})
    (legend,) = plot.figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["L1 of the frame", "warp", "late"]
    assert plot.figure.axes[0].get_yscale() == "log"
    assert "L1 of the frame from 2 to 0.05" in plot.alt and "late from 0.5 to 0.5" in plot.alt


def test_negative_terms_take_the_axis_off_its_logarithm_and_zeros_do_not():
    assert plots.terms([{"a": -1.0}, {"a": 2.0}]).figure.axes[0].get_yscale() == "linear"
    assert plots.terms([{"a": 0.0}, {"a": 2.0}]).figure.axes[0].get_yscale() == "log"
    assert "all are 0" in plots.terms([{"a": 0.0}]).alt
    with pytest.raises(AidagenError, match="at least one step"):
        plots.terms([])


def test_running_median():
    values = np.array([1.0, np.nan, 5.0, 100.0, 5.0])
    assert plots.running_median(values, 3).tolist() == [1.0, 1.0, 3.0, 52.5, 5.0]
    assert np.isnan(plots.running_median(np.array([np.nan]), 2)[0])


def test_a_plot_is_a_wide_png_with_words_and_says_which_reference_it_rests_on(monkeypatch):
    plot = plots.claim(ROWS, "l1", METHODS, PLACES, title="A claim")
    data, metadata = plot._repr_mimebundle_()
    assert data["text/plain"] == plot.alt and set(data) == {"image/png", "text/plain"}
    picture = Image.open(io.BytesIO(plot.png()))
    assert picture.width == 1440 and metadata["image/png"]["width"] == 720
    assert len(plot.png()) < 60_000
    monkeypatch.setattr(check, "badge", lambda: "Made with the reference solution of 05.1")
    plot.png()
    assert any("reference solution" in text.get_text() for text in plot.figure.texts)


def test_letters_are_legible_when_the_figure_fills_six_tenths_of_a_slide():
    plot = plots.claim(ROWS, "l1", METHODS, PLACES, title="A claim", line=(0.5, "half"))
    axes = plot.figure.axes[0]
    texts = [axes.xaxis.label, *axes.get_yticklabels(), *axes.get_xticklabels(), *axes.texts]
    smallest = min(text.get_fontsize() for text in texts)
    pixels = smallest / 72 / plots.WIDTH * 0.6 * 1920
    assert pixels > 27.9


def test_folded_is_closed_and_holds_all_rows_in_words():
    shown = plots.folded("All rows", ROWS, {"model": "the model", "made-up/people": "known people"})
    text = shown.data
    assert text.startswith("<details><summary>All rows</summary>\n\n") and " open" not in text
    assert "**known people**" in text and "**made-up, others**" in text
    assert "| the model | 0.6 (0.54 to 0.72) |" in text and "l1: share of pixels" in text
    assert "a | b" in plots.folded("Ledger", lambda: "a | b").data
    with pytest.raises(AidagenError, match="nothing to fold"):
        plots.folded("Nothing", " ")
