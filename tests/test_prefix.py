"""The running server below a path of its host, as a proxy leaves the path on or takes it off."""

import re

import httpx
import pytest
from conftest import Server

PREFIX = "/a/b"
SPOOFED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "gopher",
    "X-Original-URL": "/evil.example",
    "Forwarded": "host=evil.example;proto=https",
}
ADDRESSES = [
    ("/", "text/html", 200),
    ("/", "text/turtle", 200),
    ("/id/cooperation/ln2", "text/html", 303),
    ("/id/cooperation/ln2", "application/ld+json", 303),
    ("/id/cooperation/LN2/", "text/html", 308),
    ("/doc/cooperation/ln2", "text/html", 200),
    ("/data/cooperation/ln2.ttl", "*/*", 200),
    ("/data/cooperation/ln2.linkset.json", "*/*", 200),
    ("/id/cooperation/ln3", "text/html", 404),
    ("/id/cooperation/ln3", "application/json", 404),
    ("/doc/cooperation/ln2", "image/png", 406),
    ("/ontology", "text/html", 200),
    ("/ontology/", "text/turtle", 308),
    ("/sparql", "text/html", 200),
    ("/sparql/?query=ASK%20%7B%7D", "*/*", 308),
    ("/sparql?query=ASK%20%7B%7D", "*/*", 200),
    ("/queries", "text/html", 200),
    ("/graphs", "text/html", 200),
    ("/dataset", "text/html", 200),
    ("/robots.txt", "*/*", 200),
]


@pytest.fixture(scope="module")
def below():
    with (
        Server("--no-validate", public_url=f"https://data.example{PREFIX}") as started,
        httpx.Client(base_url=started.url, timeout=30) as opened,
    ):
        yield opened


@pytest.mark.parametrize(("path", "accept", "status"), ADDRESSES)
def test_the_path_may_be_left_on_or_taken_off_by_a_proxy(below, client, path, accept, status):
    """The same answer either way, and that of a server at the root with its links moved."""
    on, off = (below.get(f"{front}{path}", headers={"Accept": accept}) for front in (PREFIX, ""))
    root = client.get(path, headers={"Accept": accept})
    assert on.status_code == off.status_code == root.status_code == status
    assert on.content == off.content
    assert on.headers.get("location") == off.headers.get("location")
    if "location" in root.headers:
        assert on.headers["location"] == PREFIX + root.headers["location"]
    if on.headers["content-type"].startswith("text/html"):
        links = re.findall(r'(?:href|src|action)="(/[^"]*)"', on.text)
        assert links
        assert all(link.startswith(f"{PREFIX}/") for link in links)
    elif status == 200 and not path.startswith(("/sparql", "/robots.txt")):
        assert on.content == root.content


@pytest.mark.parametrize(("path", "accept", "status"), ADDRESSES)
def test_what_a_request_says_of_its_host_has_no_effect(below, path, accept, status):
    told = below.get(path, headers={"Accept": accept, **SPOOFED})
    plain = below.get(path, headers={"Accept": accept})
    assert told.status_code == plain.status_code == status
    assert told.content == plain.content
    kept = ("content-type", "location", "link", "etag", "vary", "content-location", "last-modified")
    assert [told.headers.get(name) for name in kept] == [plain.headers.get(name) for name in kept]
    assert "evil" not in told.text + str(told.headers)


def test_a_path_that_only_begins_like_the_prefix_is_another_path(below):
    assert below.get(f"{PREFIX}c/").status_code == 404
    assert below.get(f"{PREFIX}{PREFIX}/").status_code == 404
