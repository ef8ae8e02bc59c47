"""Tests of progress bars: when they are shown, and how lines are printed while one is."""

import gc
import io
import sys
import threading

import pytest

from refconv._progress import bar, bars_cleared, bars_visible, is_quiet, quiet
from terminal import Terminal

pytest.importorskip("tqdm")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("stream", [io.StringIO(), None], ids=["a file", "none"])
def test_bars_are_hidden_unless_both_streams_are_terminals(monkeypatch, name, stream):
    terminal = Terminal.installed(monkeypatch)
    assert bars_visible()
    monkeypatch.setattr(sys, name, stream)
    assert not bars_visible()
    with bar("reading", 3, "pages") as advance:
        advance(1, "cover")
    assert terminal.getvalue() == ""


def test_a_bar_shows_the_item_and_the_time_left_and_is_removed(monkeypatch):
    terminal = Terminal.installed(monkeypatch)
    with bar("reading", 3, "pages") as advance:
        advance(0, "cover")
        advance(1)
        advance(0, "index")
        during = terminal.lines()
    assert during[0].startswith("reading:  33%|")
    assert " 1/3 [00:00<00:0" in during[0]
    assert during[0].endswith("index]")
    assert advance.count == 1
    assert terminal.lines() == [""]


def test_a_line_is_printed_above_the_bar(monkeypatch):
    terminal = Terminal.installed(monkeypatch)
    with bar("reading", 3, "pages") as advance:
        advance(1)
        for line in ("first", "second"):
            with bars_cleared():
                print(line)
        during = terminal.lines()
    assert during[:2] == ["first", "second"]
    assert during[2].startswith("reading:  33%|")
    assert terminal.lines() == ["first", "second", ""]


def test_a_bar_that_was_never_closed_is_not_drawn_again(monkeypatch):
    terminal = Terminal.installed(monkeypatch)
    forgotten = bar("reading", 3, "pages")
    del forgotten
    gc.collect()
    with bars_cleared():
        print("line")
    assert terminal.lines() == ["line", ""]


def test_quiet_hides_bars_in_its_block_and_its_thread_only(monkeypatch):
    terminal = Terminal.installed(monkeypatch)
    with quiet():
        with bar("reading", 3, "pages") as advance:
            advance(1)
        others = []
        thread = threading.Thread(target=lambda: others.append(is_quiet()))
        thread.start()
        thread.join()
        assert (is_quiet(), others) == (True, [False])
    assert terminal.getvalue() == ""
    assert not is_quiet()


def test_without_tqdm_there_is_no_bar(monkeypatch):
    terminal = Terminal.installed(monkeypatch)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with bar("reading", 3, "pages") as advance:
        advance(2)
    assert (terminal.getvalue(), advance.count) == ("", 2)
