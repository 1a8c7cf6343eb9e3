"""Validating only what a change can affect gives what validating everything gives."""

import random
import subprocess
from pathlib import Path

import pyoxigraph as ox
import pytest
import shapes_maker

from cnrs_graph import cli
from cnrs_graph.changes import Changes, affected, since
from cnrs_graph.dataset import Dataset
from cnrs_graph.errors import CnrsGraphError, ConfigError
from cnrs_graph.validation import load_shapes, validate

GRAPH, FILE = ox.NamedNode("https://example.org/graph/data"), Path("/nowhere/data.ttl")
CASES = 120


def quads(text):
    return [
        ox.Quad(q.subject, q.predicate, q.object, GRAPH)
        for q in ox.parse(input=text.replace("_:", "id:b"), format=ox.RdfFormat.TURTLE)
    ]


def dataset(statements):
    return Dataset("https://example.org/", tuple(statements))


def edited(statements, dice):
    """Some statements left out, some with another value."""
    kept = [quad for quad in statements if dice.random() > 0.03]
    for at in dice.sample(range(len(kept)), dice.choice([0, 1, 2])):
        kept[at] = ox.Quad(kept[at].subject, kept[at].predicate, dice.choice(statements).object, GRAPH)
    return kept


def told(report):
    """What the findings say, but not where they stand."""
    return {
        (result.focus, result.shape, result.path, result.value, str(result.messages))
        for result in report.results
    }


@pytest.mark.parametrize("number", range(CASES))
def test_what_is_checked_again_is_all_that_can_have_changed(number):
    made, text = shapes_maker.make(number)
    shapes = load_shapes(dataset(quads(text)))
    dice = random.Random(number)  # noqa: S311 - nothing secret
    before = quads(made)
    after = edited(before, dice)
    again = affected(shapes.graph, Changes({FILE: tuple(before)}), after, {GRAPH.value: FILE})
    try:
        old, new = validate(dataset(before), shapes), validate(dataset(after), shapes)
        part = validate(dataset(after), shapes, among=again)
    except CnrsGraphError:
        return  # a change of everything, or what no engine can judge

    found, was, seen = (told(report) for report in (new, old, part))
    assert seen <= found
    assert found - seen <= was, "something new was left out"


def test_a_change_of_one_node_leaves_the_others_alone():
    one_step = "s:S sh:targetClass :A ; sh:property [ sh:path ( :p :q ) ; sh:minCount 1 ] ."
    shapes = load_shapes(dataset(quads(shapes_maker.PREFIXES + one_step)))
    text = f"{shapes_maker.PREFIXES} id:1 a :A ; :p id:2 . id:2 :q 1 . id:3 a :A ; :p id:4 . id:4 :q 1 ."
    before, after = quads(text), quads(text.replace("id:2 :q 1", "id:2 :q 2"))

    again = affected(shapes.graph, Changes({FILE: tuple(before)}), after, {GRAPH.value: FILE})

    (nodes,) = again.values()
    assert {ox.NamedNode("https://example.org/id/1")} == {node for node in nodes if node.value[-1] in "13"}


@pytest.fixture
def repository(tmp_path):
    """A repository with a data file and shapes, both in its one commit."""
    (tmp_path / "shapes.ttl").write_text(
        f"{shapes_maker.PREFIXES} s:S sh:targetClass :A ; sh:property [ sh:path :p ; sh:minCount 1 ] ."
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.ttl").write_text(f"{shapes_maker.PREFIXES} id:1 a :A . id:2 a :A ; :p 1 .")
    for command in (
        ("init", "--quiet"),
        ("add", "."),
        ("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "One"),
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def findings(repository, capsys, *options):
    code = cli.run(
        [
            "validate",
            str(repository / "data"),
            "--shapes",
            str(repository / "shapes.ttl"),
            "--quiet",
            *options,
        ]
    )
    return code, [line.split()[0].rpartition("/")[2] for line in capsys.readouterr().out.splitlines()]


def test_only_what_changed_since_a_commit_is_reported(repository, capsys):
    one = repository / "data" / "one.ttl"
    assert findings(repository, capsys)[0] == 1
    assert findings(repository, capsys, "--changed-since", "HEAD") == (0, [])

    one.write_text(one.read_text().replace(" ; :p 1", ""))
    (repository / "data" / "two.ttl").write_text(f"{shapes_maker.PREFIXES} id:3 a :A .")

    assert findings(repository, capsys, "--changed-since", "HEAD")[1] == ["one.ttl:10:14:", "two.ttl:10:2:"]
    assert len(findings(repository, capsys)[1]) == 3


def test_a_file_that_is_gone_counts_as_a_change(repository):
    one = repository / "data" / "one.ttl"
    one.unlink()

    changes = since("HEAD", [], [repository / "data"])

    assert [path.name for path in changes.before] == ["one.ttl"]
    assert len(changes.before[one.resolve()]) == 3


def test_changed_shapes_check_everything(repository, capsys):
    shapes = repository / "shapes.ttl"
    shapes.write_text(shapes.read_text() + " # seen again\n")

    assert findings(repository, capsys, "--changed-since", "HEAD")[0] == 1


@pytest.mark.parametrize("revision", ["nowhere", "--output=x"])
def test_a_revision_that_git_does_not_know_is_refused(repository, revision):
    with pytest.raises(ConfigError, match="revision"):
        since(revision, [repository / "data" / "one.ttl"], [])
