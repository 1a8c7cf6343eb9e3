"""Where stewards work: a bad commit is stopped, and the files for services keep to their schemas."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import check_jsonschema
import jsonschema
import pytest
from ruamel.yaml import YAML

from cnrs_graph import cli

ROOT = Path(__file__).parents[1]
HOWTO = ROOT / "docs" / "howto" / "validate-before-data-gets-in.md"
SCHEMAS = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix e: <https://example.org/> .
e:Dated a sh:NodeShape ; sh:targetClass e:Term ; sh:property e:Dated-start .
e:Dated-start a sh:PropertyShape ; sh:path e:startDate ; sh:minCount 1 ; sh:message "Say when it starts."@en .
"""
GOOD = '@prefix e: <https://example.org/> . e:a a e:Term ; e:startDate "2020" .\n'
BAD = "@prefix e: <https://example.org/> .\n\ne:b a e:Term .\n"


def yaml(text):
    return YAML(typ="safe").load(text)


def blocks(language):
    found = re.findall(
        rf"^```{language}\n(.*?)^```$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found, f"{HOWTO.name} shows no {language}"
    return found


def schema(name):
    return json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def environment(tmp_path):
    """A folder with `cnrs-graph` as a command, before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "cnrs-graph"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cnrs_graph "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    people = {
        f"GIT_{role}_{what}": "x@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, **nobody, **people, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def repository(tmp_path, environment):
    folder = tmp_path / "repository"
    for name, text in (("shapes/shapes.ttl", SHAPES), ("data/good.ttl", GOOD)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q", folder], check=True, env=environment)
    return folder


@pytest.fixture
def git(repository, environment):
    def git_(*arguments):
        return subprocess.run(
            ["git", "-C", repository, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return git_


def commits(git):
    return git("log", "--oneline").stdout.splitlines()


def test_a_bad_commit_is_stopped_by_the_hook_and_a_good_one_is_not(repository, git):
    (hook,) = blocks("sh")
    path = repository / ".git" / "hooks" / "pre-commit"
    path.parent.mkdir(exist_ok=True)
    path.write_text(hook, encoding="utf-8")
    path.chmod(0o755)

    git("add", ".")
    assert git("commit", "-qm", "good").returncode == 0
    (repository / "data" / "bad.ttl").write_text(BAD, encoding="utf-8")
    git("add", ".")
    stopped = git("commit", "-qm", "bad")

    assert stopped.returncode == 1
    assert "data/bad.ttl:3:1: violation Dated" in stopped.stdout + stopped.stderr
    assert len(commits(git)) == 1


@pytest.mark.parametrize("name", ["cnrs-graph-validate", "cnrs-graph-validate-files"])
def test_a_hook_of_pre_commit_stops_a_bad_file(repository, environment, name):
    hooks = {hook["id"]: hook for hook in yaml((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    hook = hooks[name]
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert hook["entry"].split()[0] in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (repository / "data" / "bad.ttl").write_text(BAD, encoding="utf-8")

    codes = []
    for file in ("data/good.ttl", "data/bad.ttl"):
        assert re.search(hook["files"], file)
        # What pre-commit would run: the entry, the arguments, the changed file or the one in the arguments.
        command = [*hook["entry"].split(), "--shapes=shapes", file]
        codes.append(subprocess.run(command, cwd=repository, env=environment, check=False).returncode)
    assert codes == [0, 1]


def test_the_configuration_shown_for_pre_commit_names_hooks_that_are_there():
    shown = next(yaml(text) for text in blocks("yaml") if "repos:" in text)
    ids = {hook["id"] for hook in yaml((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}

    for hook in shown["repos"][0]["hooks"]:
        assert hook["id"] in ids
        cli.parser().parse_args(["validate", *hook["args"]])


def test_the_action_keeps_to_the_schema_of_actions():
    action = yaml((ROOT / "action.yml").read_text(encoding="utf-8"))

    jsonschema.Draft7Validator(schema("github-actions")).validate(action)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema("github-actions")).validate({**action, "runs": {}})


def test_no_input_of_the_action_stands_inside_a_command():
    action = yaml((ROOT / "action.yml").read_text(encoding="utf-8"))

    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]


def test_the_jobs_shown_keep_to_their_schemas():
    texts = [yaml(text) for text in blocks("yaml")]
    (workflow,) = [each for each in texts if "jobs" in each]
    (pipeline,) = [each for each in texts if "validate-data" in each]

    # YAML 1.2 reads the key `on` as the text it is.
    jsonschema.Draft7Validator(schema("github-workflows")).validate(workflow)
    jsonschema.Draft7Validator(schema("gitlab-ci")).validate(pipeline)
    action = yaml((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["data"]["steps"][-1]["with"].keys() <= action["inputs"].keys()


def test_the_script_of_the_action_marks_lines_and_writes_sarif(repository, environment):
    (repository / "data" / "bad.ttl").write_text(BAD, encoding="utf-8")
    inputs = {
        "INPUT_PATHS": "data/good.ttl\n data/bad.ttl",
        "INPUT_SHAPES": "shapes",
        "INPUT_SARIF": "found.sarif",
    }
    ran = subprocess.run(
        ["bash", ROOT / ".github" / "validate.sh"],
        cwd=repository,
        env={**environment, **inputs},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert "::error file=data/bad.ttl,line=3,col=1,title=Dated" in ran.stdout
    assert json.loads((repository / "found.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]


def test_the_script_of_the_action_passes_broken_shapes_on(repository, environment):
    (repository / "shapes" / "shapes.ttl").write_text("this is no Turtle", encoding="utf-8")
    inputs = {"INPUT_PATHS": "data", "INPUT_SHAPES": "shapes", "INPUT_SARIF": "found.sarif"}
    ran = subprocess.run(
        ["bash", ROOT / ".github" / "validate.sh"],
        cwd=repository,
        env={**environment, **inputs},
        capture_output=True,
        check=False,
    )

    assert ran.returncode == 3
