"""JSON files that this package writes and reads back, which people and other programs may have edited or damaged."""

import json
import re
from pathlib import Path
from typing import Any, get_type_hints

from pix2pix_lit.checks import fits

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_BYTES = 1 << 26


def as_json(values: Any, indent: int = 2) -> str:
    """Plain values as JSON text in UTF-8, in which bytes of file names that are not UTF-8 stand as ``\\xe9``."""
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: rf"\\x{ord(found[0]) & 0xFF:02x}", text)


def read_json(path: Path) -> Any:
    """The values in a JSON file of any content; None if there is no such file, or it cannot be read as JSON."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):  # the last for brackets nested too deep
        return None


def known_fields(kind: type, values: Any) -> dict[str, Any]:
    """Those of ``values``, as ``read_json`` gives them, that a dataclass has fields for and that fit their types."""
    if not isinstance(values, dict):
        return {}
    return {
        name: values[name] for name, hint in get_type_hints(kind).items() if name in values and fits(values[name], hint)
    }
