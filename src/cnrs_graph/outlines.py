"""The outlines of countries for small maps, if they were built: rings of positions by ISO 3166-1 number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "static"

#: A longitude and a latitude, in degrees.
Position = tuple[float, float]
Outlines = Mapping[str, Sequence[Sequence[Position]]]


@lru_cache(maxsize=1)
def outlines() -> Outlines:
    """The outer rings of each country; empty where the package was built without npm: there are no maps."""
    return read_outlines(_FOLDER)


def read_outlines(folder: Path) -> Outlines:
    """The outlines in a folder that `editor/build.mjs` has written; empty if there are none.

    Units: degrees; the file has tenths of them.
    """
    manifest = folder / "manifest.json"
    name = json.loads(manifest.read_text(encoding="utf-8")).get("outlines") if manifest.is_file() else None
    if name is None:
        return {}
    found = json.loads((folder / name).read_text(encoding="utf-8"))
    return {
        code: [[(longitude / 10, latitude / 10) for longitude, latitude in ring] for ring in rings]
        for code, rings in found.items()
    }
