"""Values of all processes, averaged and gathered."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from pix2pix_lit.distributed import average_over_processes, gathered, running_statistics, world_size

EXCHANGE = """
import json, sys
import torch
import torch.distributed as dist
from pix2pix_lit.distributed import average_over_processes, gathered, world_size
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}/meet", rank=rank, world_size=2)
tensors = [torch.tensor(float(rank)), torch.full((2, 1), 4.0 * rank)]
average_over_processes(tensors)
average_over_processes([])
results = [world_size(), [tensor.tolist() for tensor in tensors], gathered({"rank": rank})]
dist.destroy_process_group()
print(json.dumps(results))
"""


@pytest.mark.slow
def test_tensors_are_averaged_in_place_and_values_gathered_by_rank(run_python, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        printed = pool.map(lambda rank: run_python(tmp_path, "-c", EXCHANGE, str(rank), str(tmp_path)), range(2))
    assert [json.loads(line) for line in printed] == [[2, [0.5, [[2.0], [2.0]]], [{"rank": 0}, {"rank": 1}]]] * 2


def test_one_process_keeps_its_own_values():
    tensors = [torch.ones(2)]
    average_over_processes(tensors)
    assert torch.equal(tensors[0], torch.ones(2))
    assert (world_size(), gathered("own")) == (1, ["own"])


def test_running_statistics_are_the_buffers_of_batch_norms_that_keep_them():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.InstanceNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False))
    found = running_statistics(network)
    assert found.keys() == {"0.running_mean", "0.running_var"}
    assert found["0.running_mean"] is network[0].running_mean
