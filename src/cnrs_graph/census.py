"""A store counted by queries: once when it is built, or once when somebody asks what an endpoint holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyoxigraph as ox

from cnrs_graph.descriptions import NAMES, node_key
from cnrs_graph.inventory import Census, links_by_target
from cnrs_graph.lookup import NODE_LIMIT, Counted, Shelves, number
from cnrs_graph.store import Store
from cnrs_graph.terms import Term, graph_family

#: Graphs that a query names one by one; more are told from the others by a filter.
_FEW_GRAPHS = 500


def count(store: Store, shelves: Shelves, *, at_once: int = 1) -> Counted:
    """Count what a store holds: statements, classes, properties, graphs, links, things by class, hubs.

    Graphs: what was said in every graph for the census; accepted and inferred for things by class; what
    points at hubs is counted only in a merged store, which does not change.
    Units: *at_once* is how many queries run at the same time.
    Raises: EndpointError when a remote store fails.
    """
    by_graph = _by_graph(store)
    sizes = {graph: sum(uses.values()) for graph, uses in sorted(by_graph.items())}
    own = tuple(graph for graph in sizes if graph not in (shelves.inferred, shelves.queries))
    said = _said(shelves, own)
    with ThreadPoolExecutor(at_once) as asking:
        subjects = asking.submit(_subjects, store, shelves, said("?s ?p ?o"))
        hubs = asking.submit(_hubs, store, shelves)
        properties = asking.submit(_properties, store, shelves, by_graph, own)
        objects = asking.submit(_one, store, f"SELECT (COUNT(DISTINCT ?o) AS ?n) {{ {said('?s ?p ?o')} }}")
        listed = asking.submit(_listed, store, shelves)
        instances = asking.submit(_table, store, "k", _instances(shelves))
        classes = asking.submit(_table, store, "k", f"{{ SELECT DISTINCT ?s ?k {{ {said('?s a ?k')} }} }}")
        default = asking.submit(_one, store, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    found = subjects.result()
    census = Census(
        triples=sum(properties.result().values()),
        subjects=found.subjects,
        objects=objects.result(),
        entities=found.things,
        classes=classes.result(),
        properties=properties.result(),
        graphs={graph: sizes[graph] for graph in own},
        inferred=sizes.get(shelves.inferred, 0),
        links={
            graph: _links(store, shelves.base, graph)
            for graph in own
            if graph_family(shelves.base, graph) == "links"
        },
        examples=found.examples,
    )
    return Counted(census, instances.result(), listed.result(), default.result(), hubs.result())


def graph_sizes(store: Store) -> dict[str, int]:
    """How many statements each named graph of a store holds."""
    return dict(sorted(_table(store, "g", "GRAPH ?g { ?s ?p ?o }").items()))


def to_json(counted: Counted) -> dict[str, Any]:
    """What was counted, as it is kept beside a store."""
    return {
        "census": vars(counted.census) if counted.census is not None else None,
        "instances": counted.instances,
        "listed": counted.listed,
        "default_triples": counted.default_triples,
        "hubs": {hub: [(*group, n) for group, n in totals.items()] for hub, totals in counted.hubs.items()},
    }


def from_json(kept: Mapping[str, Any]) -> Counted:
    """What was counted, read again.

    Raises: KeyError or TypeError if it is not what `to_json` gives.
    """
    census = dict(kept["census"])
    census["examples"] = tuple(census["examples"])
    hubs = {hub: {(kind, name): n for kind, name, n in totals} for hub, totals in kept["hubs"].items()}
    return Counted(Census(**census), kept["instances"], tuple(kept["listed"]), kept["default_triples"], hubs)


def _said(shelves: Shelves, own: Sequence[str]) -> Callable[[str], str]:
    """What puts a pattern in the graphs that were said.

    Graphs are named where they are known and few: the engine compares names row by row otherwise.
    """
    if shelves.merged and len(own) <= _FEW_GRAPHS:
        return lambda pattern: _within(own, pattern)
    apart = f"FILTER(!BOUND(?g) || ?g NOT IN (<{shelves.inferred}>, <{shelves.queries}>))"
    return lambda pattern: f"{shelves.anywhere(pattern)} {apart}"


def _within(graphs: Iterable[str], pattern: str) -> str:
    return f"VALUES ?g {{ {_iris(graphs)} }} GRAPH ?g {{ {pattern} }}"


def _by_graph(store: Store) -> dict[str, dict[str, int]]:
    """How often each named graph uses each property."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in store.query("SELECT ?g ?p (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g ?p").rows():
        # A total without groups is one row without names where nothing is held.
        if isinstance(row.get("g"), ox.NamedNode):
            found[node_key(row["g"])][node_key(row["p"])] = number(row["n"])
    return found


def _properties(
    store: Store, shelves: Shelves, by_graph: Mapping[str, Mapping[str, int]], own: Sequence[str]
) -> dict[str, int]:
    """How often each property is used in what was said, a statement of several graphs counted once."""
    each_once = f"SELECT DISTINCT ?s ?p ?o {{ {_said(shelves, own)('?s ?p ?o')} }}"
    sizes = {graph: sum(by_graph[graph].values()) for graph in own}
    largest = max(sizes, key=sizes.__getitem__, default="")
    if not shelves.merged or 2 * sizes.get(largest, 0) < sum(sizes.values()):
        return _table(store, "p", f"{{ {each_once} }}")
    # Most statements are in one graph, which holds each once: only those of the others are compared.
    found = Counter(by_graph[largest])
    others = [graph for graph in own if graph != largest]
    if others:
        each_once = f"SELECT DISTINCT ?s ?p ?o {{ {_said(shelves, others)('?s ?p ?o')} }}"
        more = f"{{ {each_once} }} FILTER NOT EXISTS {{ GRAPH <{largest}> {{ ?s ?p ?o }} }}"
        found.update(_table(store, "p", more))
    return dict(found)


@dataclass(frozen=True)
class _Subjects:
    subjects: int
    things: int
    examples: tuple[str, ...]


def _subjects(store: Store, shelves: Shelves, said: str) -> _Subjects:
    """The different subjects, those of them that are things, and one thing of each folder."""
    # The line break, which no IRI holds, marks the beginning: each subject is then looked at once.
    slug = f'STRAFTER(CONCAT("\\n", STR(?s)), "\\n{shelves.base}id/")'
    rows = store.query(
        f"SELECT ?f (COUNT(*) AS ?n) (MIN(STR(?s)) AS ?e) {{ {{ SELECT DISTINCT ?s {{ {said} }} }} "
        f'BIND(STRBEFORE(CONCAT({slug}, "/"), "/") AS ?f) }} GROUP BY ?f'
    ).rows()
    things = [row for row in rows if "f" in row and _text(row["f"])]
    return _Subjects(
        subjects=sum(number(row["n"]) for row in rows),
        things=sum(number(row["n"]) for row in things),
        examples=tuple(sorted(_text(row["e"]) for row in things if "e" in row)),
    )


def _hubs(store: Store, shelves: Shelves) -> dict[str, dict[tuple[str, str], int]]:
    """Of each node at which more points than a page looks at: how many things, by class and property.

    Graphs: every graph decides what is a hub; what is accepted and was said is counted.
    """
    if not shelves.merged:
        return {}
    many = f"SELECT ?o {{ GRAPH ?g {{ ?s ?p ?o }} }} GROUP BY ?o HAVING(COUNT(*) >= {NODE_LIMIT})"
    hubs = [node_key(row["o"]) for row in store.query(many).rows() if isinstance(row.get("o"), ox.NamedNode)]
    if not hubs:
        return {}
    found: dict[str, Counter[tuple[str, str]]] = {hub: Counter() for hub in sorted(hubs)}
    for row in _by_group(store, f"VALUES ?o {{ {_iris(hubs)} }} ?s ?p ?o"):
        found[node_key(row["o"])][node_key(row["k"]), node_key(row["p"])] += number(row["n"])
    # What follows was not said anywhere else, so it can be taken away from what the default graph holds.
    for graph in (shelves.inferred, shelves.queries):
        for row in _by_group(store, f"VALUES ?o {{ {_iris(hubs)} }} GRAPH <{graph}> {{ ?s ?p ?o }}"):
            found[node_key(row["o"])][node_key(row["k"]), node_key(row["p"])] -= number(row["n"])
    return {hub: dict(+totals) for hub, totals in found.items()}


def _by_group(store: Store, pointing: str) -> Iterator[Mapping[str, Term]]:
    """How many statements point at a node, by the classes of their subjects and by property."""
    # Two tables that are joined at once: looking for the classes of each subject takes three times as long.
    text = (
        f"SELECT ?o ?k ?p (COUNT(*) AS ?n) {{ {{ SELECT ?s ?k {{ ?s a ?k }} }} "
        f"{{ SELECT ?s ?p ?o {{ {pointing} }} }} }} GROUP BY ?o ?k ?p"
    )
    return (row for row in store.query(text).rows() if "o" in row)


def _instances(shelves: Shelves) -> str:
    """Each thing once with each of its classes."""
    things = f"{shelves.accepted('?s a ?k')} FILTER(isIRI(?s))"
    return things if shelves.merged else f"{{ SELECT DISTINCT ?s ?k {{ {things} }} }}"


def _table(store: Store, key: str, pattern: str) -> dict[str, int]:
    """Counts by IRI."""
    rows = store.query(f"SELECT ?{key} (COUNT(*) AS ?n) {{ {pattern} }} GROUP BY ?{key}").rows()
    return {node_key(row[key]): number(row["n"]) for row in rows if isinstance(row.get(key), ox.NamedNode)}


def _one(store: Store, text: str) -> int:
    return number(store.query(text).rows()[0]["n"])


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


def _listed(store: Store, shelves: Shelves) -> tuple[str, ...]:
    """The classes of which a named thing has a page."""
    named = f"VALUES ?name {{ {_iris(NAMES)} }} {shelves.anywhere('?s ?name ?n').replace('?g', '?h')}"
    # Two tables that are joined at once, and only then a look at the IRIs of the few classes left.
    text = (
        f"SELECT DISTINCT ?k {{ {{ SELECT DISTINCT ?s ?k {{ {shelves.accepted('?s a ?k')} }} }} "
        f"{{ SELECT DISTINCT ?s {{ {named} }} }} }}"
    )
    kinds = {node_key(row["k"]) for row in store.query(text).rows() if isinstance(row.get("k"), ox.NamedNode)}
    return tuple(kind for kind in sorted(kinds) if _is_listed(store, shelves, kind, named))


def _is_listed(store: Store, shelves: Shelves, kind: str, named: str) -> bool:
    things = f'{shelves.accepted(f"?s a <{kind}>")} FILTER(STRSTARTS(STR(?s), "{shelves.base}id/"))'
    # EXISTS keeps the engine from starting at the names, of which there are more.
    return store.query(f"ASK {{ {things} FILTER EXISTS {{ {named} }} }}").verdict()


def _iris(names: Iterable[str]) -> str:
    return " ".join(f"<{name}>" for name in names)


def _text(term: Any) -> str:
    return str(term.value)
