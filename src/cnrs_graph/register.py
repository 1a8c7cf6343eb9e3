"""The register of slugs: what was ever given out, and what became of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from cnrs_graph.errors import Place, SourceError
from cnrs_graph.terms import ResourceName, expand, resource_iri

#: The columns every register has; `replaced_by` (kind/slug) and `reason` may follow.
COLUMNS = ("kind", "slug", "first_release", "status")
ACTIVE, WITHDRAWN, MERGED = "active", "withdrawn", "merged"
_WITHDRAWN_STATUS = "http://purl.org/adms/status/Withdrawn"

Rows = Mapping[str, tuple[int, Mapping[str, str]]]


@dataclass(frozen=True)
class Retired:
    """A thing that is published no more: withdrawn, or merged into another one."""

    iri: str
    replaced_by: str | None = None
    reason: str = ""

    def tombstone(self) -> list[ox.Quad]:
        """What is still said about it."""
        said: list[tuple[str, ox.NamedNode | ox.Literal]] = [
            ("owl:deprecated", ox.Literal("true", datatype=ox.NamedNode(expand("xsd:boolean")))),
            ("adms:status", ox.NamedNode(_WITHDRAWN_STATUS)),
        ]
        if self.reason:
            said.append(("skos:changeNote", ox.Literal(self.reason)))
        return [ox.Quad(ox.NamedNode(self.iri), ox.NamedNode(expand(curie)), value) for curie, value in said]


def read_register(path: Path, base: str) -> Mapping[str, Retired]:
    """What is published no more, by IRI.

    Raises: SourceError with the line, for a row that cannot be read and a merged thing without successor.
    """
    rows = {iri: (line, row) for iri, line, row in _rows(path, base)}
    found: dict[str, Retired] = {}
    for iri, (line, row) in rows.items():
        status, reason = row["status"], row.get("reason") or ""
        if status == WITHDRAWN:
            found[iri] = Retired(iri, None, reason)
        elif status == MERGED:
            found[iri] = Retired(iri, _successor(Place(path, line), base, iri, rows), reason)
        elif status != ACTIVE:
            raise SourceError(
                Place(path, line), f"the status {status!r} is not one of {ACTIVE}, {WITHDRAWN}, {MERGED}"
            )
    return found


def _rows(path: Path, base: str) -> Iterator[tuple[str, int, Mapping[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise SourceError(Place(path, 1), f"the columns {', '.join(missing)} are missing")
            for row in reader:
                iri = _iri(Place(path, reader.line_num), base, row["kind"] or "", row["slug"] or "")
                yield iri, reader.line_num, row
    except (OSError, UnicodeError, csv.Error) as error:
        raise SourceError(Place(path), f"the register cannot be read: {error}") from error


def _iri(place: Place, base: str, kind: str, slug: str) -> str:
    try:
        return resource_iri(base, ResourceName(kind, slug))
    except ValueError as error:
        raise SourceError(place, str(error)) from error


def _successor(place: Place, base: str, iri: str, rows: Rows) -> str:
    """The thing at the end of the chain of mergers that begins here.

    Raises: SourceError when the chain has no end or leads to nothing.
    """
    seen = [iri]
    while rows[seen[-1]][1]["status"] == MERGED:
        kind, _, slug = (rows[seen[-1]][1].get("replaced_by") or "").partition("/")
        if not slug:
            raise SourceError(place, "what is merged names its successor under replaced_by, as kind/slug")
        following = _iri(place, base, kind, slug)
        if following not in rows:
            raise SourceError(place, f"{kind}/{slug} is not in the register")
        if following in seen:
            raise SourceError(place, f"{kind}/{slug} is merged into itself")
        seen.append(following)
    return seen[-1]
