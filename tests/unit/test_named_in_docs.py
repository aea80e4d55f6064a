"""What the documents name is there: commands and their options, variables, metrics, paths of the API, tags of the log;
and the tests that the Makefile names.

That the documents name all there is, as each reason of a drop, is tested where that is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from web_bench import WebBench

from haslb_lab.runner.janitor import MARK
from ryu_haslb.cli import check, cluster, completion, run, switch_test
from ryu_haslb.cli.requests import executor_of
from ryu_haslb.control.command_table import BALANCER_COMMANDS, SENT_AS_TYPED, Executor
from ryu_haslb.control.protocol import JSON_FLAG
from ryu_haslb.language.grammar import CommandError, match
from ryu_haslb.show import state_log
from ryu_haslb.web.metrics import BalancerCollector, exposition
from ryu_haslb.web.routes import ROUTES

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}
#: Programs whose options are their own, by the command of ``haslb`` that runs them.
PARSERS = {
    Executor.CHECK: check.parser,
    Executor.CLUSTER: cluster.parser,
    Executor.COMPLETION: completion.parser,
    Executor.SWITCH_TEST: switch_test.parser,
}
#: Words that begin a command of the prompt within a sentence.
FIRST_WORDS = ("clear", "config", "configure", "debug", "redundancy", "show", "undebug", "write")
OF_EVERY_COMMAND = ("?", "--help", "--version")
#: Begins of what only the nodes of the lab have, and of a sentence.
OF_OTHERS = ("show interfaces", "show ip mobile", "configure replace)")
#: Drawn in documents as what may stand there.
ABBREVIATED = re.compile(r"[…\[{]|\.\.\.")


def spoken(text: str) -> Iterator[str]:
    """The command lines of code blocks, and what stands between backquotes."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        found = re.match(r"(?: {4}|\$ |haslb#)\s*(\S.*)", line)
        if found:
            yield re.split(r"\s+#\s|   ", found[1])[0]
    for code in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        yield " ".join(code.replace("\\|", "|").split())


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of ``haslb``, as of each command of its prompt."""
    for line in spoken(text):
        if ABBREVIATED.search(line) or line.startswith(OF_OTHERS):
            continue
        for part in re.split(r"&&|;", line):
            command = re.sub(r"^(sudo |[A-Z_]+=\S+ |\(umask 077; )+", "", part.strip())
            is_of_shell = command.startswith("haslb ")
            if not is_of_shell and command.partition(" ")[0] not in FIRST_WORDS:
                continue
            words = shlex.split(re.split(r" [|&<>] | [<>&]|&$", command)[0] if is_of_shell else command)
            yield words[1:] if is_of_shell else words


OF_THE_PRODUCT = {page: text for page, text in TEXTS.items() if not page.startswith("docs/lab/")}
NAMED = sorted(
    {(page, shlex.join(words)) for page, text in OF_THE_PRODUCT.items() for words in commands(text) if words}
)


def test_commands_are_found_in_the_documents() -> None:
    pages = {page for page, _ in NAMED}
    assert {"README.md", "docs/commands.md", "docs/first-switch.md", "docs/running.md", "docs/cluster.md"} <= pages
    assert len(NAMED) > 150


@pytest.mark.parametrize(("page", "command"), NAMED)
def test_each_command_that_a_document_names_is_one(page: str, command: str) -> None:
    words = ["10" if word == "MINUTES" else word for word in shlex.split(command) if word not in OF_EVERY_COMMAND]
    if words in ([], *([word] for word in FIRST_WORDS)):
        return
    if words[0] == "run":
        assert all(word in run.parser().format_help() for word in words if word.startswith("--"))
        return
    executor = executor_of(words)
    if executor in SENT_AS_TYPED:
        typed = words[: words.index("|") if "|" in words else None]
        try:
            match(BALANCER_COMMANDS, [word for word in typed if word != JSON_FLAG])
        except CommandError as error:
            assert re.search("incomplete command|is ambiguous", str(error))  # several commands begin with these words
    if executor in PARSERS and any(word.startswith("--") for word in words):
        options = [word for word in words[1:] if word != "--fill"]  # its number may be left out
        value = ["1,2"] if words[-1] == "--ports" else []
        _, unknown = PARSERS[executor]().parse_known_args([*options, *value])
        assert unknown == []


@pytest.mark.parametrize("page", TEXTS)
def test_each_variable_that_a_document_names_is_read(page: str) -> None:
    sources = [ROOT / "Makefile", ROOT / "setup.py", *(ROOT / "debian").glob("haslb.*"), *(ROOT / "tools").rglob("*")]
    sources += [*(ROOT / "ryu_haslb").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    read = "".join(path.read_text() for path in sources if path.is_file() and path.suffix != ".pyc")
    for name in set(re.findall(r"\bHASLB_[A-Z_]+\b", TEXTS[page])) - {MARK}:
        assert re.search(rf"\b{name}\b", read), name


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    """Names of samples and of families."""
    bench = WebBench()
    bench.fill()
    families = list(text_string_to_metric_families(exposition(BalancerCollector(lambda: bench.sources)).decode()))
    return {family.name for family in families} | {each.name for family in families for each in family.samples}


@pytest.mark.parametrize("page", TEXTS)
def test_each_metric_that_a_document_names_is_exposed(page: str, metrics: set[str]) -> None:
    for name in set(re.findall(r"\bhaslb_[a-z][a-z_]+(?![\w./…-])", TEXTS[page])) - {"haslb_lab", "haslb_history"}:
        assert name in metrics


@pytest.mark.parametrize("page", TEXTS)
def test_each_path_of_the_api_that_a_document_names_is_routed(page: str) -> None:
    routed = {route.path for route in ROUTES}
    for path in set(re.findall(r"/api/v1/[a-z/-]*[a-z]", TEXTS[page])):
        assert path in routed


@pytest.mark.parametrize("page", TEXTS)
def test_each_tag_of_the_log_that_a_document_names_is_written(page: str) -> None:
    written = {state_log.REAL, state_log.SWITCH, state_log.DFP, state_log.FARM, state_log.PROBE, state_log.REACH}
    written |= {"CONFIG", "OVERLOAD", "LIMIT"}
    for tag in set(re.findall(r"%SLB-\d-([A-Z]+)", TEXTS[page])):
        assert tag in written


@pytest.mark.parametrize("name", re.findall(r"tests/\S+\.py::\w+", (ROOT / "Makefile").read_text()))
def test_each_test_that_the_makefile_names_is_there(name: str) -> None:
    """pytest runs none of those that were asked for when one is missing."""
    file, _, test = name.partition("::")
    assert f"\ndef {test}(" in (ROOT / file).read_text()
