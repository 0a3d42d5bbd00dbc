"""Which settings stand beside the metrics."""

from hydra.utils import instantiate

from pix2pix_lit.callbacks.tensorboard_hparams import shown_settings


def settings_of(config):
    return shown_settings(instantiate(config.callbacks.hparams, _convert_="all").settings)


def test_settings_that_change_results_are_shown_as_they_were_chosen(compose_train):
    shown = settings_of(compose_train("data/augmentation=strong", "model/adversarial=lsgan", "seed=3"))
    assert shown["model.generator"] == "UNetGenerator"
    assert shown["model.generator.width"] == 4
    assert shown["data.source"] == "StreetsSource"
    assert shown["data.batch_size"] == 2
    assert shown["trainer.precision"] == "32-true"
    assert shown["seed"] == 3
    assert any(name.startswith("data.augmentation.geometry.") for name in shown)
    assert all(isinstance(value, str | bool | int | float) for value in shown.values())


def test_runs_that_differ_only_in_where_and_how_they_work_have_the_same_line(compose_train):
    elsewhere = compose_train(
        "data.cache=disk",
        "data.cache_dir=elsewhere",
        "data.root=elsewhere",
        "data.prefetch=7",
        "data.pin_memory=true",
        "data.val_batch_size=3",
        "trainer.log_every_n_steps=7",
        "callbacks.last.every_n_steps=7",
        "logger=csv",
        "name=elsewhere",
    )
    elsewhere.data.num_workers = 5
    elsewhere.output_dir = "elsewhere"
    assert settings_of(elsewhere) == settings_of(compose_train())
