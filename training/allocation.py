"""How this process uses memory and waits for its threads; call before torch is imported."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4
USUAL_MAPPINGS, APART_BYTES = 65_536, 2**20


def keep_memory() -> None:
    """Tell glibc neither to map large blocks afresh nor to give them back.

    A training step asks for the same blocks of 10 to 100 MB each time; mapping them anew faults in every page
    (measured: 98 -> 71 ms per picture). Does nothing with another C library.
    """
    _tell_glibc({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 256 * 2**20})


def map_large_blocks() -> None:
    """Tell glibc to keep large blocks apart from small ones, from now on.

    A loop that asks for a large block, frees it and keeps something small each time finds the small thing in the
    freed block next time, and the heap grows by a large block a step: anomalib's choice of a coreset came to 20 GB.
    """
    _tell_glibc({M_MMAP_MAX: USUAL_MAPPINGS, M_MMAP_THRESHOLD: APART_BYTES})


def _tell_glibc(options: Mapping[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is not None:
        for option, value in options.items():
            mallopt(option, value)


def wait_politely() -> None:
    """Let idle OpenMP threads sleep and not spin, unless the user has chosen.

    A quiet machine loses a tenth (48 -> 53 ms per picture); with another busy process beside it, spinning threads
    wait for each other's cores and a small network becomes 10 times slower.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
