"""The building put together once, from one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyoxigraph as ox

from cnrs_graph.config import Config
from cnrs_graph.dataset import Dataset, load, merged
from cnrs_graph.errors import NonConformingDataError
from cnrs_graph.queries import Catalogue, SavedQuery
from cnrs_graph.reasoning import entail, read_rules
from cnrs_graph.validation import Report, load_shapes, validate


@dataclass(frozen=True)
class Publication:
    """What is published: everything said, everything that follows, and how it presents itself."""

    base: str
    public_url: str
    title: Mapping[str, str]
    notice: Mapping[str, str]
    said: Dataset
    inferred: tuple[ox.Quad, ...]
    catalogue: Mapping[str, SavedQuery]
    #: The outcome of validation; None when the publisher chose to go without.
    report: Report | None
    #: Graph families that stay out of the default graph of queries.
    outside_default: tuple[str, ...]

    @property
    def inferred_graph(self) -> str:
        """The name of the graph that holds what was inferred."""
        return inferred_graph(self.base)

    def default_graphs(self) -> tuple[str, ...]:
        """The graphs that make up the default graph of a query."""
        return (*self.said.without(*self.outside_default).graphs(), self.inferred_graph)

    def named_graphs(self) -> tuple[str, ...]:
        """Every graph that a query can name."""
        return (*self.said.graphs(), self.inferred_graph)


def inferred_graph(base: str) -> str:
    """The name of the graph that holds what was inferred."""
    return f"{base}graph/inferred"


def read(config: Config) -> Dataset:
    """Read everything that is published: ontology, shapes and data.

    Graphs: one per file; `ontology/…` and `shapes/…` below those names, data by its path below the data folder.
    Raises: SourceError when a file cannot be read or parsed.
    """
    return merged(
        load(config.data, base=config.base),
        load(config.ontology, base=config.base, under="ontology"),
        load(config.shapes, base=config.base, under="shapes"),
    )


def infer(config: Config, said: Dataset) -> tuple[ox.Quad, ...]:
    """Derive what follows from what is accepted; claims and shapes derive nothing.

    Graphs: reads every graph but shapes and those outside the default graph; writes graph/inferred.
    """
    accepted = said.without("shapes", *config.outside_default)
    return entail(accepted.quads, read_rules(config.ontology / "rules" / "core"), into=inferred_graph(config.base))


def check(config: Config) -> Report:
    """Validate the configured data against the configured shapes.

    Raises: SourceError, ShapesError, VacuousShapesError.
    """
    return _check(config, read(config))


def build(config: Config, *, validated: bool = True) -> Publication:
    """Read, validate, infer: put the publication together.

    Raises: SourceError, ShapesError; NonConformingDataError for findings at `config.refuse_at` or worse.
    """
    said = read(config)
    report = _check(config, said) if validated else None
    if report is not None:
        refused = report.at_least(config.refuse_at)
        if refused:
            raise NonConformingDataError(refused[0].severity.name.lower(), len(refused))
    return Publication(
        base=config.base,
        public_url=config.public_url,
        title=config.title,
        notice=config.notice,
        said=said,
        inferred=infer(config, said),
        catalogue=Catalogue(config.queries),
        report=report,
        outside_default=config.outside_default,
    )


def _check(config: Config, said: Dataset) -> Report:
    """Validate what is accepted; the ontology and the reference data are its context."""
    accepted = said.without("ontology", "shapes", *config.outside_default)
    return validate(accepted, load_shapes(said.only("shapes")), context=said.only("ontology"))
