import pyoxigraph as ox
import pytest

from cnrs_graph import dataset
from cnrs_graph.errors import SourceError

BASE = "https://example.org/"
TRIPLE = '<https://example.org/a> <https://example.org/b> "007"^^<http://www.w3.org/2001/XMLSchema#integer> .'


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_each_file_becomes_the_graph_of_its_path(tmp_path):
    write(tmp_path / "claims" / "text.ttl", TRIPLE)
    write(tmp_path / "curated" / "all.nt", TRIPLE)

    loaded = dataset.load(tmp_path, base=BASE)

    assert loaded.graphs() == (f"{BASE}graph/claims/text", f"{BASE}graph/curated/all")
    assert loaded.files[f"{BASE}graph/claims/text"] == tmp_path / "claims" / "text.ttl"
    assert loaded.only("claims").graphs() == (f"{BASE}graph/claims/text",)
    assert loaded.without("claims").graphs() == (f"{BASE}graph/curated/all",)
    assert loaded.subjects() == {"https://example.org/a"}


def test_literals_stay_as_they_were_written(tmp_path):
    loaded = dataset.load(write(tmp_path / "a.ttl", TRIPLE), base=BASE)
    assert loaded.quads[0].object.value == "007"
    assert str(next(iter(dataset.graph_of(loaded.quads)))[2]) == "007"


def test_a_graph_that_stands_in_two_datasets_comes_from_the_first(tmp_path):
    mine = dataset.load(write(tmp_path / "mine" / "x.ttl", TRIPLE), base=BASE)
    theirs = dataset.load(write(tmp_path / "theirs" / "x.ttl", TRIPLE.replace("007", "8")), base=BASE)
    assert dataset.merged(mine, theirs).quads == mine.quads


@pytest.mark.parametrize(
    ("name", "text", "place", "reason"),
    [
        (
            "a.ttl",
            "@prefix a: <https://example.org/> .\na:b a:c d:e .",
            "a.ttl:2:9",
            "prefix d: has not been",
        ),
        ("a.nt", TRIPLE + "\n<https://example.org/a>", "a.nt:2", ""),
        ("a.rdf", "<rdf", "a.rdf", "tag not closed"),
        ("a.jsonld", '{"@id": }', "a.jsonld:1", ""),
        ("a.csv", "a,b", "a.csv", "the extension .csv is not one of"),
    ],
)
def test_a_broken_file_is_named_with_line_and_column(tmp_path, name, text, place, reason):
    with pytest.raises(SourceError) as broken:
        dataset.load(write(tmp_path / name, text), base=BASE)
    assert str(broken.value).startswith(f"{tmp_path / place}")
    assert reason in str(broken.value)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(SourceError, match="no such file or folder"):
        dataset.load(tmp_path / "nowhere", base=BASE)
    with pytest.raises(SourceError, match="no file to read"):
        dataset.load(tmp_path, base=BASE)


def test_hidden_files_are_left_out(tmp_path):
    write(tmp_path / ".git" / "x.ttl", "broken")
    write(tmp_path / "a.ttl", TRIPLE)
    assert len(dataset.load(tmp_path, base=BASE).quads) == 1


def test_a_remote_context_is_not_fetched(tmp_path):
    path = write(
        tmp_path / "a.jsonld", '{"@context": "http://127.0.0.1:9/context", "@id": "https://example.org/a"}'
    )
    with pytest.raises(SourceError):
        dataset.load(path, base=BASE)


def test_canonical_form_ignores_order_and_the_names_of_blank_nodes():
    def graph(*lines):
        return list(ox.parse(input="\n".join(lines), format=ox.RdfFormat.N_TRIPLES))

    one = graph("_:a <https://e.org/p> _:b .", '_:b <https://e.org/p> "x" .')
    other = graph('_:z <https://e.org/p> "x" .', "_:y <https://e.org/p> _:z .")
    assert dataset.canonical(one) == dataset.canonical(other)
    assert dataset.canonical(one) != dataset.canonical(graph("_:a <https://e.org/p> _:a ."))


def test_trig_keeps_its_graph_names(tmp_path):
    path = write(tmp_path / "a.trig", f"<https://example.org/g> {{ {TRIPLE} }} {TRIPLE}")
    assert dataset.load(path, base=BASE).graphs() == ("https://example.org/g", f"{BASE}graph/a")
