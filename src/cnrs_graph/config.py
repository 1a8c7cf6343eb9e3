"""Settings, read once at the door and passed inward as plain values."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cnrs_graph.errors import ConfigError, suggestion
from cnrs_graph.terms import expand
from cnrs_graph.validation import Severity

_HERE = Path(__file__).resolve().parent
_PREFIX = "CNRS_GRAPH_"
#: The name of the file that makes a folder a publication.
PUBLICATION = "publication.toml"


@dataclass(frozen=True)
class Config:
    """Everything that can be set.

    Units: seconds and bytes where the name says so.
    """

    #: The canonical base of all IRIs we mint; ends with a slash.
    base: str
    #: Folders or files with the data.
    data: tuple[Path, ...]
    #: Folder with the ontology, its code lists and alignments, and the rules below `rules/`.
    ontology: Path
    #: Folder or file with the shapes.
    shapes: Path
    #: Folder with the saved queries.
    queries: Path
    #: Table of the slugs ever given out; what is withdrawn or merged there answers so. None for no table.
    register: Path | None = None
    #: What the pages call the publication, by language.
    title: Mapping[str, str] = field(default_factory=dict)
    #: A sentence that every page shows, by language: who is behind this, and who is not.
    notice: Mapping[str, str] = field(default_factory=dict)
    #: For a class the properties that its list can be narrowed down by, as CURIEs or IRIs.
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: The saved query that holds announced figures against what is named, for the page of counts.
    counts: str = ""
    #: The saved queries whose answers the front page draws: `announced`, `cooperations`.
    front: Mapping[str, str] = field(default_factory=dict)
    #: Where readers report an error: an address in which {iri} stands for the thing; may be empty.
    report: str = ""
    #: Where the server can be reached, with a path prefix if there is one; empty for "wherever it was asked".
    public_url: str = ""
    #: Graph families that stay out of the default graph of queries; GRAPH reaches them.
    outside_default: tuple[str, ...] = ("claims",)
    #: The severity from which findings keep data from being published.
    refuse_at: Severity = Severity.VIOLATION
    #: Processes that answer queries.
    workers: int = 2
    #: Queries that may wait.
    queue: int = 64
    #: Seconds that a query may take.
    query_seconds: float = 30.0
    #: Bytes that a query may take beyond the data.
    query_memory_bytes: int = 1 << 30
    #: Bytes that the body of a request may have.
    body_bytes: int = 1 << 20
    #: Seconds after which a query is slow: it runs on with the lowest priority and others take its place.
    slow_after_seconds: float = 1.0
    #: Slow queries that may run at the same time.
    slow_workers: int = 8
    #: Statements that a DESCRIBE may give; a header says when there are more.
    describe_statements: int = 10_000
    #: Bytes that an answer may have, 0 for no limit; beyond them the connection is closed unfinished.
    answer_bytes: int = 0


def shipped() -> Path:
    """The folder that holds the shipped ontology/, shapes/, data/ and queries/: in the wheel or the checkout.

    Raises: ConfigError if they are in neither.
    """
    for candidate in (_HERE / "_bundled", _HERE.parents[1]):
        if (candidate / PUBLICATION).is_file():
            return candidate
    raise ConfigError("the shipped ontology, shapes, data and queries are missing; install the package again")


def read_config(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings: a publication file, over it the environment (CNRS_GRAPH_BASE, …).

    Without a path the shipped publication is read. Paths in the file are relative to the file.

    Raises: ConfigError naming the setting, what is wrong with it and what can be written.
    """
    file = path if path is not None else shipped() / PUBLICATION
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from error
    known = {each.name for each in fields(Config)}
    if f"{_PREFIX}QUERIES" in environ:
        # The front page names queries of the file's own folder.
        settings.pop("front", None)
    for name, text in environ.items():
        setting = name.removeprefix(_PREFIX).lower()
        if name.startswith(_PREFIX) and setting in known:
            settings[setting] = str(Path(text).absolute()) if setting in _PATHS else text
    _refuse_unknown(settings, known, file)
    return _config(settings, file)


def changed(config: Config, **changes: Any) -> Config:
    """A copy with some settings changed; None leaves a setting as it is.

    Raises: ConfigError naming the setting, what is wrong with it and what can be written.
    """
    read: dict[str, Any] = {}
    for name, value in changes.items():
        try:
            if value is not None:
                read[name] = _READERS[name](value) if name in _READERS else value
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{name} = {value!r}: {error}") from error
    return replace(config, **read)


def _refuse_unknown(settings: Mapping[str, Any], known: set[str], file: Path) -> None:
    for name in settings:
        if name not in known:
            raise ConfigError(f"{file}: there is no setting {name!r}; {suggestion(name, sorted(known))}")


def _config(settings: Mapping[str, Any], file: Path) -> Config:
    values: dict[str, Any] = {}
    for each in fields(Config):
        if each.name in settings:
            values[each.name] = _value(each.name, settings[each.name], file)
    missing = [name for name in ("base", "data", "ontology", "shapes", "queries") if name not in values]
    if missing:
        raise ConfigError(f"{file}: the settings {', '.join(missing)} are missing")
    return Config(**values)


def _value(name: str, value: Any, file: Path) -> Any:
    """One setting as the type it needs.

    Raises: ConfigError.
    """
    try:
        if name == "data":
            return tuple(_tidy(file.parent / path) for path in _names(value))
        return _tidy(file.parent / str(value)) if name in _PATHS else _READERS.get(name, str)(value)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{file}: {name} = {value!r}: {error}") from error


def _tidy(path: Path) -> Path:
    """The path without detours, relative to where we are when it lies below, as people write it."""
    whole = Path(os.path.normpath(path.absolute()))
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole


def _base(value: Any) -> str:
    text = str(value)
    if not text.startswith(("http://", "https://")) or not text.endswith("/"):
        raise ValueError("write an http(s) IRI that ends with a slash")
    return text


def _url(value: Any) -> str:
    text = str(value).rstrip("/")
    if text and not text.startswith(("http://", "https://", "/")):
        raise ValueError("write an http(s) address, or a path prefix that starts with a slash")
    return text


def _texts(value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError("write one text per language")
    return {str(language): str(text) for language, text in value.items()}


def _facets(value: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or not all(isinstance(each, list) for each in value.values()):
        raise TypeError('write a list of properties for each class: "org:Site" = ["org:siteAddress"]')
    return {expand(kind): tuple(expand(str(each)) for each in held) for kind, held in value.items()}


def _report(value: Any) -> str:
    text = str(value)
    if text and not text.startswith(("https://", "http://", "mailto:")):
        raise ValueError("write an http(s) or mailto address, with {iri} where the thing is named")
    return text


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(str(each) for each in value)


def _positive(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("write a whole number from 1")
    return number


def _natural(value: Any) -> int:
    number = int(value)
    if number < 0:
        raise ValueError("write a whole number from 0")
    return number


def _seconds(value: Any) -> float:
    number = float(value)
    if not 0 < number <= 86_400:
        raise ValueError("write a number of seconds above 0")
    return number


def _severity(value: Any) -> Severity:
    if isinstance(value, Severity):
        return value
    if str(value).upper() not in Severity.__members__:
        raise ValueError("write violation, warning or info")
    return Severity[str(value).upper()]


_PATHS = ("data", "ontology", "shapes", "queries", "register")
_READERS: Mapping[str, Any] = {
    "base": _base,
    "public_url": _url,
    "title": _texts,
    "notice": _texts,
    "front": _texts,
    "report": _report,
    "outside_default": _names,
    "facets": _facets,
    "refuse_at": _severity,
    "workers": _positive,
    "queue": _positive,
    "query_seconds": _seconds,
    "query_memory_bytes": _positive,
    "body_bytes": _positive,
    "slow_after_seconds": _seconds,
    "slow_workers": _positive,
    "describe_statements": _positive,
    "answer_bytes": _natural,
}
