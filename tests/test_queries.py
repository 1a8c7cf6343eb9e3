"""The grammar at the door, and saved queries with their parameters."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnrs_graph.errors import (
    ParameterError,
    QueryError,
    RefusedQueryError,
    SourceError,
    UnknownQueryError,
)
from cnrs_graph.queries import DEEPEST, Catalogue, inspect, read_query, refuse_reaching_out

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures" / "queries"
PREFIXES = "PREFIX ex: <http://example.org/> PREFIX xsd: <http://www.w3.org/2001/XMLSchema#> "


def blocks(name):
    """The queries of a fixture file, one a block; "P " stands for the declarations of two prefixes."""
    text = (FIXTURES / name).read_text(encoding="utf-8").partition("\n")[2]
    return [PREFIXES + b[2:] if b.startswith("P ") else b for b in text.rstrip("\n").split("\n----\n")]


ACCEPTED = blocks("grammar-accepted.rq")
REFUSED = blocks("grammar-refused.rq")


def we_accept(text):
    try:
        inspect(text)
    except QueryError:
        return False
    return True


def the_engine_accepts(text):
    try:
        ox.Store().query(text)
    except SyntaxError:
        return False
    except (OSError, RuntimeError):  # it could be read, and failed when it ran
        return True
    return True


# --------------------------------------------------------------------------------------------- the grammar


def test_the_tables_are_as_large_as_the_language():
    assert len(ACCEPTED) >= 80
    assert len(REFUSED) >= 40


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_query_of_the_language_is_accepted_here_and_by_the_engine(text):
    inspect(text)

    assert the_engine_accepts(text)


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_is_no_query_is_refused_here_and_by_the_engine(text):
    with pytest.raises(QueryError) as caught:
        inspect(text)

    assert caught.value.line is not None
    assert caught.value.column is not None
    assert caught.value.hint
    assert not the_engine_accepts(text)


@pytest.mark.parametrize("path", sorted((ROOT / "queries").rglob("*.rq")), ids=lambda path: path.stem)
def test_every_saved_query_is_accepted_here_and_by_the_engine(path):
    text = path.read_text(encoding="utf-8")

    assert inspect(text).form in ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE")
    assert the_engine_accepts(text)


#: What the engine takes and we do not: SPARQL 1.2 and extensions, and spellings that only it allows.
ONLY_THE_ENGINE = {
    'VERSION "1.2" SELECT * {}': "SPARQL 1.2",
    "SELECT * { <<( ?s ?p ?o )>> ?q ?r }": "SPARQL 1.2, triple terms",
    "SELECT * { << ?s ?p ?o >> ?q ?r }": "SPARQL 1.2, reified triples",
    "SELECT * { ?s ?p ?o {| ?q ?r |} }": "SPARQL 1.2, annotations",
    "SELECT * { ?s ?p ?o ~ ?x }": "SPARQL 1.2, reifiers",
    'SELECT * { ?s ?p "a"@en--ltr }': "SPARQL 1.2, base direction",
    "SELECT (TRIPLE(1, 2, 3) AS ?x) {}": "SPARQL 1.2, functions on triple terms",
    'SELECT (LANGDIR("a") AS ?x) {}': "SPARQL 1.2, base direction",
    "SELECT * { ?s ?p ?o LATERAL { ?o ?q ?r } }": "an extension of the engine",
    "SELECT * { ?s ?p ?o FILTER(!!?s) }": "the Recommendation has one ! before a primary expression",
    "SELECTDISTINCT ?s { ?s ?p ?o }": "keywords end at a word boundary here",
    "SELECT ?s { ?s ?p ?o } LIMIT1": "keywords end at a word boundary here",
    "SELECT * { ?s ?p ?o FILTER(?o<?s&&?s>?o) }": "the longest token is an IRI, as in the Recommendation",
    'SELECT ("\\u0022" AS ?x) {}': "an escape that the Recommendation and the engine read differently",
    'SELECT ("\\u005C\\u0022" AS ?x) {}': "an escape that the Recommendation and the engine read differently",
}
#: What we take and the engine does not: it stays the engine's to refuse, with its own message.
ONLY_WE = {
    "SELECT * { ?s ?p FALSE }": "true and false have no case in the Recommendation",
    "SELECT * { [ # comment\n ] ?p 1 }": "a comment inside empty brackets is harmless",
    "SELECT * { ?s ?p 'a'@en-abcdefghijk }": "the length of language subtags is not ours to judge",
    "SELECT * { ?s <http://a/%zz> ?o }": "IRIs are checked by their characters only",
    "SELECT * { _:a ?p ?o . OPTIONAL { _:a ?q ?r } }": "one blank node in two groups",
    "SELECT * { ?s ?p ?o } LIMIT 99999999999999999999999": "a number larger than the engine's",
    f"{PREFIXES} SELECT * {{ ?s ?p ?o FILTER ex:f(DISTINCT ?s) }}": "an aggregate of one's own in a filter",
    "SELECT * { ?s ?p ?o FILTER(COUNT(?s) > 1) }": "an aggregate in a filter",
}


@pytest.mark.parametrize("text", ONLY_THE_ENGINE)
def test_a_known_difference_where_only_the_engine_accepts(text):
    assert the_engine_accepts(text)
    assert not we_accept(text)


@pytest.mark.parametrize("text", ONLY_WE)
def test_a_known_difference_where_only_we_accept(text):
    assert we_accept(text)
    assert not the_engine_accepts(text)


MATERIAL = [
    *[
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "<",
        ">",
        ".",
        ";",
        ",",
        "*",
        "/",
        "|",
        "^",
        "!",
        "=",
        "&&",
        "||",
        "\\",
        '"',
    ],
    *[
        "'",
        '"""',
        "#",
        "\n",
        " ",
        "a",
        "?x",
        "1",
        "<http://a/b>",
        "_:b",
        "@en",
        "^^",
        "SELECT",
        "WHERE",
        "FILTER",
    ],
    *[
        "SERVICE",
        "SERVICE <http://127.0.0.1:9/> { ?s ?p ?o }",
        "\\u0053ERVICE",
        "\\u0022",
        "\\u000A",
        "\\\\u0022",
    ],
    *[
        "OPTIONAL",
        "UNION",
        "MINUS",
        "GRAPH",
        "VALUES",
        "UNDEF",
        "BIND",
        "AS",
        "IN",
        "NOT",
        "EXISTS",
        "IF(",
        "-1",
    ],
]


@st.composite
def mutated(draw):
    """A query of the table with some pieces taken out, doubled, moved in from elsewhere or replaced."""
    pieces = re.findall(r"\s+|\w+|\W", draw(st.sampled_from(ACCEPTED)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(pieces) - 1, 0)))
        kind = draw(st.sampled_from(["remove", "insert", "replace", "double"]))
        piece = draw(st.sampled_from(MATERIAL))
        if kind == "remove":
            del pieces[at : at + draw(st.integers(1, 4))]
        elif kind == "insert":
            pieces.insert(at, f" {piece} " if draw(st.booleans()) else piece)
        elif kind == "replace":
            pieces[at : at + 1] = [piece]
        else:
            pieces[at:at] = pieces[at : at + draw(st.integers(1, 4))]
    return "".join(pieces)


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_what_we_accept_holds_no_service_that_we_do_not_see(text):
    try:
        facts = inspect(text)
    except QueryError:
        return
    if facts.reaches_out or not the_engine_accepts(text):
        return
    # Had the engine seen the keyword, it would refuse another word in its place.
    assert the_engine_accepts(re.sub("service", "sxrvice", text, flags=re.IGNORECASE))


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_a_mutated_query_that_the_engine_accepts_has_a_reason_when_we_refuse_it(text):
    if the_engine_accepts(text) and not we_accept(text):
        assert ONLY_THE_ENGINE_ON_MUTANTS.search(text), text


ONLY_THE_ENGINE_ON_MUTANTS = re.compile(
    r"<<|\{\||~|--|\\[uU]|!\s*!|[?$\w)\]'\"]\s*<\S|(?i:[a-z_](?=\d))|(?i:select|distinct|reduced|where|filter|union|optional"
    r"|minus|graph|values|bind|as|in|not|exists|group|order|by|limit|offset|having|asc|desc|service|silent|undef|a|if"
    r"|named|from|ask|construct|describe|base|prefix|count|str|separator|true|false)(?=\w)"
)


# ---------------------------------------------------------------------------------------------- the facts


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("SELECT ?a ?b { ?s ?p ?o }", ("a", "b")),
        ("SELECT (1 AS ?a) $b {}", ("a", "b")),
        ("SELECT * { ?s ?p ?o . ?o ?q [ ?r ?s ] }", ("s", "p", "o", "q", "r")),
        ("SELECT * { ?s ?p ?o FILTER(?x = 1) MINUS { ?m ?p ?n } BIND(?y + 1 AS ?z) }", ("s", "p", "o", "z")),
        ("SELECT * { { SELECT ?s (1 AS ?n) { ?s ?hidden ?o } } GRAPH ?g { ?s ?p 1 } }", ("s", "n", "g", "p")),
        (
            "SELECT * { { SELECT * { ?a ?b ?c } ORDER BY ?d } VALUES (?x ?y) { (1 2) } }",
            ("a", "b", "c", "x", "y"),
        ),
        ("ASK { ?s ?p ?o }", ()),
    ],
)
def test_the_columns_of_an_answer_are_known_before_it_is_run(text, variables):
    assert inspect(text).variables == variables
    if text.startswith("SELECT"):
        assert {variable.value for variable in ox.Store().query(text).variables} == set(variables)


@pytest.mark.parametrize("form", ["SELECT * {}", "ASK {}", "CONSTRUCT {} {}", "DESCRIBE <http://a/b>"])
def test_the_form_is_known(form):
    assert inspect(form).form == form.partition(" ")[0]


def test_the_graphs_of_a_query_are_resolved():
    facts = inspect("BASE <http://a/b/> PREFIX x: <http://c/> ASK FROM <d> FROM NAMED x:e\\,f FROM x: {}")

    assert facts.dataset == ("http://a/b/d", "http://c/")
    assert facts.named == ("http://c/e,f",)


@pytest.mark.parametrize(
    "text",
    [
        "ASK { SERVICE <http://127.0.0.1:9/> {} }",
        "ASK { FILTER EXISTS { { SELECT * { OPTIONAL { service silent ?x { } } } } } }",
        "ASK { \\u0053ERVICE <http://127.0.0.1:9/> {} }",
        "ASK { SERV\\U00000049CE <http://127.0.0.1:9/> {} }",
        "ASK { # SERVICE\nSERVICE#\n<http://127.0.0.1:9/>{} }",
        'ASK { ?s ?p """ " """ . SERVICE <http://127.0.0.1:9/> { } }',
    ],
)
def test_a_service_is_seen_however_it_is_written(text):
    facts = inspect(text)

    assert facts.reaches_out
    with pytest.raises(RefusedQueryError, match="SERVICE"):
        refuse_reaching_out(facts, ())


@pytest.mark.parametrize(
    "text",
    [
        'ASK { ?s ?p "\\u0022" . SERVICE <http://127.0.0.1:9/> {} ?s ?p "\\u0022" }',
        "ASK { ?s ?p '\\U00000027' . SERVICE <http://127.0.0.1:9/> {} ?s ?p '\\u0027' }",
        "ASK { # \\u000A ?s ?p '''\nSERVICE <http://127.0.0.1:9/> {} # \\u000A '''\n }",
        'ASK { ?s ?p "\\u005C" . SERVICE <http://127.0.0.1:9/> {} ?s ?p "\\u005C" }',
        "ASK { ?s ?p <http://a/\\u003E> . SERVICE <http://127.0.0.1:9/> {} }",
    ],
)
def test_an_escape_cannot_hide_a_service_that_the_engine_would_see(text):
    with pytest.raises(QueryError, match="is a mark in SPARQL"):
        inspect(text)


@pytest.mark.parametrize(
    "text",
    [
        'ASK { ?s ?p "SERVICE <http://a/b> {}" }',
        "ASK { ?s ?p '''SERVICE \n <http://a/b> {}''' } # SERVICE <http://a/b> {}",
        "ASK { ?service ?p <http://a/SERVICE> }",
        "PREFIX SERVICE: <http://a/> ASK { ?s SERVICE:SERVICE ?o }",
    ],
)
def test_the_word_service_alone_reaches_nothing(text):
    assert not inspect(text).reaches_out
    refuse_reaching_out(inspect(text), ())


def test_only_known_graphs_may_be_asked():
    facts = inspect("ASK FROM <http://a/known>\nFROM NAMED <http://a/other> {}")

    refuse_reaching_out(facts, {"http://a/known", "http://a/other"})
    with pytest.raises(RefusedQueryError, match="FROM NAMED <http://a/other>") as caught:
        refuse_reaching_out(facts, {"http://a/known"})
    assert (caught.value.line, caught.value.column) == (2, 1)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT DATA { <http://a/b> <http://a/c> 1 }",
        "PREFIX ex: <http://a/>\n delete where { ?s ?p ?o }",
        "LOAD <http://a/b>",
        "# SELECT\nCLEAR ALL",
        "BASE <http://a/> DROP GRAPH <b>",
        "CREATE GRAPH <http://a/b>",
        "COPY DEFAULT TO <http://a/b>",
        "MOVE DEFAULT TO <http://a/b>",
        "ADD DEFAULT TO <http://a/b>",
        "WITH <http://a/b> DELETE { ?s ?p ?o } WHERE { ?s ?p ?o }",
        "\\u0049NSERT DATA {}",
    ],
)
def test_an_update_is_recognised_and_refused(text):
    with pytest.raises(RefusedQueryError, match="updates are not offered"):
        inspect(text)


def test_a_misplaced_update_word_is_a_mistake_not_an_update():
    with pytest.raises(QueryError) as caught:
        inspect("SELECT * { add ?s ?p }")

    assert not isinstance(caught.value, RefusedQueryError)


# ---------------------------------------------------------------------------------------------- the errors


@pytest.mark.parametrize(
    ("text", "line", "column", "reason", "hint"),
    [
        ("", 1, 1, "the query is empty", "SELECT"),
        ("# only a comment", 1, 1, "the query is empty", "SELECT"),
        ("ASK {\n  ?s skos:x ?o }", 2, 6, "the prefix skos: is not declared", "skos/core#"),
        ("ASK { ?s :x ?o }", 1, 10, "the prefix : is not declared", "cnrs-graph/ontology#"),
        ("ASK { ?s foo:x ?o }", 1, 10, "the prefix foo: is not declared", "add PREFIX foo: <…>"),
        ("PREFIX foaf: <http://x/> ASK { ?s foaff:x ?o }", 1, 35, "the prefix foaff:", "did you mean foaf:"),
        ("ASK { <rel> ?p ?o }", 1, 7, "the IRI <rel> is relative", "BASE"),
        ("ASK {\n ?s ?p ?o\n ?x ?y ?z }", 3, 2, '"?x" cannot stand here', "dot"),
        (PREFIXES + "\nASK { ?s ?p ?o\n ex:a ?y ?z }", 3, 2, '"ex:a" cannot stand here', "dot"),
        ("ASK { ?s ?p ?o ", 1, 15, "the { of line 1, column 5 is not closed", "add }"),
        ("ASK { ?s ?p ( 1 }", 1, 17, "the ( of line 1, column 13 is closed", "add )"),
        ("ASK {} }", 1, 8, "} closes nothing", "missing opening"),
        ("SELECT WHERE { }", 1, 8, "SELECT names no variable", "?name"),
        ("SELECT { }", 1, 8, "SELECT names no variable", "?name"),
        ("SELECT name { }", 1, 8, '"name" cannot stand here', "?name"),
        ("SELCT * { }", 1, 1, '"SELCT" cannot stand here', "did you mean SELECT"),
        ("SELECT * { } ODER BY ?x", 1, 14, '"ODER" cannot stand here', "did you mean ORDER"),
        ("ASK { FILTER(?a == 1) }", 1, 18, "cannot stand here", "one ="),
        ("ASK { FILTER(?a = 1 and ?b = 2) }", 1, 21, "cannot stand here", "&&"),
        ("ASK { ?s ?p 'x }", 1, 13, "string is not closed", "close it"),
        ("ASK { ?s <http://a b> ?o }", 1, 10, "this IRI is not closed", "<https://"),
        ("SELECT * { VALUES (?a ?b)\n { (1) } }", 2, 5, "1 values for 2 variables", "UNDEF"),
        ("SELECT * { ?s ?p ?o } GROUP BY ?s", 1, 8, "cannot stand with GROUP BY", "name the variables"),
        ("SELECT ?s (COUNT(*) AS ?n) { ?s ?p ?o }", 1, 8, "?s has many values in a group", "GROUP BY ?s"),
        ("SELECT ?s ?o { ?s ?p ?o } GROUP BY ?s", 1, 11, "?o has many values in a group", "GROUP BY ?o"),
        ("SELECT (1 AS ?s) { ?s ?p ?o }", 1, 14, "AS ?s names a variable", "a new name"),
        ("SELECT ?s ?p ?s { ?s ?p ?o }", 1, 14, "?s is shown twice", "once"),
        ("ASK {\n ?s ?p ?o BIND(1 AS ?s) }", 2, 21, "BIND gives a value to ?s", "new name"),
        ("ASK { ?s ?p '\\u0027' }", 1, 14, "is a mark in SPARQL", "write the character"),
        ("ASK { ?s ?p '\\uD800' }", 1, 14, "stands for no character", "write the character"),
    ],
)
def test_an_error_names_its_place_its_reason_and_a_way_out(text, line, column, reason, hint):
    with pytest.raises(QueryError) as caught:
        inspect(text)

    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == (line, column)
    assert hint in caught.value.hint


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_place_is_one_of_the_text_as_it_was_sent(newline):
    text = f'ASK {{{newline} ?s ?p "\\u00e9\\U0001F600\u00e9" ; foo:x 1 }}'

    with pytest.raises(QueryError) as caught:
        inspect(text)

    assert (caught.value.line, caught.value.column) == (2, 30)
    assert caught.value.excerpt[29:34] == "foo:x"
    caret = str(caught.value).splitlines()[2]
    assert caret.index("^") - 2 == 29


def test_a_tab_does_not_move_the_caret():
    with pytest.raises(QueryError) as caught:
        inspect("ASK {\t\t?s foo:x 1 }")

    assert caught.value.excerpt[caught.value.column - 1 :].startswith("foo:x")


PATTERNS = [
    *[
        "?s ?p ?o",
        "{ ?s ?p ?o }",
        "OPTIONAL { ?s ?p ?o }",
        "MINUS { ?s ?p ?o }",
        "FILTER EXISTS { ?s ?p ?o }",
    ],
    *["{ SELECT ?s { ?s ?p ?o } }", "{ SELECT * { ?s ?p ?o } }", "{ SELECT (COUNT(?s) AS ?n) { ?s ?p ?o } }"],
    *["VALUES ?s { 1 }", "BIND(1 AS ?s)", "BIND(?s AS ?t)", "GRAPH ?s {}", "{ ?a ?b ?c } UNION { ?s ?b ?c }"],
]
COLUMNS = ["*", "?s", "(1 AS ?s)", "?s (COUNT(*) AS ?n)", "(COUNT(*) AS ?s)", "?s ?s"]
TAILS = [
    "",
    "GROUP BY ?s",
    "GROUP BY (STR(?s) AS ?k)",
    "GROUP BY STR(?s)",
    "HAVING (COUNT(*) > 1)",
    "VALUES ?s { 1 }",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_column_or_bind_that_we_refuse_is_refused_by_the_engine_too(pattern):
    texts = [
        f"SELECT {columns} {{ {pattern} {more} }} {tail}"
        for columns in COLUMNS
        for more in ("", "BIND(2 AS ?s)", "BIND(3 AS ?t)", "?s ?q ?r")
        for tail in TAILS
    ]

    assert [text for text in texts if the_engine_accepts(text) and not we_accept(text)] == []


# ----------------------------------------------------------------------------------------------- the depth


DEEP = {
    "IF": ("SELECT (", "IF(true, ", "1", ", 2)", " AS ?x) {}"),
    "parentheses": ("SELECT (", "(", "1", ")", " AS ?x) {}"),
    "braces": ("ASK {", "{", "", "}", "}"),
    "OPTIONAL": ("ASK {", "OPTIONAL {", "", "}", "}"),
    "EXISTS": ("ASK {", "FILTER EXISTS {", "", "}", "}"),
    "sub-selects": ("ASK ", "{ SELECT * {", "", "}}", ""),
    "collections": ("ASK { ?s ?p ", "(", "1", ")", "}"),
    "blank nodes": ("ASK { ?s ?p ", "[ ?p ", "1", "]", "}"),
    "paths": ("ASK { ?s ", "(", "a", ")", " ?o }"),
}


@pytest.mark.parametrize("name", DEEP)
def test_a_query_nested_too_deeply_is_refused_without_ending_the_process(name):
    head, opening, middle, closing, tail = DEEP[name]

    with pytest.raises(QueryError, match="nested too deeply"):
        inspect(head + opening * 20_000 + middle + closing * 20_000 + tail)


@pytest.mark.parametrize("name", DEEP)
def test_the_engine_survives_what_is_let_through(name):
    head, opening, middle, closing, tail = DEEP[name]
    levels = len(re.findall(r"[{(\[]", opening)) + len(re.findall(r"OPTIONAL|FILTER|\*", opening)) / 10
    times = int((DEEPEST - 2) / levels)
    text = head + opening * times + middle + closing * times + tail

    assert DEEPEST - 5 <= inspect(text).depth <= DEEPEST
    assert the_engine_accepts(text)


@pytest.mark.parametrize("link", ["+ 1", "|| true", "UNION {}", "MINUS {}", "BIND", "- 1 * 2"])
def test_a_chain_nests_too(link):
    heads = {"UNION {}": "ASK { {} %s }", "MINUS {}": "ASK { %s }", "BIND": "ASK { %s }"}
    links = [f"BIND(1 AS ?x{n})" if link == "BIND" else link for n in range(3000)]
    text = heads.get(link, "SELECT (1 %s AS ?x) {}")

    assert inspect(text % " ".join(links[:500])).depth >= 50
    with pytest.raises(QueryError, match="nested too deeply"):
        inspect(text % " ".join(links))


def test_many_triples_and_values_are_not_deep():
    values = " ".join(str(number) for number in range(5000))

    assert inspect(f"ASK {{ VALUES ?x {{ {values} }} {'?s ?p ?x . ' * 2000} }}").depth == 2


def test_reading_a_query_of_two_kilobytes_takes_little_time():
    text = (ROOT / "queries" / "cq-a6-terms-ending.rq").read_text(encoding="utf-8")
    inspect(text)
    started = time.process_time()
    for number in range(20):
        inspect(f"{text}# {number}")

    milliseconds = (time.process_time() - started) / 20 * 1000
    assert len(text) > 1800
    assert milliseconds < 60  # measured: 4 on a quiet machine


# ------------------------------------------------------------------------------------------ saved queries

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


def test_a_random_order_of_inspections_gives_the_same_facts():
    texts = ACCEPTED * 2
    random.Random(1).shuffle(texts)  # noqa: S311 - a fixed order is wanted, not a secret
    assert {text: inspect(text) for text in texts} == {text: inspect(text) for text in ACCEPTED}
