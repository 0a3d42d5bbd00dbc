"""The table of a folder of runs."""

import csv
import json

import pytest
from hydra import compose, initialize_config_dir

from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.command import CONFIG_DIR
from pix2pix_lit.sweep.results import SweepResults, read_runs, show, write_table

FINISHED = {"status": "finished", "objective": "val/l1", "steps": 8, "seconds": 12.6, "best": 0.1}


@pytest.fixture
def add_run(tmp_path):
    """Make the folder of a run: with a result, or only with the command, as a killed one leaves it."""

    def add(name, overrides, **result):
        (tmp_path / name / "config").mkdir(parents=True)
        lines = [f"- {override}\n" for override in overrides]
        (tmp_path / name / "config" / "overrides.yaml").write_text("".join(lines) or "[]")
        if result:
            (tmp_path / name / "result.json").write_text(json.dumps({"overrides": overrides} | result))

    return add


def table(folder):
    write_table(folder, read_runs(folder))
    with open(folder / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_sorted_by_the_objective_and_show_what_was_swept(add_run, tmp_path):
    add_run("0", ["seed=1", "+extra.rate=0.5", "trial=0"], **FINISHED, value=0.3)
    add_run("1", ["seed=1", "+extra.rate=0.7", "trial=1"], **FINISHED, value=0.2)
    rows = table(tmp_path)
    assert [row["run"] for row in rows] == ["1", "0"]
    assert rows[0] == {
        "run": "1",
        "status": "finished",
        "val/l1": "0.2",
        "best": "0.1",
        "steps": "8",
        "seconds": "13",
        "extra.rate": "0.7",
        "message": "",
    }


def test_higher_is_better_for_some_objectives(add_run, tmp_path):
    for number, value in enumerate((10.0, 30.0, 20.0)):
        add_run(str(number), [f"seed={number}"], **FINISHED | {"objective": "val/psnr"}, value=value)
    assert [row["run"] for row in table(tmp_path)] == ["1", "2", "0"]


def test_failed_and_killed_runs_come_last_with_their_message(add_run, tmp_path):
    add_run("10", ["seed=1"])
    add_run("2", ["seed=2"], **FINISHED | {"status": "failed"}, message="it's, a|mess")
    add_run("3", ["seed=3"], **FINISHED, value=0.2)
    rows = table(tmp_path)
    assert [(row["run"], row["status"], row["message"]) for row in rows] == [
        ("3", "finished", ""),
        ("2", "failed", "it's, a|mess"),
        ("10", "unfinished", ""),
    ]
    assert rows[2]["seed"] == "1"


def test_markdown_has_a_row_for_each_run_and_messages_below(add_run, tmp_path):
    add_run("0", ["data.source.name=a|b"], **FINISHED, value=0.25)
    add_run("1", ["data.source.name=c"], status="failed", message="broken")
    table(tmp_path)
    assert (tmp_path / "results.md").read_text() == (
        "| run | status | val/l1 | best | steps | seconds | data.source.name |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| 0 | finished | 0.25 | 0.1 | 8 | 13 | a\\|b |\n"
        "| 1 | failed |  |  |  |  | c |\n"
        "\n"
        "- 1: broken\n"
    )


def test_fractions_have_four_digits_in_markdown_and_more_in_csv(add_run, tmp_path):
    add_run("0", ["lr=0.00052539537285", "seed=123456", "name=1.5.2"], **FINISHED | {"steps": 1234567}, value=0.2345678)
    add_run("1", ["lr=1e-05", "seed=7", "name=x"], **FINISHED, value=0.5)
    row = table(tmp_path)[0]
    assert (row["lr"], row["val/l1"], row["steps"]) == ("0.00052539537285", "0.234568", "1234567")
    markdown = (tmp_path / "results.md").read_text()
    assert "| 0 | finished | 0.2346 | 0.1 | 1234567 | 13 | 0.0005254 | 123456 | 1.5.2 |" in markdown


def test_the_end_of_a_sweep_names_the_best_run_and_the_table(add_run, tmp_path, monkeypatch, caplog):
    ends = []
    monkeypatch.setattr("pix2pix_lit.sweep.results.atexit.register", lambda *call: ends.append(call))
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("train", [f"hydra.sweep.dir='{tmp_path}'"], return_hydra_config=True)
    SweepResults().on_multirun_start(config)
    add_run("0", ["seed=1", "lr=0.12345678"], **FINISHED, value=0.3)
    add_run("1", ["seed=2", "lr=0.23456789"], **FINISHED, value=0.23456789)
    add_run("2", ["seed=3", "lr=1"], status="failed", message="caf\udce9.png is broken")
    with caplog.at_level("INFO"):
        ((tell, *arguments),) = ends
        tell(*arguments)
    assert [record.getMessage() for record in caplog.records] == [
        "Best run: 1 of 3, val/l1 0.2346, seed=2, lr=0.2346",
        f"The table of all runs is in {tmp_path}/results.md",
    ]
    assert "caf\\xe9.png is broken" in (tmp_path / "results.md").read_text()


def test_runs_are_found_at_any_depth(add_run, tmp_path):
    add_run("sweep/0", ["seed=1"], **FINISHED, value=0.25)
    add_run("alone", ["seed=2"], **FINISHED, value=0.5)
    assert [run.name for run in read_runs(tmp_path)] == ["sweep/0", "alone"]


def test_nothing_but_the_table_is_left_in_the_folder(add_run, tmp_path):
    add_run("0", ["seed=1"], **FINISHED, value=0.25)
    table(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "results.csv", "results.md"}


@pytest.fixture
def command():
    def run(*overrides):
        with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
            show(compose("sweep_results", list(overrides)))

    return run


def test_the_command_writes_the_table_of_any_folder(command, add_run, tmp_path):
    add_run("0", ["seed=1"], **FINISHED, value=0.25)
    command(f"folder='{tmp_path}'")
    assert (tmp_path / "results.md").exists()


def test_a_folder_without_runs_is_an_error(command, tmp_path):
    for overrides, message in [
        ([], "folder is not set"),
        ([f"folder='{tmp_path}'"], "contains no runs"),
        ([f"folder='{tmp_path}/nowhere'"], "is not a folder"),
    ]:
        with pytest.raises(UserError, match=message):
            command(*overrides)


@pytest.mark.slow
def test_unrelated_files_are_not_runs(add_run, tmp_path):
    add_run("0", ["seed=1"], **FINISHED, value=0.25)
    for name, result, overrides in [
        ("list", "[1, 2]", "a: 1"),
        ("deep", "[" * 100_000, "[" * 100_000),
        ("torn", '{"status"', "{"),
        ("other", '{"status": 3, "overrides": [["a"]]}', "- [a]"),
    ]:
        (tmp_path / name / "config").mkdir(parents=True)
        (tmp_path / name / "result.json").write_text(result)
        (tmp_path / name / "config" / "overrides.yaml").write_text(overrides)
    add_run("half", ["seed=2"])
    (tmp_path / "half" / "result.json").write_text('{"status": "finished", "steps": "3", "overrides": ["seed=2"]}')
    assert [(row["run"], row["status"], row["steps"]) for row in table(tmp_path)] == [
        ("0", "finished", "8"),
        ("half", "finished", ""),
    ]
