"""Saved queries with their front matter, and the values of their parameters."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnrs_graph.errors import ParameterError, SourceError, UnknownQueryError
from cnrs_graph.queries import Catalogue, read_query
from cnrs_graph.sparql import inspect

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures" / "queries"

SAVED = """\
#+ summary: Things of a country
#+ question-fr: Quelles choses ?
#+ param country iri: the country
#+ param name string: the name
#+ param least integer: the least number
#+ param day date: a day
#+ param year gYear: a year
PREFIX ctry: <https://example.org/country/>
PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>
SELECT ?thing WHERE {
  VALUES ?country { ctry:can }
  VALUES ?name { "a \\"name\\"" }
  VALUES ?least { 3 }
  VALUES ?day { "2020-01-31"^^xsd:date }
  VALUES ?year { "2020"^^xsd:gYear }
  ?thing ?country ?name , ?least , ?day , ?year .
}
"""


@pytest.fixture
def saved(tmp_path):
    def write(text=SAVED, name="things"):
        path = tmp_path / f"{name}.rq"
        path.write_text(text, encoding="utf-8")
        return read_query(path)

    return write


def test_a_saved_query_is_its_text_and_front_matter(saved):
    query = saved()

    assert query.name == "things"
    assert query.summary == "Things of a country"
    assert query.notes == {"question-fr": "Quelles choses ?"}
    assert [(p.name, p.kind, p.sample) for p in query.parameters] == [
        ("country", "iri", "ctry:can"),
        ("name", "string", '"a \\"name\\""'),
        ("least", "integer", "3"),
        ("day", "date", '"2020-01-31"^^xsd:date'),
        ("year", "gYear", '"2020"^^xsd:gYear'),
    ]
    assert query.bind({}) == query.text


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("country", "https://example.org/x", "  VALUES ?country { <https://example.org/x> }"),
        ("country", "<https://example.org/x>", "  VALUES ?country { <https://example.org/x> }"),
        ("country", "ctry:usa", "  VALUES ?country { <https://example.org/country/usa> }"),
        ("country", "skos:x", "  VALUES ?country { <http://www.w3.org/2004/02/skos/core#x> }"),
        ("name", "", '  VALUES ?name { "" }'),
        ("name", 'a"b\\c\nd', '  VALUES ?name { "a\\"b\\\\c\\nd" }'),
        ("name", "\\u0022", '  VALUES ?name { "\\\\\\u00750022" }'),
        ("least", "-12", "  VALUES ?least { -12 }"),
        ("day", "2024-02-29", '  VALUES ?day { "2024-02-29"^^<http://www.w3.org/2001/XMLSchema#date> }'),
        ("year", "1999", '  VALUES ?year { "1999"^^<http://www.w3.org/2001/XMLSchema#gYear> }'),
    ],
)
def test_a_value_replaces_its_line_and_nothing_else(saved, name, value, line):
    query = saved()
    before = query.text.splitlines()
    after = query.bind({name: value}).splitlines()

    assert [new for old, new in zip(before, after, strict=True) if old != new] == [line]
    inspect("\n".join(after))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("country", "Canada", "is not an IRI; write it in full"),
        ("country", "nope:x y", "is not an IRI"),
        ("country", "http://a/> } UNION { <http://b/", "is not an IRI"),
        ("least", "12.5", "is not a whole number; write for example 12"),
        ("least", "١٢", "is not a whole number"),
        ("least", "1 2", "is not a whole number"),
        ("day", "2023-02-29", "is not a date; write for example 1999-12-31"),
        ("day", "31/12/2020", "is not a date"),
        ("year", "20", "is not a year; write for example 1999"),
        ("name", "\ud800", "half a character"),
        ("land", "x", "no such parameter; it has country, day, least, name, year"),
    ],
)
def test_a_value_that_does_not_fit_says_what_would(saved, name, value, reason):
    with pytest.raises(ParameterError) as caught:
        saved().bind({name: value})

    assert reason in caught.value.reason
    assert caught.value.parameter == name


@settings(max_examples=400, deadline=None)
@given(
    st.text()
    | st.text(alphabet="\"\\u0027{}\n\r\t'<>^@ #UVnr").map(str)
    | st.sampled_from(
        ['"} UNION {', '"} UNION { ?s ?p ?o } #', "\\", '\\"', "\\u0022 } #", "\\U00000022", '"""']
    )
)
def test_any_text_comes_back_as_the_value_and_changes_nothing_else(value):
    query = SAVED_FOR_TEXT.bind({"name": value})

    assert [line for number, line in enumerate(query.split("\n")) if number != 3] == [
        line for number, line in enumerate(SAVED_FOR_TEXT.text.split("\n")) if number != 3
    ]
    assert inspect(query) == inspect(SAVED_FOR_TEXT.text)
    assert [row["name"] for row in ox.Store().query(query)] == [ox.Literal(value)]


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet='htp:/>< {}\\u0ae"^`|%#?é').map(lambda tail: f"http://a/{tail}"))
def test_any_text_for_an_iri_is_refused_or_comes_back_whole(value):
    try:
        query = SAVED_FOR_IRI.bind({"thing": value})
    except ParameterError:
        return

    assert inspect(query) == inspect(SAVED_FOR_IRI.text)
    [row] = ox.Store().query(query)
    assert row["thing"].value.endswith(value.strip("<>").partition(":")[2])


SAVED_FOR_TEXT = read_query(FIXTURES / "parameter-string.rq")
SAVED_FOR_IRI = read_query(FIXTURES / "parameter-iri.rq")


@pytest.mark.parametrize(
    ("change", "reason", "line"),
    [
        (("#+ summary: Things of a country\n", ""), "has no summary", 1),
        (("#+ summary:", "#+ sumary:"), "unknown key 'sumary'; did you mean 'summary'?", 1),
        (("#+ question-fr:", "#+ colour:"), "unknown key 'colour'", 2),
        (("#+ question-fr: Quelles choses ?", "#+ nothing"), "“#+ key: value”", 2),
        (("#+ question-fr: Quelles choses ?", "#+ summary: Twice"), "is given twice", 2),
        (("#+ question-fr: Quelles choses ?", "#+ question-fr:"), "has no value", 2),
        (("param country iri", "param country uri"), "unknown kind 'uri'", 3),
        (("param country iri: the country", "param country iri:"), "has no description", 3),
        (("param country iri", "param land iri"), "has no line “VALUES ?land", 3),
        (("  VALUES ?least { 3 }\n", "  VALUES ?least { 3 }\n  VALUES ?least { 3 }\n"), "has 2 lines", 5),
        (("{ 3 }", "{ 3 4 }"), "is not one integer", 5),
        (("{ 3 }", '{ "x" }'), "is not one integer", 5),
        (("?thing ?country", "?thing foo:x"), "the prefix foo: is not declared", 16),
        (("?year .\n}", "?year .\n"), "not closed", 16),
    ],
)
def test_a_saved_query_that_cannot_be_used_is_refused_with_its_line(saved, change, reason, line):
    with pytest.raises(SourceError) as caught:
        saved(SAVED.replace(*change))

    assert reason in caught.value.reason
    assert caught.value.place.line == line


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_query(tmp_path / "none.rq")


def test_two_queries_of_one_name_are_refused(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "things.rq").write_text("#+ summary: Things\nASK {}\n", encoding="utf-8")

    with pytest.raises(SourceError, match="another query has this name"):
        Catalogue(tmp_path)


def test_the_catalogue_knows_the_names_and_suggests_the_one_that_was_meant():
    catalogue = Catalogue(ROOT / "queries")

    assert len(catalogue) >= 30
    assert list(catalogue) == sorted(catalogue)
    assert "cq-d8-country-codes" in catalogue
    with pytest.raises(UnknownQueryError, match="cq-d8-country-codes"):
        catalogue["cq-d8-country-code"]
