"""Rows as a table to read: methods down, metrics across, verdicts below."""

from __future__ import annotations


def format_table(rows: list[dict]) -> str:
    """One table per data set and split, the model's verdicts and the units; plain text.

    Takes the `Rows` of `evaluation.table`, or any list of rows (then there are no verdicts).
    """
    name = getattr(rows, "table", "")
    lines = [name] if name else []
    for data, split in dict.fromkeys((row["data"], row["split"]) for row in rows):
        part = [row for row in rows if (row["data"], row["split"]) == (data, split)]
        comparisons = [
            c
            for c in getattr(rows, "comparisons", ())
            if (c["data"], c["split"]) == (data, split)
        ]
        lines += ["", f"{data} / {split}: value [95 % bootstrap interval over n clips]"]
        lines += _table(part) + _verdicts(comparisons, name)
        models = dict.fromkeys(c["method"] for c in comparisons if c["against"] == "copy-source")
        for model in models or [name]:
            lines += _floored(part, model, name)
    lines += ["", "Units", *dict.fromkeys(f"  {row['metric']}: {row['unit']}" for row in rows)]
    lines += [f"Note: {note}." for note in getattr(rows, "notes", ())]
    return "\n".join(lines)


def _table(rows: list[dict]) -> list[str]:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    most = {method: max(row["n"] for row in rows if row["method"] == method) for method in methods}
    cells = {(row["method"], row["metric"]): _cell(row, most[row["method"]]) for row in rows}
    head = ["method", *metrics, "n"]
    body = []
    for method in methods:
        values = (cells.get((method, metric), "–") for metric in metrics)
        body.append([method, *values, str(most[method])])
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    return [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ]


def _cell(row: dict, most: int) -> str:
    fewer = "" if row["n"] == most else f" (n {row['n']})"
    return f"{row['value']:.3g} [{row['low']:.3g}, {row['high']:.3g}]{fewer}"


def _verdicts(comparisons: list[dict], table: str) -> list[str]:
    lines = []
    for method, against in dict.fromkeys((c["method"], c["against"]) for c in comparisons):
        words = {"better": [], "worse": [], "undecided": []}
        for c in comparisons:
            if (c["method"], c["against"]) == (method, against):
                words[c["verdict"]].append(c["metric"])
        parts = []
        if words["better"]:
            parts.append(f"better by more than the interval in {', '.join(words['better'])}")
        if words["worse"]:
            parts.append(f"worse by more than the interval in {', '.join(words['worse'])}")
        if words["undecided"]:
            parts.append(f"undecided in {', '.join(words['undecided'])}")
        who = f"{method} " if method != table else ""  # a table of one model has its name
        lines.append(f"  {who}against {against}: {'; '.join(parts)}")
    return lines


def shares(rows: list[dict], model: str) -> dict[str, tuple[float, float]]:
    """By metric: (share of the copy's error that is left, the judge's floor taken off both; that
    floor). For the rows of one data set and split."""
    value = {(row["method"], row["metric"]): row["value"] for row in rows}
    left = {}
    for metric in ("l1", "l1_moving", "akd", "akd_l2"):
        own, copy = value.get((model, metric)), value.get(("copy-source", metric))
        floor = value.get(("judge-floor", metric), 0.0)
        if own is not None and copy is not None and copy > floor:
            left[metric] = ((own - floor) / (copy - floor), floor)
    return left


def _floored(rows: list[dict], model: str, table: str) -> list[str]:
    words = [
        f"{metric}: {round(share, 2) + 0.0:.2f} × copy-source"  # no -0.00
        + (f" after the judge's floor of {floor:.3g}" if floor else "")
        for metric, (share, floor) in shares(rows, model).items()
    ]
    if model == table:
        return [f"  {line}" for line in words]
    return [f"  {model} {', '.join(words)}"] if words else []
