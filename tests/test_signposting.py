"""Signposts, followed by a client that reads headers and linksets by the grammar of RFC 8288 and RFC 9264."""

import json
import re
from urllib.parse import urljoin

import pytest
from garden import BASE, a_publication

from cnrs_graph.formats import GRAPH_FORMATS, NQUADS, PAGE, TURTLE
from cnrs_graph.replies import http_date
from cnrs_graph.signposting import Signposts, header_of, linkset_json, linkset_text, signposts_of
from cnrs_graph.site import addresses, reply

_LINK = re.compile(r'\s*<([^<>"\s]*)>((?:\s*;\s*[a-z]+="[^"]*")*)\s*(?:,|$)')
_PARAMETER = re.compile(r';\s*([a-z]+)="([^"]*)"')
ABOUT_PAGE = "https://schema.org/AboutPage"
NORTH = f"{BASE}id/garden/north"
DUMP = f"{BASE}dump/all.nq.gz"


@pytest.fixture(scope="module")
def garden():
    return a_publication()


def read_links(text, at=""):
    """Every link of a Link header or of application/linkset: context, relation, target, media type."""
    links, position = [], 0
    text = text.strip()
    while position < len(text):
        member = _LINK.match(text, position)
        assert member, text[position : position + 80]
        parameters = dict(_PARAMETER.findall(member[2]))
        links.append((parameters.get("anchor", at), parameters["rel"], member[1], parameters.get("type", "")))
        position = member.end()
    return links


def read_linkset(body):
    return [
        (context["anchor"], rel, target["href"], target.get("type", ""))
        for context in json.loads(body)["linkset"]
        for rel, targets in context.items()
        if rel != "anchor"
        for target in targets
    ]


def links_of(publication, path, accept=None):
    return read_links(reply(publication, path, accept=accept).header("Link"), at=f"{BASE}{path[1:]}")


def test_a_page_names_the_thing_its_data_its_licence_and_its_kinds(garden):
    links = {(rel, target, kind) for _, rel, target, kind in links_of(garden, "/doc/garden/north")}
    assert {
        ("cite-as", NORTH, ""),
        ("describedby", "/data/garden/north.ttl", "text/turtle"),
        ("describedby", "/data/garden/north.jsonld", "application/ld+json"),
        ("license", "https://licence.example/by", ""),
        ("type", ABOUT_PAGE, ""),
        ("type", f"{BASE}ontology#Garden", ""),
        ("linkset", "/data/garden/north.linkset.json", "application/linkset+json"),
        ("linkset", "/data/garden/north.linkset", "application/linkset"),
    } <= links
    assert [target for rel, target, _ in links if rel == "cite-as"] == [NORTH]


def test_data_leads_back_to_the_page_and_is_no_page_itself(garden):
    for fmt in GRAPH_FORMATS:
        links = links_of(garden, f"/data/garden/north.{fmt.extension}")
        found = {(rel, target) for _, rel, target, _ in links}
        assert ("describes", "/doc/garden/north") in found
        assert ("type", ABOUT_PAGE) not in found
        assert "describedby" not in {rel for rel, _ in found}


def test_every_link_of_every_header_is_answered(garden):
    """From each page, by the header alone: the data, all the links, and the way back."""
    pages = [path for path, fmt in addresses(garden) if fmt is PAGE]
    followed = set()
    assert len(pages) > 20
    for path in pages:
        header = reply(garden, path, accept="text/html").header("Link")
        for _, rel, target, kind in read_links(header) if header else ():
            if rel in ("alternate", "describedby", "linkset", "describes") and target not in followed:
                followed.add(target)
                answer = reply(garden, target, accept="text/html" if kind == PAGE.media_type else None)
                assert answer.status in (200, 406), (path, rel, target)
                assert answer.status == 406 or answer.header("Content-Type").partition(";")[0] == kind
    assert len(followed) > 100


def test_a_linkset_says_in_both_formats_what_the_headers_say(garden):
    seen = 0
    for path, fmt in addresses(garden):
        if not path.endswith(".linkset"):
            continue
        seen += 1
        as_json, as_text = reply(garden, f"{path}.json"), reply(garden, path)
        assert as_json.header("Content-Type") == "application/linkset+json"
        assert as_text.header("Content-Type") == fmt.media_type == "application/linkset"
        links = read_linkset(as_json.body)
        assert sorted(read_links(as_text.body.decode())) == sorted(links), path
        assert all(target.startswith("http") for _, _, target, _ in links)
        page = next(anchor for anchor, rel, _, _ in links if rel == "cite-as")
        header = links_of(garden, "/" + page.removeprefix(BASE), "text/html")
        for _, rel, target, kind in header:
            if rel in ("cite-as", "license", "type", "describedby", "item", "author"):
                assert (page, rel, urljoin(BASE, target.lstrip("/")), kind) in links, (path, rel)
        described = {target for anchor, rel, target, _ in links if (anchor, rel) == (page, "describedby")}
        assert described == {
            anchor for anchor, rel, target, _ in links if (rel, target) == ("describes", page)
        }
    assert seen > 20


def test_a_linkset_is_the_same_under_a_prefix_and_has_a_tag(garden):
    there = a_publication(public_url="https://gardens.example/a/b")
    for extension in ("linkset", "linkset.json"):
        path = f"/data/garden/north.{extension}"
        here = reply(garden, path)
        assert here.body == reply(there, path).body
        assert reply(garden, path, if_none_match=here.header("ETag")).status == 304
    header = reply(there, "/doc/garden/north").header("Link")
    assert '</a/b/data/garden/north.linkset>; rel="linkset"' in header


@pytest.mark.parametrize(
    "path", ["/data/garden/nowhere.linkset", "/nowhere.linkset.json", "/.linkset", "/browse.linkset"]
)
def test_there_are_no_links_of_what_is_not(garden, path):
    assert reply(garden, path).status == 404


POSTS = Signposts(
    f"{BASE}dataset",
    "/",
    "/dataset",
    ((TURTLE, "/dataset.ttl"), (NQUADS, "/dataset.nq")),
    ("https://schema.org/Dataset",),
    "https://licence.example/by",
    ("https://orcid.example/0000-0001",),
    ((DUMP, "application/n-quads"), (f'{BASE}dump/a"b,<é>.ttl', "")),
)


def test_files_are_items_of_their_dataset_and_lead_back_to_it():
    links = {(post.anchor, post.rel, post.target, post.media_type) for post in signposts_of(POSTS, BASE)}
    assert (BASE, "item", DUMP, "application/n-quads") in links
    assert (DUMP, "collection", BASE, "text/html") in links
    assert (BASE, "author", "https://orcid.example/0000-0001", "") in links
    header = read_links(", ".join(header_of(POSTS, BASE, PAGE, str)))
    assert ("", "item", DUMP, "application/n-quads") in header
    assert ("", "author", "https://orcid.example/0000-0001", "") in header


def test_unusual_addresses_stay_one_link_each():
    text, expected = linkset_text(POSTS, BASE).decode(), signposts_of(POSTS, BASE)
    assert text.isascii()
    assert len(read_links(text)) == len(expected) == len(read_linkset(linkset_json(POSTS, BASE)))
    assert f"<{BASE}dump/a%22b,%3C%C3%A9%3E.ttl>" in text


def test_the_shipped_dataset_and_things_have_signposts(publication):
    base = publication.base
    for path in ("/", "/dataset", "/doc/cooperation/ln2"):
        links = read_links(reply(publication, path, accept="text/html").header("Link"))
        rels = {rel for _, rel, _, _ in links}
        assert {"cite-as", "describedby", "license", "type", "linkset"} <= rels, path
        linkset = next(target for _, rel, target, kind in links if rel == "linkset" and kind.endswith("json"))
        assert json.loads(reply(publication, linkset).body)["linkset"]
    things = [
        path for path, _ in addresses(publication) if path.startswith("/data/") and path.endswith(".linkset")
    ]
    assert len(things) > 300
    assert f"{base}doc/cooperation/ln2" in reply(publication, "/data/cooperation/ln2.linkset").body.decode()


def test_the_files_of_the_dataset_are_its_items(publication):
    links = links_of(publication, "/dataset", "text/html")
    items = {target: kind for _, rel, target, kind in links if rel == "item"}
    assert items[f"{publication.base}dump/dataset.nq.gz"] == "application/gzip"
    for target, kind in items.items():
        answer = reply(publication, "/" + target.removeprefix(publication.base))
        assert (answer.status, answer.header("Content-Type").partition(";")[0]) == (200, kind)


def test_the_day_of_the_release_is_said_with_every_document(publication):
    day = reply(publication, "/data/cooperation/ln2.ttl").header("Last-Modified")
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} 00:00:00 GMT", day)
    for path in ("/doc/cooperation/ln2", "/ontology.ttl", "/data/cooperation/ln2.linkset", "/"):
        answer = reply(publication, path, accept="*/*")
        assert answer.header("Last-Modified") == day
        again = reply(publication, path, accept="*/*", if_none_match=answer.header("ETag"))
        assert (again.status, again.header("Last-Modified")) == (304, day)
    assert reply(publication, "/doc/cooperation/none").header("Last-Modified") is None


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2024-02-29", "Thu, 29 Feb 2024 00:00:00 GMT"),
        ("2024-02-29T23:30:00-05:00", "Fri, 01 Mar 2024 04:30:00 GMT"),
        ("2024-02-29T23:30:00Z", "Thu, 29 Feb 2024 23:30:00 GMT"),
        ("2024", None),
        ("", None),
        ("2024-02-30", None),
    ],
)
def test_a_day_is_said_the_way_of_http(day, said):
    assert http_date(day) == said
