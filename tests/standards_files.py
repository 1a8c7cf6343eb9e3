"""Where the standards' own files are: a folder given, else where `make test` puts them."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FOLDERS = (
    Path(os.environ.get("CNRS_GRAPH_STANDARDS", TESTS.parents[1] / "shared" / "standards")),
    TESTS / "standards",
)


def standard(name):
    """The path of a standard's file or folder; None where it is not to be had."""
    return next((folder / name for folder in FOLDERS if (folder / name).exists()), None)


def needed(name):
    """The same; where it is not to be had the test is skipped with that reason."""
    path = standard(name)
    if path is None:
        pytest.skip(
            f"{name} is not here: `python tests/fetch_standards.py` fetches it, or set CNRS_GRAPH_STANDARDS"
        )
    return path
