"""Finding things by what people type: names, codes, identifiers, with and without accents and slips."""

import json
import threading
import unicodedata

import pyoxigraph as ox
import pytest
from garden import a_publication
from hypothesis import given
from hypothesis import strategies as st

from cnrs_graph.descriptions import build_index
from cnrs_graph.disk import open_store
from cnrs_graph.publication import load_into
from cnrs_graph.search import (
    CONSIDERED,
    FILE,
    Entry,
    Findable,
    SearchIndex,
    findable,
    folded,
    search_index,
    write,
)
from cnrs_graph.site import reply

BASE = "https://example.org/g/"
KIND = f"{BASE}ontology#Garden"


def a_thing(slug, *names, kinds=(KIND,), **texts):
    entries = [Entry("name", name) for name in names]
    entries += [Entry(field, text) for field, text in texts.items()]
    return Findable(f"{BASE}id/garden/{slug}", entries, list(kinds))


def an_index(*things):
    return SearchIndex.of(things, BASE)


def slugs(found):
    return [hit.iri.rpartition("/")[2] for hit in found.hits]


@pytest.fixture(scope="module")
def shipped(publication):
    index = build_index(publication.said, publication.inferred, outside=publication.outside_default)
    return SearchIndex.of(findable(index), publication.base)


@pytest.mark.parametrize("text", ["québec", "QUEBEC", "Quebec ", "que\u0301bec", "«québec»"])
def test_a_name_is_found_however_its_accents_and_capitals_are_written(text):
    index = an_index(a_thing("q", "Québec"), a_thing("m", "Montréal"))

    found = index.find(text)

    assert slugs(found) == ["q"]
    assert found.hits[0].why.how == "same"
    assert found.hits[0].score == 100


@pytest.mark.parametrize("text", ["UMI 3463", "umi3463", "UMI-3463"])
def test_a_code_is_found_however_it_is_spaced(text):
    assert slugs(an_index(a_thing("l", "Lab", code="UMI 3463")).find(text)) == ["l"]


def test_a_hit_says_which_text_answers_and_how():
    index = an_index(a_thing("l", "Laboratory of light", other="Lumière"))

    whys = {
        text: index.find(text).hits[0].why
        for text in ("lumiere", "labor", "light", "umier", "laboratory ligth")
    }

    assert {text: (why.field, why.how) for text, why in whys.items()} == {
        "lumiere": ("other", "same"),
        "labor": ("name", "begins"),
        "light": ("name", "words"),
        "umier": ("other", "inside"),
        "laboratory ligth": ("name", "spelling"),
    }


def test_the_whole_name_comes_before_its_beginning_and_that_before_a_word_inside():
    index = an_index(
        a_thing("inside", "University of Paris"),
        a_thing("begins", "Paris Observatory"),
        a_thing("same", "Paris"),
    )

    assert slugs(index.find("paris")) == ["same", "begins", "inside"]


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("sherbroke", "sherbrooke"), ("takuvki", "takuvik"), ("nanotecnologies", "nanotechnologies")],
)
def test_a_slip_of_the_pen_is_forgiven_and_said(shipped, slip, meant):
    found = shipped.find(slip)

    assert found.corrected == {slip: meant}
    assert found.total == shipped.find(meant).total > 0


def test_short_words_and_numbers_are_never_corrected():
    index = an_index(a_thing("a", "Lab 3463"), a_thing("b", "sun"))

    assert index.find("3436").total == 0
    assert index.find("son").total == 0


def test_words_may_stand_in_different_texts_of_a_thing():
    index = an_index(a_thing("l", "Laboratory of light", other="Optique"), a_thing("o", "Optique"))

    found = index.find("light optique")

    assert slugs(found) == ["l"]
    assert found.hits[0].why.how == "spread"


def test_some_of_the_words_are_found_where_nothing_has_all_and_that_is_said():
    index = an_index(a_thing("l", "Laboratory of light"), a_thing("o", "Optique"))

    found = index.find("light optique")

    assert found.partly
    assert sorted(slugs(found)) == ["l", "o"]


def test_kinds_are_counted_over_all_hits_and_limit_them():
    bed = f"{BASE}ontology#Bed"
    index = an_index(
        *(a_thing(f"g{n}", f"rose {n}") for n in range(30)), a_thing("b", "rose bed", kinds=(bed,))
    )

    found = index.find("rose", limit=5)

    assert (found.total, found.kinds) == (31, {KIND: 30, bed: 1})
    assert slugs(index.find("rose", kinds=(bed,))) == ["b"]
    assert index.find("rose", kinds=(bed,)).total == 1


def test_pages_of_hits_follow_each_other_without_gap():
    index = an_index(*(a_thing(f"g{n}", f"rose {n}") for n in range(30)))

    pages = [slugs(index.find("rose", limit=7, offset=start)) for start in range(0, 35, 7)]

    assert len({slug for page in pages for slug in page}) == sum(map(len, pages)) == 30


def test_an_identifier_elsewhere_is_found_whole_and_by_its_last_part(shipped):
    for text in ("https://ror.org/02feahw73", "02feahw73"):
        assert slugs(shipped.find(text)) == ["cnrs"]


def test_the_iri_of_a_thing_finds_it_first(shipped, publication):
    iri = f"{publication.base}id/laboratory/takuvik"

    assert shipped.find(iri).hits[0].iri == iri


@pytest.mark.parametrize(
    "text", ['"', "* OR", "NEAR(a b)", "name:x", "a" * 5000, "x " * 500, "\x00", "(", "' OR 1=1 --"]
)
def test_nothing_that_is_typed_is_an_error(shipped, text):
    shipped.find(text)
    shipped.candidates(text)


@given(st.text(max_size=40))
def test_any_name_finds_its_thing(name):
    index = an_index(a_thing("x", name), a_thing("y", "something else"))

    if folded(name):
        assert "x" in slugs(index.find(name))


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing_and_forms_of_composition_are_one(text):
    assert folded(folded(text)) == folded(text)
    assert folded(unicodedata.normalize("NFD", text)) == folded(unicodedata.normalize("NFC", text))


def test_the_code_of_a_nameless_part_finds_what_it_is_part_of(shipped, publication):
    assert shipped.find("UMI 3463").hits[0].iri == f"{publication.base}id/laboratory/ln2"


def test_threads_may_search_at_once(shipped):
    wanted = {text: shipped.find(text) for text in ("takuvki", "quebec", "laboratoire", "a")}
    wrong = []

    def search():
        for _ in range(20):
            wrong.extend(text for text, found in wanted.items() if shipped.find(text) != found)

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_index_in_a_file_finds_the_same(tmp_path):
    things = [a_thing("q", "Québec", code="QC 1"), a_thing("m", "Montréal")]
    write(tmp_path / FILE, things, BASE)

    assert SearchIndex.open(tmp_path / FILE).find("quebec") == an_index(*things).find("quebec")


def test_a_store_on_disk_finds_what_memory_finds(tmp_path, config, publication, shipped):
    load_into(config, tmp_path / "store")
    stored = open_store(tmp_path / "store")

    assert (tmp_path / "store" / FILE).is_file()
    from_file = search_index(stored.index, stored)
    (tmp_path / "store" / FILE).unlink()
    asked = search_index(stored.index, stored)
    for text in ("takuvki", "quebec", "UMI 3463", "02feahw73", "TM2", "laboratoire"):
        wanted = {(hit.iri, hit.score) for hit in shipped.find(text, limit=CONSIDERED).hits}
        for index in (from_file, asked):
            assert {(hit.iri, hit.score) for hit in index.find(text, limit=CONSIDERED).hits} == wanted
            assert index.find(text).kinds == shipped.find(text).kinds


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Univ. of Sherbrooke", "univ-sherbrooke"),
        ("Georgia Institute of Technology", "gatech"),
        ("Arizona, University of", "univ-arizona"),
        ("Universite Laval", "univ-laval"),
        ("Massachussets Institute of Technology", "mit"),
    ],
)
def test_the_likeliest_candidate_is_the_institution_that_is_meant(shipped, publication, text, slug):
    kind = f"{publication.base}ontology#Institution"

    hits = shipped.candidates(text, kinds=(kind,))

    assert hits[0].iri == f"{publication.base}id/institution/{slug}"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


# ----------------------------------------------------------------------------------------- over HTTP


def ask(publication, path, query="", **headers):
    return reply(publication, path, query=query, **headers)


def test_a_search_is_a_page_for_people_and_json_for_programs(publication):
    page = ask(publication, "/search", "q=takuvik", accept="text/html")
    data = ask(publication, "/search", "q=takuvik", accept="application/json")

    assert page.header("content-type") == "text/html; charset=utf-8"
    assert b'value="takuvik"' in page.body
    assert data.body == ask(publication, "/search.json", "q=takuvik").body
    found = json.loads(data.body)
    assert found["results"][0]["page"] == "/doc/cooperation/takuvik"
    assert found["total"] == len(found["results"])
    assert {"how", "field", "text"} <= set(found["results"][0]["why"])


def test_every_page_of_a_search_is_linked_and_numbered(publication):
    body = ask(publication, "/search", "q=university&page=2", accept="text/html").body.decode()

    assert 'rel="prev"' in body
    assert 'href="/search?q=university"' in body


@pytest.mark.parametrize("query", ["q=a&page=0", "q=a&page=x", "q=a&q=b", "q=a&kind=Nothing", "q=%ff"])
def test_what_cannot_be_searched_is_said(publication, query):
    answer = ask(publication, "/search", query, accept="application/json")

    assert answer.status == 400
    assert json.loads(answer.body)["detail"]


def test_what_was_typed_stands_on_the_page_as_text(publication):
    body = ask(publication, "/search", "q=%3Cscript%3E%22x", accept="text/html").body.decode()

    assert "<script" not in body
    assert "&lt;script&gt;" in body


def test_suggestions_are_names_with_their_addresses(publication):
    text, names, kinds, addresses = json.loads(ask(publication, "/search/suggest", "q=tak").body)

    assert text == "tak"
    assert "Takuvik" in names[0]
    assert len(names) == len(kinds) == len(addresses)


def test_a_browser_is_told_how_to_search_here_by_configured_addresses_only():
    answer = ask(a_publication(public_url="https://gardens.example/g"), "/opensearch.xml")

    assert 'template="https://gardens.example/g/search?q={searchTerms}"' in answer.body.decode()


def test_a_garden_that_knows_nothing_of_this_ontology_can_be_searched():
    found = json.loads(ask(a_publication(), "/search.json", "q=north").body)

    assert found["results"]
    assert all(ox.NamedNode(each["iri"]) for each in found["results"])
