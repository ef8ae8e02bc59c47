"""Command ``refconv completion``: print a script that completes commands in a shell."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence

from refconv.cli.command import Command
from refconv.cli.parser import Parser

__all__ = ["command"]

DESCRIPTION = """\
Print a script that completes the commands, options and network names of refconv with the tab key.

  bash:  source <(refconv completion bash)             add this line to ~/.bashrc
  zsh:   source <(refconv completion zsh)              add this line to ~/.zshrc
  fish:  refconv completion fish | source              add this line to ~/.config/fish/config.fish
"""

BASH = """\
_refconv() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words="" names=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
        case "$word" in
            -*) ;;
            *) words="$names" ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _refconv refconv
"""
CASE = '            {name}) words="{options}" names="{names}" ;;'
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"

NETWORKS = ("train", "summary", "draw", "export", "try")  # commands whose argument is the name of a network


def command(commands: Sequence[Command]) -> Command:
    """Return the command that completes the given commands."""

    def add_arguments(parser: Parser) -> None:
        parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell that reads the script")

    def run(options: Namespace) -> None:
        if options.shell == "fish":
            print("\n".join(_fish(commands)))
        else:
            print((ZSH if options.shell == "zsh" else "") + _bash(commands), end="")

    return Command("completion", "print a script that completes commands in a shell", DESCRIPTION, add_arguments, run)


def _bash(commands: Sequence[Command]) -> str:
    cases = [
        CASE.format(name=command.name, options=" ".join(command.parser().options), names=" ".join(_names(command)))
        for command in commands
    ]
    return BASH.format(commands=" ".join(command.name for command in commands), cases="\n".join(cases))


def _fish(commands: Sequence[Command]) -> Iterator[str]:
    for command in commands:
        yield f"complete -c refconv -n __fish_use_subcommand -a {command.name} -d {_quoted(command.help)}"
        condition = _quoted(f"__fish_seen_subcommand_from {command.name}")
        for option in command.parser().options:
            if option.startswith("--"):
                yield f"complete -c refconv -n {condition} -l {option[2:]}"
        if names := _names(command):
            yield f"complete -c refconv -n {condition} -a {_quoted(' '.join(names))}"


def _names(command: Command) -> list[str]:
    from refconv import models

    return models.names() if command.name in NETWORKS else []


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
