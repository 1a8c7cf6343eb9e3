import pyoxigraph as ox
import pytest

from cnrs_graph.errors import SourceError
from cnrs_graph.reasoning import entail, read_rules

INTO = "https://example.org/graph/inferred"
CHAIN = "PREFIX e: <https://example.org/> CONSTRUCT { ?a e:above ?c } WHERE { ?a e:above ?b . ?b e:above ?c }"


def quads(text):
    return tuple(ox.parse(input="@prefix e: <https://example.org/> . " + text, format=ox.RdfFormat.TURTLE))


def test_rules_are_applied_until_nothing_new_appears():
    said = quads("e:a e:above e:b . e:b e:above e:c . e:c e:above e:d . e:d e:above e:e .")
    derived = entail(said, {"chain": CHAIN}, into=INTO)
    assert len(derived) == 6
    assert {quad.graph_name.value for quad in derived} == {INTO}


def test_nothing_said_is_derived_and_a_second_time_adds_nothing():
    said = quads("e:a e:above e:b . e:b e:above e:c . e:a e:above e:c .")
    assert entail(said, {"chain": CHAIN}, into=INTO) == ()
    more = quads("e:a e:above e:b . e:b e:above e:c .")
    derived = entail(more, {"chain": CHAIN}, into=INTO)
    assert entail((*more, *derived), {"chain": CHAIN}, into=INTO) == ()


def test_a_rule_that_cannot_be_run_is_named():
    with pytest.raises(SourceError, match=r"broken\.rq"):
        entail((), {"broken": "CONSTRUCT {"}, into=INTO)
    with pytest.raises(SourceError, match="a rule is a CONSTRUCT query"):
        entail((), {"ask": "ASK {}"}, into=INTO)


def test_a_folder_without_rules_is_said(tmp_path):
    with pytest.raises(SourceError, match="no rule"):
        read_rules(tmp_path)
