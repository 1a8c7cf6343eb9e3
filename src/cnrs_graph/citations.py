"""How to cite a thing or the dataset: BibTeX, RIS, CSL-JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cnrs_graph.formats import Format

BIBTEX = Format("bibtex", "application/x-bibtex", "bib")
RIS = Format("ris", "application/x-research-info-systems", "ris")
CSL = Format("csl", "application/vnd.citationstyles.csl+json", "json")
CITATION_FORMATS = (BIBTEX, RIS, CSL)
NAMES: Mapping[Format, str] = {BIBTEX: "BibTeX", RIS: "RIS", CSL: "CSL-JSON"}
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


@dataclass(frozen=True)
class Citation:
    """What is cited: its title, the collection it stands in, who publishes it, and its permanent address."""

    iri: str
    title: str
    container: str
    publisher: str
    #: The day of the release as the data writes it, a year at least; empty if it does not say.
    issued: str
    version: str
    language: str

    @property
    def key(self) -> str:
        """A name for the entry, of letters, digits and hyphens."""
        plain = unicodedata.normalize("NFKD", self.iri.rstrip("/").split("://")[-1]).encode("ascii", "ignore")
        return "-".join(re.findall(r"[a-z0-9]+", plain.decode().lower())[-3:]) or "entry"


def citation_bytes(citation: Citation, fmt: Format) -> bytes:
    """A citation in a format."""
    return _WRITERS[fmt](citation).encode()


def _bibtex(citation: Citation) -> str:
    fields = {
        "title": f"{{{_latex(citation.title)}}}",
        "booktitle": _latex(citation.container),
        "publisher": _latex(citation.publisher),
        "year": citation.issued[:4],
        "version": _latex(citation.version),
        "language": citation.language,
        "url": citation.iri,
    }
    lines = [f"  {name} = {{{text}}}" for name, text in fields.items() if text]
    return f"@misc{{{citation.key},\n" + ",\n".join(lines) + "\n}\n"


def _latex(text: str) -> str:
    """Text as BibTeX reads it back: what LaTeX would obey is escaped."""
    special = re.sub(r"[\\~^{}$&#%_]", lambda match: _LATEX.get(match[0], f"\\{match[0]}"), text)
    return " ".join(special.split())


def _ris(citation: Citation) -> str:
    lines = [
        ("TY", "DATA"),
        ("TI", citation.title),
        ("T2", citation.container),
        ("PB", citation.publisher),
        ("PY", citation.issued[:4]),
        ("DA", citation.issued.replace("-", "/")),
        ("ET", citation.version),
        ("LA", citation.language),
        ("UR", citation.iri),
    ]
    body = "".join(f"{tag}  - {' '.join(text.split())}\r\n" for tag, text in lines if text)
    return f"{body}ER  - \r\n"


def _csl(citation: Citation) -> str:
    dates = [int(part) for part in citation.issued.split("-") if part.isdecimal()]
    entry: dict[str, object] = {
        "id": citation.iri,
        "type": "dataset",
        "title": citation.title,
        "container-title": citation.container,
        "publisher": citation.publisher,
        "issued": {"date-parts": [dates]} if dates else "",
        "version": citation.version,
        "language": citation.language,
        "URL": citation.iri,
    }
    return f"{json.dumps([{k: v for k, v in entry.items() if v}], ensure_ascii=False, indent=2)}\n"


_WRITERS: Mapping[Format, Callable[[Citation], str]] = {BIBTEX: _bibtex, RIS: _ris, CSL: _csl}
