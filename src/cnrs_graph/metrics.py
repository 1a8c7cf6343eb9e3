"""Numbers for whoever operates the server, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from cnrs_graph.journal import Entry
from cnrs_graph.lanes import Lane
from cnrs_graph.workers import Pool

#: The first parts of our paths; every other path is counted as "other", so that nobody can make labels up.
_ROUTES = frozenset(
    ("sparql", "graphs", "id", "doc", "data", "ontology", "shapes", "vocab", "graph", "browse", "queries")
) | frozenset(
    ("dataset", "static", "dump", "search", "health", "ready", "metrics", "openapi.json", "robots.txt")
)
_MOST_LABELS = 256
_METHODS = frozenset(["GET", "HEAD", "POST", "OPTIONS"])
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# Beside each number when it was first counted: nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Front(Protocol):
    """What counts the desks (`desks`)."""

    @property
    def working(self) -> int:
        """How many there are."""
        ...

    @property
    def taken(self) -> int:
        """How many were ended because a query took long."""
        ...


class Metrics:
    """The numbers of one server."""

    def __init__(self, pool: Pool, desks: Front | None = None, *, statements: int) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "cnrs_graph_requests",
            "Requests answered, by the first part of the path.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._queries = Histogram(
            "cnrs_graph_query_seconds",
            "Time from a query to the last byte of its answer, by the lane it ran in and how it ended.",
            ("lane", "outcome"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        # Finding the number behind its labels costs more than counting.
        self._counter = lru_cache(maxsize=_MOST_LABELS)(self._requests.labels)
        self._clock = lru_cache(maxsize=_MOST_LABELS)(self._queries.labels)
        self._registry.register(_PoolNumbers(pool, desks, statements))

    def record(self, entries: Iterable[Entry]) -> None:
        """Count requests that are over."""
        for entry in entries:
            method = entry.method if entry.method in _METHODS else "other"
            self._counter(route_of(entry.path), method, entry.status).inc()
            if entry.query is not None and entry.outcome is not None:
                lane = entry.lane() if entry.lane is not None else "none"
                self._clock(lane, entry.outcome).observe(entry.seconds)

    def page(self) -> bytes:
        """All numbers as text."""
        return generate_latest(self._registry)


class _PoolNumbers(Collector):
    """What the pool says when it is asked."""

    def __init__(self, pool: Pool, desks: Front | None, statements: int) -> None:
        self._pool = pool
        self._desks = desks
        self._statements = statements

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        pool = self._pool
        workers = GaugeMetricFamily("cnrs_graph_workers", "Workers, by what they do.", labels=("state",))
        workers.add_metric(("idle",), pool.idle)
        for lane in Lane:
            workers.add_metric((lane.value,), pool.running(lane))
        yield workers
        if self._desks is not None:
            yield GaugeMetricFamily(
                "cnrs_graph_desks", "Processes that answer at once.", value=self._desks.working
            )
            yield CounterMetricFamily(
                "cnrs_graph_desks_ended", "Desks ended because a query took long.", value=self._desks.taken
            )
        yield GaugeMetricFamily("cnrs_graph_queries_waiting", "Queries that wait.", value=pool.waiting)
        yield CounterMetricFamily(
            "cnrs_graph_workers_killed", "Workers killed before their answer was whole.", value=pool.killed
        )
        yield GaugeMetricFamily(
            "cnrs_graph_statements", "Statements published, said and inferred.", value=self._statements
        )


@lru_cache(maxsize=1024)
def route_of(path: str) -> str:
    """The first part of a path, if it is one of ours.

    >>> route_of("/doc/cooperation/ln2"), route_of("/"), route_of("/wp-login.php")
    ('doc', 'front', 'other')
    """
    first = path.strip("/").partition("/")[0]
    if not first:
        return "front"
    return first if first in _ROUTES else "other"
