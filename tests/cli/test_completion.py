"""Tests of ``refconv completion``; bash itself runs the script."""

import shutil
import subprocess

import pytest

from refconv.cli import COMMANDS


def complete(script, words):
    """Return what bash offers for the last word."""
    call = f'{script}\nCOMP_WORDS=({" ".join(words)})\nCOMP_CWORD={len(words) - 1}\n_refconv\necho "${{COMPREPLY[@]}}"'
    result = subprocess.run(["bash", "-c", call], check=True, capture_output=True, encoding="utf-8")
    assert not result.stderr
    return result.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_and_networks(printed):
    script = printed("completion", "bash")
    assert complete(script, ["refconv", "tr"]) == ["train", "try", "trace"]
    assert set(complete(script, ["refconv", "train", "--test"])) == {"--test-data", "--test-share", "--test-images"}
    assert set(complete(script, ["refconv", "train", "--fr"])) == {"--from", "--freeze-to"}
    assert complete(script, ["refconv", "summary", "vgg-a-"]) == ["vgg-a-lrn", "vgg-a-bn"]
    assert complete(script, ["refconv", "info", "x"]) == []


def test_zsh_uses_the_script_of_bash(printed):
    assert printed("completion", "zsh") == "autoload -U +X bashcompinit && bashcompinit\n" + printed("completion", "bash")


def test_fish_knows_every_command_and_its_options(printed):
    lines = printed("completion", "fish").splitlines()
    for command in COMMANDS[:-1]:
        description = command.help.replace("'", "\\'")
        assert f"complete -c refconv -n __fish_use_subcommand -a {command.name} -d '{description}'" in lines
    assert "complete -c refconv -n '__fish_seen_subcommand_from train' -l augment" in lines
    assert not [line for line in lines if line.endswith("-l h")]
