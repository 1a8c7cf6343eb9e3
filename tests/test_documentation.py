"""Commands, settings, errors, rules are documented, and what the README says is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])


def test_the_generated_pages_are_fresh():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr


def test_links_between_pages_lead_somewhere():
    assert len(PAGES) > 10
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not target.startswith(("http:", "https:", "mailto:")) and not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize(
    "word", ["make serve", "make test", "Independent project", "Apache-2.0", "CC BY 4.0"]
)
def test_the_readme_says(word):
    assert word in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_decision_has_a_question_a_choice_and_a_price():
    decisions = sorted(ROOT.glob("docs/decisions/*.md"))
    assert len(decisions) > 5
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        for part in ("**Question.**", "**Choice.**", "**Price.**"):
            assert part in text, f"{page.name} lacks {part}"
