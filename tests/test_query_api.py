"""Saved queries as a typed API: addresses, forms, allowed values, descriptions for programs."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import pyoxigraph as ox
import pytest
from conftest import Server
from garden import BASE, a_publication, iri
from hypothesis import given, settings
from hypothesis import strategies as st

from cnrs_graph import site
from cnrs_graph.choices import choices, limits, shortest
from cnrs_graph.errors import CnrsGraphError, NotAcceptableError, ParameterError, RequestError, SourceError
from cnrs_graph.executables import described
from cnrs_graph.formats import CSV, JSON_RESULTS, NTRIPLES, PAGE, TURTLE
from cnrs_graph.queries import Catalogue, read_query
from cnrs_graph.site import site_of

ROOT = Path(__file__).parent.parent
CATALOGUE = Catalogue(ROOT / "queries")
LIMITED = [
    (name, each.name) for name, saved in CATALOGUE.items() for each in saved.parameters if each.allowed
]
THEMES = "cq-b1-laboratories-by-theme"
SH = "http://www.w3.org/ns/shacl#"
#: What the editor of the SIB asks an endpoint for, to list examples.
EXAMPLES = f"""PREFIX sh: <{SH}>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT DISTINCT ?sq ?comment ?query WHERE {{
  ?sq a sh:SPARQLExecutable ; rdfs:comment ?comment ; sh:select|sh:ask|sh:construct|sh:describe ?query .
}} ORDER BY ?sq"""
GARDENS = """\
#+ summary: gardens with a plant
#+ question: Which gardens have it?
#+ param garden iri: the garden
#+ allowed garden: class <https://example.org/g/ontology#Garden>
#+ param word string: a word
PREFIX g: <https://example.org/g/id/garden/>
{form}
  VALUES ?garden {{ g:north }}
  VALUES ?word {{ "it" }}
  ?garden ?p ?o
}}
"""


def saved_in(folder, text, name="asked"):
    path = folder / f"{name}.rq"
    path.write_text(text, encoding="utf-8")
    return read_query(path)


def a_garden(folder, form="SELECT ?garden ?word WHERE {"):
    saved = saved_in(folder, GARDENS.format(form=form), "planted")
    catalogue = {"planted": saved}
    return a_publication(catalogue=catalogue, queries=described(BASE, catalogue))


def asked(publication, path, accept=None, **values):
    return site.saved_answer(publication, path, urlencode(values), accept=accept)


# ------------------------------------------------------------------------------------ what a file can allow


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("#+ allowed garden: klass <http://a/>", "what is allowed is written “list …”"),
        ("#+ allowed garden: class", "what is allowed is written “list …”"),
        ("#+ allowed garden: class g:", "is not an IRI"),
        ("#+ allowed garden: class nope:x y", "is not an IRI"),
        ("#+ allowed word: list it\n#+ allowed word: list it", "the key 'allowed word' is given twice"),
        ("#+ allowed bed: list 1 2", "there is no parameter 'bed'"),
        ("#+ allowd garden: list x", "unknown key 'allowd garden'"),
        ("#+ allowed word: list a b", "is not among the allowed values"),
        ("#+ allowed garden: list south", "is not an IRI"),
    ],
)
def test_a_wrong_line_about_values_is_refused_with_its_place(tmp_path, line, reason):
    text = GARDENS.format(form="ASK {").replace(
        "#+ allowed garden: class <https://example.org/g/ontology#Garden>", line
    )
    if reason == "is not an IRI" and line.endswith("g:"):
        text = text.replace("PREFIX g: <https://example.org/g/id/garden/>", "PREFIX g: <a b>").replace(
            "g:north", "<http://a/>"
        )
    with pytest.raises(SourceError) as caught:
        saved_in(tmp_path, text)
    assert reason in caught.value.reason
    assert caught.value.place.line in (3, 4, 5, 6)


def test_a_list_limits_values_without_any_data(tmp_path):
    head = "#+ summary: s\n#+ param size integer: n\n#+ allowed size: list 1 2 30\n"
    text = f"{head}ASK {{\n  VALUES ?size {{ 2 }}\n}}\n"
    saved = saved_in(tmp_path, text)

    assert "VALUES ?size { 30 }" in saved.bind({"size": "30"})
    assert "VALUES ?size { 2 }" in saved.bind({"size": "+02"})
    with pytest.raises(ParameterError, match="'3' is not allowed; allowed are 1, 2, 30"):
        saved.bind({"size": "3"})


def test_a_list_of_texts_is_quoted_where_a_text_has_blanks(tmp_path):
    text = (
        '#+ summary: s\n#+ param name string: n\n#+ allowed name: list plain "two words" "say \\"hi\\""\n'
        'ASK {\n  VALUES ?name { "two words" }\n}\n'
    )
    saved = saved_in(tmp_path, text)

    [parameter] = saved.parameters
    assert parameter.default == "two words"
    assert parameter.allowed.terms == ('"plain"', '"two words"', '"say \\"hi\\""')
    assert saved.bind({"name": 'say "hi"'}) != saved.text


@pytest.mark.parametrize(
    ("allowed", "kind", "found"),
    [
        ("class <https://example.org/g/ontology#Garden>", "iri", {"north", "hostile"}),
        ("property <http://purl.org/dc/terms/identifier>", "string", {"BD1"}),
        ("property <http://www.w3.org/2004/02/skos/core#prefLabel>", "string", set()),
        ("class <https://example.org/g/ontology#Nothing>", "iri", set()),
    ],
)
def test_the_data_says_which_values_there_are(tmp_path, allowed, kind, found):
    sample = "<https://example.org/g/id/garden/north>" if kind == "iri" else '"x"'
    head = f"#+ summary: s\n#+ param x {kind}: x\n#+ allowed x: {allowed}\n"
    text = f"{head}ASK {{\n  VALUES ?x {{ {sample} }}\n}}\n"
    [parameter] = saved_in(tmp_path, text).parameters

    got = {choice.value for choice in choices(site_of(a_publication()).documents.index, parameter)}
    wanted = {iri(f"id/garden/{each}") if kind == "iri" else each for each in found}
    assert wanted <= got
    assert bool(got) == bool(found)


@pytest.mark.parametrize(("name", "parameter"), LIMITED)
def test_each_limited_parameter_of_the_shipped_queries_has_values_and_its_sample_is_one(
    publication, name, parameter
):
    documents = site_of(publication).documents
    found = documents.limits(CATALOGUE[name])[parameter]
    [declared] = [each for each in CATALOGUE[name].parameters if each.name == parameter]

    assert len(LIMITED) >= 12
    assert len(found) > 1
    assert declared.term in found
    for way in found.values():
        CATALOGUE[name].bind({parameter: way}, base=publication.base, allowed={parameter: found})


def test_a_shape_and_a_code_list_limit_values(publication):
    documents = site_of(publication).documents
    assert {"UMI", "IRL"} <= set(documents.limits(CATALOGUE["cq-c2-unit-by-code"])["prefix"].values())
    assert "thm:mathematics" in documents.limits(CATALOGUE[THEMES])["theme"].values()


def test_things_of_a_class_below_are_things_of_the_class(tmp_path, publication):
    text = (
        "#+ summary: s\n#+ param x iri: x\n#+ allowed x: class cnrsg:Cooperation\n"
        "ASK {\n  VALUES ?x { <https://w3id.org/cnrs-graph/id/cooperation/ln2> }\n}\n"
    )
    saved = saved_in(tmp_path, text)
    found = limits(site_of(publication).documents.index, saved)["x"]
    assert "<https://w3id.org/cnrs-graph/id/cooperation/ln2>" in found


@pytest.mark.parametrize(
    ("value", "short"),
    [
        ("https://e.org/id/country/can", "c:can"),
        ("https://e.org/id/country/can/x", "id/country/can/x"),
        ("https://e.org/odd:thing/x", "https://e.org/odd:thing/x"),
        ("http://elsewhere/x", "http://elsewhere/x"),
        ("plain", "plain"),
    ],
)
def test_a_value_is_named_by_the_shortest_spelling_that_is_understood(value, short):
    assert shortest(value, {"c": "https://e.org/id/country/"}, "https://e.org/") == short


# ------------------------------------------------------------------------------------------- what is asked


@pytest.mark.parametrize(
    "value",
    [
        "https://w3id.org/cnrs-graph/id/country/usa",
        "<https://w3id.org/cnrs-graph/id/country/usa>",
        "ctry:usa",
        "id/country/usa",
        "/id/country/usa",
    ],
)
def test_an_iri_is_written_in_full_with_a_prefix_or_below_the_base(publication, value):
    found = asked(publication, f"/queries/{THEMES}.csv", country=value)
    assert "VALUES ?country { <https://w3id.org/cnrs-graph/id/country/usa> }" in found.text
    assert found.fmt is CSV


def test_too_many_allowed_values_are_cut_short(publication):
    with pytest.raises(ParameterError) as caught:
        asked(publication, "/queries/cq-b4-laboratories-working-with", institution="inst:none")

    assert len(caught.value.allowed) > 40
    assert f" … and {len(caught.value.allowed) - 20} more" in str(caught.value)
    assert str(caught.value).count("inst:") == 21


@pytest.mark.parametrize(
    ("accept", "extension", "form", "wanted"),
    [
        (None, "", "SELECT ?garden ?word WHERE {", JSON_RESULTS),
        ("text/html", "", "SELECT ?garden ?word WHERE {", PAGE),
        ("text/csv", "", "SELECT ?garden ?word WHERE {", CSV),
        ("text/html", ".csv", "SELECT ?garden ?word WHERE {", CSV),
        ("text/turtle", "", "SELECT ?garden ?word WHERE {", None),
        (None, ".ttl", "SELECT ?garden ?word WHERE {", None),
        (None, ".trig", "ASK {", None),
        (None, ".json", "ASK {", JSON_RESULTS),
        (None, "", "CONSTRUCT { ?garden ?p ?o } WHERE {", TURTLE),
        ("text/html", "", "CONSTRUCT { ?garden ?p ?o } WHERE {", PAGE),
        (None, ".nt", "DESCRIBE ?garden WHERE {", NTRIPLES),
        (None, ".xyz", "ASK {", None),
    ],
)
def test_the_format_is_asked_for_by_extension_or_accept(tmp_path, accept, extension, form, wanted):
    found = asked(a_garden(tmp_path, form), f"/queries/planted{extension}", accept)
    assert (found and found.fmt) is wanted


@pytest.mark.parametrize(
    ("extension", "form"),
    [
        (".csv", "ASK {"),
        (".csv", "CONSTRUCT { ?garden ?p ?o } WHERE {"),
        (".trig", "DESCRIBE ?garden WHERE {"),
    ],
)
def test_a_format_that_an_answer_does_not_have_is_refused(tmp_path, extension, form):
    with pytest.raises(NotAcceptableError):
        asked(a_garden(tmp_path, form), f"/queries/planted{extension}")


@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        ("plant=x", ParameterError, "no such parameter; it has garden, word"),
        ("garden=g:north&garden=g:north", RequestError, "'garden' is given more than once"),
        ("word=a&word=b", RequestError, "'word' is given more than once"),
        ("word=%ff", RequestError, "UTF-8"),
        ("garden=", ParameterError, "allowed are"),
        ("garden=g:moon", ParameterError, "'g:moon' is not allowed; allowed are"),
        ("garden=Garden", ParameterError, "is not an IRI"),
    ],
)
def test_a_wrong_parameter_says_what_would_be_right(tmp_path, query, error, said):
    with pytest.raises(error, match=said):
        site.saved_answer(a_garden(tmp_path), "/queries/planted", query)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return a_garden(tmp_path_factory.mktemp("queries"))


@settings(max_examples=300, deadline=None)
@given(
    word=st.text(st.characters(exclude_categories=["Cs"]))
    | st.text(alphabet="\"\\u0027{}\n\r\t'<>^@ #?VALUES"),
    garden=st.none() | st.text(st.characters(exclude_categories=["Cs"])) | st.just("g:north"),
)
def test_any_value_changes_its_line_alone_or_is_refused(planted, word, garden):
    values = {"word": word} if garden is None else {"word": word, "garden": garden}
    text = planted.catalogue["planted"].text
    try:
        found = asked(planted, "/queries/planted", **values)
    except ParameterError as error:
        assert error.parameter == "garden" != garden  # noqa: PT017 - either outcome is right
        return
    changed = [old for old, new in zip(text.split("\n"), found.text.split("\n"), strict=True) if old != new]
    assert set(changed) <= {"  VALUES ?garden { g:north }", '  VALUES ?word { "it" }'}
    rows = list(ox.Store().query(found.text.replace("  ?garden ?p ?o\n", "")))
    assert [row["word"] for row in rows] == [ox.Literal(word)]


@settings(max_examples=300, deadline=None)
@given(path=st.text(), query=st.text(), accept=st.none() | st.text())
def test_no_request_to_a_saved_query_is_our_mistake(planted, path, query, accept):
    for name in (path, f"planted{path}", "planted"):
        try:
            site.saved_answer(planted, f"/queries/{name}", query, accept=accept)
        except CnrsGraphError as error:
            assert site.failure(planted, error).status in (400, 406)  # noqa: PT017 - either outcome is right


# ------------------------------------------------------------------------------------ described for programs


def test_an_editor_finds_every_query_once_with_a_comment_and_a_text_that_runs(publication):
    store = ox.Store()
    store.extend(publication.queries.quads)
    rows = list(store.query(EXAMPLES, use_default_graph_as_union=True))

    assert [row["sq"].value for row in rows] == sorted(
        f"{publication.base}queries/{name}" for name in CATALOGUE
    )
    for row in rows:
        assert row["comment"].language == "en"
        assert not row["query"].value.startswith("#+")
        store.query(row["query"].value)


def test_the_description_of_a_query_says_where_to_run_it_and_what_it_asks_for(tmp_path):
    quads = described(BASE, a_garden(tmp_path).catalogue).quads
    about = f"{BASE}queries/planted"
    said = {(q.subject.value.removeprefix(about), q.predicate.value, q.object) for q in quads}

    assert ("", "https://schema.org/target", ox.NamedNode(f"{BASE}sparql")) in said
    assert ("", f"{SH}parameter", ox.NamedNode(f"{about}#parameter-garden")) in said
    assert ("#parameter-garden", f"{SH}defaultValue", ox.NamedNode(iri("id/garden/north"))) in said
    assert ("#parameter-garden", f"{SH}class", ox.NamedNode(iri("ontology#Garden"))) in said
    assert ("#parameter-word", f"{SH}defaultValue", ox.Literal("it")) in said
    assert {q.graph_name.value for q in quads} == {f"{BASE}graph/queries"}
    assert not any(isinstance(term, ox.BlankNode) for q in quads for term in (q.subject, q.object))


@pytest.mark.parametrize(
    ("form", "kind", "property_"),
    [
        ("SELECT ?garden WHERE {", "SPARQLSelectExecutable", f"{SH}select"),
        ("ASK {", "SPARQLAskExecutable", f"{SH}ask"),
        ("CONSTRUCT { ?garden ?p ?o } WHERE {", "SPARQLConstructExecutable", f"{SH}construct"),
        ("DESCRIBE ?garden WHERE {", None, "https://purl.expasy.org/sparql-examples/ontology#describe"),
    ],
)
def test_each_form_of_query_has_its_class_and_its_property(tmp_path, form, kind, property_):
    quads = described(BASE, a_garden(tmp_path, form).catalogue).quads
    kinds = {q.object.value for q in quads if q.object.value.endswith("Executable")}

    assert kinds == {f"{SH}SPARQLExecutable"} | ({f"{SH}{kind}"} if kind else set())
    assert [q.subject.value for q in quads if q.predicate.value == property_] == [f"{BASE}queries/planted"]


def test_the_queries_are_statements_of_the_endpoint_but_no_data(publication):
    graph = f"{publication.base}graph/queries"
    assert graph in publication.default_graphs()
    assert graph in publication.named_graphs()
    assert f"<{graph}>".encode() in publication.nquads()
    assert graph not in publication.said.graphs()


@pytest.mark.parametrize("path", ["/queries.ttl", f"/queries/{THEMES}.ttl", "/graph/queries.ttl"])
def test_the_descriptions_can_be_fetched(publication, path):
    found = site.reply(publication, path)
    assert found.status == 200
    subjects = {quad.subject.value for quad in ox.parse(input=found.body, format=ox.RdfFormat.TURTLE)}
    assert f"{publication.base}queries/{THEMES}" in subjects


def test_every_query_is_in_the_openapi_document_with_its_parameters(publication):
    paths = site.openapi_paths(publication)

    assert set(paths) == {f"/queries/{name}" for name in CATALOGUE}
    for name, saved in CATALOGUE.items():
        operation = paths[f"/queries/{name}"]["get"]
        assert operation["operationId"] == name
        assert operation["summary"] == saved.summary
        assert [each["name"] for each in operation["parameters"]] == [each.name for each in saved.parameters]
        assert {"text/csv", "text/html"} <= set(operation["responses"]["200"]["content"])
        assert {"400", "503", "504"} <= set(operation["responses"])
        for each in operation["parameters"]:
            schema = each["schema"]
            assert each["in"] == "query"
            assert each["example"] == schema["default"]
            assert each["example"] in schema.get("enum", [each["example"]])
    json.dumps(paths)


# --------------------------------------------------------------------------------------------- on the web


class Form(HTMLParser):
    """The fields of the form of a page, with their values; the links of the page; the cells of its table."""

    def __init__(self, text):
        super().__init__()
        self.fields, self.options, self.links, self.action, self.cells = {}, {}, [], None, 0
        self._select = None
        self.labels = set()
        # The search field in the head of every page is none of its fields.
        head, _, rest = text.partition("</header>")
        assert 'role="search"' in head
        self.feed(rest)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form":
            self.action = found["action"]
        elif tag == "label":
            self.labels.add(found["for"])
        elif tag == "input":
            self.fields[found["name"]] = found["value"]
        elif tag == "select":
            self._select = found["name"]
        elif tag == "option":
            self.options.setdefault(self._select, []).append(found["value"])
            if "selected" in found:
                self.fields[self._select] = found["value"]
        elif tag == "a":
            self.links.append(found["href"])
        elif tag == "td":
            self.cells += 1


def page(client, path, **values):
    found = client.get(path, params=values, headers={"Accept": "text/html"})
    return found, Form(found.text)


def test_the_page_of_a_query_has_a_form_its_answer_and_links_to_the_answer_as_data(client):
    found, form = page(client, f"/queries/{THEMES}")

    assert found.status_code == 200
    assert "<script" not in found.text
    assert set(form.fields) == {"country", "theme"}
    assert form.labels == {"parameter-country", "parameter-theme"}
    assert form.fields["country"].endswith("/id/country/can")
    assert form.cells > 0
    other = {**form.fields, "theme": form.options["theme"][0]}
    changed, form = page(client, form.action, **other)
    assert changed.status_code == 200
    assert form.fields == other
    [as_csv] = [link for link in form.links if urlsplit(link).path == f"/queries/{THEMES}.csv"]
    rows = list(csv.reader(io.StringIO(client.get(as_csv).text)))
    assert (len(rows) - 1) * len(rows[0]) == form.cells


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_saved_query_answers_as_a_page_and_as_csv(client, name):
    found, form = page(client, f"/queries/{name}")
    assert found.status_code == 200
    assert set(form.fields) == {each.name for each in CATALOGUE[name].parameters}
    as_csv = client.get(f"/queries/{name}.csv", params=form.fields)
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    direct = client.get("/sparql", params={"query": CATALOGUE[name].text}, headers={"Accept": "text/csv"})
    assert as_csv.content == direct.content


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [
        (".json", "application/sparql-results+json"),
        (".xml", "application/sparql-results+xml"),
        (".csv", "text/csv; charset=utf-8"),
        (".tsv", "text/tab-separated-values; charset=utf-8"),
        (".ttl", "text/turtle; charset=utf-8"),
        (".rq", "application/sparql-query"),
    ],
)
def test_the_extension_decides_over_the_accept_header(client, extension, media_type):
    found = client.get(f"/queries/{THEMES}{extension}", headers={"Accept": "text/html"})
    assert (found.status_code, found.headers["content-type"]) == (200, media_type)


def test_a_value_that_is_not_allowed_is_a_problem_that_lists_what_is(client):
    found = client.get(f"/queries/{THEMES}", params={"country": "ctry:atlantis"})
    problem = found.json()

    assert found.status_code == 400
    assert found.headers["content-type"] == "application/problem+json"
    assert problem["parameter"] == "country"
    assert "ctry:can" in problem["allowed"]
    assert len(problem["allowed"]) <= 20
    assert "ctry:can" in problem["detail"]
    assert page(client, f"/queries/{THEMES}", country="ctry:atlantis")[0].status_code == 400


def test_an_unknown_query_is_not_found_and_the_near_ones_are_named(client):
    found = client.get("/queries/cq-b1-laboratories-by-them.csv")
    assert found.status_code == 404
    assert THEMES in found.json()["near"]


@pytest.mark.parametrize(
    "value",
    ['"} UNION { ?s ?p ?o } #', "\\", "x" * 5000, "a\nb", "\u202e", "{{7*7}}", "<script>alert(1)</script>"],
)
def test_a_hostile_text_is_only_a_text(client, value):
    found, _ = page(client, "/queries/cq-c2-unit-by-code", number="3463", prefix=value)
    assert found.status_code == 400
    assert "<script>alert" not in found.text
    assert client.get("/queries/cq-d2-who-says-it", params={"subject": value}).status_code == 400


def test_a_spelling_of_a_query_leads_to_it_and_keeps_the_parameters(client):
    found = client.get(f"/queries/{THEMES.upper()}/?country=ctry:can")
    assert (found.status_code, found.headers["location"]) == (308, f"/queries/{THEMES}?country=ctry:can")


def test_head_and_other_methods_are_as_everywhere(client):
    assert client.head(f"/queries/{THEMES}.csv").status_code == 200
    assert client.post(f"/queries/{THEMES}").status_code == 405


def test_an_editor_that_asks_the_endpoint_finds_the_examples(client):
    found = client.get("/sparql", params={"query": EXAMPLES, "ac": "1"})
    assert len(found.json()["results"]["bindings"]) == len(CATALOGUE)


def test_the_openapi_document_holds_the_queries(client):
    document = client.get("/openapi.json").json()
    assert {f"/queries/{name}" for name in CATALOGUE} | {"/sparql"} <= set(document["paths"])
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


SLOW = 'SELECT (COUNT(*) AS ?n) { VALUES ?word { "it" }\n ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }\n'
THING = "https://w3id.org/cnrs-graph/id/country/can"
FORMS = {
    "slow": SLOW,
    "yes": "ASK {}\n",
    "built": f"CONSTRUCT {{ <{THING}> ?p ?o }} WHERE {{ <{THING}> ?p ?o }}\n",
    "about": f"DESCRIBE <{THING}>\n",
    "broken": "SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }\n",
}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A server with queries of every form, one of them endless, and one second a query."""
    folder = tmp_path_factory.mktemp("queries")
    for name, text in FORMS.items():
        (folder / f"{name}.rq").write_text(f"#+ summary: {name}\n{text}", encoding="utf-8")
    with (
        Server("--no-validate", query_seconds=1, queries=folder) as started,
        httpx.Client(base_url=started.url, timeout=30) as opened,
    ):
        yield opened


@pytest.mark.parametrize("accept", ["text/html", "text/csv", "*/*"])
def test_an_endless_query_is_stopped_before_its_answer_begins(other, accept):
    found = other.get("/queries/slow", headers={"Accept": accept})
    assert found.status_code == 504
    assert "stopped after 1 second" in found.text


def test_a_saved_query_leaves_the_process_as_little_as_any(other):
    assert other.get("/queries/broken").status_code == 403


def test_yes_and_no_is_answered_in_words_and_in_two_formats(other):
    assert other.get("/queries/yes").json()["boolean"] is True
    assert "<boolean>true" in other.get("/queries/yes.xml").text
    assert '<p class="lead">yes</p>' in page(other, "/queries/yes")[0].text
    assert other.get("/queries/yes.csv").status_code == 406
    assert "SPARQLAskExecutable" in other.get("/queries/yes.ttl").text


@pytest.mark.parametrize("name", ["built", "about"])
def test_triples_are_answered_in_rdf(other, name):
    for extension, form in ((".ttl", ox.RdfFormat.TURTLE), (".nt", ox.RdfFormat.N_TRIPLES), ("", None)):
        found = other.get(f"/queries/{name}{extension}")
        triples = list(ox.parse(input=found.content, format=form or ox.RdfFormat.TURTLE))
        assert {THING} <= {triple.subject.value for triple in triples}
    found, form = page(other, f"/queries/{name}")
    assert f"&lt;{THING}&gt;" in found.text
    assert f"/queries/{name}.jsonld" in form.links


def test_a_page_that_a_browser_has_is_not_sent_again(client):
    first, _ = page(client, f"/queries/{THEMES}")
    again = client.get(
        f"/queries/{THEMES}", headers={"Accept": "text/html", "If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_the_command_line_lists_what_is_allowed_too(run):
    code, out, err = run("query", THEMES, "--param", "country=ctry:atlantis")
    assert (code, out) == (2, "")
    assert "allowed are ctry:bel, ctry:can" in err
    assert run("query", THEMES, "--param", "country=id/country/can", "--format", "csv")[0] == 0
