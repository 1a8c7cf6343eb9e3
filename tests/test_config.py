import pytest

from cnrs_graph.config import changed, read_config, shipped
from cnrs_graph.errors import ConfigError
from cnrs_graph.validation import Severity

SMALLEST = 'base = "https://example.org/"\ndata = "d"\nontology = "o"\nshapes = "s"\nqueries = "q"\n'


def write(tmp_path, text):
    path = tmp_path / "publication.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_settings_are_read():
    config = read_config(environ={})
    assert config.base.endswith("/")
    assert config.title["en"]
    assert all(path.is_dir() for path in (*config.data, config.ontology, config.shapes, config.queries))
    assert (shipped() / "publication.toml").is_file()


def test_paths_are_relative_to_the_file(tmp_path):
    config = read_config(write(tmp_path, SMALLEST), environ={})
    assert config.data == (tmp_path / "d",)
    assert config.ontology == tmp_path / "o"


def test_the_environment_overrides_the_file(tmp_path):
    environ = {
        "CNRS_GRAPH_BASE": "https://other.example/",
        "CNRS_GRAPH_WORKERS": "7",
        "CNRS_GRAPH_QUERY_SECONDS": "1.5",
        "CNRS_GRAPH_REFUSE_AT": "warning",
        "CNRS_GRAPH_DATA": "/elsewhere",
        "CNRS_GRAPH_STANDARDS": "not a setting of ours",
    }
    config = read_config(write(tmp_path, SMALLEST), environ=environ)
    assert (config.base, config.workers, config.query_seconds) == ("https://other.example/", 7, 1.5)
    assert config.refuse_at is Severity.WARNING
    assert str(config.data[0]) == "/elsewhere"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "base, data, ontology, shapes, queries are missing"),
        (SMALLEST + 'bsae = "x"', "no setting 'bsae'; did you mean base"),
        (SMALLEST.replace("https://example.org/", "https://example.org"), "ends with a slash"),
        (SMALLEST + "workers = 0", "whole number from 1"),
        (SMALLEST + "query_seconds = -1", "above 0"),
        (SMALLEST + 'refuse_at = "fatal"', "violation, warning or info"),
        (SMALLEST + 'title = "x"', "one text per language"),
        (SMALLEST + 'public_url = "ftp://x"', "http"),
        ("base = ", "publication.toml"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_remedy(tmp_path, text, reason):
    with pytest.raises(ConfigError, match=reason):
        read_config(write(tmp_path, text), environ={})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "none.toml", environ={})


def test_none_changes_nothing(tmp_path):
    config = read_config(write(tmp_path, SMALLEST), environ={})
    assert changed(config, base=None, workers=3).base == config.base
    assert changed(config, base=None, workers=3).workers == 3
