"""A publisher of linked data: files become statements, statements become answers, answers become bytes."""

from importlib.metadata import version

__version__ = version("cnrs-graph")
