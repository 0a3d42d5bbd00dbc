"""Every value of every config is checked by the type hints of what it is for, before anything is created."""

import copy
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from pix2pix_lit import evaluate, predict, train
from pix2pix_lit.checks import check_choice, check_config, check_flag, check_integer, check_number, fits, in_words
from pix2pix_lit.data import examples, preview
from pix2pix_lit.data.audit import __main__ as audit
from pix2pix_lit.errors import UserError
from pix2pix_lit.export import __main__ as export
from pix2pix_lit.runs.configs import CONFIG_DIR, nodes, options_of
from pix2pix_lit.runs.overrides import composed

FOLDER = Path(CONFIG_DIR)
COMMANDS = {
    name: module.Keys
    for name, module in {
        "train": train,
        "predict": predict,
        "evaluate": evaluate,
        "export": export,
        "audit": audit,
        "preview": preview,
        "examples": examples,
    }.items()
}
TOGETHER = (
    ("data",),
    ("model/generator", "model"),
    ("model/discriminator",),
    ("model/adversarial",),
    ("model/reconstruction",),
    ("trainer",),
)
"""Groups whose options go together, and are composed together: the first of each line, the second of each, ..."""


def options_together():
    """Every option of these groups, in lists of those that are composed together; of others, an example each."""
    columns = [
        [f"{group}={option}" for group in groups for option in options_of(FOLDER, group) if option not in ALIKE]
        for groups in TOGETHER
    ]
    for row in itertools.zip_longest(*columns):
        yield [option for option in row if option is not None and option != DEFAULT]
    yield from ([DEFAULT], ["experiment=quickstart"], ["sweep=optuna", "debug=profile"])


ALIKE = {"patch16", "patch34", "patch142", "patch286", "patch574"}
"""Options that differ from patch70 in one number."""
DEFAULT = "model=unet256"
"""An option of the config as it is: all its numbers are tried, and of the other options those of groups that differ."""
ELSEWHERE = ("data.augmentation.", "data.archive.bytes")
"""Checked by albumentations, and facts of a download."""


@functools.cache
def _composed(name, *words):
    config = composed(str(FOLDER), name, words, "usage")
    OmegaConf.set_readonly(config, False)
    del config.hydra
    return config


def compose(name, *words):
    """A composed config without Hydra's own, each composed once."""
    return copy.deepcopy(_composed(name, *words))


def overridden(override):
    """The config of training with one value set as Hydra sets it."""
    config, parsed = compose("train"), OverridesParser.create().parse_override(override)
    OmegaConf.update(config, parsed.key_or_group, parsed.value(), force_add=parsed.is_add())
    return config


def numbers(config):
    """The keys of a config that hold numbers."""
    for key, value in nodes(config):
        if type(value) in (int, float) and not key.startswith(ELSEWHERE):
            yield key


def differing(config, other):
    """The keys of a config whose group is not the same in another one."""
    groups, others = dict(nodes(config)), dict(nodes(other))
    for key in numbers(config):
        group = key.rpartition(".")[0]
        if not group or groups[group] != others.get(group):
            yield key


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, int, True), (True, int, False), (1.0, int, False), ("1", int, False), (1, float, True),
        (True, float, False), (None, int | None, True), ([1, 2], Sequence[int], True), ([1, "a"], list[int], False),
        ([1, 2.5], tuple[float, float], True), ([1], tuple[float, float], False), ([1, 2, 3], tuple[int, ...], True),
        ("a", Literal["a", "b"], True), ("c", Literal["a", "b"], False), (1, Literal[True], False),
        ({"a": 1}, dict[str, float], True), ({"a": "b"}, Mapping[str, float], False), ("abc", float | Path, True),
        ({"_target_": "x"}, OSError, True), ("abc", OSError, False), ("abc", Any, True),
        (3, Annotated[int | None, "note"], True), ("abc", str, True), (3, str, False),
    ],
)  # fmt: skip
def test_values_fit_types(value, hint, expected):
    assert fits(value, hint) == expected


@pytest.mark.parametrize(
    ("check", "bounds", "allowed", "refused", "expected"),
    [
        (check_integer, (1,), (1, 10**9), (0, 1.0, True, "1", None), "a whole number, 1 or more"),
        (check_integer, (2, 4), (2, 4), (1, 5, math.nan), "a whole number from 2 to 4"),
        (check_number, (), (0, 0.5), (-1, math.nan, math.inf, True, "1", None), "a number, 0 or more"),
        (check_number, (0.5, 1), (0.5, 1), (0.4, 1.1), "a number from 0.5 to 1"),
        (check_flag, (), (True, False), (0, 1, "no", None), "true or false"),
        (check_choice, (("a", "b", None),), ("a", None), ("c", 1, []), "one of a, b, null"),
        (check_choice, (Literal["a", "b"],), ("b",), ("c",), "one of a, b"),
    ],
)
def test_single_values_are_checked(check, bounds, allowed, refused, expected):
    for value in allowed:
        check("group.key", value, *bounds)
    for value in refused:
        with pytest.raises(UserError) as raised:
            check("group.key", value, *bounds)
        assert str(raised.value) == f"group.key is {value!r}; expected {expected}"


def test_types_in_words():
    assert in_words(int | float | None) == "a number or null"
    assert in_words(int | Sequence[int]) == "a whole number or a list of whole numbers"
    assert in_words(Literal["a", "b"]) == "a or b"


@pytest.mark.slow
@pytest.mark.parametrize("options", options_together(), ids="+".join)
def test_every_option_passes_and_each_of_its_numbers_refuses_words_and_what_is_not_finite(options):
    words = ["data.root=x"] if options[0].startswith("data=") else []
    config = compose("train", *options, *words)
    check_config(config, train.Keys)
    keys = numbers(config) if options == [DEFAULT] else differing(config, compose("train", DEFAULT))
    for key in list(keys):
        part = OmegaConf.masked_copy(config, key.partition(".")[0])
        for wrong in ("abc", math.nan, True):
            OmegaConf.update(part, key, wrong)
            with pytest.raises(UserError, match=f"^{key} is .*; expected "):
                check_config(part, train.Keys)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_types_of_a_commands_own_keys_are_those_of_its_config(name):
    own = {key for key in OmegaConf.load(FOLDER / f"{name}.yaml") if key not in ("defaults", "hydra")}
    assert own == COMMANDS[name].__annotations__.keys() - {"trial"}
    config = compose(name)
    check_config(config, COMMANDS[name])
    for key in [key for key in numbers(config) if "." not in key]:
        for wrong in ("abc", -1, True, math.inf):
            with pytest.raises(UserError, match=f"^{key} is "):
                check_config(OmegaConf.create({key: wrong}), COMMANDS[name])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_epochs=abc", "trainer.max_epochs is 'abc'; expected a whole number or null"),
        ("trainer.max_epochs=1.5", "trainer.max_epochs is 1.5; expected a whole number or null"),
        ("trainer.precision=foo", "trainer.precision is 'foo'; expected .*bf16-mixed"),
        ("trainer.limit_val_batches=abc", "expected a number or null"),
        ("trainer.max_steps=-2", "trainer.max_steps is -2; expected -1 or more"),
        ("data.batch_size=two", "data.batch_size is 'two'; expected a whole number"),
        ("data.flip=1", "data.flip is 1; expected true or false"),
        ("data.load_size=[a,b]", "data.load_size is .*; expected a whole number or "),
        ("data.direction=AB", "data.direction is 'AB'; expected AtoB or BtoA"),
        ("callbacks.last.every_n_steps=x", "callbacks.last.every_n_steps is 'x'"),
        ("callbacks.samples.count=-1", "callbacks.samples.count is -1; expected 0 or more"),
        ("model.generator.width=abc", "model.generator.width is 'abc'"),
        ("model.generator.width=-8", "model.generator.width is -8; expected 0 or more"),
        ("model.generator_optimizer.lr=abc", "model.generator_optimizer.lr is 'abc'; expected a number"),
        ("model.generator_optimizer.betas=[0.5,abc]", "model.generator_optimizer.betas is "),
        ("model.reconstruction.weight=inf", "model.reconstruction.weight is inf; expected a finite number"),
        ("model.schedule.decay=linar", "model.schedule.decay is 'linar'; expected linear or cosine"),
        ("model.gradient_clip.generator=abc", "model.gradient_clip is "),
        ("trainer.devices=abc", "trainer.devices is 'abc'; expected 1 or more, -1 for all, auto, or a list"),
        ("trainer.devices=0", "trainer.devices is 0; expected 1 or more"),
        ("trainer.accelerator=foo", "trainer.accelerator is 'foo'; expected auto, cpu, gpu or mps"),
        ("seed=1.5", "seed is 1.5; expected a whole number"),
        ("+trainer.max_epoch=3", "trainer.max_epoch.*did you mean trainer.max_epochs?"),
        ("+model.generator.depht=3", "did you mean model.generator.depth?"),
        ("+model.lrr=1", "model.lrr: Pix2Pix has no such key"),
        ("+model.adversarial.gradient_penalty=1", "model.adversarial.gradient_penalty: VanillaLoss has no such key"),
        ("+model.init.gian=3", "did you mean model.init.gain?"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(override, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        check_config(overridden(override), train.Keys)


def test_an_added_key_that_nothing_takes_is_refused():
    with pytest.raises(UserError, match=r"nothing takes a key max_epochs: did you mean trainer.max_epochs\?"):
        compose("train", "+max_epochs=3")


@pytest.mark.parametrize(
    "override",
    [
        "trainer.devices=auto", "trainer.devices=[0,1]", "trainer.devices=-1", "trainer.max_epochs=null", "name=3",
        "trainer.precision=16-mixed", "trainer.limit_val_batches=0.5", "trainer.deterministic=warn", "compile=null",
        "data.crop_size=[32,64]", "+trainer.max_time=00:01:00:00", "+trainer.enable_progress_bar=false",
        "model.gradient_clip.generator=1", "trainer.profiler=simple", "data.pin_memory=null", "callbacks.best=null",
        "model.generator.dropout_blocks=[]", "trainer.strategy=ddp", "data.source.size=64",
    ],
)  # fmt: skip
def test_what_is_allowed_passes(override):
    override = "model.compile=default" if override == "compile=null" else override
    config = overridden(override)
    before = config.copy()
    check_config(config, train.Keys)
    assert config == before
