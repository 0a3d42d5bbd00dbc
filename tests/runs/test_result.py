"""``result.json``: written, read, and what it says about a run that is started again."""

import json
import os

import pytest

from pix2pix_lit.runs.result import Result, format_metrics, is_complete, read_result


def test_a_result_is_read_as_it_was_written_and_a_torn_one_is_none(tmp_path):
    result = Result("finished", objective="val/l1", value=0.1, metrics={"val/l1": 0.1}, steps=3, overrides=["a=1"])
    result.write(tmp_path)
    assert read_result(tmp_path) == result
    assert os.listdir(tmp_path) == ["result.json"]
    result.write(tmp_path / "result.json")  # not a folder, which is no reason to fail
    assert os.listdir(tmp_path) == ["result.json"]
    (tmp_path / "result.json").write_text("{")
    assert read_result(tmp_path) is None
    assert read_result(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("result", "max_epochs", "max_steps", "complete"),
    [
        (Result("finished", epochs=3, steps=12), 3, -1, True),
        (Result("finished", epochs=3, steps=12), 4, -1, False),
        (Result("finished", epochs=2, steps=10), 200, 10, True),
        (Result("finished", epochs=2, steps=10), 200, 11, False),
        (Result("interrupted", epochs=3, steps=12), 3, -1, False),
        (Result("failed", epochs=3, steps=12), 3, -1, False),
        (Result("finished", epochs=1, limits={"max_epochs": 3, "max_steps": -1}), 3, -1, True),  # a callback ended it
        (Result("finished", epochs=1, limits={"max_epochs": 3, "max_steps": -1}), 4, -1, False),
        (Result("interrupted", epochs=1, limits={"max_epochs": 3, "max_steps": -1}), 3, -1, False),
        (Result("finished", epochs=1, steps=4), None, -1, False),
        (Result("finished", epochs=1, steps=4), -1, -1, False),
    ],
)
def test_a_run_is_complete_when_a_limit_is_reached_or_it_ended_early_with_the_same_limits(
    result, max_epochs, max_steps, complete
):
    assert is_complete(result, {"max_epochs": max_epochs, "max_steps": max_steps}) == complete


@pytest.mark.parametrize(
    "stored",
    [
        "[]",
        "3",
        '{"accuracy": 0.9, "epochs": 3}',
        '{"status": ["finished"], "steps": 3}',
        "[" * 100_000,
        '{"status": {"a": {"b": []}}}',
    ],
)
def test_a_result_of_something_else_is_none(tmp_path, stored):
    (tmp_path / "result.json").write_text(stored)
    assert read_result(tmp_path) is None


def test_of_a_result_what_does_not_fit_is_left_out(tmp_path):
    stored = {"status": "finished", "steps": "many", "limits": [1], "overrides": [1], "more": 1, "metrics": {"a": 1.5}}
    (tmp_path / "result.json").write_text(json.dumps(stored))
    assert read_result(tmp_path) == Result("finished", metrics={"a": 1.5})


def test_metrics_are_shown_with_four_digits():
    assert format_metrics({"val/l1": 0.123456, "val/psnr": 20.0}) == "val/l1 0.1235, val/psnr 20"
