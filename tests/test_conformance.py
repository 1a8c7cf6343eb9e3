"""What the specifications ask for, case by case: the tables are in tests/conformance/."""

import json
import re
import socket
import tomllib
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

import pytest

FOLDER = Path(__file__).parent / "conformance"
FORM = "application/x-www-form-urlencoded"
KEYS = {
    "name", "spec", "section", "method", "path", "url", "form", "target", "body", "hex", "type", "repeat",
    "accept", "headers", "status", "media", "truth", "has", "lacks", "header",
}  # fmt: skip
SPECS = {"protocol", "graph-store", "service", "http", "ours"}


def read(name):
    """The cases of a suite, names in «…» put in."""
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    names = tomllib.loads(text)["names"]
    head, mark, cases = text.partition("[[case]]")
    assert head
    return tomllib.loads(mark + re.sub("«([^»]+)»", lambda found: names[found[1]], cases))["case"]


SUITE = "sparql_protocol"
CASES = read(SUITE)
EXCUSED = tomllib.loads((FOLDER / "excused.toml").read_text(encoding="utf-8"))["excused"]


def encoded(fields):
    return urlencode([tuple(field) for field in fields])


def send(port, case):
    """Send a request byte for byte as the case has it: status, headers, body."""
    method = case.get("method", "GET")
    url = f"?{encoded(case['url'])}" if "url" in case else ""
    target = case.get("target", case.get("path", "/sparql") + url)
    body = bytes.fromhex(case["hex"]) if "hex" in case else case.get("body", "").encode()
    headers = {"Host": "127.0.0.1", "Connection": "close", **case.get("headers", {})}
    if "form" in case:
        headers["Content-Type"], body = FORM, encoded(case["form"]).encode()
    if "type" in case:
        headers["Content-Type"] = case["type"]
    if case.get("accept", "*/*"):
        headers["Accept"] = case.get("accept", "*/*")
    body *= case.get("repeat", 1)
    if method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join((*lines, "", "")).encode() + body)
        response = HTTPResponse(connection, method=method)
        response.begin()
        return response.status, response.headers, response.read()


def unmet(case, status, headers, body):
    """What an answer lacks of what the case asks for."""
    text = body.decode()
    media = headers.get("Content-Type", "").partition(";")[0]
    if status != case["status"]:
        return f"{status} and not {case['status']}: {text[:300]}"
    if "media" in case and media != case["media"]:
        return f"{media} and not {case['media']}"
    if "truth" in case and json.loads(text)["boolean"] is not case["truth"]:
        return f"the answer is {not case['truth']}"
    if case.get("method") == "HEAD" and body:
        return "HEAD has a body"
    missing = [each for each in case.get("has", ()) if each not in text]
    extra = [each for each in case.get("lacks", ()) if each in text]
    wrong = [name for name, value in case.get("header", {}).items() if value not in headers.get(name, "")]
    if missing or extra or wrong:
        return f"missing {missing}, extra {extra}, headers {wrong}: {text[:300]}"
    return None


def test_the_table_is_whole():
    names = [case["name"] for case in CASES]
    assert len(names) > 100
    assert len(set(names)) == len(names)
    for case in CASES:
        assert case.keys() <= KEYS, case["name"]
        assert case["spec"] in SPECS, case["name"]
        assert case["section"], case["name"]
        assert isinstance(case["status"], int), case["name"]
    sections = {(case["spec"], case["section"]) for case in CASES}
    assert sections >= {("protocol", f"2.1.{number}") for number in (1, 2, 3, 4, 5, 7)}
    assert sections >= {("protocol", f"2.2.{number}") for number in (1, 2, 3, 5)}
    assert sections >= {("graph-store", number) for number in ("4.1", "4.2", "5.1", "5.2", "5.6")}


def test_what_is_excused_exists_and_has_a_reason():
    excused = [each for each in EXCUSED if each["suite"] == SUITE]
    assert excused
    names = {case["name"] for case in CASES}
    for each in excused:
        assert each["case"] in names, each["case"]
        assert len(each["reason"]) > 20, each["case"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"].replace(" ", "-") for case in CASES])
def test_the_server_does_what_the_specification_says(server, case):
    lacking = unmet(case, *send(server.port, case))
    excuses = [each["reason"] for each in EXCUSED if (each["suite"], each["case"]) == (SUITE, case["name"])]
    if excuses:
        assert lacking is not None, f"{case['name']}: no excuse is needed any more"
    else:
        assert lacking is None, f"{case['spec']} {case['section']}: {lacking}"
