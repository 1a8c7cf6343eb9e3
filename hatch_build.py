"""Bundle the query editor and the outlines of countries when the package is built, where there is npm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MANIFEST = Path("src/cnrs_graph/static/manifest.json")
STEPS = (("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"), ("npm", "run", "--silent", "build"))
PLAIN = "the query page will be a plain form, and there will be no maps"


def is_fresh(root: Path) -> bool:
    """Whether the bundle is there and nothing that it is made of is younger."""
    editor, made = root / "editor", root / MANIFEST
    sources = [editor / "package-lock.json", *editor.glob("*.mjs"), *(editor / "src").glob("*")]
    return made.is_file() and all(
        source.stat().st_mtime <= made.stat().st_mtime for source in sources if source.is_file()
    )


def bundle(root: Path) -> str | None:
    """Bundle the editor if it is not fresh; gives a sentence when that could not be done.

    The package is built all the same: who has no npm, or no network, still gets a page that works.
    """
    if is_fresh(root):
        return None
    if shutil.which("npm") is None:
        return f"npm is not installed: {PLAIN}"
    for step in STEPS:
        done = subprocess.run(step, cwd=root / "editor", capture_output=True, text=True, check=False)
        if done.returncode:
            return f"`{' '.join(step)}` failed: {PLAIN}\n{done.stdout}{done.stderr}".rstrip()
    return None


class EditorHook(BuildHookInterface[Any]):
    """What hatchling runs before it collects the files of a wheel, an sdist or an editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Bundle the editor, or say why not."""
        warning = bundle(Path(self.root))
        if warning is not None:
            self.app.display_warning(warning)
