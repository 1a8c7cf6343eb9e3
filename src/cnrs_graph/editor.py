"""The scripts of the query page, if they were bundled: their names and their bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cnrs_graph.formats import TEXT, Format

SCRIPT = Format("script", "text/javascript", "js")
STYLE = Format("stylesheet", "text/css", "css")
_FORMATS: Mapping[str, Format] = {
    "script": SCRIPT,
    "pictures": SCRIPT,
    "style": STYLE,
    "licences": TEXT,
}
_FOLDER = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Bundle:
    """The files of the editor by their paths, which change when the files change."""

    script: str
    #: What draws charts and maps, fetched by the script when one is asked for.
    pictures: str
    style: str
    licences: str
    files: Mapping[str, tuple[Format, bytes]]


@lru_cache(maxsize=1)
def bundle() -> Bundle | None:
    """The editor; None where the package was built without npm, and the page is a plain form."""
    return read_bundle(_FOLDER)


def read_bundle(folder: Path) -> Bundle | None:
    """The editor in a folder that `editor/build.mjs` has written; None if there is none."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return None
    names: Mapping[str, str] = json.loads(manifest.read_text(encoding="utf-8"))
    files = {
        f"/static/{names[role]}": (fmt, (folder / names[role]).read_bytes()) for role, fmt in _FORMATS.items()
    }
    return Bundle(**{role: f"/static/{names[role]}" for role in _FORMATS}, files=files)
