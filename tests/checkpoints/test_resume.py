"""A checkpoint with another value in a field than was written there is refused with a message, whatever the field."""

import copy

import pytest
import torch

from pix2pix_lit.checkpoints.resume import read_training
from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.error_messages import message_for_user
from pix2pix_lit.train import train

QUIET = ("callbacks.progress_bar=null", "callbacks.samples=null", "logger=none", "model.pool_size=2")


@pytest.fixture(scope="module")
def training(tmp_path_factory, tiny_overrides):
    """A checkpoint of a run of one epoch."""
    from hydra import compose, initialize_config_dir

    from pix2pix_lit.runs.command import CONFIG_DIR

    folder = tmp_path_factory.mktemp("first")
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        train(compose("train", [*tiny_overrides, *QUIET, "trainer.max_epochs=1", f"output_dir={folder}"]))
    return torch.load(folder / "checkpoints" / "last.ckpt")


def progress(part):
    return ("loops", "fit_loop", part)


FIELDS = {
    ("epoch",): (2**62, None, "text"),
    ("global_step",): (-1, torch.ones(2)),
    ("pytorch-lightning_version",): ("0.8", None, 2),
    ("state_dict",): (None, [1]),
    ("state_dict", "generator.encoder.0.conv.weight"): ("text", torch.ones(2), None),
    ("loops",): ([], {}),
    (*progress("epoch_progress"), "total"): ("text", [1]),
    (*progress("epoch_progress"), "current", "processed"): ([1], None, 2**62),
    (*progress("epoch_loop.batch_progress"), "current"): (None, torch.ones(2)),
    (*progress("epoch_loop.manual_optimization.optim_step_progress"), "total", "completed"): ([1], "text"),
    (*progress("state_dict"), "combined_loader"): ("text", [1]),
    ("optimizer_states",): (None, [], [1]),
    ("optimizer_states", 0, "state", 0): (None, {}, {"step": "text"}),
    ("optimizer_states", 0, "state", 0, "exp_avg"): (torch.ones(2), 7, "text"),
    ("optimizer_states", 0, "state", 0, "step"): (torch.ones(2), "text"),
    ("optimizer_states", 1, "param_groups", 0, "betas"): (7, "text", (0.5, float("nan"))),
    ("optimizer_states", 1, "param_groups", 0, "params"): ([], "text"),
    ("lr_schedulers",): ("text", None),
    ("callbacks",): ([1], {"a": 1}),
    ("hyper_parameters",): (torch.ones(2), [1]),
    ("validation_metrics",): ("text", {"val/l1": "text"}),
    ("processes",): (None, [1], [{}]),
    ("processes", 0, "pool", "inputs"): ([], [torch.ones(2)], "text"),
    ("processes", 0, "running_statistics"): ({}, {"a": torch.ones(2)}),
    ("data",): (torch.ones(2),),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: ".".join(map(str, field)))
def test_a_field_of_another_form_ends_in_a_message(training, compose_train, tmp_path, field):
    for number, value in enumerate(FIELDS[field]):
        content = copy.deepcopy(training)
        holder = content
        for key in field[:-1]:
            holder = holder[key]
        holder[field[-1]] = value
        torch.save(content, tmp_path / f"{number}.ckpt")
        try:
            read_training(tmp_path / f"{number}.ckpt")
        except UserError:
            continue  # what train does first
        config = compose_train(*QUIET, f"ckpt_path={tmp_path}/{number}.ckpt", "trainer.max_epochs=2")
        config.output_dir = f"{tmp_path}/run{number}"
        with pytest.raises(Exception) as caught:  # noqa: PT011 (of several kinds that commands print in words)
            train(config)
        assert message_for_user(caught.value), value


@pytest.mark.slow
def test_an_intact_checkpoint_is_resumed(training, compose_train, tmp_path):
    torch.save(training, tmp_path / "x.ckpt")
    assert train(compose_train(*QUIET, f"ckpt_path={tmp_path}/x.ckpt", "trainer.max_epochs=2")) > 0


@pytest.mark.slow
def test_where_the_last_has_another_form_the_previous_is_resumed(training, compose_train, tmp_path, caplog):
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(training, checkpoints / "previous.ckpt")
    torch.save(training | {"loops": "text"}, checkpoints / "last.ckpt")
    train(compose_train(*QUIET, "trainer.max_epochs=2"))
    assert "does not have counters by name in 'loops'" in caplog.text
    assert torch.load(checkpoints / "last.ckpt")["global_step"] == 8
