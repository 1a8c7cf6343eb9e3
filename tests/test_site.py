"""Every address: negotiation, caching, other spellings, errors, and nothing that depends on the host."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pyoxigraph as ox
import pytest
from garden import BASE, a_publication, iri
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnrs_graph import errors, replies
from cnrs_graph.addresses import prefix_of
from cnrs_graph.formats import GRAPH_FORMATS, PAGE, RDFXML, TURTLE
from cnrs_graph.pages import stylesheet_path
from cnrs_graph.site import addresses, failure, query_form, query_results, reply, service_description

ENGINE = {
    "turtle": ox.RdfFormat.TURTLE,
    "ntriples": ox.RdfFormat.N_TRIPLES,
    "jsonld": ox.RdfFormat.JSON_LD,
    "rdfxml": ox.RdfFormat.RDF_XML,
    "trig": ox.RdfFormat.TRIG,
    "nquads": ox.RdfFormat.N_QUADS,
}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
NORTH = "/id/garden/north"


@pytest.fixture(scope="module", params=["", "/a/b", "https://gardens.example/a/b/"])
def garden(request):
    """The gardens at the root of a host, and below a path of one."""
    return a_publication(public_url=request.param)


@pytest.fixture(scope="module")
def ask(garden):
    """Ask for a path; every local link must stand below the prefix, which is then taken off."""
    prefix = prefix_of(garden.public_url)

    def ask_(path, accept=None, **rest):
        answer = reply(garden, path, accept=accept, **rest)
        return without_prefix(answer, prefix) if prefix else answer

    return ask_


def without_prefix(answer, prefix):
    headers = []
    for name, value in answer.headers:
        if name in ("Location", "Content-Location"):
            assert value.startswith(f"{prefix}/"), f"{name}: {value}"
            value = value.removeprefix(prefix)
        elif name == "Link":
            local = re.findall(r"<(/[^>]*)>", value)
            assert all(each.startswith(f"{prefix}/") for each in local), value
            value = value.replace(f"<{prefix}/", "</")
        headers.append((name, value))
    body = answer.body
    if answer.status != 304 and answer.header("Content-Type") == PAGE.content_type:
        links = [link for _, _, link in parsed(body).links if link.startswith("/")]
        assert links
        assert all(link.startswith(f"{prefix}/") for link in links), links
        body = body.replace(f'"{prefix}/'.encode(), b'"/')
    elif answer.status in (301, 303, 308):
        body = body.removeprefix(prefix.encode())
    return replies.Reply(answer.status, tuple(headers), body)


def flat(quads):
    return {(q.subject, q.predicate, q.object) for q in quads}


def read(answer, fmt):
    return list(ox.parse(input=answer.body, format=ENGINE[fmt.name], base_iri="https://elsewhere.example/"))


# ------------------------------------------------------------------------------------------ negotiation


@pytest.mark.parametrize(
    ("accept", "location"),
    [
        (None, "/doc/garden/north"),
        ("*/*", "/doc/garden/north"),
        (BROWSER, "/doc/garden/north"),
        ("text/turtle", "/data/garden/north.ttl"),
        ("application/turtle", "/data/garden/north.ttl"),
        ("application/n-triples", "/data/garden/north.nt"),
        ("application/ld+json", "/data/garden/north.jsonld"),
        ('application/ld+json;profile="a,b"', "/data/garden/north.jsonld"),
        ("application/json", "/data/garden/north.jsonld"),
        ("application/rdf+xml", "/data/garden/north.rdf"),
        ("application/trig", "/data/garden/north.trig"),
        ("application/n-quads", "/data/garden/north.nq"),
        ("text/html;q=0.5, text/turtle;q=0.9", "/data/garden/north.ttl"),
        ("text/turtle;q=0, */*", "/doc/garden/north"),
        ("text/html;q=0, */*;q=0.1", "/data/garden/north.ttl"),
        ("text/turtle, text/html;q=1.0", "/doc/garden/north"),
        ("text/turtle;q=banana, application/n-triples", "/data/garden/north.nt"),
    ],
)
def test_a_thing_leads_to_the_document_that_fits(ask, accept, location):
    answer = ask(NORTH, accept)
    assert (answer.status, answer.header("Location")) == (303, location)
    assert answer.header("Vary") == "Accept"
    assert ask(location, accept).status == 200


@pytest.mark.parametrize("path", [NORTH, "/doc/garden/north", "/ontology", "/", "/browse", "/vocab/plant"])
@pytest.mark.parametrize("accept", ["image/png", "text/turtle;q=0", "banana/*", "no header at all"])
def test_what_cannot_be_had_is_refused_and_the_offer_named(ask, path, accept):
    answer = ask(path, accept)
    assert answer.status == 406
    assert "text/html" in json.loads(answer.body)["offered"]
    assert answer.header("Vary") == "Accept"


def test_a_page_address_sends_machines_on_to_their_format(ask):
    answer = ask("/doc/garden/north", "text/turtle")
    assert (answer.status, answer.header("Location")) == (303, "/data/garden/north.ttl")


def test_the_address_of_a_format_wins_over_accept(ask):
    assert ask("/data/garden/north.ttl", "text/html").header("Content-Type") == "text/turtle; charset=utf-8"


@pytest.mark.parametrize("fmt", GRAPH_FORMATS, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize(
    "path", ["/ontology", "/ontology/1.2.0", "/shapes", "/vocab/plant", "/vocab/plant/rose", "/"]
)
def test_terms_and_lists_are_negotiated_where_they_are(ask, path, fmt):
    answer = ask(path, fmt.media_type)
    assert answer.status == 200
    assert answer.header("Content-Type") == fmt.content_type
    assert read(answer, fmt)
    own = ask(answer.header("Content-Location"))
    assert (own.body, own.header("ETag")) == (answer.body, answer.header("ETag"))


def test_what_is_served_has_its_own_address_in_every_format(garden, ask):
    found = list(addresses(garden))
    assert len(found) > 100
    assert len({path for path, _ in found}) == len(found)
    for path, fmt in found:
        answer = ask(path, fmt.media_type)
        refused = answer.status == 406 and fmt is RDFXML and b"control character" in answer.body
        assert answer.status == 200 or refused, path
        if not refused:
            assert answer.header("Content-Type") == fmt.content_type, path


@settings(max_examples=300, deadline=None)
@given(
    accept=st.none()
    | st.text()
    | st.from_regex(r"([a-z*]{1,9}/[a-z+*]{1,9}(;q=[0-9.]{0,5})?,? ?){0,4}", fullmatch=True)
)
def test_any_accept_header_gets_an_answer(accept):
    answer = reply(GARDEN, NORTH, accept=accept)
    assert answer.status in (303, 406)
    assert answer.body


@settings(max_examples=300, deadline=None)
@given(path=st.text() | st.text("/.%id-ocagrenohtl2tjsnx#?\x00é", max_size=30).map(lambda text: f"/{text}"))
@example(path="/id/garden/north\x00")
@example(path="/data/../../etc/passwd")
@example(path="/%2e%2e/%2e%2e/etc/passwd")
@example(path="/static/../site.py")
@example(path="//")
@example(path="/data/")
@example(path="/doc/")
@example(path="/id/")
@example(path="/data/.ttl")
@example(path="/queries/")
@example(path="/queries/.rq")
@example(path="/graph/%ff%fe.nt")
@example(path="")
@example(path="/" + "a" * 20_000)
def test_any_path_gets_an_answer(path):
    for accept in (None, "text/html", "application/json"):
        answer = reply(GARDEN, path, accept=accept)
        assert answer.status in (200, 303, 308, 404, 406)
        assert answer.body
        assert all("\n" not in value and "\r" not in value and value.isascii() for _, value in answer.headers)


GARDEN = a_publication()

# ----------------------------------------------------------------------------------------------- HTTP


def test_each_format_has_an_entity_tag_of_its_own(ask):
    tags = {ask(f"/data/garden/north.{fmt.extension}").header("ETag") for fmt in GRAPH_FORMATS}
    tags.add(ask("/doc/garden/north").header("ETag"))
    assert len(tags) == len(GRAPH_FORMATS) + 1
    assert all(re.fullmatch(r'"[0-9a-f]+"', tag) for tag in tags)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"a", W/{} , "b"', "*"])
def test_an_unchanged_representation_is_not_sent_again(ask, form):
    tag = ask("/doc/garden/north").header("ETag")
    answer = ask("/doc/garden/north", if_none_match=form.format(tag))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.header("ETag") == tag
    assert answer.header("Vary") == "Accept, Accept-Language"
    assert answer.header("Access-Control-Allow-Origin") == "*"


def test_another_tag_or_another_format_is_sent(ask):
    tag = ask("/data/garden/north.ttl").header("ETag")
    assert ask("/data/garden/north.nt", if_none_match=tag).status == 200
    assert ask("/data/garden/north.ttl", if_none_match='"x"').status == 200
    assert ask("/data/garden/north.ttl", if_none_match=tag.strip('"')).status == 200


def test_what_does_not_exist_is_never_unchanged(ask):
    assert ask("/doc/garden/nowhere", if_none_match="*").status == 404
    assert ask("/doc/garden/north", "image/png", if_none_match="*").status == 406


EVERY_KIND = [
    ("/", None),
    ("/doc/garden/north", None),
    (NORTH, "text/turtle"),
    ("/data/garden/north.ttl", None),
    ("/doc/garden/nowhere", None),
    ("/doc/garden/nowhere", "text/html"),
    ("/doc/garden/north", "image/png"),
    ("/doc/garden/north/", None),
    ("/robots.txt", None),
    (stylesheet_path(), None),
    ("/queries/gardens.rq", None),
]


@pytest.mark.parametrize(("path", "accept"), EVERY_KIND)
def test_every_answer_is_open_to_all_origins_without_credentials(ask, path, accept):
    answer = ask(path, accept)
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert "ETag" in answer.header("Access-Control-Expose-Headers")
    assert answer.header("Access-Control-Allow-Credentials") is None
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy")
    assert answer.header("Cache-Control")
    names = [name.lower() for name, _ in answer.headers]
    assert len(names) == len(set(names))


def test_the_link_header_names_formats_thing_licence_and_kind(ask):
    for path in ("/doc/garden/north", "/data/garden/north.ttl", NORTH):
        links = ask(path).header("Link")
        for fmt in GRAPH_FORMATS:
            assert f'</data/garden/north.{fmt.extension}>; rel="alternate"; type="{fmt.media_type}"' in links
        assert '</doc/garden/north>; rel="alternate"; type="text/html"' in links
        assert f'<{BASE}id/garden/north>; rel="cite-as"' in links
        assert f'<{BASE}doc/garden/north>; rel="canonical"' in links
        described = '</data/garden/north.ttl>; rel="describedby"; type="text/turtle"' in links
        assert described is ("/data/" not in path)
        assert '<https://licence.example/by>; rel="license"' in links
        assert f'<{BASE}ontology#Garden>; rel="type"' in links


def test_pages_forbid_scripts_and_other_origins(ask):
    for path, accept in (("/", None), ("/doc/garden/north", None), ("/nowhere", "text/html")):
        policy = ask(path, accept).header("Content-Security-Policy")
        assert policy.startswith("default-src 'none'; style-src 'self'")
        assert "unsafe" not in policy


# ---------------------------------------------------------------------------------------- spellings, errors


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/doc/garden/north/", "/doc/garden/north"),
        ("/doc/Garden/NORTH", "/doc/garden/north"),
        ("/doc/garden/%6Eorth", "/doc/garden/north"),
        ("/id/garden/North/", "/id/garden/north"),
        ("/data/garden/NORTH.TTL", "/data/garden/north.ttl"),
        ("/ontology/", "/ontology"),
        ("/Ontology", "/ontology"),
        ("/ontology.TTL", "/ontology.ttl"),
        ("/vocab/Plant/rose/", "/vocab/plant/rose"),
        ("/browse/garden", "/browse/Garden"),
        ("/queries/Gardens/", "/queries/gardens"),
        ("/graph/curated/curated/", "/graph/curated/curated"),
        ("/doc/garden/café", "/doc/garden/caf%C3%A9"),
        ("/doc/garden/cafe\u0301", "/doc/garden/caf%C3%A9"),
        ("/doc/garden/caf%c3%a9", "/doc/garden/caf%C3%A9"),
        ("/doc/garden/cafe%CC%81", "/doc/garden/caf%C3%A9"),
        ("/doc/garden/cafÃ©", "/doc/garden/caf%C3%A9"),
    ],
)
def test_another_spelling_leads_to_the_canonical_one(ask, path, canonical):
    answer = ask(path, query="a=1&b=%20")
    assert (answer.status, answer.header("Location")) == (308, f"{canonical}?a=1&b=%20")
    assert ask(canonical).status in (200, 303)


@pytest.mark.parametrize(
    "path", ["/doc/garden/cafe", "/doc/garden/nowhere/", "/doc/garden/caf%25C3%25A9", "/doc/NOWHERE"]
)
def test_another_spelling_of_nothing_is_nothing(ask, path):
    assert ask(path).status == 404


@pytest.mark.parametrize("tail", ["café", "o'hara+sons&co@home"])
def test_things_with_unusual_names_answer_in_every_format(ask, tail):
    encoded = tail.replace("é", "%C3%A9")
    thing = ox.NamedNode(iri(f"id/garden/{tail}"))
    assert ask(f"/id/garden/{encoded}", "text/turtle").header("Location") == f"/data/garden/{encoded}.ttl"
    for fmt in GRAPH_FORMATS:
        assert thing in {q.subject for q in read(ask(f"/data/garden/{encoded}.{fmt.extension}"), fmt)}


@pytest.mark.parametrize(
    "path", ["/doc/garden/nrth", "/id/garden/nrth", "/data/garden/nrth.ttl", "/elsewhere"]
)
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/problem+json"),
        ("application/json", "application/problem+json"),
        ("text/turtle", "application/problem+json"),
        ("text/plain", "text/plain; charset=utf-8"),
        (BROWSER, "text/html; charset=utf-8"),
    ],
)
def test_errors_are_negotiated_too_and_never_empty(ask, path, accept, media_type):
    answer = ask(path, accept)
    assert answer.status == 404
    assert answer.header("Content-Type") == media_type
    assert answer.header("Vary") == ("Accept, Accept-Language" if "html" in media_type else "Accept")
    assert b"nothing is said about" in answer.body


def test_a_misspelt_thing_is_answered_with_what_was_meant(ask):
    assert iri("id/garden/north") in json.loads(ask("/doc/garden/nrth").body)["near"]
    page = ask("/doc/garden/nrth", "text/html").body.decode()
    assert 'href="/doc/garden/north"' in page


def test_an_unknown_query_names_the_known(ask):
    answer = ask("/queries/gardenz")
    assert answer.status == 404
    assert "gardens" in json.loads(answer.body)["detail"]


def test_every_error_has_a_status():
    kinds = [errors.CnrsGraphError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert len(kinds) > 15
    for kind in kinds:
        assert replies.status_of(kind.__new__(kind)) >= 400
    assert replies.status_of(ValueError()) == 500


def test_a_mistake_of_ours_keeps_its_details(garden):
    for accept in (None, "text/plain", "text/html"):
        answer = failure(garden, ValueError("/secret/path"), accept=accept)
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert answer.header("Cache-Control") == "no-store"


def test_errors_carry_what_their_status_asks_for(garden):
    busy = failure(garden, errors.TooManyQueriesError(64, 7))
    assert (busy.status, busy.header("Retry-After")) == (503, "7")
    method = failure(garden, errors.MethodNotAllowedError("PUT", ("GET", "HEAD")))
    assert (method.status, method.header("Allow")) == (405, "GET, HEAD")
    broken = json.loads(
        failure(garden, errors.QueryError("no", line=2, column=3, excerpt="x", hint="h")).body
    )
    assert (broken["line"], broken["column"], broken["hint"]) == (2, 3, "h")


# -------------------------------------------------------------------------------------- prefix, host, links


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.anchors, self.tags, self.attributes = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        if (tag, attrs) == ("script", [("type", "application/ld+json")]):
            return  # data, which nothing runs
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.append(name)
            if name == "id":
                assert value not in self.anchors, f"{value} stands twice"
                self.anchors.add(value)
            if name in ("href", "src", "action"):
                self.links.append((tag, dict(attrs).get("rel") or "", value))


def parsed(body):
    found = Links()
    found.feed(body.decode())
    return found


def crawl(publication, prefix=""):
    """Follow every local link from the front page; gives the pages, and the targets outside."""
    pages, outside, waiting, seen = {}, set(), [(prefix + "/", "")], set()
    fragments = []
    while waiting:
        target, origin = waiting.pop()
        # The ways to narrow lists down are as many as there are choices; test_lists.py follows them.
        path = target.partition("?")[0]
        if path in seen:
            continue
        seen.add(path)
        assert path.startswith(f"{prefix}/"), f"{path} on {origin} leaves the prefix"
        accept = "text/html" if not re.search(r"\.\w+$", path) else None
        answer = reply(publication, path[len(prefix) :], accept=accept)
        if path[len(prefix) :].endswith(("/sparql", "/counts")):
            continue
        allowed = (200, 406) if path.endswith(".rdf") else (200,)
        assert answer.status in allowed, f"{answer.status} for {path}, linked from {origin}"
        if answer.header("Content-Type") != PAGE.content_type or answer.status != 200:
            continue
        pages[path] = parsed(answer.body)
        for _, rel, link in pages[path].links:
            if urlsplit(link).scheme:
                outside.add((rel, link))
                continue
            whole = urlsplit(urljoin(f"http://x{path}", link))
            if whole.fragment:
                fragments.append((whole.path, whole.fragment, path))
            if not whole.query:
                waiting.append((whole.path, path))
    for path, fragment, origin in fragments:
        assert path not in pages or fragment in pages[path].anchors, (
            f"{path}#{fragment}, linked from {origin}"
        )
    return pages, outside


@pytest.mark.parametrize("public_url", ["", "/a/b", "https://gardens.example/a/b/"])
def test_no_link_is_dead_under_any_prefix(public_url):
    prefix = "/a/b" if public_url else ""
    pages, outside = crawl(a_publication(public_url=public_url), prefix)
    assert {
        f"{prefix}/doc/garden/north",
        f"{prefix}/vocab/plant/rose",
        f"{prefix}/graph/inferred",
    } <= pages.keys()
    assert all(link.startswith(("https://", "http://")) for _, link in outside)
    assert "https://north.example/" in {link for _, link in outside}


def test_redirects_and_headers_carry_the_prefix_and_no_host():
    publication = a_publication(public_url="https://gardens.example/a/b")
    assert reply(publication, NORTH, accept="text/turtle").header("Location") == "/a/b/data/garden/north.ttl"
    assert reply(publication, "/doc/garden/North").header("Location") == "/a/b/doc/garden/north"
    assert (
        reply(publication, "/ontology", accept="text/turtle").header("Content-Location")
        == "/a/b/ontology.ttl"
    )
    assert "</a/b/data/garden/north.ttl>" in reply(publication, "/doc/garden/north").header("Link")


def test_the_site_under_a_prefix_is_the_same_site():
    """Every address and some that are none: same status, headers and bytes, but for where links lead."""
    here, there = a_publication(), a_publication(public_url="https://gardens.example/a/b")
    asked = [(path, fmt.media_type) for path, fmt in addresses(here)]
    assert len(asked) > 200
    asked += [(NORTH, accept) for accept in (None, BROWSER, "text/turtle", "image/png")]
    asked += [(path, BROWSER) for path in ("/doc/Garden/north/", "/doc/garden/nrth", "/elsewhere", "/a/b/")]
    # These hold whole addresses for crawlers, so they differ by design.
    asked = [each for each in asked if not each[0].startswith(("/robots.txt", "/sitemap"))]
    for path, accept in asked:
        ours = reply(here, path, accept=accept)
        theirs = without_prefix(reply(there, path, accept=accept), "/a/b")
        if ours.header("Content-Type") == PAGE.content_type:
            ours, theirs = ({**vars(each), "headers": _without_tag(each)} for each in (ours, theirs))
        assert ours == theirs, path


def _without_tag(answer):
    return [(name, value) for name, value in answer.headers if name != "ETag"]


def test_data_is_the_same_wherever_it_is_served():
    here, there = a_publication(), a_publication(public_url="https://gardens.example/a/b")
    for path in ("/data/garden/north.ttl", "/data/garden/north.jsonld", "/ontology.ttl", "/dataset.nt"):
        assert reply(here, path).body == reply(there, path).body


# ------------------------------------------------------------------------------------------- hostile text


def test_hostile_texts_and_links_are_only_text(ask):
    for path in ("/doc/garden/hostile", "/browse/Garden", "/doc/garden/north", "/graph/curated/curated"):
        answer = ask(path, "text/html")
        page = parsed(answer.body)
        assert "script" not in page.tags
        assert "img" not in page.tags
        assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
        assert not [link for _, _, link in page.links if urlsplit(link).scheme not in ("", "http", "https")]
    page = ask("/doc/garden/hostile", "text/html").body.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "javascript:alert(4)" in page
    assert 'href="https://good.example/?a=1&amp;b=&#39;2&#39;" rel="external noopener"' in page


def test_hostile_addresses_are_only_text(ask):
    for path in ('/doc/"><script>alert(1)</script>', "/queries/<script>", "/doc/garden/{{7*7}}"):
        body = ask(path, "text/html").body.decode()
        assert "<script" not in body
        assert "49" not in re.sub(r"[0-9a-f]{12}", "", body)


# ------------------------------------------------------------------------------------------ what is in it


def test_a_thing_is_the_same_in_every_format(ask):
    for tail in ("north", "south", "caf%C3%A9"):
        wanted = flat(read(ask(f"/data/garden/{tail}.ttl"), TURTLE))
        assert wanted
        for fmt in GRAPH_FORMATS:
            quads = read(ask(f"/data/garden/{tail}.{fmt.extension}"), fmt)
            accepted = [q for q in quads if "graph/claims/" not in str(q.graph_name)]
            assert flat(accepted) == wanted


def test_claims_that_differ_are_only_in_formats_that_name_their_graph(ask):
    for fmt in GRAPH_FORMATS:
        years = {q.object.value for q in read(ask(f"/data/garden/north.{fmt.extension}"), fmt)}
        assert "1901" in years
        assert ("1899" in years) is fmt.keeps_graphs, fmt.name
    assert "1899" in ask("/graph/claims/rumour.ttl").body.decode()


def test_a_document_says_its_topic_its_licence_and_its_dataset(ask):
    text = ask("/data/garden/north.nt").body.decode()
    page = f"<{BASE}doc/garden/north>"
    assert f"{page} <http://xmlns.com/foaf/0.1/primaryTopic> <{BASE}id/garden/north> ." in text
    assert f"{page} <http://purl.org/dc/terms/license> <https://licence.example/by> ." in text
    assert f"{page} <http://rdfs.org/ns/void#inDataset> <{BASE}dataset> ." in text


def test_the_service_describes_itself_in_every_format(garden):
    bodies = set()
    for fmt in GRAPH_FORMATS:
        answer = service_description(garden, fmt, limits={"seconds": 30})
        assert answer.header("Content-Type") == fmt.content_type
        assert answer.header("Vary") == "Accept"
        bodies.add(frozenset(flat(read(answer, fmt))))
    assert len(bodies) == 1


def test_the_form_and_the_results_are_pages(garden):
    assert b"<textarea" in query_form(garden).body
    rows = {
        "head": {"vars": ["g", "n"]},
        "results": {
            "bindings": [
                {"g": {"type": "uri", "value": iri("id/garden/north")}},
                {
                    "n": {"type": "literal", "value": "<b>", "xml:lang": "fr"},
                    "g": {"type": "bnode", "value": "b0"},
                },
                {"g": {"type": "uri", "value": "javascript:alert(1)"}},
            ]
        },
    }
    page = query_results(
        garden, "SELECT </textarea><script>", "SELECT", json.dumps(rows).encode()
    ).body.decode()
    prefix = prefix_of(garden.public_url)
    assert f'href="{prefix}/doc/garden/north">North garden</a>' in page
    assert "&lt;b&gt;" in page
    assert page.count("<script") == page.count(f'<script type="module" src="{prefix}/static/editor-')
    assert 'href="javascript' not in page
    assert "yes" in query_results(garden, "ASK {}", "ASK", b'{"head":{},"boolean":true}').body.decode()
    assert (
        "&lt;urn:a&gt;"
        in query_results(garden, "CONSTRUCT", "CONSTRUCT", b"<urn:a> <urn:b> <urn:c> .").body.decode()
    )
    assert "too large" in query_results(garden, "SELECT", "SELECT", None).body.decode()


# ------------------------------------------------------------------------------------- the shipped data


def test_no_link_of_the_shipped_pages_is_dead(publication):
    pages, outside = crawl(publication)
    assert len(pages) > 500
    assert all(link.startswith(("https://", "http://")) for _, link in outside)


def test_every_shipped_thing_is_in_every_format_what_was_written(publication):
    said = {}
    for quad in publication.said.without("claims").quads:
        said.setdefault(quad.subject, set()).add((quad.subject, quad.predicate, quad.object))
    things = sorted((s for s in said if s.value.startswith(f"{publication.base}id/")), key=str)
    assert len(things) > 300
    for thing in things:
        stem = "/data/" + thing.value[len(publication.base) + 3 :]
        wanted = None
        for fmt in GRAPH_FORMATS:
            answer = reply(publication, f"{stem}.{fmt.extension}")
            assert answer.status == 200, (stem, fmt.name)
            quads = read(answer, fmt)
            found = flat(q for q in quads if "/graph/claims/" not in str(q.graph_name))
            assert said[thing] <= found, (stem, fmt.name)
            wanted = wanted or found
            assert found == wanted, (stem, fmt.name)


def test_pages_of_things_are_light(publication):
    sizes = [
        (len(reply(publication, path, accept="text/html").body), path)
        for path, _ in addresses(publication)
        if path.startswith("/doc/")
    ]
    assert len(sizes) > 300
    heaviest = max(sizes)
    assert heaviest[0] < 60_000, heaviest


def test_a_long_text_is_a_paragraph_and_many_sources_are_a_span(publication):
    page = reply(publication, "/doc/question/fifth-laboratory-in-canada", accept="text/html").body.decode()
    assert '<p class="note"><span class="aside">Reason:</span>' in page
    assert "<dt>Reason" not in page
    assert re.search(r'<a href="#source-1"[^>]*>1</a>–<a href="#source-9"', page)
