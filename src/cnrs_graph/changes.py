"""What a change can affect: which focus nodes of which shapes have to be looked at again."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyoxigraph as ox

from cnrs_graph.breaches import UndecidedError
from cnrs_graph.core_checks import Checks
from cnrs_graph.dataset import parse
from cnrs_graph.errors import ConfigError
from cnrs_graph.inputs import PACKED, READABLE, extension_of, is_readable
from cnrs_graph.plain_queries import queries
from cnrs_graph.shape_graph import Node, ShapeGraph
from cnrs_graph.shapes import targeted
from cnrs_graph.statements import SUBCLASS, TYPE, Statements
from cnrs_graph.terms import Term

_Triple = tuple[Term, ox.NamedNode, Term]


@dataclass(frozen=True)
class Changes:
    """The statements of files as they were, of those files that are not as they were, by file."""

    before: Mapping[Path, tuple[ox.Quad, ...]]

    def touches(self, files: Iterable[Path]) -> bool:
        """Whether one of these files has changed."""
        return any(file.resolve() in self.before for file in files)


class _Uses(Statements):
    """Which properties a shape walks, and in which direction; it holds no statement."""

    def __init__(self) -> None:
        super().__init__()
        self.by_class = False
        self.everything = False

    def classes(self) -> None:
        """Classes are told apart from paths over rdf:type: no path leads on from a class to its instances."""
        self.by_class = True

    def forwards(self, predicate: str) -> bool:
        """Whether the property is walked from subject to value."""
        return self.everything or self._about is not None or predicate in self._forward

    def backwards(self, predicate: str) -> bool:
        """Whether the property is walked from value to subject."""
        return self.everything or predicate in self._backward


def since(revision: str, files: Collection[Path], folders: Collection[Path]) -> Changes:
    """How files differ from a revision in git; files that are gone are looked for below the folders.

    Raises: ConfigError if this is no git repository or it knows no such revision; SourceError if an old file
    cannot be read.
    """
    if revision.startswith("-"):
        raise ConfigError(f"{revision!r} is no revision; name a commit, branch or tag")
    places = {file.resolve() for file in files}
    below = [folder.resolve() for folder in folders]
    before: dict[Path, tuple[ox.Quad, ...]] = {}
    for root in {_root(folder) for folder in (*below, *(place.parent for place in places))}:
        for place, is_new in _differing(root, revision):
            is_ours = place in places or any(place.is_relative_to(folder) for folder in below)
            if is_ours and is_readable(place):
                old = (
                    b"" if is_new else _git(root, "show", f"{revision}:{place.relative_to(root).as_posix()}")
                )
                old = gzip.decompress(old) if old and place.suffix.lower() == PACKED else old
                form = READABLE[extension_of(place)]
                before[place] = tuple(parse(old, form, graph="urn:x:before", path=place))
    return Changes(before)


def affected(
    graph: ShapeGraph, changes: Changes, quads: Iterable[ox.Quad], files: Mapping[str, Path]
) -> Mapping[Node, set[Term]]:
    """The nodes that each shape has to look at again; a node left out breaks what it broke before.

    Graphs: *quads* are the statements as they are now, *files* says which file became which graph.
    """
    quads = tuple(quads)
    graphs = {ox.NamedNode(name) for name, file in files.items() if file.resolve() in changes.before}
    now = {_triple(quad) for quad in quads if quad.graph_name in graphs}
    then = {_triple(quad) for old in changes.before.values() for quad in old}
    changed = now ^ then
    uses = {node: _uses(graph, node) for node in targeted(graph)}
    steps = Statements()
    wanted = {q.predicate.value for q in chain(quads, *changes.before.values())}
    for name in wanted:
        if any(each.forwards(name) for each in uses.values()):
            steps.backward(name)
        if any(each.backwards(name) for each in uses.values()):
            steps.forward(name)
    steps.fill(chain(quads, *changes.before.values()))
    return {node: _reaching(each, changed, steps, wanted) for node, each in uses.items()}


def _reaching(
    uses: _Uses, changed: set[_Triple], steps: Statements, predicates: Collection[str]
) -> set[Term]:
    """The nodes from which a shape walks to a statement that changed."""
    classes_moved = uses.by_class and any(predicate.value == SUBCLASS for _, predicate, _ in changed)
    if classes_moved:
        return set(steps.terms)
    starts: set[int] = set()
    for subject, predicate, value in changed:
        if uses.forwards(predicate.value) or (uses.by_class and predicate.value == TYPE):
            starts.add(steps.number(subject))
        if uses.backwards(predicate.value):
            starts.add(steps.number(value))
    back = [steps.backward(name) for name in predicates if uses.forwards(name)]
    back += [steps.forward(name) for name in predicates if uses.backwards(name)]
    found, waiting = set(starts), list(starts)
    while waiting:
        node = waiting.pop()
        for each in back:
            new = [end for end in each.get(node, ()) if end not in found]
            found.update(new)
            waiting += new
    return {steps.terms[each] for each in found}


def _uses(graph: ShapeGraph, node: Node) -> _Uses:
    """What a shape walks; everything when pySHACL will be asked, or a query names no properties."""
    uses = _Uses()
    checks = Checks(graph, uses)
    checks.targets(node)
    try:
        asked = queries(graph, checks.shape(node))
    except UndecidedError:
        uses.everything = uses.by_class = True
        return uses
    for query in asked:
        uses.everything |= query.predicates is None
        for name in query.predicates or ():
            uses.forward(name)
            uses.backward(name)
    return uses


def _triple(quad: ox.Quad) -> _Triple:
    return quad.subject, quad.predicate, quad.object


def _root(folder: Path) -> Path:
    place = folder if folder.is_dir() else folder.parent
    return Path(_git(place, "rev-parse", "--show-toplevel").decode().strip()).resolve()


def _differing(root: Path, revision: str) -> Iterator[tuple[Path, bool]]:
    """The files that are not as they were, and whether each is new."""
    listed = _git(root, "diff", "--name-status", "--no-renames", "-z", revision, "--").decode().split("\0")
    for status, name in zip(listed[::2], listed[1::2], strict=False):
        yield root / name, status == "A"
    for name in _git(root, "ls-files", "--others", "--exclude-standard", "-z").decode().split("\0"):
        if name:
            yield root / name, True


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - git with arguments of ours; a revision cannot be an option
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            check=False,
            capture_output=True,
        )
    except FileNotFoundError as error:
        raise ConfigError("git is not installed; leave --changed-since out") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise ConfigError(
            f"git cannot compare {folder}: {reason}; name a revision of the repository it is in"
        )
    return done.stdout
