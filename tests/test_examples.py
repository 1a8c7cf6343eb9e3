"""Every rule is shown with a case that breaks it and the case mended; both are held against the shapes."""

from pathlib import Path

import pytest
import shacl_run
from shacl_run import all_shapes, findings, rule_of

from cnrs_graph.errors import ConfigError, SourceError
from cnrs_graph.examples import read_examples

ROOT = Path(__file__).parents[1]
BASE = tuple(sorted((Path(__file__).parent / "fixtures" / "base").glob("*.ttl")))
EXAMPLES = read_examples([ROOT / "shapes"])
RULES = {rule_of(all_shapes(), shape) for shape in shacl_run.node_shapes(all_shapes())}


def test_every_rule_has_an_example():
    assert len(EXAMPLES) > 50
    assert EXAMPLES.keys() == RULES


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_an_example_breaks_its_rule_and_keeps_it_when_mended(rule, tmp_path):
    example = EXAMPLES[rule]
    mended = tmp_path / "mended.ttl"
    mended.write_text(example.mended, encoding="utf-8")

    assert rule in {each.rule for each in findings((*BASE, example.path))}
    left = findings((*BASE, mended))
    assert rule not in {each.rule for each in left}
    assert not [each for each in left if each.severity == "violation"]


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_an_example_shows_what_differs_and_no_more(rule):
    broken, mended = EXAMPLES[rule].parts()

    assert broken != mended
    assert broken or mended
    assert len(broken) + len(mended) < 4000


def test_explain_shows_the_case_and_the_case_mended(run):
    code, out, _ = run("validate", "--explain", "TM2")

    assert code == 0
    broken, mended = out.split("# A case that breaks it")[1].split("# The same case, mended")
    assert '"2019-12-31"' in broken
    assert '"2019-12-31"' not in mended
    assert '"2024-12-31"' in mended


def test_explain_names_source_and_sentence(run):
    assert "sentence 7" in run("validate", "--explain", "IRL1")[1]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("[X]\ncase = 'gone.ttl'\nmend = []", SourceError, "gone.ttl"),
        ("[X]\ncase = 'case.ttl'", ConfigError, "needs case"),
        ("[X]\ncase = 'case.ttl'\nmend = [['two', 'x']]", ConfigError, "must stand in case.ttl once"),
        ("[X", SourceError, "examples.toml"),
    ],
)
def test_an_entry_that_cannot_be_used_is_said(tmp_path, text, error, said):
    (tmp_path / "case.ttl").write_text("# two two", encoding="utf-8")
    (tmp_path / "examples.toml").write_text(text, encoding="utf-8")

    with pytest.raises(error, match=said):
        read_examples([tmp_path])
