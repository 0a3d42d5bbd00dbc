"""Files that appear under their names only when they are whole."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacement_of(path: Path) -> Iterator[Path]:
    """Within: a path beside ``path`` to write to; what is there at the end takes its place, or goes after an error.

    Its name is ``.<name of path>.<hexadecimal digits>.tmp``, by which a process finds what a killed one has left.

    Raises:
        OSError: if the file cannot be renamed, and whatever is raised within.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
