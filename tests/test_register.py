"""Things that are published no more: tombstones, successors, and a register that can be trusted."""

import json

import pyoxigraph as ox
import pytest
from garden import BASE, a_publication, iri

from cnrs_graph.addresses import path_of
from cnrs_graph.errors import SourceError
from cnrs_graph.formats import GRAPH_FORMATS
from cnrs_graph.register import Retired, read_register
from cnrs_graph.site import addresses, reply

HEAD = "kind,slug,first_release,status,replaced_by,reason\n"
LOST, OLD, ACCENTED = iri("id/garden/lost"), iri("id/garden/old"), iri("id/garden/été")
WHY = 'Never was a garden; </script> "a mistake"'
RETIRED = {
    LOST: Retired(LOST, None, WHY),
    OLD: Retired(OLD, iri("id/garden/north")),
    ACCENTED: Retired(ACCENTED),
}
OWL = "http://www.w3.org/2002/07/owl#"


@pytest.fixture(scope="module", params=["", "/a/b"])
def site(request):
    return a_publication(public_url=request.param, retired=RETIRED), request.param


@pytest.fixture
def register(tmp_path):
    """Write a register and read it."""

    def read(rows, head=HEAD):
        file = tmp_path / "slugs.csv"
        file.write_text(head + rows, encoding="utf-8")
        return read_register(file, BASE)

    return read


# --------------------------------------------------------------------------------------------- withdrawn


@pytest.mark.parametrize("path", ["/id/garden/lost", "/doc/garden/lost"])
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("text/html", "text/html; charset=utf-8"),
        ("image/png", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("text/plain;q=0.5", "text/plain; charset=utf-8"),
        *((fmt.media_type, fmt.content_type) for fmt in GRAPH_FORMATS),
    ],
)
def test_a_withdrawn_thing_is_gone_and_leaves_a_tombstone(site, path, accept, media_type):
    answer = reply(site[0], path, accept=accept)
    assert (answer.status, answer.header("Content-Type")) == (410, media_type)
    assert answer.header("Vary").startswith("Accept")
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert LOST in answer.body.decode() or b"garden:lost" in answer.body


@pytest.mark.parametrize("fmt", GRAPH_FORMATS, ids=lambda fmt: fmt.name)
def test_the_tombstone_says_that_it_is_one_in_every_format(site, fmt):
    answer = reply(site[0], f"/data/garden/lost.{fmt.extension}", accept="text/html")
    assert (answer.status, answer.header("Content-Type")) == (410, fmt.content_type)
    form = ox.RdfFormat.from_media_type(fmt.media_type)
    said = {(q.subject.value, q.predicate.value, q.object.value) for q in ox.parse(answer.body, format=form)}
    assert said == {
        (LOST, f"{OWL}deprecated", "true"),
        (LOST, "http://www.w3.org/ns/adms#status", "http://purl.org/adms/status/Withdrawn"),
        (LOST, "http://www.w3.org/2004/02/skos/core#changeNote", WHY),
    }


def test_a_tombstone_for_people_says_why_and_breaks_nothing(site):
    page = reply(site[0], "/id/garden/lost", accept="text/html").body.decode()
    assert "Withdrawn" in page
    assert "Never was a garden; &lt;/script&gt;" in page
    problem = json.loads(reply(site[0], "/id/garden/lost").body)
    assert (problem["status"], problem["title"]) == (410, "Withdrawn")
    assert WHY in problem["detail"]


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/id/Garden/LOST/", "/id/garden/lost"),
        ("/doc/garden/lost/", "/doc/garden/lost"),
        ("/data/garden/Lost.ttl", "/data/garden/lost.ttl"),
        ("/id/garden/OLD", "/id/garden/old"),
        ("/id/garden/été", "/id/garden/%C3%A9t%C3%A9"),
        ("/id/garden/%c3%a9t%c3%a9", "/id/garden/%C3%A9t%C3%A9"),
    ],
)
def test_other_spellings_of_what_is_gone_lead_to_it_first(site, path, canonical):
    publication, prefix = site
    answer = reply(publication, path)
    assert (answer.status, answer.header("Location")) == (308, prefix + canonical)
    assert reply(publication, canonical).status in (301, 410)


def test_what_never_was_is_not_gone(site):
    for path in ("/id/garden/never", "/data/garden/lost.exe", "/lost", "/garden/lost", "/doc/lost"):
        assert reply(site[0], path).status == 404, path
    assert reply(site[0], "/doc/garden/lost", if_none_match="*").status == 410


def test_what_is_gone_has_no_address_among_those_of_the_site():
    north = iri("id/garden/north")
    publication = a_publication(retired={north: Retired(north)})
    paths = {path for path, _ in addresses(publication)}
    assert "/doc/garden/south" in paths
    assert not {
        path for path in paths if "/north" in path and path.startswith(("/doc/garden", "/data/garden"))
    }
    assert reply(publication, path_of(BASE, north)).status == 410


# ------------------------------------------------------------------------------------------------ merged


@pytest.mark.parametrize(
    ("path", "successor"),
    [
        ("/id/garden/old", "/id/garden/north"),
        ("/doc/garden/old", "/doc/garden/north"),
        *((f"/data/garden/old.{f.extension}", f"/data/garden/north.{f.extension}") for f in GRAPH_FORMATS),
    ],
)
def test_a_merged_thing_leads_to_its_successor(site, path, successor):
    publication, prefix = site
    for accept in (None, "text/html", "text/turtle", "image/png"):
        answer = reply(publication, path, accept=accept)
        assert (answer.status, answer.header("Location")) == (301, prefix + successor)
        assert reply(publication, successor).status in (200, 303)


# ---------------------------------------------------------------------------------------------- register


def test_the_register_gives_what_is_retired_and_follows_mergers_to_their_end(register):
    found = register(
        "garden,a,1.0,active,,\ngarden,b,1.0,merged,garden/c,the same\n"
        'garden,c,1.0,merged,garden/a,\ngarden,d,1.1,withdrawn,,"no garden, a yard"\n'
    )
    a, b, c, d = (iri(f"id/garden/{slug}") for slug in "abcd")
    assert found == {b: Retired(b, a, "the same"), c: Retired(c, a), d: Retired(d, None, "no garden, a yard")}


def test_a_register_without_the_two_last_columns_is_enough(register):
    found = register("garden,a,1.0,active\ngarden,d,1.1,withdrawn\n", "kind,slug,first_release,status\n")
    assert list(found) == [iri("id/garden/d")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("garden,a,1.0,asleep,,\n", ":2: the status 'asleep' is not one of active, withdrawn, merged"),
        ("garden,a,1.0,active,,\ngarden,b,1.0,merged,,\n", ":3: what is merged names its successor"),
        ("garden,b,1.0,merged,garden/z,\n", ":2: garden/z is not in the register"),
        ("garden,b,1.0,merged,garden/c,\ngarden,c,1.0,merged,garden/b,\n", "is merged into itself"),
        ("garden,b,1.0,merged,garden/b,\n", "garden/b is merged into itself"),
        ("garden,Ä b,1.0,active,,\n", ":2: 'Ä b' is not a slug"),
        ("garden\n", ":2: "),
    ],
)
def test_a_register_that_makes_no_sense_is_refused_with_its_line(register, rows, said):
    with pytest.raises(SourceError, match=r"slugs\.csv") as refused:
        register(rows)
    assert said in str(refused.value)


def test_a_register_without_columns_and_one_that_is_not_there_are_refused(register, tmp_path):
    with pytest.raises(SourceError, match="the columns first_release, status are missing"):
        register("", "kind,slug\n")
    with pytest.raises(SourceError, match="cannot be read"):
        read_register(tmp_path / "none.csv", BASE)


def test_nothing_that_the_shipped_register_retires_is_still_published(publication, config):
    assert config.register is not None
    assert config.register.name == "slugs.csv"
    retired = read_register(config.register, config.base)
    assert retired == publication.retired
    assert retired.keys() & publication.said.without("claims").subjects() == set()
