"""Every config in the repository composes and builds what it describes."""

import copy
import functools
import itertools
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException, MissingConfigException
from hydra.utils import instantiate
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import OmegaConf

from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.runs import command
from pix2pix_lit.runs.command import CONFIG_DIR
from pix2pix_lit.runs.rank import is_first_rank
from pix2pix_lit.train import main
from pix2pix_lit.training.measured import leave_out_unavailable

FILES = sorted(str(path.relative_to(CONFIG_DIR).with_suffix("")) for path in Path(CONFIG_DIR).rglob("*.yaml"))
FILES = [name for name in FILES if not name.startswith("local/") or name == "local/example"]  # the checkout's own
PRIMARY = [name for name in FILES if "/" not in name and name != "base"]
OPTIONS = [name for name in FILES if "/" in name and name != "data/base"]
PLACES = {"data/pixels": "data/pixels@data.source.b"}
"""Groups that stand in several places, with one of them."""
NEEDS = {
    "model/adversarial/wgangp": ["model.discriminator.norm=instance"],
    **{name: ["data=derived", "data.root=x"] for name in FILES if name.startswith("data/derive/")},
    **{
        f"data/{path.stem}": ["data.root=x"]
        for path in Path(CONFIG_DIR, "data").glob("*.yaml")
        if "\nroot: ???" in path.read_text("utf-8")
    },
    "model/segmenter": ["+model.target={kind: ids, channels: 1, classes: 3}"],
    "model/reconstruction/cross_entropy": ["+model.target={kind: ids, channels: 1, classes: 3}"],
    "data/pixels/continuous": ["data=folders", "data.root=x"],
    "data/pixels/colors": ["data=folders", "data.root=x"],
    "data/pixels/ids": ["data=folders", "data.root=x", "data.source.b.classes=3"],
    **{name: ["sweep=optuna"] for name in FILES if name.startswith("hydra/sweeper/sampler/")},
    "sweep/pruning": ["callbacks.pruning.storage=sqlite:///study.db", "callbacks.pruning.study_name=study"],
}
"""What else an option wants to be given."""
CHOICES = {"sweep/pruning": "sweep=[optuna,pruning]"}
"""Options that stand beside another of their group."""
PACKAGES = {"logger/wandb": "wandb", "logger/mlflow": "mlflow"}
"""What is not installed for every test run."""
NARROW = ["model.generator.width=2", "model.discriminator.width=2"]
TOGETHER = (
    (
        *("data", "data/augmentation", "model/generator", "model/discriminator", "model/adversarial"),
        *("model/reconstruction", "trainer", "callbacks", "metrics", "logger"),
    ),
    ("data/derive", "model", "hydra/sweeper/sampler", "debug"),
    ("data/pixels", "sweep"),
)
"""Groups whose options go together, and are composed together: the first of all of them, the second of all, ..."""

ALONE = (
    "data/cityscapes_classes",
    "model/segmenter",
    "model/generator/segmenter",
    "model/reconstruction/cross_entropy",
)
"""Options of theirs that go with few others."""


@functools.cache
def _composed(*overrides):
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        return compose("train", [*overrides])


@pytest.fixture
def composed(tmp_path):
    def compose_config(*overrides):
        config = copy.deepcopy(_composed(*overrides))
        config.output_dir = str(tmp_path)
        return config

    return compose_config


def group_of(option):
    return "experiment" if option.startswith("experiment/") else option.rpartition("/")[0]


def choice_of(option):
    group = group_of(option)
    return f"{PLACES.get(group, group)}={option.removeprefix(f'{group}/')}"


def composed_together():
    """Every option of every group, in lists of those that are composed together."""
    for groups in TOGETHER:
        columns = [
            [option for option in OPTIONS if group_of(option) == group and option not in ALONE] for group in groups
        ]
        for row in itertools.zip_longest(*columns):
            yield [option for option in row if option is not None]
    together = set(itertools.chain(*TOGETHER))
    yield from ([option] for option in OPTIONS if group_of(option) not in together or option in ALONE)


def test_there_is_a_primary_config_for_every_command():
    assert PRIMARY == [
        "audit",
        "evaluate",
        "examples",
        "export",
        "predict",
        "prepare",
        "preview",
        "sweep_results",
        "train",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("options", composed_together(), ids="+".join)
def test_every_option_of_every_group_builds_all_objects_of_a_run(composed, options):
    needs = [need for option in options for need in NEEDS.get(option, [])]
    choices = [CHOICES.get(option) or choice_of(option) for option in options]
    config = composed("objective=val/l1", *dict.fromkeys([*needs, *choices, *NARROW]))
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    config.objective = "val/l1"  # auto is decided once the data is known

    for option in options:
        if option in PACKAGES:
            pytest.importorskip(PACKAGES[option])
    model = instantiate(config.model, _recursive_=False, _convert_="all")
    datamodule = instantiate(config.data, _convert_="all")
    leave_out_unavailable(config, RGB, datamodule.crop_size)
    callbacks = instantiate(config.callbacks, _convert_="all").values()
    loggers = instantiate(config.logger, _convert_="all").values()
    assert isinstance(model, L.LightningModule)
    assert isinstance(datamodule, L.LightningDataModule)
    assert all(isinstance(callback, L.Callback) for callback in callbacks)
    assert len(model.configure_optimizers()) == (2 if config.model.adversarial.weight else 1)
    if config.trainer.accelerator == "gpu" and not torch.cuda.is_available():
        config.trainer.accelerator, config.trainer.devices = "cpu", 1
    trainer = instantiate(config.trainer, callbacks=list(callbacks), logger=list(loggers))
    assert isinstance(trainer, L.Trainer)


def test_every_option_is_composed():
    assert sorted(itertools.chain(*composed_together())) == OPTIONS


@pytest.mark.parametrize(("discriminator", "field"), [("pixel", 1), ("patch16", 16), ("patch286", 286)])
def test_discriminators_are_named_after_their_receptive_field(composed, discriminator, field):
    config = composed(f"model/discriminator={discriminator}", *NARROW)
    assert instantiate(config.model.discriminator).receptive_field == field


def test_a_machine_has_its_own_settings_in_every_command(tmp_path):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "default.yaml").write_text("# @package _global_\ndata:\n  num_workers: 7\n")
    for name in ("train", "audit", "preview"):
        with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
            config = compose(name, ["data=facades", f"hydra.searchpath=[{tmp_path}]"])
        assert (config.data.num_workers, config.data.root) == (7, "data/facades"), name


def test_a_machine_has_a_folder_for_each_data_set_in_every_command(tmp_path):
    """The file with the settings of a data set is chosen by its name, and the command line overrides it."""
    (tmp_path / "local" / "data").mkdir(parents=True)
    for name in ("facades", "cityscapes_official", "folders"):
        (tmp_path / "local" / "data" / f"{name}.yaml").write_text(f"root: /datasets/{name}\n")
    roots = {
        "data=facades": "/datasets/facades",
        "data=cityscapes_official": "/datasets/cityscapes_official",
        "data=folders": "/datasets/folders",
        "data=maps": "data/maps",
        "data=facades data.root=here": "here",
    }
    commands = dict.fromkeys(roots, "train") | {
        "data=facades": "prepare",
        "data=maps": "audit",
        "data=folders": "preview",
    }
    for line, name in commands.items():
        with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
            config = compose(name, [*line.split(), f"hydra.searchpath=[{tmp_path}]"])
        assert config.data.root == roots[line], (name, line)


def test_debug_options_override_the_settings_of_a_machine(tmp_path):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "default.yaml").write_text("# @package _global_\ndata:\n  num_workers: 7\n")
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("train", ["debug=fast", f"hydra.searchpath=[{tmp_path}]"])
    assert config.data.num_workers == 0


@pytest.mark.parametrize("arguments", [["--cfg", "job", "seed=3"], ["seed=3", "--cfg", "job"], ["--cfg", "job"]])
def test_settings_of_an_installed_package_apply_wherever_options_stand(tmp_path, monkeypatch, capsys, arguments):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "default.yaml").write_text("# @package _global_\ndata:\n  num_workers: 7\n")
    monkeypatch.setattr(command, "USER_CONFIG_DIR", tmp_path)
    monkeypatch.setattr(sys, "argv", ["pix2pix-lit train", *arguments])
    main()
    assert "num_workers: 7" in capsys.readouterr().out


def keys_in_order(values, prefix=""):
    """The keys of every mapping in a config, by the mapping's own name."""
    found = {prefix: list(values)}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= keys_in_order(value, f"{prefix}.{key}")
    return found


@pytest.mark.parametrize("folder", sorted({name.rpartition("/")[0] for name in FILES}))
def test_files_of_a_group_have_their_keys_in_one_order(folder):
    files = {
        path.stem: keys_in_order(OmegaConf.to_container(OmegaConf.load(path)))
        for path in sorted(Path(CONFIG_DIR, folder).glob("*.yaml"))
    }
    for (first, ours), (second, theirs) in itertools.combinations(files.items(), 2):
        for name in ours.keys() & theirs.keys():
            shared = [key for key in ours[name] if key in theirs[name]]
            assert shared == [key for key in theirs[name] if key in shared], (first, second, name)


@pytest.mark.parametrize("name", FILES)
def test_every_key_has_a_comment_or_belongs_to_a_commented_group(name):
    commented = -1  # the indentation of a group of keys with a comment
    for line in Path(CONFIG_DIR, f"{name}.yaml").read_text("utf-8").splitlines():
        key = line.strip().partition(":")[0]
        indentation = len(line) - len(line.lstrip())
        if 0 <= commented < indentation or not key or key.startswith(("#", "-", "{}")):
            continue
        commented = indentation if "  # " in line else -1
        assert commented >= 0 or line.endswith(":") or key in ("_target_", "_partial_"), line


@pytest.mark.parametrize("typo", ["model.lrr=1", "trainer.max_epoch=3", "data.rooot=x", "seeed=1"])
def test_a_mistyped_key_is_refused_when_composing(composed, typo):
    with pytest.raises(ConfigCompositionException, match="Could not override"):
        composed(typo)


@pytest.mark.parametrize("typo", ["modle=unet256", "model=unet"])
def test_a_mistyped_group_or_option_is_refused_when_composing(composed, typo):
    with pytest.raises((ConfigCompositionException, MissingConfigException), match="(?i)could not"):
        composed(typo)


@pytest.mark.slow
def test_paper_rows_switch_the_two_terms_and_the_condition(composed):
    rows = {}
    for row in ("l1", "gan", "cgan", "l1_gan", "l1_cgan"):
        model = composed(f"experiment=paper/cityscapes_{row}").model
        rows[row] = (model.reconstruction.weight, model.adversarial.weight, model.discriminator.conditional)
    assert rows == {
        "l1": (100, 0, True),
        "gan": (0, 1, False),
        "cgan": (0, 1, True),
        "l1_gan": (100, 1, False),
        "l1_cgan": (100, 1, True),
    }


@pytest.mark.parametrize(
    ("environment", "devices", "num_nodes"),
    [({}, 1, 1), ({"SLURM_NTASKS_PER_NODE": "4"}, 4, 1), ({"SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "3"}, 2, 3)],
)
def test_slurm_says_how_many_devices_and_machines_there_are(composed, monkeypatch, environment, devices, num_nodes):
    for name in ("SLURM_NTASKS_PER_NODE", "SLURM_NNODES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    trainer = composed("trainer=slurm").trainer
    assert (trainer.devices, trainer.num_nodes, trainer.accelerator) == (devices, num_nodes, "gpu")


def test_lightning_takes_its_ranks_from_slurm(composed, monkeypatch, tmp_path):
    slurm = {"NTASKS": 4, "NTASKS_PER_NODE": 2, "NNODES": 2, "PROCID": 3, "LOCALID": 1, "NODEID": 1, "JOB_ID": 1234567}
    for name, value in (slurm | {"NODELIST": "gpu[07-08]", "JOB_NAME": "train"}).items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setattr(rank_zero_only, "rank", 0)  # which the Trainer changes for all that follows
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    trainer = instantiate(composed("trainer=slurm", "trainer.accelerator=cpu").trainer, logger=False)
    environment = trainer.strategy.cluster_environment
    assert isinstance(environment, SLURMEnvironment)
    assert (trainer.world_size, trainer.global_rank, trainer.local_rank, trainer.node_rank) == (4, 3, 1, 1)
    assert environment.creates_processes_externally
    assert environment.main_address == "gpu07"
    assert environment.main_port == 15000 + 4567
    assert is_first_rank() is False


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("sweep=optuna", r'sweep=optuna needs .*not installed; .*pip install "pix2pix-lit\[sweep\]"'),
        ("sweep=[grid,slurm]", r'sweep=slurm needs .*pip install "pix2pix-lit\[slurm\]"'),
        ("+logger=wandb", r'logger=wandb needs the module wandb.*pip install "pix2pix-lit\[wandb\]"'),
    ],
)
def test_an_option_whose_packages_are_missing_says_what_to_install(monkeypatch, argument, message):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name != "sys" else True)
    monkeypatch.setattr("sys.argv", ["train.py", argument])
    with pytest.raises(SystemExit, match=message):
        main()
