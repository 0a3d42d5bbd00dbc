"""Decisions of all processes."""

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from pix2pix_lit.callbacks.agreement import Agreement

AGREE = """
import json, sys
from types import SimpleNamespace
import torch.distributed as dist
from pix2pix_lit.callbacks.agreement import Agreement
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}/meet", rank=rank, world_size=2)
agreement = Agreement(SimpleNamespace(world_size=2))
results = [agreement.highest(rank), agreement.lowest(rank + 5)]
for texts in ([None, None], [None, "second"], ["first", "second"]):
    results.append(agreement.first(texts[rank]))
dist.destroy_process_group()
print(json.dumps(results))
"""


@pytest.mark.slow
def test_all_processes_get_the_same_answers(run_python, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        printed = pool.map(lambda rank: run_python(tmp_path, "-c", AGREE, str(rank), str(tmp_path)), range(2))
    assert [json.loads(line) for line in printed] == [[1, 5, None, "second", "first"]] * 2


def test_a_process_alone_agrees_with_itself():
    agreement = Agreement(SimpleNamespace(world_size=1))
    assert (agreement.highest(3), agreement.lowest(-2), agreement.first("text"), agreement.first(None)) == (
        3,
        -2,
        "text",
        None,
    )
