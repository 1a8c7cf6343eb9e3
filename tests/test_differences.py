"""What was added and removed: nothing is missed, nothing that only has another name is reported."""

import json
import random

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnrs_graph.differences import compared

P, Q = ox.NamedNode("https://e.org/p"), ox.NamedNode("https://e.org/q")


def turtle(text):
    return list(ox.parse(input=f"@prefix : <https://e.org/> . {text}".encode(), format=ox.RdfFormat.TURTLE))


def changes(before, after):
    found = compared(turtle(before), turtle(after))
    return len(found.added), len(found.removed)


def shuffled(quads, seed):
    """The same graph with other labels in another order."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    labels = {}

    def named(term):
        if not isinstance(term, ox.BlankNode):
            return term
        return labels.setdefault(term, ox.BlankNode(f"x{chance.getrandbits(64):x}"))

    renamed = [ox.Quad(named(q.subject), q.predicate, named(q.object)) for q in quads]
    chance.shuffle(renamed)
    return renamed


BLANK = [ox.BlankNode(f"b{number}") for number in range(5)]
NAMED = [ox.NamedNode(f"https://e.org/{letter}") for letter in "ab"]
nodes = st.one_of(st.sampled_from(BLANK), st.sampled_from(NAMED))
graphs = st.lists(st.builds(ox.Quad, nodes, st.sampled_from([P, Q]), nodes), max_size=9, unique=True)


@given(graphs, st.integers())
def test_a_graph_with_other_labels_in_another_order_is_the_same(quads, seed):
    found = compared(quads, shuffled(quads, seed))

    assert (found.added, found.removed) == ((), ())


@given(graphs, graphs)
def test_what_is_no_difference_is_isomorphic(before, after):
    found = compared(before, after)
    canonical = []
    for quads in (before, after):
        dataset = ox.Dataset(quads)
        dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
        canonical.append(dataset)

    assert (not found.added and not found.removed) == (canonical[0] == canonical[1])
    assert len(found.added) - len(found.removed) == len(set(after)) - len(set(before))


def test_pairs_that_look_alike_are_the_same_whatever_their_labels_say():
    before = [ox.Quad(BLANK[0], P, BLANK[1]), ox.Quad(BLANK[2], P, BLANK[3])]
    after = [ox.Quad(BLANK[0], P, BLANK[3]), ox.Quad(BLANK[2], P, BLANK[1])]

    found = compared(before, after)

    assert (found.added, found.removed) == ((), ())


def test_nodes_that_nothing_but_their_links_tells_apart_are_not_confused():
    ring = "_:a :p _:b . _:b :p _:c . _:c :p _:a . _:d :p _:e . _:e :p _:f . _:f :p _:d ."
    hexagon = "_:a :p _:b . _:b :p _:c . _:c :p _:d . _:d :p _:e . _:e :p _:f . _:f :p _:a ."

    assert changes(ring, ring) == (0, 0)
    assert changes(ring, hexagon) != (0, 0)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (":a :p 1 .", ":a :p 1 , 2 .", (1, 0)),
        (":a :p [ :q 1 ; :r 2 ] .", ":a :p [ :q 1 ; :r 3 ] .", (1, 1)),
        (":a :p [ :q [ :r 1 ; :s 2 ] ] .", ":a :p [ :q [ :r 1 ; :s 3 ] ] .", (1, 1)),
        (":a :p [ :q 1 ] , [ :q 2 ] .", ":a :p [ :q 2 ] , [ :q 1 ] , [ :q 3 ] .", (2, 0)),
        (":a :p [ :q 1 ] .", ":a :p [ :q 2 ] .", (1, 1)),
        (':a :p "007"^^:x .', ':a :p "7"^^:x .', (1, 1)),
        (":a :l ( 1 2 3 ) .", ":a :l ( 1 2 4 ) .", (1, 1)),
    ],
)
def test_an_edit_inside_a_blank_node_shows_as_that_edit(before, after, wanted):
    assert changes(before, after) == wanted


def test_the_command_says_what_changed_and_asks_for_no_attention(run, tmp_path):
    (tmp_path / "a.ttl").write_text("<https://e.org/a> <https://e.org/p> 1 , 2 .")
    (tmp_path / "b.ttl").write_text("<https://e.org/a> <https://e.org/p> 2 , 3 .")

    code, text, said = run("diff", tmp_path / "a.ttl", tmp_path / "b.ttl")

    integer = "<http://www.w3.org/2001/XMLSchema#integer>"
    assert code == 0
    assert text.splitlines() == [
        f'- <https://e.org/a> <https://e.org/p> "1"^^{integer} .',
        f'+ <https://e.org/a> <https://e.org/p> "3"^^{integer} .',
    ]
    assert said == "1 added, 1 removed\n"
    assert run("diff", tmp_path / "a.ttl", tmp_path / "b.ttl", "--exit-code")[0] == 1
    assert run("diff", tmp_path / "a.ttl", tmp_path / "a.ttl", "--exit-code")[0] == 0
    code, text, _ = run("diff", tmp_path / "a.ttl", tmp_path / "b.ttl", "--format", "json")
    assert {key: len(lines) for key, lines in json.loads(text).items()} == {"added": 1, "removed": 1}


def test_a_triple_that_moved_between_graphs_counts_when_graphs_do(run, tmp_path):
    for folder, file in (("old", "x.ttl"), ("new", "y.ttl")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("<https://e.org/a> <https://e.org/p> 1 .")

    assert run("diff", tmp_path / "old", tmp_path / "new", "--exit-code")[0] == 0
    code, text, _ = run("diff", tmp_path / "old", tmp_path / "new", "--exit-code", "--graphs")
    assert code == 1
    assert "/graph/x>" in text


def test_what_cannot_be_read_is_named_with_its_place(run, tmp_path):
    (tmp_path / "a.ttl").write_text("<https://e.org/a> nonsense")

    code, _, said = run("diff", tmp_path / "a.ttl", tmp_path / "nowhere.ttl")

    assert code == 3
    assert "a.ttl:1:" in said
