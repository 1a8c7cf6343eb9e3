"""Pages in every language: complete words, one language named on each text, and links that keep it."""

import re
import string
from html.parser import HTMLParser

import pytest
from garden import a_publication

from cnrs_graph.site import failure, query_form, reply, saved_answer
from cnrs_graph.words import LANGUAGES, PROPERTIES, WORDS

LANGUAGE_TAGS = tuple(WORDS)


@pytest.fixture(scope="module")
def garden():
    return a_publication()


class Links(HTMLParser):
    """Every local address a page leads to, and what it says of languages."""

    def __init__(self, text):
        super().__init__()
        self.links, self.files, self.alternates, self.language = [], [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        target = found.get("href") or found.get("action") or ""
        if tag == "html":
            self.language = found["lang"]
        if found.get("hreflang") and tag == "link":
            self.alternates[found["hreflang"]] = target
        elif target.startswith("/") and not found.get("hreflang"):
            is_file = (
                tag == "link" or found.get("type") or target.endswith(".rq") or target.startswith("/dump/")
            )
            (self.files if is_file else self.links).append(target)


def page(publication, path, **asked):
    found = reply(publication, path, accept="text/html", **asked)
    assert found.status == 200, (path, found.status)
    return found, Links(found.body.decode())


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_every_table_has_every_word_and_every_word_its_values():
    assert len(WORDS) == 3
    assert len(WORDS["en"]) > 100
    for language, words in WORDS.items():
        assert words.keys() == WORDS["en"].keys()
        for key, text in words.items():
            assert text.strip(), (language, key)
            assert fields(text) == fields(WORDS["en"][key]), (language, key)
        assert LANGUAGES[language].keys() == LANGUAGES["en"].keys()
        assert PROPERTIES[language].keys() == PROPERTIES["en"].keys()


#: Words that two of these languages spell alike.
ALIKE = {
    ":",
    "SPARQL",
    "IRI",
    "Source",
    "Sources",
    "Version",
    "Classes",
    "Total",
    "page",
    "no",
    "information",
}
ALIKE |= {
    "SHA-256",
    "Pages",
    "code",
    "Formats",
    "description",
    "Latitude",
    "Longitude",
    "{count} sources",
    "Site",
    "Licence",
}


@pytest.mark.parametrize("language", LANGUAGE_TAGS[1:])
def test_words_are_translated(language):
    same = {text for key, text in WORDS[language].items() if text == WORDS["en"][key]}
    assert same <= ALIKE


@pytest.mark.parametrize("language", LANGUAGE_TAGS)
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/browse",
        "/doc/cooperation/ln2",
        "/doc/institution/cnrs",
        "/ontology",
        "/shapes",
        "/dataset",
        "/queries",
    ],
)
def test_a_page_whose_address_names_a_language_keeps_it_in_its_links(publication, language, path):
    found, links = page(publication, f"/{language}{path}", accept_language="de")
    assert links.language == language
    assert len(links.links) > 5
    assert [link for link in links.links if not link.startswith(f"/{language}/")] == []
    assert links.files
    assert [link for link in links.files if link.startswith(f"/{language}/")] == []
    assert found.header("Vary") == "Accept"


@pytest.mark.parametrize("path", ["/", "/browse", "/doc/cooperation/ln2", "/queries/cq-a13-agreements"])
def test_every_page_names_itself_in_every_language(publication, path):
    _, links = page(publication, path)
    assert links.alternates == {tag: f"/{tag}{path}" for tag in WORDS} | {"x-default": path}
    for address in links.alternates.values():
        assert page(publication, address)[1].alternates == links.alternates


def test_without_a_language_in_its_address_a_page_is_what_the_reader_reads_best(publication):
    found, links = page(publication, "/browse", accept_language="es, en;q=0.5")
    assert links.language == "es"
    assert found.header("Vary") == "Accept, Accept-Language"
    assert [link for link in links.links if re.match(r"/(en|fr|es)/", link)] == []
    english, _ = page(publication, "/browse")
    assert english.header("ETag") != found.header("ETag")


def test_a_name_in_another_language_is_marked_and_told(publication):
    text = page(publication, "/es/doc/cooperation/ln2")[0].body.decode()
    assert 'lang="en"' in text
    assert "(en inglés)" in text
    assert '<html lang="es">' in text


def test_an_error_speaks_the_language_of_its_address(publication):
    found = reply(publication, "/fr/doc/country/nowhere", accept="text/html", accept_language="es")
    assert found.status == 404
    assert '<html lang="fr">' in found.body.decode()
    assert WORDS["fr"]["error-404"] in found.body.decode()
    assert found.header("Vary") == "Accept"
    spoken = reply(publication, "/doc/country/nowhere", accept="text/html", accept_language="es")
    assert WORDS["es"]["error-404"] in spoken.body.decode()
    assert spoken.header("Vary") == "Accept, Accept-Language"
    assert failure(publication, ValueError(), accept="text/html").status == 500


def test_a_thing_and_other_spellings_lead_to_pages_in_the_language_of_the_address(publication):
    seen = reply(publication, "/fr/id/country/can", accept="text/html")
    assert (seen.status, seen.header("Location")) == (303, "/fr/doc/country/can")
    data = reply(publication, "/fr/id/country/can", accept="text/turtle")
    assert (data.status, data.header("Location")) == (303, "/data/country/can.ttl")
    spelled = reply(publication, "/fr/doc/country/CAN", accept="text/html")
    assert (spelled.status, spelled.header("Location")) == (308, "/fr/doc/country/can")
    bare = reply(publication, "/fr", accept="text/html")
    assert (bare.status, bare.header("Location")) == (308, "/fr/")


@pytest.mark.parametrize("path", ["/data/country/can.ttl", "/robots.txt", "/sparql/completions.json"])
def test_what_has_no_language_has_one_address(publication, path):
    found = reply(publication, f"/fr{path}")
    assert (found.status, found.header("Location")) == (308, path)


def test_a_language_without_words_is_no_language(publication):
    assert reply(publication, "/de/doc/country/can", accept="text/html").status == 404


def test_the_pages_of_queries_speak_too(publication):
    from cnrs_graph.pages import Tongue

    form = query_form(publication, tongue=Tongue("fr", addressed=True)).body.decode()
    assert '<html lang="fr">' in form
    assert 'action="/fr/sparql#answer"' in form
    asked = saved_answer(publication, "/fr/queries/cq-a13-agreements", "", accept="text/html")
    shown = asked.page(publication, "", "SELECT", b'{"head":{"vars":["x"]},"results":{"bindings":[]}}')
    assert '<html lang="fr">' in shown.body.decode()
    assert "Quelle convention encadre" in shown.body.decode()


def test_a_prefix_stands_before_the_language(garden):
    from dataclasses import replace

    behind = replace(garden, public_url="https://garden.example/a/b")
    text = reply(behind, "/fr/browse", accept="text/html").body.decode()
    assert 'href="/a/b/fr/browse/Garden"' in text
    assert 'href="/a/b/static/site.' in text
    assert (
        reply(behind, "/fr/doc/garden/North", accept="text/html").header("Location")
        == "/a/b/fr/doc/garden/north"
    )
