"""A small hand-made publication for the tests of descriptions, pages and addresses."""

from pathlib import Path

import pyoxigraph as ox

from cnrs_graph.dataset import load, merged
from cnrs_graph.publication import Publication, inferred_graph
from cnrs_graph.queries import SavedQuery

BASE = "https://example.org/g/"
FILES = Path(__file__).parent / "fixtures" / "site"
_FAMILIES = {
    "ontology": "ontology",
    "plants": "ontology/vocab",
    "shapes": "shapes",
    "curated": "curated",
    "rumour": "claims",
    "meta": "meta",
}


def said():
    return merged(
        *(load(FILES / f"{name}.ttl", base=BASE, under=family) for name, family in _FAMILIES.items())
    )


def inferred():
    garden, bed = ox.NamedNode(f"{BASE}id/garden/north"), f"{BASE}id/bed/north/"
    graph = ox.NamedNode(inferred_graph(BASE))
    has_bed = ox.NamedNode(f"{BASE}ontology#hasBed")
    shade = ox.Quad(
        garden, ox.NamedNode(f"{BASE}ontology#plant"), ox.NamedNode(f"{BASE}id/garden/hostile"), graph
    )
    return (*(ox.Quad(garden, has_bed, ox.NamedNode(f"{bed}{n}"), graph) for n in (1, 2)), shade)


def saved_query():
    text = "#+ summary: all gardens\nSELECT ?g WHERE { ?g a <https://example.org/g/ontology#Garden> }\n"
    return SavedQuery("gardens", "all gardens", (), text, Path("gardens.rq"))


def a_publication(**changes):
    facts = {
        "base": BASE,
        "public_url": "",
        "title": {"en": "The gardens"},
        "notice": {"en": "Nobody's service."},
        "said": said(),
        "inferred": inferred(),
        "catalogue": {"gardens": saved_query()},
        "report": None,
        "outside_default": ("claims",),
    }
    return Publication(**(facts | changes))


def iri(tail):
    return BASE + tail
