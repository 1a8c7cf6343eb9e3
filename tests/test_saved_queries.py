"""The competency questions: each saved query and its answers on the shipped data and on a small world."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pyoxigraph as ox
import pytest

from cnrs_graph.dataset import load, load_as, merged
from cnrs_graph.queries import Catalogue
from cnrs_graph.reasoning import entail, read_rules
from cnrs_graph.sparql import with_total_order
from cnrs_graph.terms import PREFIXES

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures" / "queries"
CATALOGUE = Catalogue(ROOT / "queries")
QUESTIONS = [name for name in CATALOGUE if name.startswith("cq-")]
#: The questions that must be there; the rest of the list may grow.
ASKED = (
    "a1 a2 a3 a4 a5 a6 a8 a9 a10 a11 a12 a13 b1 b2 b3 b4 b5 b7 c1 c2 c3 d1 d2 d3 d5 d7 d8 e1 e2 e3 e4 e6 e10"
)


def rows(store, text, graphs):
    """The rows of an answer as texts, one dictionary each, in order."""
    answer = store.query(text, default_graph=graphs)
    names = [variable.value for variable in answer.variables]
    return [{name: "" if row[name] is None else row[name].value for name in names} for row in answer]


@pytest.fixture(scope="module")
def shipped(publication):
    """Ask a saved query of everything that is published, as the endpoint does."""
    store = ox.Store()
    store.extend(publication.said.quads)
    store.extend(publication.inferred)
    graphs = [ox.NamedNode(name) for name in publication.default_graphs()]

    def ask(name, **values):
        return rows(store, with_total_order(CATALOGUE[name].bind(values)), graphs)

    return ask


@pytest.fixture(scope="module")
def small(config):
    """Ask a saved query of the small world of the fixture, with the ontology and what follows from both."""
    world = load_as(FIXTURES / "small.ttl", config.base, f"{config.base}graph/curated/small")
    said = merged(world, load(config.ontology, base=config.base, under="ontology"))
    store = ox.Store()
    store.extend(said.quads)
    store.extend(
        entail(
            said.quads, read_rules(config.ontology / "rules" / "core"), into=f"{config.base}graph/inferred"
        )
    )
    graphs = list(store.named_graphs())

    def ask(name, **values):
        return rows(store, CATALOGUE[name].bind(values), graphs)

    return ask


def only(answer, *columns):
    """Some columns of an answer, as tuples."""
    return [tuple(row[column] for column in columns) for row in answer]


# ------------------------------------------------------------------------------------------------ the files


def test_every_question_asked_for_has_a_query():
    have = {name.split("-")[1] for name in QUESTIONS}

    assert set(ASKED.split()) <= have


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_saved_query_says_what_it_answers_in_two_languages_and_for_whom(name):
    query = CATALOGUE[name]

    assert {"question", "question-fr", "asked-by"} <= set(query.notes)
    assert query.summary[0].isupper()
    assert not query.summary.endswith(".")
    assert query.notes["question"].endswith("?")
    assert query.notes["question-fr"].endswith("?")


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_saved_query_stays_here_and_gives_its_rows_in_order(name):
    query = CATALOGUE[name]

    assert query.facts.form == "SELECT"
    assert not query.facts.reaches
    assert query.text.rstrip().splitlines()[-1].count("ORDER BY") == 1


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_saved_query_declares_the_prefixes_it_uses_and_no_other(name):
    text = CATALOGUE[name].text
    body = "\n".join(line for line in text.splitlines() if not line.startswith(("PREFIX", "#+")))
    declared = [line.split()[1] for line in text.splitlines() if line.startswith("PREFIX")]

    assert [prefix for prefix in declared if not _uses(body, prefix)] == []


def _uses(body, prefix):
    starts = (" ", "(", "/", "^", "|", "!", "\n")
    return any(f"{start}{prefix}" in body for start in starts)


def test_every_query_is_described_in_the_readme():
    described = (ROOT / "queries" / "README.md").read_text(encoding="utf-8")

    assert [name for name in CATALOGUE if f"`{name}`" not in described] == []


# --------------------------------------------------------------------------- answers on the shipped data


ANSWERS = sorted(FIXTURES.glob("*/answer.csv"))


def test_there_are_stored_answers():
    assert len(ANSWERS) >= 20


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.parent.name)
def test_the_shipped_data_gives_the_stored_answer(path, shipped):
    """Each of these was read against the facts it rests on before it was stored."""
    with path.open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))

    assert expected
    assert shipped(path.parent.name) == expected


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_answer_is_the_same_twice_and_each_row_comes_once(name, shipped):
    answer = shipped(name)

    assert answer == shipped(name)
    assert max(Counter(tuple(row.items()) for row in answer).values(), default=1) == 1


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_saved_query_has_an_answer_unless_it_looks_for_problems(name, shipped):
    clean = {"cq-e2-facts-without-source", "cq-e6-rosters-to-review"}

    assert bool(shipped(name)) == (name not in clean)


def test_fifteen_is_five_and_seven_and_two_and_one_and_thirty_two_is_fourteen_and_sixteen_and_two(shipped):
    answer = shipped("cq-a4-announced-against-named")
    table = {}
    for row in answer:
        figures = tuple(int(row[column]) for column in ("announced", "named", "inferred", "unnamed"))
        place = row["figure"].removeprefix("https://w3id.org/cnrs-graph/id/count/founding-")
        table[place] = (row["line"], *figures, row["completeness"])

    assert table == {
        "irl-north-america": ("total", 15, 14, 1, 1, "partial"),
        "irl-canada": ("part", 5, 4, 0, 1, "partial"),
        "irl-united-states": ("part", 7, 7, 1, 0, "partial"),
        "irl-mexico": ("part", 2, 2, 0, 0, "complete"),
        "umifre-area-not-stated": ("part", 1, 1, 0, 0, "complete"),
        "irp-north-america": ("total", 32, 7, 3, 25, "partial"),
        "irp-canada": ("part", 14, 4, 2, 10, "partial"),
        "irp-united-states": ("part", 16, 1, 0, 15, "partial"),
        "irp-mexico": ("part", 2, 2, 1, 0, "partial"),
    }


def test_the_named_members_of_the_founding_figures_are_those_of_the_facts(shipped):
    members = {}
    for row in shipped("cq-a4-named-members"):
        figure = row["figure"].rpartition("/")[2]
        members.setdefault(figure, set()).add(row["member"].rpartition("/")[2])

    canada = {"crm-cnrs", "ln2", "pims-cnrs", "takuvik"}
    united_states = {"cpb", "compass", "gt-cnrs", "iglobes", "mse2", "epidapo", "ucsd-cnrs"}
    assert members["founding-irl-canada"] == canada
    assert members["founding-irl-united-states"] == united_states
    assert members["founding-irl-mexico"] == {"lafmia", "lasol"}
    assert members["founding-umifre-area-not-stated"] == {"cemca"}
    assert members["presence-au-mexique-irl"] == {"lafmia", "lasol", "cemca"}
    assert members["founding-irp-canada"] == {"funcat", "jin", "lcmq", "principe"}
    assert members["founding-irp-united-states"] == {"arche"}
    assert members["founding-irp-mexico"] == {"eridanus", "lcmmc"}


def test_no_member_stands_in_a_founding_figure_of_two_countries(shipped):
    answer = [row for row in shipped("cq-a4-named-members") if "/founding-" in row["figure"]]
    parts = [row for row in answer if not row["figure"].endswith("north-america")]

    assert len(parts) == 21
    assert len({row["member"] for row in parts}) == 21


def test_institutions_are_counted_role_by_role(shipped):
    counted = {
        (row["institution"].rpartition("/")[2], row["role"].rpartition("/")[2]): int(row["cooperations"])
        for row in shipped("cq-a10-institutions-by-role")
    }

    assert counted["cnrs", "supervising-body"] == 13  # the laboratories that are IRL
    assert counted["cnrs", "co-steering-body"] == 1  # the UMIFRE
    assert counted["cnrs", "partner"] == 7  # the projects
    assert counted["conacyt", "partner"] == 4  # LAFMIA, LaSoL, ERIDANUS, LCMMC
    assert counted["cnrs-insmi", "steering-institute"] == 3  # CRM, PIMS, LaSoL
    assert counted["univ-ottawa", "partner"] == 2  # FUNCAT, JIN


def test_agreements_tell_signature_from_start(shipped):
    signed = {
        (row["agreement"].rpartition("/")[2], row["signed"], row["start"])
        for row in shipped("cq-a13-agreements")
    }

    assert ("cpb-creation", "2019-09-26", "2020-01-01") in signed
    assert ("crm-cnrs-creation", "2011-10-04", "2011") in signed
    assert ("lafmia-creation", "2008-03-28", "2008") in signed
    assert ("lcmq-creation", "2016", "2017-01-01") in signed
    assert ("umifre-framework", "2007-04-20", "2007") in signed


def test_the_laboratories_known_to_ror_and_wikidata_are_those_of_the_facts(shipped):
    known = {
        (row["laboratory"].rpartition("/")[2], row["identifier"].rpartition("/")[2])
        for row in shipped("cq-c3-external-identifiers")
        if row["identifier"] != "missing"
    }

    assert known == {
        ("ln2", "026m44z54"),
        ("ln2", "Q51783963"),
        ("takuvik", "04bzgtz06"),
        ("takuvik", "Q51780208"),
        ("gt-cnrs", "00avmbz91"),
        ("gt-cnrs", "Q30262481"),
        ("epidapo", "00rg8bd79"),
        ("ucsd-cnrs", "00t7axd27"),
        ("ucsd-cnrs", "Q51782990"),
        ("lafmia", "011f68d87"),
        ("lafmia", "Q51785019"),
        ("cemca", "03kcgdd35"),
        ("cemca", "Q51783453"),
    }


def test_classes_and_properties_are_counted_over_all_that_is_published(shipped, publication):
    default = set(publication.default_graphs())
    quads = {
        (quad.subject, quad.predicate, quad.object)
        for quad in [*publication.said.quads, *publication.inferred]
        if quad.graph_name.value in default
    }
    kind = ox.NamedNode(f"{PREFIXES['rdf']}type")
    classes = Counter(
        object_.value for _, predicate, object_ in quads if predicate == kind and _named(object_)
    )
    properties = Counter(predicate.value for _, predicate, _ in quads)
    answer = shipped("cq-d1-classes-and-properties")

    assert {row["term"]: int(row["uses"]) for row in answer if row["kind"] == "class"} == classes
    assert {row["term"]: int(row["uses"]) for row in answer if row["kind"] == "property"} == properties


def _named(node):
    return isinstance(node, ox.NamedNode)


def test_the_links_are_those_of_the_linksets(shipped, publication):
    linked = {
        quad.object.value for quad in publication.said.quads if "/graph/links/" in quad.graph_name.value
    }
    answer = shipped("cq-d3-links-to-elsewhere")

    assert linked
    assert {row["elsewhere"] for row in answer} == linked
    assert {row["target"] for row in answer} == {"EU countries", "GeoNames", "ROR", "Wikidata"}


def test_inferred_statements_are_all_counted(shipped, publication):
    counted = sum(int(row["statements"]) for row in shipped("cq-d5-inferred-statements"))

    assert counted == len(publication.inferred)
    assert counted > 0


def test_the_licence_is_open_and_each_graph_of_the_data_has_one(shipped, publication):
    answer = shipped("cq-d7-licence-and-citation")

    assert {row["licence"] for row in answer} == {"https://creativecommons.org/licenses/by/4.0/"}
    data = {
        graph for graph in publication.said.graphs() if not graph.rpartition("/graph/")[2].startswith(OTHERS)
    }
    assert {row["described"] for row in answer if row["kind"] == "graph"} >= {
        graph for graph in data if "/meta/" not in graph
    }


OTHERS = ("ontology", "shapes", "inferred")


def test_everything_has_a_name_in_english_and_french(shipped):
    missing = Counter(row["language"] for row in shipped("cq-e1-labels-missing"))

    assert missing["en"] == 0
    assert missing["fr"] == 0
    assert missing["es"] > 0  # Spanish is promised for Mexican things and for the ontology only


def test_no_fact_is_without_a_source_and_no_roster_contradicts_itself(shipped):
    assert shipped("cq-e2-facts-without-source") == []
    assert shipped("cq-e6-rosters-to-review") == []


def test_the_open_questions_hold_the_conflicts_and_the_candidates(shipped):
    asked = {row["question"].rpartition("/")[2] for row in shipped("cq-e10-open-questions")}

    assert {"cpb-duration", "irp-size", "ln2-start", "candidate-lumaq", "cirhus-state"} <= asked


def test_a_parameter_changes_the_answer(shipped):
    mexico = only(shipped("cq-b1-laboratories-by-theme", country="ctry:mex"), "laboratory")
    code = only(shipped("cq-c2-unit-by-code", prefix="IRL", number="2958"), "notation")
    earlier = shipped("cq-a1-announced-per-country", year="1999")

    assert mexico == [("https://w3id.org/cnrs-graph/id/laboratory/lasol",)]
    assert code == [("IRL 2958",), ("UMI 2958",)]
    assert earlier == []


# --------------------------------------------------------------------------------- answers on a small world


def test_a1_lists_every_figure_of_the_region_with_its_source(small):
    assert only(
        small("cq-a1-announced-per-country"), "areaName", "announced", "completeness", "sourceName"
    ) == [
        ("North America", "3", "", "Source one"),
        ("Canada", "2", "partial", "Source one"),
        ("Canada", "4", "", "Source two"),
        ("North America", "2", "", "Source one"),
    ]


def test_a2_finds_the_total_that_is_not_the_sum_although_equal_parts_are_counted_twice(small):
    assert only(small("cq-a2-parts-and-totals"), "announced", "sum", "parts", "agrees") == [
        ("3", "4", "2", "false")
    ]


def test_a3_finds_the_two_sources_that_differ(small):
    assert only(small("cq-a3-figures-in-conflict"), "areaName", "announced", "otherAnnounced") == [
        ("Canada", "2", "4")
    ]


def test_a4_tells_named_from_unnamed(small):
    answer = small("cq-a4-announced-against-named")

    assert only(answer, "line", "name", "announced", "named", "inferred", "unnamed", "completeness") == [
        ("total", "Three in all", "3", "2", "1", "1", ""),
        ("part", "Two here", "2", "2", "1", "0", "partial"),
        ("part", "Two there", "2", "0", "0", "2", ""),
    ]


def test_a5_takes_a_term_that_reaches_into_the_year_and_an_attestation_and_nothing_else(small):
    answer = small("cq-a5-running-in-a-year")

    assert only(answer, "name", "evidence", "certainty") == [
        ("IRL Alpha", "attested", ""),
        ("IRL Beta", "term", "inferred"),
    ]
    assert only(small("cq-a5-running-in-a-year", year="2022"), "name", "evidence") == [("IRP Gamma", "term")]


def test_a6_computes_the_last_day_from_what_is_known(small):
    answer = small("cq-a6-terms-ending", **{"from": "2018-01-01", "until": "2024-12-31"})

    assert only(answer, "lastDay", "basis", "name") == [
        ("2018-12-31", "stated", "IRL Alpha"),
        ("2020-05-31", "computed from the duration", "IRL Beta"),
        ("2024-12-31", "at the latest, from the year and the duration", "IRP Gamma"),
    ]


def test_a8_finds_the_laboratory_that_lies_elsewhere(small):
    answer = small("cq-a8-partner-country-not-site-country")

    assert only(answer, "name", "partnerCountryName", "siteCountryName") == [("IRL Beta", "Canada", "France")]


def test_b1_takes_narrower_themes_and_the_country_into_account(small):
    chemistry = "https://w3id.org/cnrs-graph/vocab/theme/chemistry"

    assert only(small("cq-b1-laboratories-by-theme", theme=chemistry), "laboratoryName") == [("Alpha",)]
    assert small("cq-b1-laboratories-by-theme", theme=chemistry, country="ctry:fra") == []


def test_b2_lists_the_rules_that_the_scheme_has(small):
    assert only(small("cq-b2-rules-of-a-scheme"), "rule", "asked") == [
        ("maximum number of foreign countries", "2"),
        ("nominal duration in years", "5"),
        ("requires earlier collaboration", "true"),
    ]


def without_other_schemes(answer):
    """The rows about the small world: the code lists name schemes that are not described in it."""
    return [row for row in answer if not any("/id/scheme/" in value for value in row.values())]


def test_e1_finds_the_one_thing_named_in_english_only(small):
    missing = only(without_other_schemes(small("cq-e1-labels-missing")), "language", "shown")

    assert missing == [("es", "Abroad"), ("fr", "Abroad")]


def test_e2_finds_the_site_without_a_source(small):
    facts = only(without_other_schemes(small("cq-e2-facts-without-source")), "fact")

    assert facts == [("https://w3id.org/cnrs-graph/id/site/beta/main",)]


def test_e3_finds_the_terms_of_another_length_with_and_without_exception(small):
    assert only(small("cq-e3-terms-of-another-length"), "name", "years", "exceptionName") == [
        ("IRL Beta", "4", ""),
        ("IRP Gamma", "3", "Three years"),
    ]
