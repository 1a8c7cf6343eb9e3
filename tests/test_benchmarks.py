"""The data of the benchmarks: the same seed gives the same, and at a small size it is valid."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyoxigraph as ox
import pytest

from cnrs_graph.cli import run

ROOT = Path(__file__).parents[1]
MAKE = ROOT / "benchmarks" / "make_data.py"


@pytest.fixture
def make(tmp_path):
    def make(name, *options):
        file = tmp_path / name
        subprocess.run([sys.executable, MAKE, *options, file], check=True, capture_output=True)
        return file

    return make


def triples(file):
    return [quad.triple for quad in ox.parse(path=str(file))]


def test_fifty_laboratories_are_valid(make, capfd):
    file = make("made.ttl", "--laboratories", "50")

    assert run(["validate", "--fail-on", "info", str(file)]) == 0
    assert "0 violations, 0 warnings, 0 infos" in capfd.readouterr().err


def test_the_same_seed_gives_the_same_file_and_another_another(make):
    first, again, other = (
        make(name, "--triples", "3000", "--seed", seed).read_bytes()
        for name, seed in (("a.nt", "1"), ("b.nt", "1"), ("c.nt", "2"))
    )

    assert first == again
    assert first != other


def test_every_format_says_the_same_and_no_triple_twice(make):
    made = {name: triples(make(f"made.{name}", "--laboratories", "60")) for name in ("nt", "nq", "ttl")}

    assert Counter(made["nt"]) == Counter(made["nq"]) == Counter(made["ttl"])
    assert max(Counter(made["nt"]).values()) == 1


@pytest.mark.parametrize("wanted", [5_000, 100_000])
def test_there_are_about_as_many_triples_as_wanted_and_about_thirty_a_laboratory(make, wanted):
    found = triples(make("made.nt", "--triples", str(wanted)))
    laboratories = [each for each in found if each.object.value.endswith("#Laboratory")]

    assert wanted * 0.95 < len(found) < wanted * 1.1
    assert 25 < len(found) / len(laboratories) < 36


def test_a_store_on_disk_is_loaded_beside_oxigraph_and_served(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import peers
    import stores

    data, maker = peers.material(tmp_path, 3000, 1, tmp_path)
    found = stores.measure(data, maker, 1, 1)

    assert set(found["loads"]) == {"cnrs-graph load", "oxigraph load", "oxigraph load, both graphs"}
    assert all(each["cpu_seconds"] > 0 for each in found["loads"].values())
    assert set(found["ratios"]) == {"oxigraph load", "oxigraph load, both graphs"}
    assert 0 < found["served"]["start_s"] < 60
    assert found["served"]["disk_bytes"] > 100_000
    held = ox.Store.read_only(str(tmp_path / "store" / "store"))
    theirs = ox.Store.read_only(str(tmp_path / "twice"))
    made = ox.NamedNode("https://w3id.org/cnrs-graph/graph/made")
    assert len(list(held.quads_for_pattern(None, None, None, made))) == maker.made
    assert len(list(theirs.quads_for_pattern(None, None, None, made))) == maker.made
    assert len(list(theirs.quads_for_pattern(None, None, None, ox.DefaultGraph()))) == maker.made
