"""Lists of things: narrowed down by what the publication names, counted, in pages and as files."""

import csv
import io
import json
from urllib.parse import parse_qsl, urlencode

import openpyxl
import pyoxigraph as ox
import pytest
from garden import BASE, a_publication

from cnrs_graph.config import read_config
from cnrs_graph.descriptions import build_index
from cnrs_graph.errors import ConfigError, RequestError
from cnrs_graph.narrowing import Narrowing, key_of, narrowed, page_number, paging, read_narrowing
from cnrs_graph.site import reply
from cnrs_graph.terms import local_name

HTML = "text/html"


@pytest.fixture(scope="module")
def index(publication):
    return build_index(publication.said, publication.inferred, outside=publication.outside_default)


def ask(publication, path, query="", accept=None):
    return reply(publication, path, query=query, accept=accept)


def rows(publication, path, query=""):
    answer = ask(publication, path, query)
    assert answer.status == 200, answer.body
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


def test_every_count_is_the_length_of_the_list_it_leads_to(publication, index):
    assert publication.facets
    for kind, properties in publication.facets.items():
        _, facets = narrowed(index, Narrowing(kind, properties))
        assert [facet.property for facet in facets] == list(properties)
        for facet in facets:
            assert facet.values, f"no thing of {kind} has {facet.property}"
            for value, count in facet.values:
                left, _ = narrowed(index, Narrowing(kind, properties, {facet.property: key_of(value)}))
                assert len(left) == count


def test_counts_are_those_of_a_query_over_the_data(publication):
    engine = ox.Store()
    graphs = set(publication.default_graphs())
    engine.extend(
        ox.Quad(quad.subject, quad.predicate, quad.object)
        for quad in publication.quads()
        if quad.graph_name.value in graphs
    )
    prefix = f"PREFIX : <{publication.base}ontology#>"
    pattern = f"?c a :Cooperation ; :partnerCountry <{publication.base}id/country/can>"
    [row] = engine.query(f"{prefix} SELECT (COUNT(*) AS ?n) {{ {pattern} }}")

    found = rows(publication, "/browse/Cooperation.csv", "partnerCountry=id/country/can")
    assert len(found) == int(row["n"].value) > 0


def test_choices_narrow_each_other_and_not_themselves(publication, index):
    [kind] = [each for each in publication.facets if local_name(each) == "Cooperation"]
    properties = publication.facets[kind]
    scheme, country = properties[:2]
    chosen = {scheme: "id/scheme/irl", country: "id/country/can"}

    left, facets = narrowed(index, Narrowing(kind, properties, chosen))
    by_property = {facet.property: dict(facet.values) for facet in facets}

    assert len(left) == by_property[scheme][ox.NamedNode(f"{publication.base}id/scheme/irl")]
    assert len(by_property[scheme]) > 1
    assert all(count <= len(left) for facet in facets[2:] for _, count in facet.values)


def test_a_value_may_be_a_path_an_iri_or_a_text(publication):
    short = rows(publication, "/browse/Laboratory.csv", "inCountry=id/country/can")
    whole = rows(
        publication, "/browse/Laboratory.csv", urlencode({"inCountry": f"{publication.base}id/country/can"})
    )
    year = rows(publication, "/browse/PublishedCount.csv", "refPeriod=2020")

    assert short == whole
    assert len(short) > 1
    assert {row["inCountry"] for row in short} == {"Canada"}
    assert {row["refPeriod"] for row in year} == {"2020"}


def test_the_page_says_what_is_chosen_and_leads_back(publication):
    body = ask(publication, "/browse/Cooperation", "underScheme=id/scheme/irl", HTML).body.decode()

    assert '<a href="/browse/Cooperation" aria-current="true">' in body
    assert "underScheme=id/scheme/irl&amp;partnerCountry=id/country/can" in body
    assert "<script" not in body


def test_without_choice_a_list_is_the_page_it_always_was(publication):
    plain, tracked = (
        ask(publication, "/browse/Cooperation", query, HTML).body.decode().partition("<main")[2]
        for query in ("", "utm_source=x")
    )

    assert tracked == plain
    assert "Cooperation.xlsx" in plain


def test_what_is_chosen_and_has_nothing_is_an_empty_list(publication):
    answer = ask(publication, "/browse/Cooperation", "underScheme=id/scheme/nothing", HTML)

    assert answer.status == 200
    assert "None that we know." in answer.body.decode()


def test_a_list_is_a_file_in_every_format_of_rows(publication):
    exact = rows(publication, "/browse/Laboratory.csv")
    book = openpyxl.load_workbook(io.BytesIO(ask(publication, "/browse/Laboratory.xlsx").body)).active
    data = json.loads(ask(publication, "/browse/Laboratory", accept="application/json").body)

    assert [row[1].value for row in book.iter_rows(min_row=2)] == [row["iri"] for row in exact]
    assert [each["iri"]["value"] for each in data["results"]["bindings"]] == [row["iri"] for row in exact]
    assert ask(publication, "/browse/Laboratory.exe").status == 406
    assert ask(publication, "/browse/Nothing.csv").status == 404


def test_things_with_a_position_are_a_map_and_others_offer_none(publication):
    places = json.loads(ask(publication, "/browse/Place.geojson").body)["features"]

    assert any(place["geometry"] for place in places)
    assert all(place["id"].startswith(publication.base) for place in places)
    assert ask(publication, "/browse/Laboratory.geojson").status == 406


def test_browsing_begins_with_every_way_to_narrow_down(publication):
    body = ask(publication, "/browse", accept=HTML).body.decode()

    for path in (
        "underScheme=id/scheme/irl",
        "partnerCountry=id/country/mex",
        "theme=vocab/theme/",
        "/counts",
    ):
        assert path in body


def test_a_garden_is_narrowed_down_by_its_own_properties():
    plant, garden = f"{BASE}ontology#plant", f"{BASE}ontology#Garden"
    gardens = a_publication(facets={garden: (plant,)})

    found = rows(gardens, "/browse/Garden.csv")

    assert found
    assert "plant" in found[0]
    assert rows(a_publication(), "/browse/Garden.csv")[0].keys() == {"name", "iri"}


def test_addresses_keep_what_is_chosen():
    asked = read_narrowing(
        "https://e.org/K", ("https://e.org/p",), {"p": "https://b.org/id/x", "page": "3"}, "https://b.org/"
    )

    address = asked.address("/browse/K", "https://b.org/")
    path, _, query = address.partition("?")

    assert path == "/browse/K"
    assert dict(parse_qsl(query)) == {"p": "id/x", "page": "3"}
    assert asked.address("/browse/K", "https://b.org/", p="", page=1) == "/browse/K"


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "9999999", "²"])
def test_a_page_that_is_no_number_is_refused(text):
    with pytest.raises(RequestError, match="page="):
        page_number(text)


def test_pages_lead_forward_and_back_and_one_past_the_end_leads_back():
    def at(number):
        return paging(21, 10, number, str)

    assert [(at(n).before, at(n).after) for n in (1, 2, 3, 9)] == [
        ("", "2"),
        ("1", "3"),
        ("2", ""),
        ("3", ""),
    ]
    assert paging(0, 10, 1, str).count == 1


@pytest.mark.parametrize("facets", ['facets = "x"', '[facets]\n"cnrsg:X" = "y"', '[facets]\n"X" = ["y"]'])
def test_facets_that_are_none_are_refused_with_the_name_of_the_setting(tmp_path, facets):
    file = tmp_path / "publication.toml"
    file.write_text(
        f'base = "https://e.org/"\ndata = "."\nontology = "."\nshapes = "."\nqueries = "."\n{facets}\n'
    )

    with pytest.raises(ConfigError, match="facets"):
        read_config(file, environ={})
