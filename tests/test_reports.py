"""What is told of findings: every format, every language, hints, excerpts, and what was accepted before."""

import gzip
import io
import json
import os
import re
import select
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import jsonschema
import pyoxigraph as ox
import pytest
import rdflib
from rdflib.compare import isomorphic
from standards_files import needed

from cnrs_graph import cli, progress
from cnrs_graph.errors import Place
from cnrs_graph.excerpts import Excerpt, Excerpts
from cnrs_graph.finding_words import WORDS
from cnrs_graph.reports import FORMATS, SCHEMA

SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix e: <https://example.org/> .
@prefix dcterms: <http://purl.org/dc/terms/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
e:Dated a sh:NodeShape ; sh:targetClass e:Term ; dcterms:identifier "D1" ;
    rdfs:label "A term starts"@en , "Un mandat commence"@fr , "Un mandato empieza"@es ;
    sh:property e:Dated-start , e:Dated-note .
e:Dated-start a sh:PropertyShape ; sh:path e:startDate ; sh:minCount 1 ;
    sh:message "Say when it starts."@en , "Dites quand il commence."@fr , "Diga cuándo empieza."@es .
e:Dated-note a sh:PropertyShape ; sh:path e:note ; sh:maxLength 3 ; sh:severity sh:Warning .
"""
DATA = """@prefix e: <https://example.org/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
e:a a e:Term ; rdfs:label "A & <b>, \\u001B[31m"@en ;
	e:strtDate "2020-01-01" ;
    e:note "far: too, long % é" .
"""
FINDING = "https://example.org/a"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes.ttl").write_text(SHAPES, encoding="utf-8")
    (tmp_path / "data.ttl").write_text(DATA, encoding="utf-8")
    return tmp_path


@pytest.fixture
def check(run, files):
    def check_(*arguments, data="data.ttl"):
        return run("validate", data, "--shapes", "shapes.ttl", *arguments)

    return check_


def test_the_formats_offered_are_those_there_are():
    assert tuple(FORMATS) == cli._REPORT_FORMATS


def test_every_language_has_every_word():
    assert set(WORDS) == set(cli._LANGUAGES)
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}


def test_json_keeps_to_its_schema(check):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    code, out, _ = check("--format", "json")
    told = json.loads(out)

    jsonschema.validate(told, schema)
    assert code == 1
    assert told["counts"] == {"violation": 1, "warning": 1, "info": 0}
    assert told["byRule"] == {"D1": 2}
    assert told["byFile"] == {"data.ttl": 2}
    assert told["results"][0]["hint"] == {
        "written": "<https://example.org/strtDate>",
        "meant": "<https://example.org/startDate>",
    }
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**told, "results": [{"rule": "D1"}]}, schema)


def test_json_of_the_shipped_data_keeps_to_its_schema(run):
    _, out, _ = run("validate", "--format", "json", "--quiet")

    told = json.loads(out)
    assert told["results"]
    jsonschema.validate(told, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_sarif_keeps_to_the_schema_of_the_standard(check):
    schema = json.loads(needed("sarif/sarif-2.1.0.json").read_text(encoding="utf-8"))
    _, out, _ = check("--format", "sarif")
    told = json.loads(out)

    jsonschema.Draft7Validator(schema).validate(told)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate({**told, "runs": [{}]})


def test_sarif_names_place_rule_and_fingerprint(check):
    _, out, _ = check("--format", "sarif")
    (run,) = json.loads(out)["runs"]
    first, second = run["results"]

    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "data.ttl"}, "region": {"startLine": 3, "startColumn": 1}}
    assert (first["level"], second["level"]) == ("error", "warning")
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "D1"
    assert first["partialFingerprints"] != second["partialFingerprints"]


def suites_of(text):
    return ElementTree.fromstring(text)  # noqa: S314 - we wrote it


def test_junit_has_a_case_for_each_finding_and_fails_those_at_the_threshold(check):
    _, out, _ = check("--format", "junit")
    suites = suites_of(out)

    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")
    failures = [case for case in suites.iter("testcase") if case.find("failure") is not None]
    assert [case.get("classname") for case in failures] == ["data.ttl"]
    assert "data.ttl:3:1: violation D1" in failures[0].find("failure").text
    _, out, _ = check("--format", "junit", "--fail-on", "warning")
    assert suites_of(out).get("failures") == "2"


def test_junit_of_good_data_has_one_case_that_passes(check, files):
    (files / "good.ttl").write_text(
        '@prefix e: <https://example.org/> . e:a a e:Term ; e:startDate "2020" .', encoding="utf-8"
    )
    code, out, _ = check("--format", "junit", data="good.ttl")

    assert code == 0
    assert suites_of(out).get("tests") == "1"
    assert suites_of(out).get("failures") == "0"


def test_github_marks_the_lines_and_escapes_what_it_would_read(check):
    _, out, _ = check("--format", "github")
    lines = out.splitlines()

    assert lines[0].startswith("::error file=data.ttl,line=3,col=1,title=D1 A & <b>%2C ")
    assert lines[1].startswith("::warning file=data.ttl,line=5,col=12,title=D1 ")
    assert "%25" in lines[1]
    assert all(re.match(r"::(error|warning|notice) [^:]*::", line) for line in lines)


def test_the_page_holds_all_it_shows_and_no_script(check):
    _, out, _ = check("--format", "html", "--lang", "fr")

    assert '<html lang="fr">' in out
    assert "A &amp; &lt;b&gt;" in out
    assert "Dites quand il commence" in out
    assert "vouliez-vous dire" in out
    assert not re.search(r"<script|<link|<img|src=|@import|url\(", out)
    assert "default-src 'none'" in out


def test_the_three_standard_formats_say_the_same(check):
    graphs = [
        rdflib.Graph().parse(data=check("--format", name)[1], format=parser)
        for name, parser in (("turtle", "turtle"), ("ntriples", "nt"), ("jsonld", "json-ld"))
    ]

    assert len(list(graphs[0].objects(None, rdflib.SH.result))) == 2
    assert isomorphic(graphs[0], graphs[1])
    assert isomorphic(graphs[0], graphs[2])


@pytest.mark.parametrize(
    ("language", "message", "verdict"),
    [
        ("en", "Say when it starts.", "1 violation, 1 warning"),
        ("fr", "Dites quand il commence.", "1 avertissement"),
        ("es", "Diga cuándo empieza.", "1 advertencia"),
    ],
)
def test_findings_and_summary_speak_the_language_asked_for(check, language, message, verdict):
    _, out, err = check("--lang", language)

    assert message.removesuffix(".") in out.splitlines()[0]
    assert verdict in err


def test_a_misspelt_property_that_leaves_another_missing_is_pointed_out(check):
    _, out, _ = check()

    assert "<https://example.org/strtDate> is known nowhere here; did you mean" in out.splitlines()[0]


def test_a_label_cannot_steer_a_terminal(check):
    _, out, _ = check()

    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_the_summary_counts_by_rule_and_by_file(check):
    _, _, err = check()

    assert "by rule: D1 2" in err
    assert "by file: data.ttl 2" in err


# Excerpts


def test_an_excerpt_puts_the_caret_under_the_column():
    line, caret = Excerpt(4, '\te:strtDate "2020-01-01" ;', 13).marked()

    assert caret.replace("\t", " ").index("^") == 12
    assert caret.startswith("\t")
    assert line[12] == '"'


def test_an_excerpt_of_a_long_line_is_cut_around_the_column():
    line, caret = Excerpt(1, "x" * 300 + "HERE" + "y" * 300, 301).marked()

    assert line[caret.index("^") :].startswith("HERE")
    assert len(line) < 120


def test_excerpts_come_from_packed_files_too(tmp_path):
    (tmp_path / "x.nt.gz").write_bytes(gzip.compress(b"one\ntwo\n"))

    assert Excerpts().at(Place(tmp_path / "x.nt.gz", 2, 1)).text == "two"
    assert Excerpts().at(Place(tmp_path / "x.nt.gz", 9, 1)) is None
    assert Excerpts().at(Place(tmp_path / "gone.nt", 1, 1)) is None


def test_on_a_terminal_findings_show_their_line(check, monkeypatch):
    monkeypatch.setattr(cli, "_is_seen", lambda _: True)
    _, out, _ = check()

    shown = out.splitlines()
    assert "\x1b[1;31mviolation\x1b[0m" in shown[0]
    assert shown[1].startswith("  3 | e:a a e:Term")
    assert shown[2] == "    | ^"


# What was accepted before


def test_a_baseline_accepts_what_is_found_today_and_fails_on_what_is_new(check, files):
    code, _, err = check("--baseline", "known.json", "--update-baseline")
    assert (code, "2 findings are accepted" in err) == (0, True)
    assert check("--baseline", "known.json")[:2] == (0, "")

    (files / "data.ttl").write_text(DATA + "e:b a e:Term .\n", encoding="utf-8")
    code, out, err = check("--baseline", "known.json")

    assert code == 1
    assert [line for line in out.splitlines() if "data.ttl:6:1" in line] == out.splitlines()
    assert "2 accepted before and left out" in err


def test_moved_lines_renamed_files_and_other_words_change_no_fingerprint(check, files):
    check("--baseline", "known.json", "--update-baseline")
    (files / "moved.ttl").write_text("# one\n\n\n" + DATA.replace("A & <b>", "B"), encoding="utf-8")
    (files / "shapes.ttl").write_text(SHAPES.replace("Say when it starts", "When?"), encoding="utf-8")

    assert check("--baseline", "known.json", data="moved.ttl")[:2] == (0, "")


def test_a_blank_node_keeps_its_fingerprint(check, files):
    text = "@prefix e: <https://example.org/> . e:c e:has [ a e:Term ; e:number {} ] ."
    (files / "data.ttl").write_text(text.format(1), encoding="utf-8")
    check("--baseline", "known.json", "--update-baseline")
    (files / "data.ttl").write_text(f"\n\n{text.format(1)}", encoding="utf-8")
    assert check("--baseline", "known.json")[0] == 0

    (files / "data.ttl").write_text(text.format(2), encoding="utf-8")
    assert check("--baseline", "known.json")[0] == 1


def test_findings_alike_are_accepted_as_often_as_they_were(check, files):
    text = "@prefix e: <https://example.org/> .\n[] a e:Term .\n"
    (files / "data.ttl").write_text(text, encoding="utf-8")
    check("--baseline", "known.json", "--update-baseline")
    (files / "data.ttl").write_text(f"{text}[] a e:Term .\n", encoding="utf-8")

    code, out, _ = check("--baseline", "known.json")
    assert (code, len(out.splitlines())) == (1, 1)


def test_what_was_mended_is_said_so_that_the_baseline_shrinks(check, files):
    check("--baseline", "known.json", "--update-baseline")
    (files / "data.ttl").write_text(DATA.replace("strtDate", "startDate"), encoding="utf-8")

    assert "1 accepted before and found no more" in check("--baseline", "known.json")[2]


def test_a_baseline_is_written_the_same_every_time(check, files):
    check("--baseline", "one.json", "--update-baseline")
    check("--baseline", "two.json", "--update-baseline")

    assert (files / "one.json").read_bytes() == (files / "two.json").read_bytes()


@pytest.mark.parametrize("text", [None, "{}", "[1]", '{"version": 9, "accepted": []}'])
def test_a_baseline_that_cannot_be_used_is_said(check, files, text):
    if text is not None:
        (files / "known.json").write_text(text, encoding="utf-8")

    code, _, err = check("--baseline", "known.json")
    assert (code, "--update-baseline" in err) == (2, True)


def test_a_baseline_to_write_needs_a_name(check):
    assert check("--update-baseline")[0] == 2


def test_every_shipped_finding_has_its_own_fingerprint(run):
    _, out, _ = run("validate", "--format", "json", "--quiet")

    prints = [result["fingerprint"] for result in json.loads(out)["results"]]
    assert len(set(prints)) == len(prints) > 10


def test_the_standard_report_holds_what_was_accepted_too(check):
    check("--baseline", "known.json", "--update-baseline")
    _, out, _ = check("--baseline", "known.json", "--format", "turtle")

    quads = list(ox.parse(input=out.encode(), format=ox.RdfFormat.TURTLE))
    assert sum(quad.predicate.value.endswith("#result") for quad in quads) == 2


# On a terminal


def on_terminal(*arguments, seconds=60, until=None, then=None, **environ):
    """What a person sees who runs the command on a terminal; *until* a text is seen, *then* do something."""
    ours, theirs = os.openpty()
    ran = subprocess.Popen(
        [sys.executable, "-m", "cnrs_graph", "validate", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **environ},
    )
    os.close(theirs)
    seen, end = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            seen += part
            if until is not None and seen.count(until.encode()) >= 1 and then is not None:
                then()
                then = None
            if not part or (until is not None and seen.count(until.encode()) >= 2):
                break
    finally:
        ran.terminate()
        ran.wait()
        os.close(ours)
    return seen.decode()


def test_a_person_sees_the_line_with_a_caret_in_colours(files):
    seen = on_terminal("data.ttl", "--shapes", "shapes.ttl")

    assert "\x1b[1;31mviolation\x1b[0m D1" in seen
    assert "3 | e:a a e:Term" in seen
    assert "    | ^" in seen


def test_a_person_who_wants_no_colours_sees_the_line_all_the_same(files):
    seen = on_terminal("data.ttl", "--shapes", "shapes.ttl", NO_COLOR="1")

    assert "\x1b[1;31m" not in seen
    assert "3 | e:a a e:Term" in seen


def test_watching_validates_again_when_a_file_changes(files):
    mended = DATA.replace("strtDate", "startDate")
    seen = on_terminal(
        *("data.ttl", "--shapes", "shapes.ttl", "--watch"),
        until="watching; Ctrl+C ends it",
        then=lambda: (files / "data.ttl").write_text(mended, encoding="utf-8"),
    )

    assert "1 violation, 1 warning" in seen
    assert "0 violations, 1 warning" in seen


def test_watching_goes_on_when_a_file_is_broken_for_a_while(files):
    seen = on_terminal(
        *("data.ttl", "--shapes", "shapes.ttl", "--watch"),
        until="watching; Ctrl+C ends it",
        then=lambda: (files / "data.ttl").write_text("this is no Turtle", encoding="utf-8"),
    )

    assert "data.ttl:1:1" in seen


def test_standard_input_cannot_be_watched(run, files):
    assert run("validate", "-", "--watch")[0] == 2


def test_a_long_run_says_what_it_does_and_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(progress, "_STEP_SECONDS", 0.01)
    stream = io.StringIO()
    with progress.Steps(stream) as steps:
        steps.say("reading")
        time.sleep(0.1)

    assert "reading … 0 s" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_a_short_run_says_nothing():
    stream = io.StringIO()
    with progress.Steps(stream) as steps:
        steps.say("reading")

    assert stream.getvalue() == ""
