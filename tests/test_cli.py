"""The commands as people type them; exit codes are those of the contract."""

import json
import os
import socket
import subprocess
import sys
import time

import pyoxigraph as ox
import pytest
import rdflib

from cnrs_graph import cli, errors

DATE_SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix e: <https://example.org/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix dcterms: <http://purl.org/dc/terms/> .
e:HasDate a sh:NodeShape ; dcterms:identifier "D1" ; sh:targetClass e:Event ; sh:property e:HasDate-date .
e:HasDate-date a sh:PropertyShape ; sh:path e:date ; sh:datatype xsd:date ; sh:minCount 1 ;
    sh:message "write a day as 2020-12-31"@en , "écrivez un jour comme 2020-12-31"@fr .
"""
EVENTS = """@prefix e: <https://example.org/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
e:good a e:Event ; e:date "2020-12-31"^^xsd:date .
e:bad a e:Event ;
    e:date "2020-13-31"^^xsd:date .
"""


@pytest.fixture
def files(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# ------------------------------------------------------------------------------------------------ validate


def test_a_finding_names_the_very_place(run, files):
    data, shapes = files("events.ttl", EVENTS), files("shapes.ttl", DATE_SHAPES)
    code, out, err = run("validate", data, "--shapes", shapes)
    assert code == 1
    finding = "violation D1 <https://example.org/bad>: write a day as 2020-12-31"
    assert out.splitlines() == [f"{data}:4:12: {finding}"]
    assert "1 violation, 0 warnings, 0 infos" in err


def test_messages_come_in_the_language_asked_for(run, files):
    data, shapes = files("events.ttl", EVENTS), files("shapes.ttl", DATE_SHAPES)
    assert "écrivez un jour" in run("validate", data, "--shapes", shapes, "--lang", "fr")[1]


def test_json_names_file_line_and_rule(run, files):
    data, shapes = files("events.ttl", EVENTS), files("shapes.ttl", DATE_SHAPES)
    code, out, _ = run("validate", data, "--shapes", shapes, "--format", "json")
    [result] = json.loads(out)["results"]
    assert code == 1
    assert (result["rule"], result["file"], result["line"]) == ("D1", str(data), 4)
    assert result["focusNode"] == "https://example.org/bad"
    assert set(result["messages"]) == {"en", "fr"}


def test_turtle_is_a_standard_report(run, files):
    data, shapes = files("events.ttl", EVENTS), files("shapes.ttl", DATE_SHAPES)
    code, out, _ = run("validate", data, "--shapes", shapes, "--format", "turtle")
    report = rdflib.Graph().parse(data=out, format="turtle")
    sh = rdflib.Namespace("http://www.w3.org/ns/shacl#")
    assert code == 1
    assert report.value(predicate=rdflib.RDF.type, object=sh.ValidationReport)
    assert list(report.objects(None, sh.focusNode)) == [rdflib.URIRef("https://example.org/bad")]


def test_the_threshold_decides_the_exit_code(run, files):
    mild = DATE_SHAPES.replace("sh:path", "sh:severity sh:Warning ; sh:path")
    data, shapes = files("events.ttl", EVENTS), files("shapes.ttl", mild)
    assert run("validate", data, "--shapes", shapes)[0] == 0
    assert run("validate", data, "--shapes", shapes, "--fail-on", "warning")[0] == 1
    assert run("validate", data, "--shapes", shapes, "--fail-on", "info")[0] == 1


def test_results_go_where_they_are_sent(run, files, tmp_path):
    data, shapes = files("events.ttl", EVENTS), files("shapes.ttl", DATE_SHAPES)
    code, out, err = run("validate", data, "--shapes", shapes, "--output", tmp_path / "r.txt", "--quiet")
    assert (code, out, err) == (1, "", "")
    assert "violation D1" in (tmp_path / "r.txt").read_text(encoding="utf-8")


def test_a_rule_is_explained(run, files):
    code, out, _ = run("validate", "--shapes", files("shapes.ttl", DATE_SHAPES), "--explain", "D1")
    assert code == 0
    assert "https://example.org/HasDate" in out
    code, _, err = run("validate", "--shapes", files("shapes.ttl", DATE_SHAPES), "--explain", "D2")
    assert code == 2
    assert "D1" in err


def test_a_rule_of_several_shapes_is_explained_shape_by_shape(run):
    code, out, _ = run("validate", "--explain", "TM5")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("TM5")] == [
        "TM5  A term has a date or a year",
        "TM5  Year and date of a term agree",
    ]
    assert out.count("comes from Structural: ") == 2


def test_standard_input_is_validated_with_its_lines(files):
    shapes = files("shapes.ttl", DATE_SHAPES)
    done = subprocess.run(
        [sys.executable, "-m", "cnrs_graph", "validate", "-", "--shapes", shapes.name],
        input=EVENTS,
        capture_output=True,
        text=True,
        cwd=shapes.parent,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("stdin.ttl:4:12: violation D1")


@pytest.mark.parametrize(
    ("data", "shapes", "code", "said"),
    [
        ("@prefix e: <https://example.org/> .\ne:a e:b x:c .", DATE_SHAPES, 3, "events.ttl:2:9: "),
        (EVENTS, "@prefix sh: <http://www.w3.org/ns/shacl#> .\n<urn:s> sh:path", 3, "shapes.ttl:2"),
        (EVENTS, DATE_SHAPES.replace("sh:path e:date", 'sh:path "date"'), 4, "HasDate-date"),
        (EVENTS, DATE_SHAPES.replace("e:Event", "e:Evnet"), 5, "Event"),
        (EVENTS, "<urn:a> <urn:b> <urn:c> .", 5, "shape"),
    ],
)
def test_what_cannot_be_validated_has_its_own_exit_code_and_message(run, files, data, shapes, code, said):
    got, out, err = run("validate", files("events.ttl", data), "--shapes", files("shapes.ttl", shapes))
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_missing_files_and_wrong_options_are_not_findings(run, tmp_path):
    assert run("validate", tmp_path / "none.ttl")[0] == 3
    assert run("validate", "--fail-on", "everything")[0] == 2
    assert run("validate", "--lang", "de")[0] == 2
    assert run("vaildate")[0] == 2
    assert run("validate", "--config", tmp_path / "none.toml")[0] == 2


def test_the_shipped_data_has_no_violation(run):
    code, out, err = run("validate", "--format", "json")
    report = json.loads(out)
    assert code == 0, out
    assert report["counts"]["violation"] == 0
    assert report["counts"]["info"] > 0, "the rosters of 2020 are known to be partial"
    assert "no finding at or above violation" in err


def test_a_date_broken_in_a_copy_of_the_data_is_found_on_its_line(run, config, tmp_path):
    import shutil

    copy = tmp_path / "data"
    shutil.copytree(config.data[0], copy)
    file = copy / "curated" / "cooperations.ttl"
    lines = file.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if ":startDate" in line and "xsd:date" in line)
    start = lines[at].index('"', lines[at].index(":startDate"))
    lines[at] = lines[at][: start + 6] + "13" + lines[at][start + 8 :]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    code, out, _ = run("validate", copy)

    assert code == 1
    assert any(line.startswith(f"{file}:{at + 1}:{start + 1}: violation") for line in out.splitlines()), out


def test_a_file_alone_is_validated_in_the_place_of_the_published_one(run, config):
    code, _, err = run("validate", config.data[0] / "curated" / "cooperations.ttl")
    assert code == 0, err


# --------------------------------------------------------------------------------------- query and describe


def test_saved_queries_are_listed(run):
    code, out, _ = run("query", "--list")
    assert code == 0
    assert len(out.splitlines()) >= 15
    assert all("  " in line for line in out.splitlines())


def test_a_file_is_queried_in_every_format(run, files):
    text = """PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
SELECT ?label {
  <https://w3id.org/cnrs-graph/id/laboratory/ln2> skos:prefLabel ?label FILTER(LANG(?label) = "fr")
}
"""
    query = files("q.rq", text)
    assert "Nanosystèmes" in run("query", query)[1]
    for name in ("csv", "tsv", "json", "xml"):
        code, out, _ = run("query", query, "--format", name)
        assert code == 0
        assert "Nanosyst" in out
    code, _, err = run("query", query, "--format", "turtle")
    assert code == 2
    assert "csv" in err


def test_standard_input_is_queried(run, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ASK {}")))
    assert run("query", "-")[1] == "yes\n"


def test_standard_input_takes_no_parameter(run):
    code, _, err = run("query", "-", "--param", "country=ctry:can")
    assert code == 2
    assert "standard input takes none" in err


def test_a_query_that_is_no_utf8_is_an_input_that_cannot_be_read(run, tmp_path):
    query = tmp_path / "latin.rq"
    query.write_bytes('ASK {\n ?s ?p "café" }'.encode("latin-1"))
    code, _, err = run("query", query)
    assert code == 3
    assert f"{query}:2: this is no UTF-8" in err


def test_the_example_in_the_help_of_query_works(run):
    example = run("query", "--help")[1].partition("example: cnrs-graph ")[2].split()
    code, out, err = run(*example)
    assert code == 0, err
    assert len(out.splitlines()) > 1


def test_a_format_that_is_not_offered_is_named_with_those_that_are(run):
    for command in (("describe", "ln2"), ("query", "cq-a1-announced-per-country")):
        code, _, err = run(*command, "--format", "sonnet")
        assert code == 2
        assert "--format sonnet" in err
        assert "Accept" not in err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--workers", "0"), "workers = 0"),
        (("--base", "nonsense"), "base = 'nonsense'"),
        (("--public-url", "nonsense"), "public_url = 'nonsense'"),
        (("--port", "99999"), "--port 99999"),
    ],
)
def test_an_option_of_serve_that_cannot_be_is_refused(run, option, said):
    code, _, err = run("serve", *option)
    assert code == 2
    assert said in err


def test_an_address_that_is_taken_is_said(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("serve", "--port", port)
    assert code == 2
    assert f"--port {port}: Address already in use" in err


def test_a_construct_is_printed_as_turtle(run, files):
    query = files("q.rq", "CONSTRUCT { ?s a ?c } WHERE { ?s a ?c } LIMIT 3")
    code, out, _ = run("query", query, "--format", "turtle")
    assert code == 0
    assert len(list(ox.parse(input=out.encode(), format=ox.RdfFormat.TURTLE))) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("cq-none",), 2, "no saved query is called 'cq-none'"),
        ((), 2, "--list"),
        (("cq-a1-announced", "--param", "x"), 2, ""),
        (("none.rq",), 3, "none.rq"),
    ],
)
def test_wrong_queries_are_told_apart(run, arguments, code, said):
    got, out, err = run("query", *arguments)
    assert (got, out) == (code, "")
    assert said in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * { ?s ?p }", "line 1"),
        ("SELECT * { ?s dc:title ?o }", "prefix"),
        ("SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }", "SERVICE"),
        ("DROP ALL", "updates are not offered"),
    ],
)
def test_a_query_that_cannot_be_run_says_why(run, files, text, said):
    code, out, err = run("query", files("q.rq", text))
    assert (code, out) == (4, "")
    assert said in err


def test_an_endpoint_that_is_not_there_is_said(run, files):
    code, _, err = run("query", files("q.rq", "ASK {}"), "--endpoint", "http://127.0.0.1:9/sparql")
    assert code == 6
    assert "http://127.0.0.1:9/sparql" in err


@pytest.mark.parametrize(
    "thing",
    ["https://w3id.org/cnrs-graph/id/cooperation/ln2", "cooperation/ln2", "ln2", "LN2"],
)
def test_a_thing_is_described_by_iri_slug_or_name(run, thing):
    code, out, err = run("describe", thing)
    assert code == 0, err
    assert "Nanotechnologies" in out


def test_a_term_or_a_concept_is_described_by_its_prefixed_name(run):
    for name, iri in ((":underScheme", "ontology#underScheme"), ("role:host", "vocab/role/host")):
        code, out, err = run("describe", name)
        assert code == 0, err
        assert out.splitlines()[1] == f"https://w3id.org/cnrs-graph/{iri}"


def test_a_description_comes_in_every_format(run):
    for name in ("turtle", "ntriples", "jsonld", "rdfxml", "trig", "nquads"):
        code, out, _ = run("describe", "cooperation/ln2", "--format", name)
        assert code == 0
        assert "id/cooperation/ln2" in out or "coop" in out


def test_an_unknown_thing_brings_near_ones(run):
    code, _, err = run("describe", "takuvick")
    assert code == 3
    assert "takuvik" in err


# --------------------------------------------------------------------------------------------------- doors


def test_every_kind_of_error_has_an_exit_code():
    def kinds(kind):
        yield kind
        for below in kind.__subclasses__():
            yield from kinds(below)

    # Errors of a request have a status; they never reach the command line.
    doors_of_the_web = (errors.RequestError, errors.TooManyQueriesError)
    without = [
        kind.__name__
        for kind in kinds(errors.CnrsGraphError)
        if kind is not errors.CnrsGraphError
        and not issubclass(kind, doors_of_the_web)
        and not any(each in cli.EXIT for each in kind.__mro__)
    ]
    assert without == []


def test_our_own_mistake_is_short_and_has_its_own_code(run, monkeypatch):
    def broken(_):
        """Break."""
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(cli, "query", broken)
    code, _, err = run("query", "--list")
    assert code == 70
    assert "our mistake: ZeroDivisionError: oh" in err
    assert "Traceback" not in err
    assert "Traceback" in run("query", "--list", "--debug")[2]


@pytest.mark.parametrize("command", [(), ("validate",), ("serve",), ("query",), ("describe",)])
def test_every_command_has_help_with_an_example(run, command):
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "example: cnrs-graph" in out if command else "exit codes" in out


def test_help_imports_neither_engine_nor_web(tmp_path):
    script = """
import sys
from cnrs_graph.cli import run
try:
    run(["validate", "--help"])
except SystemExit:
    heavy = ("rdflib", "pyshacl", "fastapi", "pyoxigraph", "lark", "jinja2")
    print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_who_leaves_is_no_error():
    started = time.monotonic()
    command = f"{sys.executable} -m cnrs_graph query --list | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        check=False,
    )
    assert done.stderr == "", time.monotonic() - started
    assert done.returncode == 0


def test_findings_decide_the_exit_code_although_nobody_reads_them_all(files):
    shapes = files("shapes.ttl", DATE_SHAPES)
    events = "".join(f'e:bad{number} a e:Event ; e:date "x" .\n' for number in range(2000))
    data = files("events.ttl", "@prefix e: <https://example.org/> .\n" + events)
    command = f"{sys.executable} -m cnrs_graph validate {data} --shapes {shapes}"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert len(done.stdout.splitlines()) == 1
