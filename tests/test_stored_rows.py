"""Rows on the disk: given back while they hold, refused in a sentence when what they rest on
changed; and tables that are found by their file's name."""

import sys
import tempfile
from types import SimpleNamespace

import pytest
from faults import Disk
from test_evaluation import dancers  # noqa: F401

from aidagen import cli, datasets, evaluation, files, sources, zoo
from aidagen.datasets import layout
from aidagen.evaluation import fomm_cartoons_64, keys, sheets

TABLE = "fomm-cartoons-64"
L1 = sheets.Metric("l1", "unit", "lower")
# what is expected below is said of these; whoever adds a table need not add it here
TABLES = {
    "animation", "fomm-cartoons-64", "fomm-faces-64", "fomm-heads-64", "monkeynet-ablations",
}  # fmt: skip


@pytest.fixture
def shelf(tmp_path, monkeypatch, dancers):  # noqa: F811
    """A user's folder with a checkpoint, a table that counts how often it is computed."""
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    weights = tmp_path / "home" / "weights" / f"{TABLE}.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    weights.with_suffix(".json").write_text('{"system": "fomm"}')
    monkeypatch.setattr(datasets, "load", lambda name: dancers)
    calls = []

    def compute(*, limit, progress):
        calls.append(limit)
        sheet = sheets.Sheet()
        sheet.add("cartoons", "cross-identity", TABLE, L1, [0.1, 0.2, 0.15])
        sheet.add("cartoons", "cross-identity", "copy-source", L1, [0.3, 0.4, 0.35])
        return sheet

    table = fomm_cartoons_64.TABLE._replace(compute=compute)
    monkeypatch.setattr(fomm_cartoons_64, "TABLE", table)
    return SimpleNamespace(weights=weights, calls=calls, set=dancers)


def test_rows_are_stored_and_given_back(shelf):
    with pytest.raises(evaluation.EvaluationError, match="No rows are stored"):
        evaluation.table(TABLE)
    computed = evaluation.table(TABLE, recompute=True)
    again = evaluation.table(TABLE)
    assert again == computed and shelf.calls == [None]
    assert again.comparisons == computed.comparisons and isinstance(again, list)
    assert again.comparisons[0]["verdict"] == "better"
    assert not list(shelf.weights.parent.glob("*.part"))
    limited = evaluation.table(TABLE, limit=1)
    assert shelf.calls == [None, 1] and "not stored" in limited.notes[-1]
    assert evaluation.table(TABLE).notes == computed.notes


@pytest.mark.parametrize("what", list(keys.PARTS))
def test_stale_rows_are_refused_in_one_sentence(shelf, monkeypatch, what):
    evaluation.table(TABLE, recompute=True)
    if what == "weights":
        shelf.weights.write_bytes(b"other weights")
    elif what == "data":
        shelf.set.info["version"] = "2"
    elif what == "judges":
        monkeypatch.setattr(keys, "judges", lambda *_: {"face-api": "another"})
    else:
        edited(monkeypatch, "metrics.py", lambda source: source + "a = 1\n")
    with pytest.raises(evaluation.EvaluationError, match=f"stale, because the {what} of .*--recom"):
        evaluation.table(TABLE)
    evaluation.table(TABLE, recompute=True)
    assert evaluation.table(TABLE)


def test_stored_rows_hold_where_the_data_cannot_be_had(shelf, monkeypatch):
    evaluation.table(TABLE, recompute=True)

    def offline(name):
        raise layout.DatasetError("no network")

    monkeypatch.setattr(datasets, "load", offline)
    assert evaluation.table(TABLE)


def test_rows_with_a_key_of_another_kind_are_stale(shelf):
    evaluation.table(TABLE, recompute=True)
    file = evaluation.stored_path(TABLE)
    file.write_text('{"key": {"weights": {}, "code": "one hash"}, "rows": [], "comparisons": [], '
                    '"notes": []}')  # fmt: skip
    wanted = "the weights of .* and the data of .* and the code of .* and [0-9]+ more changed"
    with pytest.raises(evaluation.EvaluationError, match=wanted):
        evaluation.table(TABLE)


def test_damaged_rows_and_wrong_requests_are_explained(shelf):
    evaluation.table(TABLE, recompute=True)
    for damaged in ('{"rows": []', '{"rows": []}', '{"key": 7, "rows": []}', "[]"):
        evaluation.stored_path(TABLE).write_text(damaged)
        with pytest.raises(evaluation.EvaluationError, match="damaged"):
            evaluation.table(TABLE)
    for wrong in ("fomm", "fomm_cartoons_64", "sheets"):
        with pytest.raises(evaluation.EvaluationError, match=f"no table '{wrong}'; there are anim"):
            evaluation.table(wrong)
    with pytest.raises(evaluation.EvaluationError, match="at least 1"):
        evaluation.table(TABLE, limit=0)


def test_a_failed_write_leaves_the_old_rows(shelf, monkeypatch):
    evaluation.table(TABLE, recompute=True)
    path = evaluation.stored_path(TABLE)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(files.FileError, match="no space left"):
        evaluation.table(TABLE, recompute=True)
    assert path.read_bytes() == before and not list(path.parent.glob("*.part"))


def test_rows_that_took_long_are_not_lost(shelf, monkeypatch, tmp_path):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    path = evaluation.stored_path(TABLE)
    with monkeypatch.context() as patch:
        Disk(patch, "full disk while writing", limit=path.parent)
        with pytest.raises(files.FileError, match=r"no space left.*The rows lie in \S+: move them"):
            evaluation.table(TABLE, recompute=True)
    (kept,) = (tmp_path / "tmp").rglob(path.name)
    kept.replace(path)
    assert evaluation.table(TABLE) and shelf.calls == [None]

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(files.FileError, match="permission denied"):
        evaluation.table(TABLE, recompute=True)
    assert shelf.calls == [None], "met before it was computed"
    assert evaluation.table(TABLE, recompute=True, limit=1)


def test_the_table_to_read_says_who_is_better_and_what_is_left_of_the_copys_error(shelf):
    text = evaluation.format_table(evaluation.table(TABLE, recompute=True))
    assert "cartoons / cross-identity" in text and "copy-source" in text
    assert "better by more than the interval in l1" in text
    assert "l1: 0.43 × copy-source" in text and "  l1: unit" in text
    assert evaluation.format_table([])  # nothing to show is not an error


# ----------------------------------------------------------------------------- a new table

NEW = '''
"""How well a coin guesses."""

from aidagen.evaluation.sheets import Metric, Sheet, Table

RIGHT = Metric("right", "share of guesses", "higher")


def compute(*, limit=None, progress):
    progress("throwing a coin")
    sheet = Sheet()
    sheet.add("coins", "test", "oracle", RIGHT, ([1.0] * 6)[:limit])
    sheet.add("coins", "test", "coin", RIGHT, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0][:limit])
    return sheet


def remarks(rows):
    return [f"A coin has {len(rows)} sides."]


TABLE = Table(compute, models=(), data=(), comparisons=[("oracle", "coin")], remarks=remarks)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A second folder of `aidagen.evaluation`; what is put there is found as if it shipped."""
    monkeypatch.setattr(evaluation, "__path__", [*evaluation.__path__, str(tmp_path / "more")])
    monkeypatch.setattr(zoo, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "more").mkdir()
    (tmp_path / "shipped").mkdir()
    yield tmp_path / "more"
    for name in ("coin_toss", "nothing"):
        sys.modules.pop(f"aidagen.evaluation.{name}", None)
        vars(evaluation).pop(name, None)


def all_keys():
    return {name: keys.key(name, evaluation._definition(name)) for name in evaluation.names()}


@pytest.fixture
def known_data(monkeypatch):
    """No data set is opened (faces would have to be fetched)."""
    monkeypatch.setattr(keys, "data_hash", lambda name: f"data of {name}")


def test_a_table_is_a_file_and_makes_no_other_one_stale(folder, capsys, known_data):
    before = all_keys()
    assert TABLES <= before.keys() and "coin-toss" not in before
    (folder / "nothing.py").write_text("")
    assert all_keys() == before, "an empty new file changes nothing"
    (folder / "coin_toss.py").write_text(NEW)
    after = all_keys()
    assert after.keys() == before.keys() | {"coin-toss"}
    assert {name: after[name] for name in before} == before
    assert {"aidagen.evaluation.coin_toss", "aidagen.metrics"} < after["coin-toss"]["code"].keys()
    assert "aidagen.grids" not in after["coin-toss"]["code"]

    assert cli.main(["evaluate", "coin-toss"]) == 2
    assert "No rows are stored for coin-toss yet" in capsys.readouterr().err
    assert cli.main(["evaluate", "coin-toss", "--limit", "2"]) == 0
    assert "only 2 clips per split; not stored" in capsys.readouterr().out
    assert cli.main(["evaluate", "coin-toss", "--recompute"]) == 0
    assert cli.main(["evaluate", "coin-toss"]) == 0
    text = capsys.readouterr().out
    assert "oracle against coin: better by more than the interval in right" in text
    assert text.rstrip().endswith("A coin has 2 sides.")

    (folder / "coin_toss.py").write_text(NEW.replace("0.0, 0.0, 1.0", "0.0, 1.0, 1.0"))
    assert cli.main(["evaluate", "coin-toss"]) == 2
    error = capsys.readouterr().err
    assert "the code of aidagen.evaluation.coin_toss changed since" in error


# ----------------------------------------------------------------------------- what a key covers


def edited(monkeypatch, file, edit):
    """As if somebody had changed `file` of the package."""
    read = keys.read
    target = keys.PACKAGE / file
    assert target.exists()
    monkeypatch.setattr(
        keys, "read", lambda path: edit(read(path)) if path.samefile(target) else read(path)
    )


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("models/fomm.py", {"animation", "fomm-cartoons-64", "fomm-faces-64", "fomm-heads-64"}),
        ("models/monkeynet.py", {"animation", "monkeynet-ablations"}),
        ("models/monkeynet_prediction.py", set()),
        ("evaluation/fomm_heads_64.py", {"fomm-heads-64"}),
        ("evaluation/set_distance.py", {"fomm-faces-64"}),
        ("evaluation/mouths.py", {"fomm-faces-64"}),
        ("evaluation/claims.py", set()),
        ("evaluation/text.py", set()),
        ("judges/joints.py", {"animation", "monkeynet-ablations"}),
        ("judges/bodies.py", set()),
        ("judges/face_nets.py", {"animation", "fomm-faces-64", "fomm-heads-64"}),
        ("datasets/layout.py", TABLES),  # it decodes
        ("datasets/heads.py", set()),
        ("grids.py", TABLES),
        ("metrics.py", TABLES),
        ("zoo.py", set()),
        ("cli.py", set()),
    ],
)
def test_changed_code_makes_stale_what_it_can_change_and_nothing_else(
    monkeypatch, known_data, file, stale
):
    before = all_keys()
    edited(monkeypatch, file, lambda source: source + "changed = 1\n")
    after = all_keys()
    assert {name for name in TABLES if after[name] != before[name]} == stale
    for name in stale:
        module = "aidagen." + file.removesuffix(".py").replace("/", ".")
        assert keys.changes(before[name], after[name]) == f"the code of {module}"


def test_a_reworded_docstring_makes_nothing_stale(monkeypatch, known_data):
    before = all_keys()
    edited(monkeypatch, "models/fomm.py", lambda s: s.replace("First Order", "Second Order"))
    assert "Second Order" in keys.read(keys.PACKAGE / "models" / "fomm.py")
    assert all_keys() == before
    edited(monkeypatch, "models/fomm.py", lambda s: "# a comment\n\n" + s)
    assert all_keys() == before


CODE = '''"""A module."""

import os  # why

X = """
# not a comment

"""
"""Said of X."""

class Problem(Exception):
    """A class."""  # really

def f(x, y="# neither"):
    """Twice x.

    y is for nothing.
    """
    return g(
        # the first one
        "not a docstring"
    ) + x * 2
'''

ALONE = '''import os
X = """
# not a comment

"""
class Problem(Exception):
def f(x, y="# neither"):
    return g(
        "not a docstring"
    ) + x * 2'''


def test_code_alone_is_what_a_number_can_depend_on():
    assert keys.code_alone(CODE) == ALONE
    assert keys.code_alone("") == "" == keys.code_alone('"""Only words."""\n')
    assert keys.code_alone("x = 1") == keys.code_alone("\n# a\nx = 1  # b\n\n\n") == "x = 1"
    assert keys.code_hash("x = 1\n") != keys.code_hash("x = 2\n")
    assert keys.code_hash('x = f"""\n\n{y}"""') != keys.code_hash('x = f"""\n{y}"""')


def test_line_endings_do_not_count(tmp_path):
    (tmp_path / "unix.py").write_bytes(b'"""A."""\nx = """\n"""\n')
    (tmp_path / "windows.py").write_bytes(b'"""A."""\r\nx = """\r\n"""\r\n')
    unix, windows = (keys.code_hash(keys.read(tmp_path / f"{n}.py")) for n in ("unix", "windows"))
    assert unix == windows


def test_every_kind_of_import_is_followed():
    file = keys.PACKAGE / "models" / "fomm.py"
    modules = keys.closure(["aidagen.models.fomm"])
    assert modules["aidagen.models.fomm"] == file
    assert {"aidagen.grids", "aidagen.blocks", "aidagen.losses"} < modules.keys()
    assert not modules.keys() & keys.OUTSIDE
    # inside a function, by way of a package, of a name and not a module
    modules = keys.closure(["aidagen.widgets.photos"])
    assert {"aidagen.judges", "aidagen.judges.bodies"} < modules.keys()
    for outside in keys.OUTSIDE:
        assert keys._located(outside)[0] == outside, "there is no such module any more"


def test_judges_are_known_by_their_weights(monkeypatch, tmp_path, known_data):
    def judges(name):
        return keys.key(name, evaluation._definition(name))["judges"]

    assert judges("fomm-cartoons-64") == {}
    joints = {f"joints-{d}.{end}" for d in ("bodies", "robot") for end in ("json", "safetensors")}
    assert joints | {"face-api"} < judges("animation").keys()
    ablations = judges("monkeynet-ablations")
    assert ablations.keys() == {"joints-bodies.json", "joints-bodies.safetensors"}
    assert judges("fomm-faces-64")["face-api"] == sources.SOURCES["face-api"].sha256
    assert not joints & judges("fomm-faces-64").keys()
    monkeypatch.setattr(keys, "JUDGES", tmp_path)
    (tmp_path / "joints-bodies.safetensors").write_bytes(b"trained again")
    (tmp_path / "joints-robot.safetensors").write_bytes(b"trained again")
    now = judges("monkeynet-ablations")
    assert now["joints-bodies.safetensors"] != ablations["joints-bodies.safetensors"]


def test_a_pack_is_known_by_its_pixels_and_fetched_footage_by_its_description(
    dancers, monkeypatch  # noqa: F811
):  # fmt: skip
    described = keys.set_hash(dancers)
    dancers.info["clips"]["train"]["ann-move1"]["sha256"] = "other bytes, another encoder"
    assert keys.set_hash(dancers) == described
    monkeypatch.setattr(keys, "PACKAGE", dancers.root.resolve().parent)
    assert keys.set_hash(dancers) == dancers.hash != described
