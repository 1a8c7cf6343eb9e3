"""A publisher of linked data: files become statements, statements become answers, answers become bytes."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """Give the version when it is asked for; looking it up costs more than all else a help text needs."""
    if name == "__version__":
        from importlib.metadata import version

        return version("cnrs-graph")
    raise AttributeError(name)
