"""What is read, from where, and the line each finding stands on."""

import gzip
import io
import sys

import pyoxigraph as ox
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnrs_graph.dataset import load, load_as
from cnrs_graph.errors import SourceError
from cnrs_graph.imports import follow, missing, read_map
from cnrs_graph.inputs import expanded, sniffed
from cnrs_graph.validation import load_shapes, validate

BASE = "https://example.org/"
E = "https://example.org/"
SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix e: <https://example.org/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
e:S a sh:NodeShape ; sh:targetSubjectsOf e:n ; sh:property e:S-n .
e:S-n a sh:PropertyShape ; sh:path e:n ; sh:datatype xsd:integer .
"""
FORMATS = {
    ".ttl": ox.RdfFormat.TURTLE,
    ".nt": ox.RdfFormat.N_TRIPLES,
    ".trig": ox.RdfFormat.TRIG,
    ".nq": ox.RdfFormat.N_QUADS,
    ".jsonld": ox.RdfFormat.JSON_LD,
    ".rdf": ox.RdfFormat.RDF_XML,
}
LINED = (".ttl", ".nt", ".trig", ".nq")
#: One finding: a number in words.
WRONG = ox.Quad(ox.NamedNode(f"{E}x"), ox.NamedNode(f"{E}n"), ox.Literal("five"))


def written(extension, quads=(WRONG,)):
    if extension in (".trig", ".nq"):
        quads = [ox.Quad(q.subject, q.predicate, q.object, ox.NamedNode(f"{E}g")) for q in quads]
    return ox.serialize(quads, format=FORMATS[extension])


@pytest.fixture
def shapes(tmp_path):
    (tmp_path / "shapes").mkdir()
    path = tmp_path / "shapes" / "shapes.ttl"
    path.write_text(SHAPES, encoding="utf-8")
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("extension", FORMATS)
def test_every_format_is_read_and_its_findings_have_a_place(run, tmp_path, shapes, extension, packed):
    path = tmp_path / f"data{extension}{'.gz' if packed else ''}"
    content = written(extension)
    path.write_bytes(gzip.compress(content) if packed else content)
    code, out, _ = run("validate", path, "--shapes", shapes)

    assert code == 1
    place = (
        f"{path}:"
        if extension not in LINED
        else f"{path}:{content.decode().splitlines().index(line_of(content)) + 1}:"
    )
    assert out.startswith(place), out


def line_of(content):
    return next(line for line in content.decode().splitlines() if "five" in line)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("extension", FORMATS)
def test_standard_input_is_known_by_what_stands_in_it(run, monkeypatch, shapes, extension, packed):
    content = written(extension)
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(content) if packed else content))
    monkeypatch.setattr(sys, "stdin", stdin)
    code, out, _ = run("validate", "-", "--shapes", shapes)

    assert code == 1
    assert out.startswith("stdin.")


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        ("[] <https://example.org/n> 1 .", ".ttl"),
        ("# { \n<x> <y> <z> .", ".ttl"),
        ("{ <https://e.org/a> <https://e.org/b> 1 }", ".trig"),
        ("PREFIX : <https://e.org/> :g { :a :b 1 }", ".trig"),
        ('<https://e.org/a> <https://e.org/b> "c\\" d"@en <https://e.org/g> .', ".nq"),
        ('{"@id": "https://e.org/a"}', ".jsonld"),
        ('<?xml version="1.0"?><rdf:RDF/>', ".rdf"),
        ("", ".ttl"),
        ("this is nothing", ".ttl"),
    ],
)
def test_the_rule_by_which_content_is_known(content, extension):
    assert sniffed(content.encode())[0] == extension


def test_a_format_that_is_named_wins_over_the_rule(run, monkeypatch, shapes):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written(".nt"))))
    _, out, _ = run("validate", "-", "--input-format", "ntriples", "--shapes", shapes)

    assert out.startswith("stdin.nt:1:")
    assert run("validate", shapes, "--input-format", "ntriples")[0] == 2


def test_a_damaged_gzip_is_an_input_that_cannot_be_read(run, tmp_path, shapes):
    (tmp_path / "x.nt.gz").write_bytes(gzip.compress(written(".nt"))[:-9])
    code, _, err = run("validate", tmp_path / "x.nt.gz", "--shapes", shapes)

    assert (code, "no whole gzip file" in err) == (3, True)


def test_patterns_and_folders_find_files_of_every_depth(run, tmp_path, shapes):
    deep = tmp_path / "data" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "x.nt").write_bytes(written(".nt"))
    (tmp_path / "data" / "y.ttl").write_text(f"<{E}y> <{E}n> true .", encoding="utf-8")

    assert len(run("validate", tmp_path / "data", "--shapes", shapes)[1].splitlines()) == 2
    assert len(run("validate", f"{tmp_path}/data/**/*.nt", "--shapes", shapes)[1].splitlines()) == 1
    code, _, err = run("validate", f"{tmp_path}/data/*.trig", "--shapes", shapes)
    assert (code, "no file that we read matches this pattern" in err) == (3, True)
    with pytest.raises(SourceError):
        expanded([str(tmp_path / "none*")])


def test_files_of_one_name_and_graphs_of_one_name_are_all_read(run, tmp_path, shapes):
    for folder, name in (("a", "x"), ("b", "y")):
        (tmp_path / folder).mkdir()
        for extension in (".ttl", ".nq"):
            thing = f"{name}{extension[1:]}"
            quad = ox.Quad(ox.NamedNode(f"{E}{thing}"), WRONG.predicate, WRONG.object)
            (tmp_path / folder / f"data{extension}").write_bytes(written(extension, [quad]))
    _, out, _ = run("validate", tmp_path / "a", tmp_path / "b", tmp_path / "a", "--shapes", shapes)

    assert len(out.splitlines()) == 4


def test_shapes_come_from_several_files(run, tmp_path, shapes):
    more = tmp_path / "more.ttl"
    more.write_text(
        "@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix e: <https://example.org/> .\n"
        "e:T a sh:NodeShape ; sh:targetSubjectsOf e:n ; sh:closed true .",
        encoding="utf-8",
    )
    (tmp_path / "x.nt").write_bytes(written(".nt"))
    _, out, _ = run("validate", tmp_path / "x.nt", "--shapes", shapes, "--shapes", more)

    assert {line.split()[2] for line in out.splitlines()} == {"S-n", "T"}


# What is imported


def test_an_import_is_followed_to_the_file_that_it_is_mapped_to_and_nowhere_else(run, tmp_path, shapes):
    data = tmp_path / "data.ttl"
    data.write_text(
        f"<> <http://www.w3.org/2002/07/owl#imports> <http://127.0.0.1:9/more> .\n<{E}x> <{E}n> 5 .",
        encoding="utf-8",
    )
    _, _, err = run("validate", data, "--shapes", shapes)
    assert f"{data}:1:44: owl:imports <http://127.0.0.1:9/more> is not followed" in err
    assert "--import http://127.0.0.1:9/more=FILE" in err

    brought = tmp_path / "more.ttl"
    brought.write_text(f"<{E}y> <{E}n> 6 .", encoding="utf-8")
    _, _, err = run("validate", data, "--shapes", shapes, "--import", f"http://127.0.0.1:9/more={brought}")
    assert "is not followed" not in err


def test_shapes_that_are_imported_count(run, tmp_path, shapes):
    head = tmp_path / "head.ttl"
    head.write_text(
        "<> <http://www.w3.org/2002/07/owl#imports> <https://example.org/shapes> .", encoding="utf-8"
    )
    (tmp_path / "x.nt").write_bytes(written(".nt"))
    code, _, _ = run(
        "validate", tmp_path / "x.nt", "--shapes", head, "--import", f"https://example.org/shapes={shapes}"
    )

    assert code == 1


def test_imports_of_what_is_given_are_not_missing(tmp_path):
    (tmp_path / "a.ttl").write_text(
        "@prefix owl: <http://www.w3.org/2002/07/owl#> . <> owl:imports <b.ttl> , <https://e.org/o> .",
        encoding="utf-8",
    )
    (tmp_path / "b.ttl").write_text(
        "<https://e.org/o> a <http://www.w3.org/2002/07/owl#Ontology> .", encoding="utf-8"
    )
    dataset = load(tmp_path, base=BASE)

    assert missing({}, dataset) == ()
    assert follow(dataset, {}, lambda _: dataset) == ()


def test_imports_in_a_circle_are_read_once(tmp_path):
    text = "<> <http://www.w3.org/2002/07/owl#imports> <https://e.org/me> ."
    (tmp_path / "a.ttl").write_text(text, encoding="utf-8")
    dataset = load(tmp_path, base=BASE)

    assert len(follow(dataset, {"https://e.org/me": tmp_path / "a.ttl"}, lambda _: dataset)) == 1


def test_an_import_option_is_written_with_an_equals_sign(run, shapes):
    code, _, err = run("validate", shapes, "--shapes", shapes, "--import", "https://e.org/x")

    assert (code, "write it as IRI=FILE" in err) == (2, True)
    assert str(read_map(["https://e.org/?a=b=x.ttl"])["https://e.org/?a=b"]) == "x.ttl"


# The line of a finding is the line that was edited


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
VALUES = st.one_of(
    st.builds(lambda text: ox.Literal(text, language="en"), TEXTS),
    st.builds(ox.Literal, TEXTS),
    st.builds(lambda name: ox.NamedNode(f"{E}o{name}"), st.integers(0, 5)),
    st.just(ox.BlankNode("b")),
)
TRIPLES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from("pqr"), VALUES), min_size=1, max_size=12, unique=True
)


def laid_out(triples, marked, style, extension):
    """The triples as a text in one of several hands, and the line on which the marked one's object stands."""
    lines, place = [f"@prefix e: <{E}> ." if extension in (".ttl", ".trig") else "# lines"], None
    if extension == ".trig":
        lines.append("e:g {")
    for at, (subject, predicate, value) in enumerate(triples):
        name = f"<{E}s{subject}>"
        if extension in (".nt", ".nq"):
            graph = f" <{E}g>" if extension == ".nq" else ""
            lines.append(f"{name} <{E}{predicate}> {value}{graph} .")
        elif style == 0:
            lines.append(f'{name} e:{predicate} {value} . # it\'s "{{" [')
        elif style == 1:
            lines += [name, f"  e:{predicate}", f"    {value} ,", '    """two', 'lines""" .']
        else:
            lines += [f"{name} e:k [ e:l ( 1 2", " ) ] ;", f"\te:{predicate} {value} ; .", ""]
        if at == marked:
            place = len(lines) - {0: 0, 1: 2, 2: 1}[style if extension in (".ttl", ".trig") else 0]
    if extension == ".trig":
        lines.append("}")
    return "\n".join(lines), place


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(triples=TRIPLES, data=st.data(), extension=st.sampled_from(LINED), style=st.integers(0, 2))
def test_a_random_triple_that_is_edited_is_found_on_its_line(tmp_path, triples, data, extension, style):
    marked = data.draw(st.integers(0, len(triples) - 1))
    subject, _, _ = triples[marked]
    edited = [*triples]
    edited[marked] = (subject, "n", ox.Literal("no number"))
    text, line = laid_out(edited, marked, style, extension)
    path = tmp_path / f"data{extension}"
    path.write_text(text, encoding="utf-8", newline="")
    (tmp_path / "s.ttl").write_text(SHAPES, encoding="utf-8")

    report = validate(
        load_as(path, BASE, f"{BASE}graph/data"), load_shapes(load_as(tmp_path / "s.ttl", BASE, f"{BASE}s"))
    )

    found = [result for result in report.results if result.value == ox.Literal("no number")]
    assert [result.place.line for result in found] == [line], text


def test_the_mark_of_some_editors_is_passed_over(run, tmp_path, shapes):
    path = tmp_path / "data.ttl"
    path.write_bytes(f"\ufeff<{E}x>\r\n <{E}n> 'five' .\r\n".encode())

    assert run("validate", path, "--shapes", shapes)[1].startswith(f"{path}:2:26: ")
