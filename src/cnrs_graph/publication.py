"""The building put together once, from one configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyoxigraph as ox

from cnrs_graph import imports
from cnrs_graph.config import Config
from cnrs_graph.dataset import Dataset, load, merged, nquads, read_file, source_files
from cnrs_graph.errors import ConfigError, NonConformingDataError, suggestion
from cnrs_graph.register import Retired, read_register
from cnrs_graph.store import LocalStore, Store
from cnrs_graph.terms import graph_iri
from cnrs_graph.validation import Report, load_shapes, validate

# What serves, stores and infers is imported where it is done, so that validating does not wait for it.
if TYPE_CHECKING:
    from cnrs_graph import disk
    from cnrs_graph.lookup import Stored
    from cnrs_graph.queries import Catalogue, SavedQuery

_NOTHING = Dataset("", ())


@dataclass(frozen=True, eq=False)
class Publication:
    """What is published: everything said, everything that follows, and how it presents itself.

    A publication equals only itself, so what is put in order for it can be kept by it.
    """

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
    #: The saved queries as statements, for editors that ask the endpoint for examples; no part of the data.
    queries: Dataset = _NOTHING
    #: The JSON-LD contexts that were released, by version.
    contexts: Mapping[str, bytes] = field(default_factory=dict)
    #: What was published once and is no more, by IRI.
    retired: Mapping[str, Retired] = field(default_factory=dict)
    #: Where the statements are when they are not in memory; `said` then holds the small graphs alone.
    stored: Stored | None = None
    #: For a class the properties that its list can be narrowed down by.
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: The saved query that holds announced figures against what is named, if there is one.
    counts: SavedQuery | None = None
    #: The saved queries whose answers the front page draws, by what they are for.
    front: Mapping[str, str] = field(default_factory=dict)
    #: Where readers report an error; empty for nowhere.
    report_to: str = ""

    def own_store(self) -> Store:
        """Where the publication's own queries are answered, in this process."""
        if self.stored is not None:
            return self.stored.index.fetched.store
        return LocalStore.of(self.quads(), default=self.default_graphs())

    @property
    def inferred_graph(self) -> str:
        """The name of the graph that holds what was inferred."""
        return inferred_graph(self.base)

    def default_graphs(self) -> tuple[str, ...]:
        """The graphs that make up the default graph of a query."""
        if self.stored is not None:
            return self.stored.default_graphs
        accepted = self.said.without(*self.outside_default)
        return (*accepted.graphs(), *self.queries.graphs(), self.inferred_graph)

    def named_graphs(self) -> tuple[str, ...]:
        """Every graph that a query can name."""
        if self.stored is not None:
            return tuple(self.stored.graphs())
        return self._named_graphs

    @cached_property
    def _named_graphs(self) -> tuple[str, ...]:
        # Every query asks for them; finding them walks through all statements.
        return (*self.said.graphs(), *self.queries.graphs(), self.inferred_graph)

    def size(self) -> int:
        """How many statements there are, said and inferred."""
        if self.stored is not None:
            return sum(self.stored.graphs().values())
        return len(self.said.quads) + len(self.inferred)

    def statements(self) -> bytes | Path:
        """What the processes that answer queries start from: a folder on disk, else N-Quads."""
        folder = self.stored.folder if self.stored is not None else None
        return folder if folder is not None else self.nquads()

    def nquads(self) -> bytes:
        """Everything, said and inferred, the way it goes to the processes that answer queries."""
        return nquads([self.quads()])

    def quads(self) -> tuple[ox.Quad, ...]:
        """Everything that a query can see: said, the saved queries, and inferred."""
        return (*self.said.quads, *self.queries.quads, *self.inferred)


def inferred_graph(base: str) -> str:
    """The name of the graph that holds what was inferred."""
    return f"{base}graph/inferred"


def read(config: Config) -> Dataset:
    """Read everything that is published: ontology, shapes and data.

    Graphs: one per file; `ontology/…` and `shapes/…` below those names, data by its path below its folder.
    Raises: SourceError when a file cannot be read or parsed.
    """
    return merged(
        *(load(path, base=config.base) for path in config.data),
        load(config.ontology, base=config.base, under="ontology"),
        load(config.shapes, base=config.base, under="shapes"),
    )


def infer(config: Config, said: Dataset) -> tuple[ox.Quad, ...]:
    """Derive what follows from what is accepted; claims and shapes derive nothing.

    Graphs: reads every graph but shapes and those outside the default graph; writes graph/inferred.
    """
    from cnrs_graph.reasoning import entail, read_rules

    accepted = said.without("shapes", *config.outside_default)
    rules = read_rules(config.ontology / "rules" / "core")
    return entail(accepted.quads, rules, into=inferred_graph(config.base))


@dataclass(frozen=True)
class ToValidate:
    """What a validation looks at: data, shapes, and the context whose statements count with the data."""

    said: Dataset
    shapes: Dataset
    context: Dataset
    #: What an owl:imports names and no file given or mapped holds.
    missing: tuple[imports.Missing, ...] = ()


def to_validate(
    config: Config,
    paths: Sequence[Path] = (),
    shapes: Sequence[Path] = (),
    *,
    imported: Mapping[str, Path] = MappingProxyType({}),
) -> ToValidate:
    """What a validation looks at.

    Without paths the published data is meant. A file that stands at the place of a published one (the same
    path below its folder) takes its place; the rest of what is published is context. With shapes given,
    exactly those count and there is no context: any data, anybody's shapes.
    Graphs: claims, and what else stays outside the default graph, is not validated. What the data imports is
    context, what the shapes import are shapes; both come from the files given, and those in *imported*.
    Raises: SourceError when a file cannot be read or parsed.
    """

    def read_import(path: Path) -> Dataset:
        return _apart(config.base, [path], "imported")

    if shapes:
        said = _apart(config.base, paths or config.data)
        chosen = _apart(config.base, shapes, "shapes")
        rules = merged(chosen, *imports.follow(chosen, imported, read_import))
        context = merged(Dataset(config.base, ()), *imports.follow(said, imported, read_import))
        lost = imports.missing(imported, said, rules, context)
        return ToValidate(said, rules, context, lost)
    published = read(config)
    mine = published if not paths else _in_place(config.base, paths, published)
    everything = merged(mine, published)
    own = mine.without("ontology", "shapes", *config.outside_default)
    context = everything.without("shapes", *config.outside_default)
    brought = imports.follow(everything, imported, read_import)
    return ToValidate(
        own,
        everything.only("shapes"),
        merged(context, *brought),
        imports.missing(imported, everything, *brought),
    )


def check(config: Config) -> Report:
    """Validate the configured data against the configured shapes.

    Raises: SourceError, ShapesError, VacuousShapesError.
    """
    looked_at = to_validate(config)
    return validate(looked_at.said, load_shapes(looked_at.shapes), context=looked_at.context)


def build(config: Config, *, validated: bool = True) -> Publication:
    """Read, validate, infer: put the publication together.

    Graphs: the saved queries are described in graph/queries.
    Raises: SourceError, ShapesError; NonConformingDataError for findings at `config.refuse_at` or worse.
    """
    from cnrs_graph.executables import described
    from cnrs_graph.queries import Catalogue

    report = check(config) if validated else None
    if report is not None:
        refused = report.at_least(config.refuse_at)
        if refused:
            raise NonConformingDataError(refused[0].severity.name.lower(), len(refused))
    said, catalogue = read(config), Catalogue(config.queries)
    return Publication(
        base=config.base,
        public_url=config.public_url,
        title=config.title,
        notice=config.notice,
        said=said,
        inferred=infer(config, said),
        catalogue=catalogue,
        report=report,
        outside_default=config.outside_default,
        queries=described(config.base, catalogue),
        front=_front(config, catalogue),
        report_to=config.report,
        retired=retired(config),
        contexts=contexts(config),
        facets=config.facets,
        counts=_counting(config, catalogue),
    )


def retired(config: Config) -> Mapping[str, Retired]:
    """What was published once and is no more, as the register says.

    Raises: SourceError.
    """
    return read_register(config.register, config.base) if config.register is not None else {}


def contexts(config: Config) -> Mapping[str, bytes]:
    """The JSON-LD contexts that were released with versions of the ontology, by version."""
    # Not .jsonld: what is read as data ends so.
    return {file.stem: file.read_bytes() for file in sorted((config.ontology / "contexts").glob("*.json"))}


def load_into(
    config: Config,
    place: Path,
    *,
    inferring: bool = True,
    replace: bool = False,
    dumping: bool = False,
    progress: disk.Progress | None = None,
) -> disk.Manifest:
    """Build a store on disk from the configured data, ontology and shapes.

    Raises: SourceError, ConfigError.
    """
    from cnrs_graph import __version__, disk
    from cnrs_graph.executables import described
    from cnrs_graph.queries import Catalogue
    from cnrs_graph.reasoning import read_rules

    files = [each for path in config.data for each in disk.inputs(path, base=config.base)]
    files += disk.inputs(config.ontology, base=config.base, under="ontology")
    files += disk.inputs(config.shapes, base=config.base, under="shapes")
    return disk.build(
        place,
        files,
        base=config.base,
        version=__version__,
        outside_default=config.outside_default,
        rules=read_rules(config.ontology / "rules" / "core") if inferring else None,
        beside=described(config.base, Catalogue(config.queries)).quads,
        replace=replace,
        dumping=dumping,
        progress=progress or disk.untold,
    )


def on_store(config: Config, stored: Stored) -> Publication:
    """Put a publication together whose statements are in a store."""
    from cnrs_graph.executables import described
    from cnrs_graph.queries import Catalogue

    catalogue = Catalogue(config.queries)
    return Publication(
        base=config.base,
        public_url=config.public_url,
        title=config.title,
        notice=config.notice,
        said=stored.index.fetched.core,
        inferred=(),
        catalogue=catalogue,
        report=None,
        outside_default=config.outside_default,
        queries=described(config.base, catalogue),
        retired=retired(config),
        contexts=contexts(config),
        stored=stored,
        facets=config.facets,
        counts=_counting(config, catalogue),
        front=_front(config, catalogue),
        report_to=config.report,
    )


def _counting(config: Config, catalogue: Catalogue) -> SavedQuery | None:
    """The saved query behind the page of counts; none where it is not among those that are published."""
    if config.counts not in catalogue:
        return None
    return catalogue[config.counts]


def _front(config: Config, catalogue: Mapping[str, SavedQuery]) -> Mapping[str, str]:
    """The queries of the front page.

    Raises: ConfigError for one that is not among the saved queries.
    """
    for name, query in config.front.items():
        if query not in catalogue:
            hint = suggestion(query, sorted(catalogue))
            raise ConfigError(f"front.{name} = {query!r}: there is no such saved query; {hint}")
    return config.front


def _in_place(base: str, paths: Iterable[Path], published: Dataset) -> Dataset:
    """Read files, giving each the graph of the published file at the same place, if there is one."""
    return _together(base, _files(paths), lambda file, root: _place(base, file, root, published))


def _apart(base: str, paths: Iterable[Path], under: str = "") -> Dataset:
    """Read files of anybody, each into a graph of its own, whatever it is called."""
    return _together(
        base, _files(paths), lambda file, root: graph_iri(base, PurePath(under) / file.relative_to(root))
    )


def _files(paths: Iterable[Path]) -> Mapping[Path, Path]:
    """The files at paths, each once, with the folder they were looked for in."""
    found: dict[Path, tuple[Path, Path]] = {}
    for path in paths:
        for file in source_files(path):
            found.setdefault(file.resolve(), (file, path if path.is_dir() else path.parent))
    return dict(found.values())


def _together(base: str, files: Mapping[Path, Path], graph_of: Callable[[Path, Path], str]) -> Dataset:
    """Every statement of the files; two that would take one graph are told apart by their paths."""
    graphs: dict[str, Path] = {}
    quads: list[ox.Quad] = []
    for file, root in files.items():
        graph = graph_of(file, root)
        if graph in graphs:
            graph = f"{base}graph/file{quote(file.resolve().as_posix())}"
        graphs[graph] = file
        quads += read_file(file, graph=graph)
    return Dataset(base, tuple(quads), graphs)


def _place(base: str, file: Path, root: Path, published: Dataset) -> str:
    """The graph of a published file whose path ends as this one's does, else one named after the file."""
    parts = file.absolute().parts
    for start in range(1, len(parts)):
        graph = graph_iri(base, PurePath(*parts[start:]))
        if graph in published.files:
            return graph
    return graph_iri(base, file.relative_to(root))
