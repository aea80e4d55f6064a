"""Documents name what exists: their links resolve, and files, rules and log lines that they name are in the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "topologies/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
#: A file of the repository, from its root.
NAMED_FILE = re.compile(
    r"(?<![\w/.-])(?:ryu_haslb|mininet|tests|docs|topologies|benchmarks|tools)/[\w./-]*\.(?:py|md|yaml|ios|json|c|svg)\b"
)
#: A module, such as ``haslb_lab.node.control`` in ``python -m haslb_lab.node.control``.
NAMED_MODULE = re.compile(r"(?<![\w/.])(?:haslb_lab|benchmarks)(?:\.\w+)+")
#: A file below a folder of the product or the lab, such as ``slb/real.py`` in CONTRIBUTING.md.
SHORT_FILE = re.compile(r"(?<![\w/.-])(?:[a-z_]+/)+[a-z_]+\.py\b")
#: A file and the names in it that matter, such as ``slb/health.py`` (``HEALTH_TRANSITIONS``).
FILE_WITH_NAMES = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.py)` \(([^)]*)\)")
FOLDERS = [
    ROOT / name
    for name in ("", "ryu_haslb", "ryu_haslb/configuration", "ryu_haslb/openflow", "mininet", "mininet/haslb_lab")
]


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def links(document: Path) -> Iterator[str]:
    """The relative links of a document, outside of its code blocks."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    return (target for target in LINK.findall(text) if "://" not in target)


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_relative_link_resolves(document: Path) -> None:
    for target in links(document):
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_file_and_module_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    for path in NAMED_FILE.findall(text):
        assert (ROOT / path).exists(), path
    for module in NAMED_MODULE.findall(text):
        # Either a package, or a module, or a member of a module.
        places = [root.joinpath(*module.split(".")) for root in (ROOT, ROOT / "mininet")]
        files = [file.with_suffix(".py") for place in places for file in (place, place.parent)]
        assert any(each.exists() for each in (*places, *files)), module
    for path in SHORT_FILE.findall(text):
        assert any((folder / path).exists() for folder in FOLDERS), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_name_in_brackets_behind_a_file_is_in_that_file(document: Path) -> None:
    for path, text in FILE_WITH_NAMES.findall(document.read_text()):
        source = next(folder / path for folder in FOLDERS if (folder / path).exists()).read_text()
        for each in re.findall(r"`(\w+)`", text):
            assert re.search(rf"\b{each}\b", source), f"{path}: {each}"


def test_every_term_of_the_glossary_is_explained_once_in_alphabetical_order() -> None:
    text = (ROOT / "docs/glossary.md").read_text()
    terms = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert len(terms) > 40
    assert terms == sorted(set(terms), key=str.lower)


def test_the_log_lines_that_call_for_action_are_logged() -> None:
    source = "".join(path.read_text() for path in (ROOT / "ryu_haslb").rglob("*.py"))
    source = re.sub(r'"\s+f?"', "", source)  # literals that continue on the next line
    _, _, table = (ROOT / "docs/running.md").read_text().partition("| line | what to do |")
    lines = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(lines) > 5
    for line in lines:
        for part in re.split(r"…|\bN\b|\bREASON\b|\b15\b", line):
            assert part.strip() in source, line
