"""Every stored table, computed again from its models and data: `make verify` runs this."""

import pytest

from aidagen import evaluation

EVERYTHING = 10**6  # clips per split: all of them, and nothing is stored


@pytest.mark.verify
@pytest.mark.parametrize("name", evaluation.names())
def test_a_stored_table_comes_out_again(name):
    """Each row within a quarter of its interval's width, and no verdict turned into its opposite.

    To the last digit only the rows of shipped packs come out, and those on the same processor:
    fetched footage is encoded anew on each machine.
    """
    stored, again = evaluation.table(name), evaluation.table(name, limit=EVERYTHING)

    def keyed(rows):
        keys = ("data", "split", "method", "metric")
        return {tuple(row[key] for key in keys): row for row in rows}

    before, after = keyed(stored), keyed(again)
    assert before.keys() == after.keys()
    for key, row in before.items():
        room = 0.25 * (row["high"] - row["low"]) + 0.01 * abs(row["value"])
        assert abs(after[key]["value"] - row["value"]) <= room, (key, row, after[key])
        assert after[key]["n"] == row["n"], key

    def verdicts(rows):
        keys = ("data", "split", "metric", "method", "against")
        return {tuple(c[key] for key in keys): c["verdict"] for c in rows.comparisons}

    before, after = verdicts(stored), verdicts(again)
    assert before.keys() == after.keys()
    turned = {"better": "worse", "worse": "better"}
    assert not [key for key, word in before.items() if after[key] == turned.get(word)]
