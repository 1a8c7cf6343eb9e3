"""The grammar at the door: what it takes, what it tells, and the order that it makes safe."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnrs_graph import sparql
from cnrs_graph.errors import QueryError, RefusedQueryError
from cnrs_graph.likeness import blotted
from cnrs_graph.sparql import DEEPEST, inspect, refuse_reaching_out, with_total_order

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


def test_a_random_order_of_inspections_gives_the_same_facts():
    texts = ACCEPTED * 2
    random.Random(1).shuffle(texts)  # noqa: S311 - a fixed order is wanted, not a secret
    assert {text: inspect(text) for text in texts} == {text: inspect(text) for text in ACCEPTED}


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


# ----------------------------------------------------------------------------------------- a total order

XSD = "http://www.w3.org/2001/XMLSchema#"
#: Queries with a ¦ before each condition that gets keys.
ORDERED = [
    "SELECT * { ?s ?p ?o } ORDER BY ¦?s",
    "SELECT * { ?s ?p ?o } ORDER BY¦?s¦?p ¦$o LIMIT 1 OFFSET 2",
    "SELECT * { ?s ?p ?o } order by ¦desc(?s) ¦Asc ( ?p ) ¦(?o) VALUES ?s { 1 }",
    "SELECT * { ?s ?p ?o }\r\nORDER\tBY # all\n ¦DESC # down\n((?s + # one\n 1)) # end\n",
    "SELECT * { ?s ?p ?o } ORDER BY ¦LCASE(?o) ¦IF(?o = 1, ?s, ?p) ¦<http://www.w3.org/2001/XMLSchema#double>(?o)",
    "SELECT ?s (COUNT(*) AS ?n) { ?s ?p ?o } GROUP BY ?s HAVING (COUNT(*) > 0) ORDER BY ?n ¦SUM(?o) ¦?s",
    "SELECT (MAX(?o) AS ?m) { ?s ?p ?o } ORDER BY ¦MIN(DISTINCT ?o) ¦DESC(SUM(?o) / COUNT(?o))",
    "SELECT DISTINCT ?s { ?s ?p ?o { SELECT ?p { ?s ?p 1 }"
    " ORDER BY ¦?p LIMIT 9 } } ORDER BY ¦UCASE(?s) (STR(?p))",
    "SELECT * { ?s ?p ?o FILTER EXISTS { SELECT * { ?s ?p ?x } ORDER BY ¦?x } } ORDER BY EXISTS { ?s ?p ?o }",
    "SELECT * { ?s ?p ?o } ORDER BY IF(EXISTS { SELECT * { ?s ?p ?x } ORDER BY ¦?x }, 1, ?o) ¦?o",
    "CONSTRUCT { ?s ?p [] } { ?s ?p ?o } ORDER BY ¦?o",
    "CONSTRUCT WHERE { ?s a ?o } ORDER BY ¦?o",
    "DESCRIBE ?s { ?s ?p ?o } ORDER BY ¦?o LIMIT 1",
    "ASK { ?s ?p ?o } ORDER BY ¦?o",
    'SELECT * { ?s ?p "\\u00e9\\U0001F600" } ORDER BY ¦CONCAT(?s, "\\u00e9", ?p) ¦?p # \\u00e9',
    'SELECT * { ?s ?p "ORDER BY ?x" } ORDER BY ¦CONCAT(?p, " ORDER BY ?x {0} {e} %s") # ORDER BY ?x',
    "PREFIX STR: <http://a/> PREFIX RAND: <http://www.w3.org/2001/XMLSchema#> SELECT * { ?s STR:STR ?RAND }"
    " ORDER BY ¦RAND:string(?RAND)",
]


@pytest.mark.parametrize("marked", ORDERED)
def test_keys_stand_before_each_condition_and_nothing_else_changes(marked):
    parts = marked.split("¦")
    text = "".join(parts)
    keyed = with_total_order(text)

    assert re.fullmatch(r" (?:ASC|DESC)\(IF\(.+\) ".join(map(re.escape, parts)), keyed, re.DOTALL)
    assert inspect(keyed).variables == inspect(text).variables
    assert the_engine_accepts(text)
    assert the_engine_accepts(keyed)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * { ?s ?p 'ORDER BY ?o' } # ORDER BY ?o",
        "SELECT * { ?s ?p ?o } ORDER BY RAND() UUID() STRUUID() BNODE() CONCAT(?s, STRUUID())",
        "SELECT * { ?s ?p ?o } ORDER BY (IF(rand() < 0.5, ?s, ?o)) DESC(IF(EXISTS { ?s ?p 1 }, ?s, ?o))",
        "SELECT * { ?s ?p ?o } ORDER BY STR(?o) DESC(strlen(STR(?o))) isIRI(?o) NOT EXISTS { ?o ?p ?s }",
        "SELECT ?s { ?s ?p ?o } GROUP BY ?s ORDER BY DESC(COUNT(*))",
    ],
)
def test_a_query_without_a_condition_that_needs_keys_comes_back_itself(text):
    again = "".join(text)

    assert with_total_order(again) is again
    assert the_engine_accepts(text)


def test_the_keys_of_an_order_as_deep_as_may_be_do_not_end_the_engine():
    levels = DEEPEST - 1
    text = "SELECT * { ?s ?p ?o } ORDER BY " + "(" * levels + "?o" + ")" * levels

    assert inspect(text).depth == levels
    assert the_engine_accepts(with_total_order(text))


def test_what_cannot_be_read_cannot_be_ordered():
    with pytest.raises(QueryError, match="cannot stand here"):
        with_total_order("SELECT * { ?s ?p ?o } ORDER ?o")


def literal(text, datatype):
    return f'"{text}"^^<{XSD}{datatype}>'


def one_of(*choices):
    return lambda rnd: rnd.choice(choices)(rnd)


def typed(datatype, form, *ranges):
    """A maker of literals: numbers from the ranges, put into the form."""
    return lambda rnd: literal(form % tuple(rnd.randint(*each) for each in ranges), datatype)


INTEGERS = typed("integer", "%d", (-50, 99))
STRINGS = one_of(typed("string", "%d", (-50, 99)), typed("string", "a %d Z", (0, 9)))
DATES = typed("date", "%04d-%02d-0%d", (1, 2100), (1, 12), (1, 9))
DATETIMES = typed("dateTime", "2000-01-0%dT%02d:%02d:00", (1, 9), (0, 23), (0, 59))
ZONED = typed("dateTime", "2000-01-0%dT%02d:%02d:00+0%d:00", (1, 9), (0, 23), (0, 59), (0, 9))
MONTHS = typed("duration", "P%dY%dM", (0, 9), (0, 30))
DAYS = typed("duration", "P%dDT%dH", (0, 120), (0, 30))
MIXED = typed("duration", "P%dM%dDT1H", (1, 4), (0, 99))
TEXTS = ["", "Paris", "Paris 6", "Paris!", 'Paris \\"6\\"', "é", "Z", "2"]
LANGUAGES = ["en", "fr", "fr-ca"]

#: Terms of one class: the engine orders these by itself, and goes on doing so.
ONE_CLASS = {
    "integers": INTEGERS,
    "whole numbers and decimals": one_of(INTEGERS, typed("decimal", "%d.%d", (-9, 99), (0, 999))),
    "doubles": one_of(
        typed("double", "%d.%de%d", (-9, 9), (0, 9), (-20, 20)), lambda _: literal("INF", "double")
    ),
    "floats": typed("float", "%d.%d", (-99, 99), (0, 99)),
    "strings": STRINGS,
    "texts in one language": lambda rnd: f'"{rnd.choice(TEXTS)}"@fr',
    "booleans": lambda rnd: literal(rnd.choice(["true", "false"]), "boolean"),
    "dates": DATES,
    "moments": DATETIMES,
    "moments with zone": ZONED,
    "years": typed("gYear", "%d", (1000, 2100)),
    "months": one_of(MONTHS, typed("duration", "-P%dM", (0, 30))),
    "days": one_of(DAYS, typed("duration", "-P%dDT%dH", (0, 120), (0, 30))),
    "terms of a datatype nobody knows": lambda rnd: f'"{rnd.randint(0, 99)}"^^<http://a/b>',
    "IRIs": lambda rnd: f"<http://a/{rnd.randint(0, 99)}>",
    "IRIs and nothing": lambda rnd: rnd.choice(["", f"<http://a/{rnd.randint(0, 99)}>"]),
}
#: Terms that the engine orders in circles, and notices it.
CIRCLES = {
    "numbers and strings": one_of(INTEGERS, STRINGS),
    "decimals nearer than doubles": one_of(
        typed("decimal", "0.1000000000000000%d", (0, 99)), typed("double", "0.1000000000000000%d", (0, 9))
    ),
    "whole numbers larger than doubles": one_of(
        typed("integer", "90071992547409%d", (80, 99)), typed("double", "90071992547409%d", (80, 99))
    ),
    "floats and decimals": one_of(
        typed("decimal", "0.1000000%d", (0, 99)), typed("float", "0.1000000%d", (0, 99))
    ),
    "moments with and without zone": one_of(DATETIMES, ZONED),
    "days and months": one_of(MONTHS, DAYS, MIXED),
    "dates and what is none": one_of(
        typed("date", "%d-01-01", (1000, 3000)),
        typed("date", "%d-01-01", (10_000, 30_000)),
        typed("date", "%dx", (10, 40)),
    ),
}
EVERYTHING = one_of(
    *ONE_CLASS.values(),
    *CIRCLES.values(),
    lambda rnd: f'"{rnd.choice(TEXTS)}"@{rnd.choice(LANGUAGES)}',
    lambda rnd: literal(
        rnd.choice(["NaN", "INF", "-INF", "1e300", "-0", "0"]), rnd.choice(["double", "float"])
    ),
    lambda rnd: literal(
        rnd.choice(["x", "PT", "P5", "P", "1" * 30, "1Z", ""]),
        rnd.choice(
            ["integer", "decimal", "double", "boolean", "date", "dateTime", "duration", "time", "gYear"]
        ),
    ),
    typed("dayTimeDuration", "P%dDT%dS", (0, 40), (0, 9999)),
    typed("yearMonthDuration", "P%dM", (0, 40)),
    typed("time", "%02d:00:00-0%d:00", (0, 23), (0, 9)),
    typed("time", "%02d:00:00", (0, 23)),
    typed("date", "2000-01-0%d+0%d:00", (1, 9), (0, 9)),
    typed("gYear", "%dZ", (1000, 2100)),
    typed("gMonthDay", "--0%d-0%d", (1, 9), (1, 9)),
    lambda rnd: f"_:b{rnd.randint(0, 9)}",
)
SORTED = "SELECT ?i ?o { ?i a <http://a/T> OPTIONAL { ?i <http://a/p> ?o } } ORDER BY %s"
#: Sorts each of the documents on standard input, and tells how many rows came back.
SORTER = """
import json, sys
import pyoxigraph as ox
query, documents = json.load(sys.stdin)
for document in documents:
    store = ox.Store()
    store.load(document.encode(), ox.RdfFormat.N_TRIPLES)
    print(len({row["i"] for row in store.query(query)}), flush=True)
"""


def rows_of(make, count, rnd):
    """An N-Triples document of things with a value each, or none where the maker gives an empty text."""
    lines = []
    for number in range(count):
        lines.append(f"<http://a/{number:05}> <{RDF_TYPE}> <http://a/T> .")
        value = make(rnd)
        if value:
            lines.append(f"<http://a/{number:05}> <http://a/p> {value} .")
    return "\n".join(lines)


RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"


def sorted_in_a_process(query, documents):
    """How many rows came back from each document before the process ended."""
    done = subprocess.run(
        [sys.executable, "-c", SORTER],
        input=json.dumps([query, documents]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return [int(line) for line in done.stdout.split()], done.returncode


@pytest.mark.parametrize("name", CIRCLES)
def test_an_order_in_circles_ends_the_engine_and_with_keys_it_does_not(name):
    rnd = random.Random(name)  # noqa: S311 - a fixed order is wanted, not a secret
    counts = [rnd.choice([20, 40, 300, 1000]) for _ in range(30)]
    documents = [rows_of(CIRCLES[name], count, rnd) for count in counts]

    assert sorted_in_a_process(SORTED % "?o", documents)[1] != 0
    assert sorted_in_a_process(with_total_order(SORTED % "?o"), documents) == (counts, 0)


@pytest.mark.parametrize("order", ["?o", "DESC(?o)", "(COALESCE(?o, 1)) ?o DESC(?i)"])
def test_any_mixture_of_terms_is_sorted_when_it_has_keys(order):
    rnd = random.Random(order)  # noqa: S311 - a fixed order is wanted, not a secret
    counts = [rnd.choice([20, 30, 60, 300, 1000]) for _ in range(300)]
    documents = [rows_of(EVERYTHING, count, rnd) for count in counts]

    assert sorted_in_a_process(SORTED % order, documents)[1] != 0
    assert sorted_in_a_process(with_total_order(SORTED % order), documents) == (counts, 0)


@pytest.mark.parametrize("name", ONE_CLASS)
@pytest.mark.parametrize("order", ["?o ?i", "DESC(?o) ?i"])
def test_terms_of_one_class_keep_the_order_the_engine_gives_them(name, order):
    store = ox.Store()
    rnd = random.Random(name)  # noqa: S311 - a fixed order is wanted, not a secret
    store.load(rows_of(ONE_CLASS[name], 300, rnd).encode(), ox.RdfFormat.N_TRIPLES)
    bare = [str(row["i"]) for row in store.query(SORTED % order)]

    assert len(bare) == 300
    assert [str(row["i"]) for row in store.query(with_total_order(SORTED % order))] == bare


def test_classes_come_one_after_another_and_texts_by_their_characters():
    values = '"b" UNDEF 10 "a"@fr <http://a/b> 9 "a!"@fr true "a"@en "a" 9.5 1e0'
    answer = ox.Store().query(with_total_order(f"SELECT ?o {{ VALUES ?o {{ {values} }} }} ORDER BY ?o"))

    assert [row["o"] and row["o"].value for row in answer] == [
        *[None, "http://a/b", "1", "9", "9.5", "10"],
        *["a", "a", "a", "a!", "b", "true"],
    ]


def test_groups_are_sorted_by_what_is_counted_in_them():
    text = """SELECT ?g (SUM(?v) AS ?sum) { VALUES (?g ?v) { ("a" 1) ("b" 5) ("a" 2) ("c" "x") ("d" 4) } }
    GROUP BY ?g ORDER BY DESC(SUM(?v)) ?g"""
    answer = ox.Store().query(with_total_order(text))

    assert [row["g"].value for row in answer] == ["b", "d", "a", "c"]


# ------------------------------------------------------------------------------ what is remembered


ALIKE = [
    ("SELECT ?s { ?s ?p <http://e.org/a> }", "SELECT ?s { ?s ?p <http://e.org/b> }"),
    ("ASK { ?s ?p ?o FILTER(?o <http://e.org/a#b> ?s) }", "ASK { ?s ?p ?o FILTER(?o < 1) }"),
    ("SELECT ?s FROM <http://e.org/a> { ?s ?p ?o }", "SELECT ?s FROM <http://e.org/b> { ?s ?p ?o }"),
    ("SELECT * { SERVICE <http://e.org/a> { ?s ?p ?o } }", "SELECT * { SERVICE <http://e.org/b> {} }"),
    ("PREFIX e: <http://e.org/a#> ASK FROM e:x { }", "PREFIX e: <http://e.org/b#> ASK FROM e:x { }"),
    ('SELECT ?s { ?s ?p "<http://e.org/a>" }', 'SELECT ?s { ?s ?p "<http://e.org/b>" }'),
    ("ASK { ?s ?p ?o } # <http://e.org/a>", "ASK { ?s ?p ?o } # <http://e.org/b>"),
    ("ASK { ?s ?p <http://e.org/a> ", "ASK { ?s ?p <http://e.org/b> "),
    ('ASK { ?s ?p "a" } # "', 'ASK { ?s ?p "b" } # "'),
    ('ASK { ?s ?p \'a"b\', "c" }', 'ASK { ?s ?p \'a"b\', "d" }'),
    ("ASK { ?s ?p \"a'b\", 'c' }", "ASK { ?s ?p \"a'b' , 'c' }"),
    ('ASK { ?s ?p """a"b" """ }', 'ASK { ?s ?p """a"c" """ }'),
    ('ASK { ?s ?p "" "a" }', 'ASK { ?s ?p "" "b" }'),
    ('ASK { ?s ?p "a\\"b" }', 'ASK { ?s ?p "a\\" b }'),
    ("ASK { ?s ?p ?o FILTER(?o <'a' && 'b'> ?s) }", "ASK { ?s ?p ?o FILTER(?o <'a' && 'c'> ?s) }"),
    ("ASK FROM <http://e.org/'a'> { ?s ?p 'b' }", "ASK FROM <http://e.org/'c'> { ?s ?p 'b' }"),
    ('SELECT * { ?s ?p ?o } ORDER BY (?o = "RAND")', 'SELECT * { ?s ?p ?o } ORDER BY (?o = "LAND")'),
]


@pytest.mark.parametrize("pair", ALIKE)
def test_what_is_remembered_of_one_query_is_never_told_of_another(pair):
    def outcome(read, text):
        try:
            return read(text)
        except QueryError as error:
            return type(error), str(error), error.excerpt

    for text in (*pair, *pair):
        assert outcome(inspect, text) == outcome(lambda text: sparql._read(text).facts, text)


def test_queries_that_differ_in_the_letters_of_their_iris_are_read_once():
    sparql._remembered.cache_clear()
    for number in range(100, 150):
        inspect(f"SELECT ?s {{ ?s ?p <http://e.org/{number}> }} ORDER BY ?s")
    assert sparql._remembered.cache_info().misses == 1


def test_queries_that_differ_in_plain_texts_are_read_once():
    sparql._remembered.cache_clear()
    for word in ("water", "woods", "glass", "étang"):
        inspect(f"SELECT ?s {{ ?s ?p \"{word}\" ; ?q '{word}'@fr }} ORDER BY ?s")
    assert sparql._remembered.cache_info().misses == 1


PIECES = [
    *(
        "'",
        '"',
        '"""',
        "'a'",
        '"b"',
        '"é 1"',
        "#",
        "\n",
        " ",
        "\\",
        "<",
        ">",
        "<http://e.org/",
        "a>",
        "?x",
        "ASK {",
    ),
    *(
        "}",
        "<http://e.org/c>",
        "FROM ",
        "SERVICE ",
        "ORDER BY ?x",
        "@en",
        "^^",
        "e:a",
        ".",
        ";",
        "FILTER(",
        ")",
        "?x <",
    ),
    *("SELECT * {", "?s ?p ", '""', "''", "\\u0022"),
]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14), st.lists(st.sampled_from(PIECES), max_size=5))
def test_texts_that_are_blotted_alike_are_read_alike(start, rest):
    def outcome(text):
        try:
            read = sparql._read(text)
        except QueryError:
            return None
        return read.facts.form, read.facts.variables, read.facts.depth, read.order

    text = " ".join(["SELECT * { ?s ?p ", *start, *rest])
    twin = blotted(text)
    assert len(twin) == len(text)
    read = outcome(twin)
    if read is not None and not sparql._read(twin).facts.reaches:
        assert outcome(text) == read


UNIFORM = {
    "SELECT ?a (COUNT(?x) AS ?n) { ?a ?p ?x } GROUP BY ?a ORDER BY DESC(?n)": 0,
    'SELECT ?x { ?s ?p ?x FILTER(LANG(?x) = "en") } ORDER BY ?x': 0,
    'SELECT ?x { ?s ?p ?x FILTER(lang(?x) = "en" && ?s != ?x) } ORDER BY DESC($x)': 0,
    'SELECT ?x { ?s ?p ?x FILTER(LANG(?x) = "en") } ORDER BY ?p ?x': 1,
    'SELECT ?x { ?s ?p ?x FILTER(LANG(?x) = "") } ORDER BY ?x': 1,
    'SELECT ?x { ?s ?p ?x FILTER(LANG(?x) = "en" || ?s = ?x) } ORDER BY ?x': 1,
    'SELECT ?x { ?s ?p ?x FILTER(!(LANG(?x) = "en")) } ORDER BY ?x': 1,
    'SELECT ?x { ?s ?p ?y OPTIONAL { ?s ?q ?x FILTER(LANG(?x) = "en") } } ORDER BY ?x': 1,
    "SELECT ?a (SUM(?x) AS ?n) { ?a ?p ?x } GROUP BY ?a ORDER BY ?n": 1,
    "SELECT ?n { { SELECT (COUNT(*) AS ?n) { ?s ?p ?o } ORDER BY ?o } } ORDER BY ?n": 2,
}


@pytest.mark.parametrize("text", UNIFORM)
def test_what_can_only_be_of_one_class_is_sorted_without_keys(text):
    assert len(sparql.order_of(text)) == UNIFORM[text]
