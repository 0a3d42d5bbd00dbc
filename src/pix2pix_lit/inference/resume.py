"""Resumes an interrupted command: finds the translations that already exist."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pix2pix_lit.errors import UserError
from pix2pix_lit.files.atomic_write import atomic_write
from pix2pix_lit.files.json import as_json, read_json
from pix2pix_lit.inference.files import Task

Existing = Literal["continue", "skip", "overwrite"]

RECORD = ".predict.json"
"""The file in the output folder that records the command of its translations, and by its age when it first ran."""


def remaining_tasks(
    tasks: list[Task], output: Path, made_by: Mapping[str, Any], existing: Existing = "continue"
) -> list[Task]:
    """The tasks that have not been translated yet.

    Args:
        tasks: all tasks of a command.
        output: the folder for translations; created, with a record of ``made_by``. If it is the file of the only task,
            that is translated again each time.
        made_by: the plain values that translations depend on.
        existing: ``continue`` leaves out translations that are newer than their source and than the first command with
            the same ``made_by``; ``skip`` leaves out all that exist; ``overwrite`` leaves out none.

    Raises:
        UserError: for an unknown ``existing``, and if ``output`` cannot be written to.
    """
    if existing not in ("continue", "skip", "overwrite"):
        raise UserError(f"existing is {existing!r}; expected continue, skip or overwrite")
    record = output / RECORD
    if [task.target for task in tasks] == [output]:  # a single file, for which no record is kept
        return [] if existing == "skip" and output.exists() else tasks
    try:
        output.mkdir(parents=True, exist_ok=True)
        is_same = existing != "overwrite" and read_json(record) == json.loads(as_json(made_by))
        if not is_same:
            with atomic_write(record) as temporary:
                temporary.write_text(as_json(made_by), "utf-8")
        since = record.stat().st_mtime_ns
    except OSError as error:
        raise UserError(
            f"output={output} cannot be written to ({error.strerror}); expected a writable folder with enough space: "
            f"choose another"
        ) from error
    if existing == "overwrite":
        return tasks
    if existing == "skip":
        return [task for task in tasks if not os.path.exists(task.target)]
    return [task for task in tasks if not (is_same and _is_done(task, since))]


def _is_done(task: Task, since: int) -> bool:
    try:
        made = task.target.stat().st_mtime_ns
        return made >= since and made >= task.source.stat().st_mtime_ns
    except OSError:
        return False
