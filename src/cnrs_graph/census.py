"""A store counted by queries: once when it is built, or once when somebody asks what an endpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyoxigraph as ox

from cnrs_graph.descriptions import NAMES, node_key
from cnrs_graph.inventory import Census, links_by_target
from cnrs_graph.lookup import Counted, Shelves, number
from cnrs_graph.store import Store
from cnrs_graph.terms import Term, graph_family


def count(store: Store, shelves: Shelves) -> Counted:
    """Count what a store holds: statements, classes, properties, graphs, links, things by class.

    Graphs: what was said in every graph for the census; accepted and inferred for things by class.
    Raises: EndpointError when a remote store fails.
    """
    base = shelves.base
    said = shelves.anywhere("?s ?p ?o") + (
        f" FILTER(!BOUND(?g) || ?g NOT IN (<{shelves.inferred}>, <{shelves.queries}>))"
    )
    sizes = graph_sizes(store)
    properties = _table(store, "p", "COUNT(*)", f"{{ SELECT DISTINCT ?s ?p ?o {{ {said} }} }}")
    classes = _table(store, "k", "COUNT(DISTINCT ?s)", said.replace("?s ?p ?o", "?s a ?k"))
    instances = _table(store, "k", "COUNT(DISTINCT ?s)", f"{shelves.accepted('?s a ?k')} FILTER(isIRI(?s))")
    totals = _one(
        store,
        f"SELECT (COUNT(DISTINCT ?s) AS ?subjects) (COUNT(DISTINCT ?o) AS ?objects) {{ {said} }}",
    )
    things = f'{said} FILTER(STRSTARTS(STR(?s), "{base}id/"))'
    entities = _one(store, f"SELECT (COUNT(DISTINCT ?s) AS ?things) {{ {things} }}")
    inferred = sizes.pop(shelves.inferred, 0)
    sizes.pop(shelves.queries, 0)
    census = Census(
        triples=sum(properties.values()),
        subjects=totals["subjects"],
        objects=totals["objects"],
        entities=entities["things"],
        classes=classes,
        properties=properties,
        graphs=sizes,
        inferred=inferred,
        links={graph: _links(store, base, graph) for graph in sizes if graph_family(base, graph) == "links"},
        examples=_examples(store, shelves),
    )
    listed = tuple(kind for kind in sorted(instances) if _is_listed(store, shelves, kind))
    default = _one(store, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")["n"]
    return Counted(census, instances, listed, default)


def graph_sizes(store: Store) -> dict[str, int]:
    """How many statements each named graph of a store holds."""
    return dict(sorted(_table(store, "g", "COUNT(*)", "GRAPH ?g { ?s ?p ?o }").items()))


def to_json(counted: Counted) -> dict[str, Any]:
    """What was counted, as it is kept beside a store."""
    return {
        "census": vars(counted.census) if counted.census is not None else None,
        "instances": counted.instances,
        "listed": counted.listed,
        "default_triples": counted.default_triples,
    }


def from_json(kept: Mapping[str, Any]) -> Counted:
    """What was counted, read again.

    Raises: KeyError or TypeError if it is not what `to_json` gives.
    """
    census = dict(kept["census"])
    census["examples"] = tuple(census["examples"])
    return Counted(Census(**census), kept["instances"], tuple(kept["listed"]), kept["default_triples"])


def _table(store: Store, key: str, counting: str, pattern: str) -> dict[str, int]:
    """Counts by IRI."""
    rows = store.query(f"SELECT ?{key} ({counting} AS ?n) {{ {pattern} }} GROUP BY ?{key}").rows()
    return {node_key(row[key]): number(row["n"]) for row in rows if isinstance(row.get(key), ox.NamedNode)}


def _one(store: Store, text: str) -> dict[str, int]:
    return {name: number(value) for name, value in store.query(text).rows()[0].items()}


def _links(store: Store, base: str, graph: str) -> dict[str, dict[str, int]]:
    """How often each property leads to each site."""
    # One IRI for each site is enough to name it.
    site = 'REPLACE(STR(?o), "^([^:]*:/*[^/?#]*).*$", "$1")'
    rows = store.query(
        f"SELECT ?t ?p (COUNT(*) AS ?n) {{ GRAPH <{graph}> {{ ?s ?p ?o }} FILTER(isIRI(?o)) "
        f"BIND({site} AS ?t) }} GROUP BY ?t ?p"
    ).rows()
    uses: dict[tuple[Term, Term], int] = {
        (ox.NamedNode(f"{_text(row['t'])}/"), row["p"]): number(row["n"]) for row in rows if "t" in row
    }
    return links_by_target(base, uses)


def _examples(store: Store, shelves: Shelves) -> tuple[str, ...]:
    """One thing of each folder."""
    start = f"{shelves.base}id/"
    rows = store.query(
        f"SELECT (MIN(STR(?s)) AS ?e) {{ {shelves.anywhere('?s a ?k')} "
        f'FILTER(STRSTARTS(STR(?s), "{start}")) BIND(STRBEFORE(STRAFTER(STR(?s), "{start}"), "/") AS ?f) }} '
        "GROUP BY ?f"
    ).rows()
    return tuple(sorted(_text(row["e"]) for row in rows if "e" in row))


def _is_listed(store: Store, shelves: Shelves, kind: str) -> bool:
    """Whether a named thing of this class has a page."""
    things = f'{shelves.accepted(f"?s a <{kind}>")} FILTER(STRSTARTS(STR(?s), "{shelves.base}id/"))'
    names = " ".join(f"<{name}>" for name in NAMES)
    named = f"VALUES ?name {{ {names} }} {shelves.anywhere('?s ?name ?n').replace('?g', '?h')}"
    # EXISTS keeps the engine from starting at the names, of which there are more.
    return store.query(f"ASK {{ {things} FILTER EXISTS {{ {named} }} }}").verdict()


def _text(term: Any) -> str:
    return str(term.value)
