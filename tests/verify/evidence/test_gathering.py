"""Evidence gathered in a second process."""

import pickle
from dataclasses import replace

import pytest

from gathering import Gathering, gathered
from refconv.verify.catalogue import CATALOGUE
from refconv.verify.evidence.kinds import KINDS

TASKS = [("relu", kind, True) for kind in KINDS]


@pytest.mark.slow
def test_a_second_process_finds_what_this_one_finds():
    gathering = Gathering(TASKS)
    try:
        gathering._begun[TASKS[0]].result()  # the last that it computes
        for task in TASKS:
            (there, text), (here, words) = gathering[task], gathered(*task)
            assert replace(there, seconds=0) == replace(here, seconds=0)
            assert text == words
    finally:
        gathering.stop()


def test_what_no_second_process_has_begun_is_computed_here():
    outcome, text = Gathering()["tanh", "adjoint", True]
    assert (outcome.operator, outcome.kind, outcome.refuted) == ("tanh", "adjoint", None)
    assert text.startswith("tanh, adjoint: ✓")


def test_the_outcome_of_a_wrong_layer_can_be_sent_although_its_case_cannot(monkeypatch):
    row = CATALOGUE["nn.Concat"]
    wrong = replace(row, definition=lambda a: {name: 2 * result for name, result in row.definition(a).items()})
    monkeypatch.setitem(CATALOGUE, "nn.Concat", wrong)
    outcome, text = pickle.loads(pickle.dumps(gathered("nn.Concat", "symbolic", True)))
    assert "y at " in outcome.refuted
    assert "case       x (" in text
