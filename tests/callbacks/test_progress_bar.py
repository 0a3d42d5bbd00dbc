"""Progress of a run, on a terminal and in a log."""

import io
import logging
import re
from types import SimpleNamespace

import lightning as L
import pytest

from pix2pix_lit.callbacks import LastCheckpoint, RunProgressBar, progress_bar
from pix2pix_lit.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore")

EVERY_BATCH = 1e-9  # seconds


@pytest.fixture
def lines(caplog):
    """What the progress bar has logged so far."""
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records if record.name == progress_bar.__name__]


class Terminal(io.StringIO):
    """A terminal of 80 columns, that keeps what is written."""

    def isatty(self) -> bool:
        return True

    def drawn(self) -> list[str]:
        return [line for line in re.split("[\r\n]", self.getvalue()) if line.strip()]


@pytest.fixture
def terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(progress_bar, "sys", SimpleNamespace(stderr=terminal))  # pytest sets the real one again
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _: (80, 24))
    monkeypatch.setattr(progress_bar, "_BAR_SECONDS", 0.0)
    return terminal


def shown(fit, every_n_seconds=EVERY_BATCH, *callbacks, **options):
    """Fit three epochs of four batches with a progress bar."""
    return fit([RunProgressBar(every_n_seconds), *callbacks], enable_progress_bar=True, **options)


def test_a_log_gets_a_line_now_and_then_and_one_for_every_validation(fit, lines):
    shown(fit)
    assert lines()[0] == "steps: 12 in 3 epochs of 4"
    assert re.fullmatch(r"epoch 1/3, step 2 of 12 \(16 %\), 00:0\d left", lines()[2])
    assert [line.partition(":")[0] for line in lines() if "val/l1" in line] == [
        "epoch 1/3, step 4",
        "epoch 2/3, step 8",
        "epoch 3/3, step 12",
    ]
    assert sum(" left" in line for line in lines()) == 12 + 3 * 3  # training and validation batches


def test_a_log_is_not_filled(fit, lines, capfd):
    shown(fit, 3600)
    assert [line.partition(": val/l1")[0] for line in lines()] == [
        "steps: 12 in 3 epochs of 4",
        "epoch 1/3, step 4",
        "epoch 2/3, step 8",
        "epoch 3/3, step 12",
    ]
    assert "\r" not in "".join(capfd.readouterr())


def test_a_resumed_run_counts_its_earlier_steps(fit, lines, tmp_path, save_at):
    fit([LastCheckpoint(str(tmp_path / "last.ckpt"), 0), save_at(6, tmp_path / "middle.ckpt")])
    shown(fit, ckpt_path=tmp_path / "middle.ckpt")
    assert lines()[0] == "steps: 12 in 3 epochs of 4; 6 are done, 6 to come"
    assert lines()[1].startswith("epoch 2/3, step 7 of 12 (58 %)")
    assert lines()[-1].startswith("epoch 3/3, step 12: val/l1")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_steps": 6}, "steps: 6 in 2 epochs of 4"),
        ({"max_steps": 50}, "steps: 12 in 3 epochs of 4"),
        ({"max_epochs": 1}, "steps: 4 in 1 epoch of 4"),
        ({"max_epochs": -1, "max_steps": 3}, "steps: 3 in 1 epoch of 4"),
        ({"limit_train_batches": 2}, "steps: 6 in 3 epochs of 2"),
    ],
)
def test_the_end_is_that_of_epochs_or_of_steps_whichever_is_first(fit, lines, options, expected):
    _, trainer, _ = shown(fit, **options)
    assert lines()[0] == expected
    assert trainer.global_step == int(expected.split()[1])


def test_a_terminal_has_one_bar_for_the_run(fit, lines, terminal):
    shown(fit)
    drawn = terminal.drawn()
    assert drawn[-1].startswith("epoch 3/3 100%|")
    assert "| 12/12 steps, 00:00 left" in drawn[-1]
    assert any(line.startswith("validation 2/3") for line in drawn)
    assert {int(step) for step in re.findall(r"\| (\d+)/12 steps", terminal.getvalue())} == {*range(13)}
    assert len(lines()) == 4  # the plan, and three validations


def test_nothing_is_wider_than_the_terminal(fit, terminal, monkeypatch):
    monkeypatch.setattr(progress_bar, "short_losses", lambda _: "adv 0.5 " * 30)
    shown(fit)
    assert any("left, adv 0.5" in line for line in terminal.drawn())
    assert max(map(len, terminal.drawn())) <= 80


class Fail(L.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 6:
            raise RuntimeError("broken")


def test_a_log_line_takes_the_place_of_the_bar_until_the_run_ends_or_fails(fit, terminal, lines):
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        with pytest.raises(RuntimeError, match="broken"):
            shown(fit, 1, Fail())
    finally:
        logging.getLogger().removeHandler(handler)
    (text,) = re.findall(r"([^\r\n]*)epoch 1/3, step 4: val/l1", terminal.getvalue())
    assert text == ""  # the bar was wiped away
    assert not handler.filters
    assert terminal.getvalue().endswith("\n")


def test_losses_are_shown_in_little_room():
    logged = {"loss/D_real": 0.5, "loss/D_fake": 0.25, "loss/G_adversarial": 1.23456, "loss/G_feature_matching": 10.0}
    assert progress_bar.short_losses(logged | {"speed/images_per_second": 3.0}) == "D 0.375 adv 1.23 fea 10"
    assert progress_bar.short_losses({"loss/G_reconstruction": 0.1}) == "rec 0.1"
    assert progress_bar.short_losses({}) == ""


def test_lines_need_time_between_them():
    with pytest.raises(UserError, match="every_n_seconds is 0; expected more than 0"):
        RunProgressBar(0)
