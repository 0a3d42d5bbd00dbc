"""The private names of PyTorch that this package uses, each behind a function with a plain name."""

from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.distributed


def shared_storage(size: int) -> torch.UntypedStorage:
    """Shared memory whose pages are not allocated yet; ``Tensor.share_memory_`` would write to all of them.

    Args:
        size: in bytes.
    """
    return torch.UntypedStorage._new_shared(size)


def abort_process_group() -> None:
    """Abort all collective operations of this run, which wakes a process that waits for one that has died."""
    torch.distributed.distributed_c10d._abort_process_group()


def with_free_size_one() -> AbstractContextManager[Any]:
    """A context in which ``torch.export`` allows a free size to be 1, which it excludes by default."""
    import torch.fx.experimental._config as config  # takes a while to import

    return config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]


def compile_ahead_of_time(program: torch.export.ExportedProgram, path: str, metadata: dict[str, str]) -> None:
    """Compile a program with AOTInductor into a package of one file.

    Args:
        program: the network, exported.
        path: of the file.
        metadata: stored in the package.
    """
    import torch._inductor

    configs = {"aot_inductor.metadata": metadata}
    torch._inductor.aoti_compile_and_package(program, package_path=path, inductor_configs=configs)


def load_ahead_of_time(path: str) -> Any:
    """A package that ``compile_ahead_of_time`` wrote, to be called with tensors; ``get_metadata()`` as a dictionary."""
    import torch._inductor

    return torch._inductor.aoti_load_package(path)
