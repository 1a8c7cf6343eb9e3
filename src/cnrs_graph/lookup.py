"""An index that fetches: a store is asked about a node when somebody looks, and the answer kept a while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Generic, TypeVar

import pyoxigraph as ox

from cnrs_graph.dataset import Dataset, graph_name
from cnrs_graph.descriptions import NAMES, TYPE, Index, Triple, node_key
from cnrs_graph.inventory import Census
from cnrs_graph.store import Store
from cnrs_graph.terms import Term, graph_family

#: Statements of one node, or that point at one node, that are looked at.
NODE_LIMIT = 2_000
#: Things of a class that its page lists.
LISTED = 1_000
#: Nodes asked for in one query, and nodes kept.
_BATCH = 100
_KEPT_NODES = 5_000
#: Statements of the small graphs (ontology, shapes, descriptions of graphs) that are kept at hand.
_CORE_LIMIT = 200_000
CORE = ("ontology", "shapes", "meta")
_LONGEST_IRI = 2_000
#: Typed things that are looked through for a name like the one that was asked for.
_NEAR_LIMIT = 5_000

#: The family of a graph, for the names that come again and again.
_family = lru_cache(10_000)(graph_family)

_K = TypeVar("_K")
_V = TypeVar("_V")


class Kept(Generic[_K, _V]):
    """Values that were made or fetched, the least used forgotten first, each for so many seconds at most."""

    def __init__(self, size: int, seconds: float | None) -> None:
        self._size = size
        self._seconds = seconds
        self._values: OrderedDict[_K, tuple[float, _V]] = OrderedDict()
        self._turn = threading.Lock()

    def get(self, key: _K) -> _V | None:
        """A value that is kept and not too old."""
        with self._turn:
            found = self._values.get(key)
            if found is None or (self._seconds is not None and time.monotonic() - found[0] > self._seconds):
                return None
            self._values.move_to_end(key)
            return found[1]

    def put(self, key: _K, value: _V) -> None:
        """Keep a value."""
        with self._turn:
            self._values[key] = (time.monotonic(), value)
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def made(self, key: _K, make: Callable[[], _V]) -> _V:
        """The value that is kept, or a new one."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found


@dataclass(frozen=True)
class Shelves:
    """How statements lie in a store.

    Graphs: `named` when all that is published stands in named graphs; otherwise what stands in the default
    graph alone counts as accepted too. `merged` when the default graph is just what is accepted or inferred.
    """

    base: str
    outside: tuple[str, ...]
    named: bool = True
    merged: bool = False

    @property
    def inferred(self) -> str:
        """The name of the graph that holds what was inferred."""
        return f"{self.base}graph/inferred"

    @property
    def queries(self) -> str:
        """The name of the graph that describes the saved queries, which are no part of the data."""
        return f"{self.base}graph/queries"

    def anywhere(self, pattern: str) -> str:
        """A pattern in any graph, the graph in ?g; without ?g for what stands in the default graph alone."""
        named = f"GRAPH ?g {{ {pattern} }}"
        return named if self.named else f"{{ {named} }} UNION {{ {pattern} }}"

    def accepted(self, pattern: str) -> str:
        """A pattern in what is accepted or inferred."""
        return f"{pattern} ." if self.merged else self._in_graphs(pattern)

    def stated(self, pattern: str) -> str:
        """A pattern in what is accepted and was said."""
        return self._in_graphs(pattern, f"?g NOT IN (<{self.inferred}>, <{self.queries}>)")

    def _in_graphs(self, pattern: str, *conditions: str) -> str:
        outside = (f'!STRSTARTS(STR(?g), "{self.base}graph/{family}/")' for family in self.outside)
        apart = " && ".join((*conditions, *outside))
        named = f"GRAPH ?g {{ {pattern} }}" + (f" FILTER({apart})" if apart else "")
        return f"{{ {named} }}" if self.named else f"{{ {named} }} UNION {{ {pattern} }}"


@dataclass(frozen=True)
class Sorted:
    """The statements of one node, sorted once into what is accepted, claimed and inferred.

    Graphs: the names of the graphs decide.
    """

    quads: tuple[ox.Quad, ...]
    shelves: Shelves

    @cached_property
    def accepted(self) -> tuple[ox.Quad, ...]:
        """What counts as said."""
        apart = (self.shelves.inferred, self.shelves.queries)
        return tuple(q for q in self.quads if not self._is_claimed(q) and graph_name(q) not in apart)

    @cached_property
    def claimed(self) -> tuple[ox.Quad, ...]:
        """What only a source says."""
        return tuple(q for q in self.quads if self._is_claimed(q))

    @cached_property
    def inferred(self) -> tuple[ox.Quad, ...]:
        """What follows and was not said."""
        stated = {(q.predicate, q.object) for q in self.accepted}
        follows = (q for q in self.quads if graph_name(q) == self.shelves.inferred)
        return tuple(q for q in follows if (q.predicate, q.object) not in stated)

    @cached_property
    def names(self) -> tuple[ox.Literal, ...]:
        """The names in the best property that gives any."""
        said = (*self.accepted, *self.claimed)
        for predicate in NAMES:
            found = [
                q.object for q in said if q.predicate.value == predicate and isinstance(q.object, ox.Literal)
            ]
            if found:
                return tuple(dict.fromkeys(found))
        return ()

    def _is_claimed(self, quad: ox.Quad) -> bool:
        return _family(self.shelves.base, graph_name(quad)) in self.shelves.outside


class Fetched:
    """Statements of a store, asked for by node with bounded queries.

    Graphs: every graph; which are accepted, claimed or inferred shows in their names.
    Raises: EndpointError, from any method, when a remote store fails.
    """

    def __init__(
        self,
        store: Store,
        shelves: Shelves,
        *,
        graphs: Collection[str] = (),
        keep_seconds: float | None = None,
    ) -> None:
        self.store = store
        self._graphs = graphs
        self.shelves = shelves
        self._about: Kept[str, Sorted] = Kept(_KEPT_NODES, keep_seconds)
        self._pointing: Kept[str, Sorted] = Kept(_KEPT_NODES, keep_seconds)
        self.answers: Kept[str, tuple[dict[str, Term], ...]] = Kept(_KEPT_NODES, keep_seconds)

    @cached_property
    def core(self) -> Dataset:
        """The graphs of ontology, shapes and descriptions of graphs: small, and looked at all the time."""
        # By name: looking for the graphs would walk through the whole store.
        small = [name for name in self._graphs if graph_family(self.shelves.base, name) in CORE]
        names = " ".join(f"<{name}>" for name in small)
        text = f"SELECT ?s ?p ?o ?g {{ VALUES ?g {{ {names} }} GRAPH ?g {{ ?s ?p ?o }} }} LIMIT {_CORE_LIMIT}"
        rows = self.store.query(text).rows()
        return Dataset(self.shelves.base, _in_order(_quad(row) for row in rows))

    @cached_property
    def _core_nodes(self) -> tuple[Mapping[str, tuple[ox.Quad, ...]], Mapping[str, tuple[ox.Quad, ...]]]:
        return (
            _grouped((node_key(q.subject), q) for q in self.core.quads),
            _grouped((node_key(q.object), q) for q in self.core.quads),
        )

    def about(self, key: str) -> Sorted:
        """What is said about a node; of a blank node only what the small graphs say."""
        if key.startswith("_:"):
            return self._sorted(self._core_nodes[0].get(key, ()))
        return self._one(self._about, key, "s")

    def pointing(self, key: str) -> Sorted:
        """What points at a node."""
        if key.startswith("_:"):
            return self._sorted(self._core_nodes[1].get(key, ()))
        return self._one(self._pointing, key, "o")

    def ahead(self, keys: Iterable[str], *, pointing: bool = False) -> None:
        """Fetch what is said about many nodes, or what points at them, with few queries."""
        kept, place = (self._pointing, "o") if pointing else (self._about, "s")
        wanted = [key for key in dict.fromkeys(keys) if _usable(key) and kept.get(key) is None]
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            limit = NODE_LIMIT * 5
            found = self._quads(place, batch, limit)
            if len(found) < limit:
                by_key = _grouped((node_key(q.object if pointing else q.subject), q) for q in found)
                for key in batch:
                    # Cut where it is cut when it is fetched alone.
                    kept.put(key, self._sorted(_in_order(by_key.get(key, ())[:NODE_LIMIT])))

    def rows(self, text: str) -> tuple[dict[str, Term], ...]:
        """The rows of a SELECT, kept a while."""
        return self.answers.made(text, lambda: tuple(self.store.query(text).rows()))

    def _one(self, kept: Kept[str, Sorted], key: str, place: str) -> Sorted:
        if not _usable(key):
            return self._sorted(())
        return kept.made(key, lambda: self._sorted(_in_order(self._quads(place, [key], NODE_LIMIT))))

    def _sorted(self, quads: tuple[ox.Quad, ...]) -> Sorted:
        return Sorted(quads, self.shelves)

    def _quads(self, place: str, keys: Sequence[str], limit: int) -> list[ox.Quad]:
        """The statements with one of these nodes at a place."""
        if len(keys) == 1:
            given, names = f"<{keys[0]}>", [name for name in "spo" if name != place]
            pattern = " ".join(given if name == place else f"?{name}" for name in "spo")
        else:
            names = list("spo")
            pattern = f"VALUES ?{place} {{ {' '.join(f'<{key}>' for key in keys)} }} ?s ?p ?o"
        wanted = " ".join(f"?{name}" for name in (*names, "g"))
        rows = self.store.query(
            f"SELECT {wanted} {{ {self.shelves.anywhere(pattern)} }} LIMIT {limit}"
        ).rows()
        if len(keys) == 1:
            rows = [{**row, place: ox.NamedNode(keys[0])} for row in rows]
        return [_quad(row) for row in rows]


class Table(Mapping[str, _V]):
    """A mapping whose values are fetched; its keys are those that are at hand."""

    def __init__(self, fetch: Callable[[str], _V], keys: Callable[[], Iterable[str]] = tuple) -> None:
        self._fetch = fetch
        self._keys = keys

    def __getitem__(self, key: str) -> _V:
        found = self._fetch(key)
        if not found:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and bool(self._fetch(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Claims(Mapping[Triple, tuple[str, ...]]):
    """Which graphs outside the accepted ones say a statement."""

    def __init__(self, claimed: Callable[[str], tuple[ox.Quad, ...]]) -> None:
        self._claimed = claimed

    def __getitem__(self, triple: Triple) -> tuple[str, ...]:
        subject, predicate, value = triple
        found = [
            graph_name(quad)
            for quad in self._claimed(node_key(subject))
            if quad.predicate == predicate and quad.object == value
        ]
        if not found:
            raise KeyError(triple)
        return tuple(found)

    def __iter__(self) -> Iterator[Triple]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True)
class StoreIndex(Index):
    """An index over a store: the tables fetch by node, the keys they list are those of the small graphs."""

    fetched: Fetched
    counted: Callable[[], Counted]

    def ahead(self, keys: Iterable[str]) -> None:
        """Fetch what is said about these nodes at once."""
        self.fetched.ahead(keys)

    def ahead_pointing(self, keys: Iterable[str]) -> None:
        """Fetch what points at these nodes at once."""
        self.fetched.ahead(keys, pointing=True)

    def things(self) -> Iterable[str]:
        """The first things of the store: enough of a small one, a sample of a large one."""
        start = f"{self.base}id/"
        some = f"SELECT ?s {{ {self.fetched.shelves.anywhere('?s a ?k')} }} LIMIT {_NEAR_LIMIT}"
        rows = self.fetched.rows(some)
        found = {node_key(row["s"]) for row in rows}
        return sorted(key for key in found if key.startswith(start))

    def terms(self, namespace: str) -> list[str]:
        """The terms of the small graphs."""
        accepted = self.fetched.core.without(*self.fetched.shelves.outside)
        return sorted(key for key in accepted.subjects() if key.startswith(namespace))

    def instance_count(self, kind: str) -> int:
        """How many things a class has, as they were counted."""
        return self.counted().instances.get(kind, 0)

    def listed_kinds(self) -> tuple[str, ...]:
        """The classes of which a named thing has a page, as they were found when the things were counted."""
        return self.counted().listed

    def property_counts(self) -> Mapping[str, int]:
        """How often each property is used in what was said, as it was counted."""
        census = self.counted().census
        return census.properties if census is not None else {}

    def objects_of(self, predicate: str) -> list[Term]:
        """The first accepted values of a property."""
        pattern = self.fetched.shelves.stated(f"?s <{predicate}> ?o")
        return [row["o"] for row in self.fetched.rows(f"SELECT DISTINCT ?o {{ {pattern} }} LIMIT {LISTED}")]

    def incoming_totals(self, key: str) -> Mapping[tuple[str, str], int]:
        """The totals by class and property of a node at which so much points that the table was cut."""
        if key.startswith("_:") or len(self.fetched.pointing(key).quads) < NODE_LIMIT:
            return {}
        shelves = self.fetched.shelves
        if shelves.merged:
            # Counted when the store was built: at a request it would take as long as there are links.
            return self.counted().hubs.get(key, {})
        classes = shelves.accepted("?s a ?k").replace("?g", "?h")
        pattern = f"{shelves.stated(f'?s ?p <{key}>')} {classes}"
        text = f"SELECT ?k ?p (COUNT(DISTINCT ?s) AS ?n) {{ {pattern} }} GROUP BY ?k ?p"
        return {
            (node_key(row["k"]), node_key(row["p"])): number(row["n"])
            for row in self.fetched.rows(text)
            if "k" in row
        }


@dataclass(frozen=True)
class Counted:
    """What is known of a store as a whole.

    Graphs: `census` leaves out what was inferred; `instances` counts accepted and inferred things by class.
    """

    #: None where counting took too long: no number is then given rather than a wrong one.
    census: Census | None
    instances: Mapping[str, int]
    listed: tuple[str, ...]
    default_triples: int = 0
    #: How many things point at a node at which very much points, by class and property.
    hubs: Mapping[str, Mapping[tuple[str, str], int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """A publication whose statements are in a store: on disk, or at an endpoint elsewhere."""

    index: StoreIndex
    counted: Callable[[], Counted]
    #: The named graphs that queries can name, with their sizes where these are known, else 0.
    graphs: Callable[[], Mapping[str, int]]
    default_graphs: tuple[str, ...]
    #: Whether the statements can change while they are served.
    changes: bool
    #: The folder that an engine here opens; None for an endpoint.
    folder: Path | None = None
    #: The folder with the files of the whole dataset, if they were made.
    dumps: Path | None = None

    def things(self, start: int, count: int) -> tuple[str, ...]:
        """The IRIs of some things that have a page, in their order, so many after so many."""
        fetched = self.index.fetched
        shelves = fetched.shelves
        said = (
            f"{shelves.anywhere('?s ?p ?o')} "
            f"FILTER(!BOUND(?g) || ?g NOT IN (<{shelves.inferred}>, <{shelves.queries}>)) "
            f'FILTER(STRSTARTS(STR(?s), "{shelves.base}id/"))'
        )
        text = f"SELECT DISTINCT ?s {{ {said} }} ORDER BY ?s LIMIT {count} OFFSET {start}"
        return tuple(node_key(row["s"]) for row in fetched.store.query(text).rows())

    def quads_of(self, graph: str, limit: int) -> tuple[ox.Quad, ...]:
        """The statements of one graph, of the default graph if it has no name, so many at most."""
        pattern = f"GRAPH <{graph}> {{ ?s ?p ?o }}" if graph else "?s ?p ?o"
        rows = self.index.fetched.store.query(f"SELECT ?s ?p ?o {{ {pattern} }} LIMIT {limit}").rows()
        name = {"g": ox.NamedNode(graph)} if graph else {}
        return _in_order(_quad({**row, **name}) for row in rows)


def index_over(fetched: Fetched, counted: Callable[[], Counted]) -> StoreIndex:
    """Make an index whose tables fetch from a store."""
    shelves = fetched.shelves
    base, outside = shelves.base, shelves.outside

    def instances(kind: str) -> tuple[str, ...]:
        if not _usable(kind):
            return ()
        # In the order of the store: sorting a large class would take longer than anybody waits.
        pattern = shelves.accepted(f"?s a <{kind}>")
        text = f"SELECT DISTINCT ?s {{ {pattern} FILTER(isIRI(?s)) }} LIMIT {LISTED}"
        return tuple(sorted({node_key(row["s"]) for row in fetched.rows(text)}))

    core = fetched.core
    return StoreIndex(
        base=base,
        accepted=Table(lambda key: fetched.about(key).accepted, core.without(*outside).subjects),
        claimed=Table(lambda key: fetched.about(key).claimed),
        inferred=Table(lambda key: fetched.about(key).inferred),
        incoming=Table(lambda key: fetched.pointing(key).accepted),
        names=Table(lambda key: fetched.about(key).names),
        claims=_Claims(lambda key: fetched.about(key).claimed),
        instances=Table(instances, lambda: counted().instances),
        disputing=Table(lambda key: fetched.pointing(key).claimed),
        fetched=fetched,
        counted=counted,
    )


def number(term: Term) -> int:
    """A count that a store gave."""
    return int(term.value) if isinstance(term, ox.Literal) else 0


def _usable(key: str) -> bool:
    """Whether a key can stand in a query as an IRI."""
    if not key or key.startswith("_:") or len(key) > _LONGEST_IRI:
        return False
    try:
        ox.NamedNode(key)
    except ValueError:
        return False
    return True


def _quad(row: Mapping[str, Term]) -> ox.Quad:
    graph = row.get("g", ox.DefaultGraph())
    return ox.Quad(row["s"], row["p"], row["o"], graph)  # type: ignore[arg-type]


def _grouped(pairs: Iterable[tuple[str, ox.Quad]]) -> dict[str, tuple[ox.Quad, ...]]:
    table: dict[str, list[ox.Quad]] = {}
    for key, quad in pairs:
        table.setdefault(key, []).append(quad)
    return {key: tuple(quads) for key, quads in table.items()}


def _in_order(quads: Iterable[ox.Quad]) -> tuple[ox.Quad, ...]:
    """Statements in an order of their own, since a store keeps none: classes, names, then by property.

    A statement of the default graph is left out when a named graph has it too.
    """
    held = list(dict.fromkeys(quads))
    named = {q.triple for q in held if graph_name(q)}
    held = [q for q in held if graph_name(q) or q.triple not in named]
    return tuple(sorted(held, key=_rank))


def _rank(quad: ox.Quad) -> tuple[int, str, str, str, str]:
    predicate = quad.predicate.value
    first = 0 if predicate == TYPE else 1 if predicate in NAMES else 2
    return first, predicate, str(quad.object), str(quad.subject), graph_name(quad)
