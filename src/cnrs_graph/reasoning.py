"""What follows from what was said, by rules kept as queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyoxigraph as ox

from cnrs_graph.errors import Place, SourceError


def read_rules(directory: Path) -> dict[str, str]:
    """Read the rules of a folder: CONSTRUCT queries by the name of their file, sorted.

    Raises: SourceError if there is no rule in the folder.
    """
    rules = {path.stem: path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.rq"))}
    if not rules:
        raise SourceError(Place(directory), "no rule (*.rq) in this folder")
    return rules


def entail(said: Iterable[ox.Quad], rules: Mapping[str, str], *, into: str) -> tuple[ox.Quad, ...]:
    """Derive what follows from the data, applying the rules until nothing new appears.

    Graphs: reads the union of all graphs of *said*, changes none; each quad returned is in the graph *into*,
    and its statement was not said.
    Source: the axiom each rule carries out is named in its file.
    Raises: SourceError naming the rule that cannot be run.
    """
    store = ox.Store()
    store.extend(ox.Quad(quad.subject, quad.predicate, quad.object) for quad in said)
    derived: set[ox.Triple] = set()
    while new := {triple for name, text in rules.items() for triple in _apply(store, name, text)}:
        store.extend(ox.Quad(triple.subject, triple.predicate, triple.object) for triple in new)
        derived |= new
    graph = ox.NamedNode(into)
    return tuple(
        ox.Quad(each.subject, each.predicate, each.object, graph) for each in sorted(derived, key=str)
    )


def entail_into(store: ox.Store, rules: Mapping[str, str], *, into: str) -> None:
    """Derive what follows inside a store in memory, applying the rules until nothing new appears.

    Graphs: reads the default graph; what is derived and was not there is added to it and to the graph *into*.
    Raises: SourceError naming the rule that cannot be run.
    """
    graphs = (ox.NamedNode(into), ox.DefaultGraph())
    while sum(_add(store, _apply(store, name, text), graphs) for name, text in rules.items()):
        pass


def has_consequences(store: ox.Store, rules: Mapping[str, str]) -> bool:
    """Whether anything follows from the default graph that is not there; nothing is added.

    Raises: SourceError naming the rule that cannot be run.
    """
    return any(True for name, text in rules.items() for _ in _new(store, name, text))


def _add(
    store: ox.Store, triples: Sequence[ox.Triple], graphs: Sequence[ox.NamedNode | ox.DefaultGraph]
) -> int:
    """Add triples to graphs; how many they are."""
    store.extend(
        ox.Quad(each.subject, each.predicate, each.object, graph) for each in triples for graph in graphs
    )
    return len(triples)


def _apply(store: ox.Store, name: str, text: str) -> list[ox.Triple]:
    """What one rule derives that the store does not hold yet, complete before anything is added."""
    return list(_new(store, name, text))


def _new(store: ox.Store, name: str, text: str) -> Iterator[ox.Triple]:
    try:
        answer = store.query(text)
    except SyntaxError as error:
        raise SourceError(Place(Path(f"{name}.rq")), f"not a query: {error.msg}") from error
    if not isinstance(answer, ox.QueryTriples):
        raise SourceError(Place(Path(f"{name}.rq")), "a rule is a CONSTRUCT query")
    for triple in answer:
        if ox.Quad(triple.subject, triple.predicate, triple.object) not in store:
            yield triple
