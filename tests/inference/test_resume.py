"""Resuming translations that were interrupted."""

import os
from pathlib import Path

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.inference.files import Task
from pix2pix_lit.inference.resume import RECORD, remaining_tasks

SETTINGS = {"ckpt": ["x.ckpt", 3, 4], "tile": None, "list": (1, 2)}


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    (tmp_path / "in").mkdir()
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        (tmp_path / "in" / name).touch()
    return [Task(tmp_path / "in" / name, tmp_path / "out" / "sub" / name) for name in names]


def make(task: Task) -> None:
    task.target.parent.mkdir(parents=True, exist_ok=True)
    task.target.write_text("picture")


def names_of(tasks: list[Task]) -> list[str]:
    return [task.source.name for task in tasks]


def test_the_same_command_leaves_out_its_earlier_translations(tmp_path, tasks):
    assert remaining_tasks(tasks, tmp_path / "out", SETTINGS) == tasks
    make(tasks[1])
    assert names_of(remaining_tasks(tasks, tmp_path / "out", SETTINGS)) == ["a.png", "c.png"]
    make(tasks[0])
    make(tasks[2])
    assert remaining_tasks(tasks, tmp_path / "out", SETTINGS) == []


def test_files_older_than_the_command_are_translated_again(tmp_path, tasks):
    make(tasks[0])
    os.utime(tasks[0].target, ns=(0, 0))
    assert remaining_tasks(tasks, tmp_path / "out", SETTINGS) == tasks
    assert remaining_tasks(tasks, tmp_path / "out", SETTINGS) == tasks


def test_another_command_translates_everything_again_and_can_be_resumed_itself(tmp_path, tasks):
    remaining_tasks(tasks, tmp_path / "out", SETTINGS)
    for task in tasks:
        make(task)
        os.utime(task.target, ns=(time := (tmp_path / "out" / RECORD).stat().st_mtime_ns, time))
    os.utime(tmp_path / "out" / RECORD, ns=(0, 0))
    other = SETTINGS | {"tile": 512}
    assert remaining_tasks(tasks, tmp_path / "out", other) == tasks
    make(tasks[2])
    assert names_of(remaining_tasks(tasks, tmp_path / "out", other)) == ["a.png", "b.png"]


def test_a_source_that_has_changed_is_translated_again(tmp_path, tasks):
    remaining_tasks(tasks, tmp_path / "out", SETTINGS)
    for task in tasks:
        make(task)
    later = tasks[1].target.stat().st_mtime_ns + 10**9
    os.utime(tasks[1].source, ns=(later, later))
    assert names_of(remaining_tasks(tasks, tmp_path / "out", SETTINGS)) == ["b.png"]


def test_skip_keeps_existing_files_and_overwrite_keeps_none(tmp_path, tasks):
    make(tasks[0])
    os.utime(tasks[0].target, ns=(0, 0))
    assert names_of(remaining_tasks(tasks, tmp_path / "out", SETTINGS, "skip")) == ["b.png", "c.png"]
    assert remaining_tasks(tasks, tmp_path / "out", SETTINGS, "overwrite") == tasks
    assert remaining_tasks(tasks, tmp_path / "out", SETTINGS, "overwrite") == tasks


def test_a_damaged_record_counts_as_none(tmp_path, tasks):
    remaining_tasks(tasks, tmp_path / "out", SETTINGS)
    make(tasks[0])
    (tmp_path / "out" / RECORD).write_text("{")
    os.utime(tasks[0].target, ns=(0, 0))
    assert remaining_tasks(tasks, tmp_path / "out", SETTINGS) == tasks


def test_another_word_and_a_folder_that_cannot_be_made_are_refused(tmp_path, tasks):
    with pytest.raises(UserError, match="existing is 'replace'; expected continue, skip or overwrite"):
        remaining_tasks(tasks, tmp_path / "out", SETTINGS, "replace")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written to"):
        remaining_tasks(tasks, tmp_path / "file" / "out", SETTINGS)
