"""The mutation tool: which tests it asks, and when it is content. It runs weekly itself."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools import mutants

DIFF = """--- mutation diff ---
--- alib/one.py
+++ blib/one.py
@@ -1,3 +1,3 @@
 a = 1
-    b = a + 1
+    b = a - 1
 c = 2"""


@pytest.mark.parametrize(
    ("module", "first"),
    [
        ("lib/sim/task.py", "tests/test_sim_task.py"),
        ("lib/locality.py", "tests/test_locality.py"),
        ("lib/book/intervals.py", "tests/test_book_intervals.py"),
        ("lib/experiments/concept_learning.py", "tests/test_experiments_concept.py"),
    ],
)
def test_the_tests_of_a_module_are_asked_first(module, first):
    assert mutants.files_for(Path(module))[0] == first


def test_every_module_has_tests_to_ask_and_none_needs_the_site():
    for path in (ROOT / "lib").rglob("*.py"):
        if path.parent.name != "lib":
            files = mutants.files_for(path.relative_to(ROOT))
            assert files, path
            assert "tests/test_site.py" not in files
    assert "tests/test_finite.py" in mutants.files_for(Path("lib/exact/flow.py"))


def test_a_test_that_fills_in_the_names_of_modules_asks_all_of_them():
    """As the one that makes every experiment's committed claims again."""
    for name in ("local_features", "length_colours", "detector"):
        files = mutants.files_for(Path(f"lib/experiments/{name}.py"))
        assert "tests/test_experiments_protocol.py" in files
    files = mutants.files_for(Path("lib/scenes/measure.py"))
    assert "tests/test_experiments_protocol.py" not in files


def mutant(outcome, line=3):
    return {"module": "lib/one.py", "line": line, "outcome": outcome, "diff": DIFF}


def test_it_is_content_where_nine_of_ten_die_and_the_rest_is_answered(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(mutants, "ANSWERED", tmp_path / "mutants.toml")
    killed = [mutant("killed")] * 9
    assert mutants.report([*killed, mutant("killed")]) == 0
    assert mutants.report([*killed, mutant("survived")]) == 1
    assert "-b = a + 1\n+b = a - 1" in capsys.readouterr().out
    mutants.ANSWERED.write_text(
        '[[mutant]]\nmodule = "lib/one.py"\nchange = """\n-b = a + 1\n+b = a - 1\n"""\n'
        'answer = "b is never read"\n'
    )
    assert mutants.report([*killed, mutant("survived")]) == 0
    assert "answer: b is never read" in capsys.readouterr().out
    assert mutants.report([*killed[1:], *[mutant("survived")] * 2]) == 1  # 8 of 10
    assert mutants.report([]) == 1
    assert mutants.report([mutant("incompetent")] * 10) == 1
    assert "10 neither died nor survived\n\n0 of 10" in capsys.readouterr().out


def test_a_report_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mutants, "FOLDER", tmp_path)
    stored = {"mutants": [mutant("killed"), {"module": "lib/two.py"}]}
    (tmp_path / "seed7.json").write_text(json.dumps(stored))
    assert mutants.main(["--seed", "7", "--report"]) == 0
    assert "1 of 1 mutants died (100%)" in capsys.readouterr().out


def test_answers_are_of_modules_that_are_there():
    answers = tomllib.loads(mutants.ANSWERED.read_text()).get("mutant", [])
    for answer in answers:
        assert (ROOT / answer["module"]).exists()
        assert not faults_of([answer])


def faults_of(survivors):
    """Those that are neither answered nor seen by a test of today."""
    found = []
    for one in survivors:
        file, _, test = one.get("since", "").partition("::")
        path = ROOT / "tests" / file
        seen = test and path.is_file() and f"\ndef {test}(" in path.read_text()
        if not seen and len(one.get("answer", "").split()) <= 3:
            found.append(one)
    return found


def test_the_draw_that_is_kept_is_large_enough_and_answered():
    if not mutants.KEPT.exists():
        pytest.skip("no draw is complete yet: `make mutants`")
    kept = json.loads(mutants.KEPT.read_text())
    assert kept["count"] >= 60
    assert kept["killed"] >= mutants.LEAST * kept["count"]
    assert kept["killed"] + len(kept["survived"]) <= kept["count"]
    assert not faults_of(kept["survived"])


def test_a_complete_draw_is_kept_with_its_survivors(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mutants, "FOLDER", tmp_path)
    monkeypatch.setattr(mutants, "ANSWERED", tmp_path / "mutants.toml")
    monkeypatch.setattr(mutants, "KEPT", tmp_path / "results/mutants.json")
    assert mutants.page() == "No draw is complete yet."
    drawn = [*[mutant("killed")] * 9, mutant("survived")]

    def reported(drawn, *options):
        (tmp_path / "seed7.json").write_text(json.dumps({"mutants": drawn}))
        return mutants.main(["--seed", "7", "--report", *options])

    assert reported([*drawn, {"module": "lib/two.py"}]) == 1
    assert not mutants.KEPT.exists()  # one is still to run
    (tmp_path / "lib.sim.seed7.json").write_text(json.dumps({"mutants": drawn}))
    assert reported(drawn, "--within", "lib/sim") == 1
    assert not mutants.KEPT.exists()  # of a part
    assert reported(drawn) == 1
    kept = json.loads(mutants.KEPT.read_text())
    change = "-b = a + 1\n+b = a - 1"
    one = {"module": "lib/one.py", "line": 3, "change": change}
    assert {**kept, "provenance": 0} == {
        "seed": 7, "count": 10, "killed": 9, "survived": [one], "provenance": 0
    }  # fmt: skip
    assert kept["provenance"]["commit"]
    assert faults_of(kept["survived"]) == [one]
    entry = f'[[mutant]]\nmodule = "lib/one.py"\nchange = """\n{change}\n"""\n'
    test = "test_tools_mutants.py::test_a_complete_draw_is_kept_with_its_survivors"
    for key, said in (("since", test), ("answer", "b is never read")):
        mutants.ANSWERED.write_text(f'{entry}{key} = "{said}"\n')
        assert reported(drawn) == 0
        (seen,) = json.loads(mutants.KEPT.read_text())["survived"]
        assert seen == one | {key: said}
        assert not faults_of([seen])
        assert said in mutants.page()
        assert "9 of 10 died" in mutants.page()
    assert faults_of([one | {"since": f"{test}_or_not"}, one | {"answer": "no idea"}])
    capsys.readouterr()
