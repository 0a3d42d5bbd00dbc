"""How the memory of the CPU is asked for and given back."""

import ctypes
import platform

# malloc.h of the GNU C library
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Make this process keep the memory that it frees, for its own next requests.

    By default the GNU C library returns every large block to the system as soon as it is freed, and a training step
    frees all of its activations and gradients: the next step is given new pages, each of which the system must first
    fill with zeros. The peak of the memory in use stays as it is, but what was once used is not free for others
    before the process ends.

    Must be called before large tensors are made, since blocks that were requested before are still returned.

    Returns:
        Whether it is done; False where there is no GNU C library (macOS, Windows, musl), which is left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, value) == 1 for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1)))
