"""``haslb completion``: what bash, zsh and fish complete behind ``haslb``, from the command table and the parsers.

The script of a shell only asks ``haslb completion words``, so it is right for each version of the balancer as well.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence

from ryu_haslb import product
from ryu_haslb.cli.client import ControlError
from ryu_haslb.cli.next_words import is_keyword, offers_of
from ryu_haslb.cli.parsers import PARSERS
from ryu_haslb.control.command_table import BALANCER_COMMANDS
from ryu_haslb.language.grammar import CommandError, expected

_BASH = """\
# bash completion of haslb: source <(haslb completion bash)
_haslb() {
    local IFS=$'\\n' found
    found=$(haslb completion words "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null) || compopt +o default
    COMPREPLY=($(cut -f 1 <<< "$found"))
}
complete -o default -F _haslb haslb
"""
_ZSH = """\
#compdef haslb
# zsh completion of haslb: haslb completion zsh > "${fpath[1]}/_haslb"
local -a found
local output is_value
output="$(haslb completion words "${(@)words[2,CURRENT]}" 2> /dev/null)" || is_value=1
found=(${(f)output})
found=("${(@)found//:/\\\\:}")
found=("${(@)found/$'\\t'/:}")
if (( ${#found} )); then _describe haslb found; elif [[ -z $is_value ]]; then _files; fi
"""
_FISH = """\
# fish completion of haslb: haslb completion fish | source
function __haslb_words
    set -l typed (commandline -opc) "$(commandline -ct)"
    set -l found (haslb completion words $typed[2..-1] 2> /dev/null)
    set -l code $status
    if set -q found[1]
        printf '%s\\n' $found
    else if test $code -eq 0
        __fish_complete_path "$(commandline -ct)"
    end
end
complete -c haslb -f -a '(__haslb_words)'
"""
_WORDS = "words"
#: How ``?`` shows the parameter that is a file.
_FILE = "FILE"
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def parser() -> argparse.ArgumentParser:
    """The command line of ``haslb completion``."""
    command_line = argparse.ArgumentParser(
        prog="haslb completion",
        description="Print the script that has a shell complete the words of haslb. With 'words', print what may stand "
        "in the place of the last of the WORDs behind haslb, each with its help; the scripts call this. Its exit "
        "status is 0, or 1 if nothing is printed and no file can stand there either.",
        epilog="example: source <(haslb completion bash)",
    )
    command_line.add_argument("--version", action="version", version=product())
    command_line.add_argument("shell", choices=[*SCRIPTS, _WORDS])
    command_line.add_argument("words", nargs=argparse.REMAINDER, metavar="WORD")
    return command_line


def run(words: Sequence[str], path: str) -> int:
    """Carry out ``haslb completion`` and return its exit status."""
    if words[:1] != [_WORDS]:
        sys.stdout.write(SCRIPTS[parser().parse_args(words).shell])
        return 0
    typed = words[1:] or [""]  # argparse would drop a word "--"
    found = completions(typed, path)
    for word, text in found:
        print(f"{word}\t{text}" if text else word)
    return 0 if found or takes_file(typed, path) else 1


def completions(words: Sequence[str], path: str) -> Sequence[tuple[str, str]]:
    """What may stand in the place of the last word, each with its help; nothing where a file (:func:`takes_file`) or a
    value is expected."""
    if words[0] == "--control" and len(words) > 2:
        path, words = words[1], words[2:]
    prefix, first = words[-1], words[0] if len(words) > 1 else ""
    if first in PARSERS and (first or prefix.startswith("-")):
        options = (found for found in _options(PARSERS[first](), words[1:-1]) if found[0].startswith(prefix))
        return sorted(found for found in options if prefix or not found[0].startswith("-"))  # else files are meant
    try:
        offered = list(_offers(words, path))
    except CommandError:
        return []
    if not first:
        offered.append(("run", "Start a balancer with a configuration file"))
    keywords = {word: text for word, text in offered if is_keyword(word) or word.startswith("--")}
    return sorted((word, text) for word, text in keywords.items() if word.startswith(prefix))


def takes_file(words: Sequence[str], path: str) -> bool:
    """Whether a file may stand in the place of the last word: that of a command with options, or ``FILE``."""
    if words[0] == "--control":
        return len(words) == 2 or takes_file(words[2:], path)
    if len(words) > 1 and words[0] in PARSERS:
        return True
    try:
        return any(word == _FILE for word, _ in _offers(words, path))
    except CommandError:
        return False


def _offers(words: Sequence[str], path: str) -> Sequence[tuple[str, str]]:
    """The words of the balancer's grammar; of this version's if it does not run."""
    try:
        return offers_of(path)(" ".join([*map(shlex.quote, words[:-1]), words[-1]]))
    except ControlError:
        return [(each.word, each.help) for each in expected(BALANCER_COMMANDS, words[:-1], words[-1])]


def _options(command_line: argparse.ArgumentParser, before: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The long options of a parser and the words that it expects, or those of the command below it that is typed."""
    for action in command_line._actions:  # argparse has no other way to list them
        below = action.choices if isinstance(action, argparse._SubParsersAction) else {}
        typed = next((word for word in before if word in below), None)
        if typed is not None:
            yield from _options(below[typed], ())
            return
    for action in command_line._actions:
        help_text = (action.help or "") if action.help != argparse.SUPPRESS else ""
        yield from ((option, help_text) for option in action.option_strings if option.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            yield from ((choice.dest, choice.help or "") for choice in action._choices_actions)
        elif action.choices and not action.option_strings and not before:
            yield from ((str(choice), "") for choice in action.choices if choice != _WORDS)
