"""What is reached for inside PyTorch: fails where an upgrade has changed it."""

import inspect

import pytest
import torch
import torch._inductor
import torch.fx.experimental._config as export_config

from pix2pix_lit.internals.torch import (
    abort_process_group,
    compile_ahead_of_time,
    load_ahead_of_time,
    shared_storage,
    with_free_size_one,
)


def test_shared_storage_is_shared_and_of_the_size_asked_for():
    storage = shared_storage(4096)
    assert storage.is_shared()
    assert storage.nbytes() == 4096


def test_a_process_group_that_there_is_not_cannot_be_aborted():
    with pytest.raises(AssertionError, match="Process group"):
        abort_process_group()


def test_a_free_size_may_be_one_within_and_not_after():
    assert export_config.backed_size_oblivious is False
    with with_free_size_one():
        assert export_config.backed_size_oblivious is True
    assert export_config.backed_size_oblivious is False


def test_ahead_of_time_compilation_takes_path_and_metadata(monkeypatch):
    calls = []
    former = inspect.signature(torch._inductor.aoti_compile_and_package)

    def compile_and_package(*arguments, **options):
        calls.append(former.bind(*arguments, **options).arguments)

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", compile_and_package)
    program = torch.export.export(torch.nn.ReLU(), (torch.zeros(2),))
    compile_ahead_of_time(program, "x.pt2", {"key": "value"})
    (call,) = calls
    assert call["package_path"] == "x.pt2"
    assert call["inductor_configs"] == {"aot_inductor.metadata": {"key": "value"}}
    assert torch._inductor.config.aot_inductor.metadata == {}


@pytest.mark.slow
def test_a_compiled_package_that_there_is_not_cannot_be_loaded(tmp_path):
    with pytest.raises(RuntimeError):
        load_ahead_of_time(str(tmp_path / "x.pt2"))
