"""JSON files written and read by this package, which may have been edited or damaged in between."""

import json
import re
from pathlib import Path
from typing import Any, get_type_hints

from pix2pix_lit.checks import fits

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_BYTES = 1 << 26


def as_json(values: Any, indent: int = 2) -> str:
    """Plain values as JSON text; bytes of file names that are not UTF-8 become ``\\xe9``."""
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: rf"\\x{ord(found[0]) & 0xFF:02x}", text)


def read_json(path: Path) -> Any:
    """The content of a JSON file; None if there is no such file, or it is not JSON."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):  # RecursionError: brackets nested too deep
        return None


def known_fields(kind: type, values: Any) -> dict[str, Any]:
    """The items of ``values``, as ``read_json`` returns them, that fit a field of a dataclass and its type."""
    if not isinstance(values, dict):
        return {}
    return {
        name: values[name] for name, hint in get_type_hints(kind).items() if name in values and fits(values[name], hint)
    }
