"""Passes a batch through a network with synchronised statistics, alone and then shared out over the processes.

Run by test_norm_processes.py, as: python norm_processes_run.py FOLDER RANK PROCESSES
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from pix2pix_lit.networks import PatchGAN
from pix2pix_lit.networks.layers.norm import statistics_of_parts, synchronise_statistics

CASES = {"plain": (1, False), "parts": (2, False), "checkpointed parts": (2, True)}


def passed(rank: int, processes: int, parts: int, activation_checkpointing: bool) -> dict:
    """What a forward and a backward pass of this rank's share of a fixed batch leave."""
    torch.manual_seed(0)
    network = PatchGAN(width=4, layers=2, activation_checkpointing=activation_checkpointing)
    synchronise_statistics(network)
    batch = 10 + torch.randn(2, 8, 3, 32, 32)
    # a share of every part, as when fakes and reals of a rank's pairs share a batch
    input, image = batch.unflatten(1, (parts, processes, -1))[:, :, rank].flatten(1, 2)
    image.requires_grad_(True)
    with statistics_of_parts(network, parts):
        logits = network(input, image)[0].logits
    (logits * torch.linspace(-1, 2, logits[0].numel()).view_as(logits[0])).square().mean().backward()
    if processes > 1:
        for parameter in network.parameters():
            dist.all_reduce(parameter.grad)
            parameter.grad /= processes
    return {
        "logits": logits.detach().unflatten(0, (parts, -1)),
        "image gradient": image.grad.unflatten(0, (parts, -1)) / processes,  # of the mean of the processes' losses
        "gradients": {name: parameter.grad for name, parameter in network.named_parameters()},
        "statistics": dict(network.named_buffers()),
    }


def run(folder: Path, rank: int, processes: int) -> None:
    results = {("alone", case): passed(0, 1, *options) for case, options in CASES.items()}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=processes)
    results |= {("shared", case): passed(rank, processes, *options) for case, options in CASES.items()}
    dist.destroy_process_group()
    torch.save(results, folder / f"rank{rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
