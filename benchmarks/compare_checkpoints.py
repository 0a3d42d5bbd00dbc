"""Compare two checkpoints bit for bit: shows that a change of the code does not change training.

    python benchmarks/compare_checkpoints.py OLD NEW [--rename OLD_NAME=NEW_NAME ...]

Compares weights, moving averages, optimizer states, and the pool and running statistics of every process, and exits
with 1 if any bit, shape, dtype or name differs. Settings and versions are not compared.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pix2pix_lit.checkpoints.loading import read_checkpoint

COMPARED = ("state_dict", "optimizer_states", "processes", "epoch", "global_step", "validation_metrics")


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor and plain value in nested dictionaries, lists and tuples, by its dotted name."""
    if isinstance(value, dict | list | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def are_equal(a: Any, b: Any) -> bool:
    """Whether two leaves have the same type and the same bits."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        is_alike = a.dtype == b.dtype and a.shape == b.shape
        return is_alike and torch.equal(*(tensor.contiguous().flatten().view(torch.uint8) for tensor in (a, b)))
    return type(a) is type(b) and repr(a) == repr(b)


def compare(old_path: str, new_path: str, renamed: dict[str, str]) -> list[str]:
    """What differs, one line for each tensor or value."""
    old, new = (
        dict(leaves({key: checkpoint[key] for key in COMPARED if key in checkpoint}))
        for checkpoint in map(read_checkpoint, (old_path, new_path))
    )
    for before, after in renamed.items():
        old = {name.replace(before, after): value for name, value in old.items()}
    tensors = [value for value in new.values() if isinstance(value, Tensor)]
    print(f"{len(tensors)} tensors of {sum(tensor.numel() for tensor in tensors)} numbers, {len(new)} values in all")
    differences = [f"only in {old_path}: {name}" for name in old.keys() - new.keys()]
    differences += [f"only in {new_path}: {name}" for name in new.keys() - old.keys()]
    differences += [f"differs: {name}" for name in old.keys() & new.keys() if not are_equal(old[name], new[name])]
    return sorted(differences)


def main() -> None:
    """Compare the two checkpoints of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", help="checkpoint")
    parser.add_argument("new", help="checkpoint to compare with it")
    parser.add_argument("--rename", nargs="*", default=[], metavar="OLD=NEW", help="part of a name, and its new form")
    arguments = parser.parse_args()
    renamed = dict(pair.split("=", 1) for pair in arguments.rename)
    differences = compare(arguments.old, arguments.new, renamed)
    print("\n".join(differences[:20] + [f"... {len(differences)} differences in all"] * (len(differences) > 20)))
    if differences:
        sys.exit(1)
    print("equal, bit for bit")


if __name__ == "__main__":
    main()
