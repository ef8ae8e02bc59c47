"""Tests of the evidence gathered in a second process."""

import pickle
from dataclasses import replace

import pytest

from gathering import Gathering, gathered
from refconv.verify.catalogue import CATALOGUE
from refconv.verify.evidence.kinds import KINDS
from second_process import spawned

TASKS = [("relu", kind, True) for kind in KINDS]


@pytest.mark.slow
def test_a_second_process_has_the_same_outcomes():
    with spawned() as executor:
        gathering = Gathering(TASKS, executor)
        gathering._futures[TASKS[0]].result()  # the process computes this task last
        for task in TASKS:
            (outcome, text), (expected, expected_text) = gathering[task], gathered(*task)
            assert replace(outcome, seconds=0) == replace(expected, seconds=0)
            assert text == expected_text


def test_a_task_that_no_second_process_has_started_is_computed_here():
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
