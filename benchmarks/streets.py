"""Speed of drawing streets, compared with reading photographs like the reference implementation.

Usage: python benchmarks/streets.py [--pairs 200] [--size 256]

Both run in this process, alternating pair by pair, on one thread. The reference's pipeline (reference_loader.py) reads
quality-90 JPEG files of the same streets; both end with a pair of the same size in memory.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from reference_loader import load_as_the_reference

from pix2pix_lit.data.sources.streets import StreetsSource


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    source = StreetsSource(size=arguments.size, train_length=arguments.pairs)
    source[0]  # textures are created once per process
    generator = np.random.default_rng(0)
    drawn, read = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.jpg"
        for index in range(arguments.pairs):
            start = time.perf_counter()
            pair = source[index]
            drawn.append(time.perf_counter() - start)
            Image.fromarray(np.hstack([pair.a, pair.b])).save(path, quality=90)
            start = time.perf_counter()
            load_as_the_reference(path, arguments.size, generator)
            read.append(time.perf_counter() - start)
    drawn_ms, read_ms = (1000 * statistics.median(seconds) for seconds in (drawn, read))
    print(f"{arguments.pairs} pairs of {arguments.size}x{arguments.size}, medians on one thread")
    print(f"drawing a street           {drawn_ms:7.2f} ms")
    print(f"reading as the reference   {read_ms:7.2f} ms")
    print(f"ratio drawing / reading    {drawn_ms / read_ms:7.2f}")


if __name__ == "__main__":
    main()
