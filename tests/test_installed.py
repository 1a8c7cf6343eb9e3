"""The wheel, in a clean environment and another folder: every entry point starts, every file is there."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("ontology", "shapes", "data", "queries")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the sources without fetching anything."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
        timeout=180,
    )
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory):
    """`cnrs-graph` of an environment that has the wheel and, by a path file, the libraries we already have.

    Libraries come from this environment so that the test needs no network; the package itself does not.
    """
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel], check=True, timeout=180
    )
    [packages] = (home / "lib").glob("python*/site-packages")
    ours = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    libraries = home / "libraries"
    libraries.mkdir()
    for entry in ours.iterdir():
        # Neither the editable install of this checkout nor pip's own files go along.
        if "cnrs_graph" not in entry.name and entry.suffix != ".pth":
            (libraries / entry.name).symlink_to(entry)
    (packages / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")
    return home / "bin" / "cnrs-graph"


def run(command, *arguments, cwd):
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CNRS"))}
    return subprocess.run(
        [command, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, timeout=180, check=False
    )


def test_the_wheel_carries_every_shipped_file(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    shipped = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    shipped.append(ROOT / "publication.toml")
    assert len(shipped) > 100
    missing = [
        path for path in shipped if f"cnrs_graph/_bundled/{path.relative_to(ROOT).as_posix()}" not in inside
    ]
    assert missing == []
    sources = [
        path
        for path in (ROOT / "src" / "cnrs_graph").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert [path for path in sources if path.relative_to(ROOT / "src").as_posix() not in inside] == []


def test_the_installed_command_uses_what_the_wheel_carries(command, tmp_path):
    done = subprocess.run(
        [command.parent / "python", "-c", "import cnrs_graph.config as c; print(c.__file__, c.shipped())"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        timeout=60,
    )
    file, shipped = done.stdout.split()
    assert Path(shipped) == Path(file).parent / "_bundled"
    assert not Path(file).is_relative_to(ROOT)


def test_the_installed_command_validates(command, tmp_path):
    done = run(command, "validate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0 violations" in done.stderr


def test_the_installed_command_queries(command, tmp_path):
    listed = run(command, "query", "--list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) >= 15
    answered = run(command, "query", "cq-d8-country-codes", "--format", "csv", cwd=tmp_path)
    assert "CAN" in answered.stdout, answered.stderr


def test_the_installed_command_serves(command, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [command, "serve", "--no-validate", "--quiet", "--port", str(port)],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    try:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/id/cooperation/ln2", headers={"Accept": "text/turtle"}
        )
        deadline = time.monotonic() + 60
        body = b""
        while not body and time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    body = answer.read()
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        assert b"Nanotechnologies" in body
    finally:
        process.terminate()
        process.wait(15)
