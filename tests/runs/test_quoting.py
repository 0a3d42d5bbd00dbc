"""File names and free text arrive as they were typed, whatever Hydra's grammar makes of their characters."""

import functools
import os
import random
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import get_args, get_origin

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from pix2pix_lit import predict, train
from pix2pix_lit.checks import StringKind, hint_of, string_kind
from pix2pix_lit.data import examples, prepare, preview
from pix2pix_lit.data.audit import __main__ as audit
from pix2pix_lit.errors import UserError
from pix2pix_lit.export import __main__ as export
from pix2pix_lit.runs.configs import CONFIG_DIR, compose_config, nodes
from pix2pix_lit.runs.overrides import chosen_options
from pix2pix_lit.runs.quoting import with_text_quoted
from pix2pix_lit.sweep import results

KEYS = {
    "train": train.Keys,
    "predict": predict.Keys,
    "export": export.Keys,
    "prepare": prepare.Keys,
    "audit": audit.Keys,
    "preview": preview.Keys,
    "examples": examples.Keys,
    "sweep_results": results.Keys,
}
"""The primary configs, and the types of their keys."""

HARD_NAMES = [
    "epoch=1.ckpt",
    "x (1).png",
    "a,b.png",
    "img[1].png",
    "[a,b].png",
    "{a:b}.png",
    "ü.png",
    "it's.png",
    'say "hi".png',
    "back\\slash.png",
    "ends in backslash\\",
    "\\'",
    "a\\\\'b",
    "$HOME.png",
    "${x}.png",
    "\\${x}.png",
    "*.png",
    "a#b&c;d|e<f>g.png",
    " leading and trailing ",
    "123",
    "1.5",
    "true",
    "nan",
    "a\tb",
    "a\nb",
]


@functools.cache
def options(name, *words):
    return chosen_options(CONFIG_DIR, name, words)


def quoted(name, *words, is_sweep=False):
    choices = [word for word in words if Path(CONFIG_DIR, word.partition("=")[0]).is_dir()]
    return with_text_quoted(words, KEYS[name], lambda: options(name, *choices), is_sweep)


def composed(name, *words):
    return compose_config(CONFIG_DIR, name, quoted(name, *words))


@pytest.mark.parametrize("name", HARD_NAMES)
def test_path_values_arrive_as_the_shell_gave_them(name):
    assert composed("predict", f"input={name}").input == name


def test_random_file_names_arrive_unchanged():
    rng = random.Random(0)
    names = ["".join(rng.choices("ab1 .,=()[]{}'\"\\$@#%&*?!:;|<>/+-_ü^`", k=rng.randint(2, 9))) for _ in range(100)]
    for name in names:
        if name[0] == name[-1] and name[0] in "'\"":  # Hydra's own quoting, which is left to it
            continue
        [word] = quoted("predict", f"input={name}")
        assert OverridesParser.create().parse_override(word).value().replace("\\${", "${") == name, name


FOLDERS_KEYS = [
    "data.root",
    "data.source.a_folder",
    "model.perceptual.weights",
    "output_dir",
    "hydra.run.dir",
    "logger.csv.save_dir",  # of a class of Lightning's
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "choices", "keys", "typed"),
    [
        ("train", ["data=folders", "logger=csv"], FOLDERS_KEYS, typed)
        for typed in ("/tmp/a=b", "/tmp/vgg (1).pth", "a,b", "~/x", "caf\udce9", "[a]{b}'c\"")
    ]
    + [
        ("train", ["data=derived", "data.root=x"], ["data.source.folder"], "~/a,b (1)=x"),
        ("sweep_results", [], ["folder"], "~/a,b (1)=x"),
    ],
)
def test_file_names_need_no_quotes_for_hydra_wherever_their_keys_are(name, choices, keys, typed):
    config = composed(name, *choices, *(f"{key}={typed}" for key in keys))
    for key in keys:
        assert OmegaConf.select(config, key) == os.path.expanduser(typed), key


def test_free_text_keeps_its_tilde_and_its_commas():
    config = composed("train", "data=folders", "data.root=x", "data.source.a_pattern=~(.{1,2})")
    assert config.data.source.a_pattern == "~(.{1,2})"


def test_a_file_name_may_refer_to_other_keys_where_its_default_does():
    config = composed("train", "output_dir=outputs/${name} (1)", "data.cache_dir=${name}")
    assert (config.output_dir, config.data.cache_dir) == ("outputs/train (1)", "${name}")


def test_null_and_hydras_own_quotes_keep_their_meaning():
    config = composed("predict", "ckpt=null", "input='a,b'", 'output="c d"')
    assert (config.ckpt, config.input, config.output) == (None, "a,b", "c d")


def test_quoting_twice_changes_nothing():
    once = quoted("predict", *(f"ckpt={name}" for name in HARD_NAMES))
    assert quoted("predict", *once) == once


@pytest.mark.parametrize(
    "word", ["model=unet256", "data.batch_size=1,2", "hydra.run.dir=a", "name=a,b", "~callbacks.best"]
)
def test_other_words_are_left_to_hydra(word):
    assert quoted("train", word) == [word]


def test_plain_words_and_keys_at_the_top_need_no_config():
    def never():
        raise AssertionError

    words = ["model=unet256", "data.root=data/pairs", "ckpt_path=a,b"]
    assert with_text_quoted(words, train.Keys, never) == [*words[:2], "ckpt_path='a,b'"]


def strings(command, *choices):
    """The keys of a config that may hold text, with what kind of text that is."""
    values = chosen_options(CONFIG_DIR, command, choices)
    for key, value in nodes({name: values[name] for name in values if name != "hydra"}):
        hint = hint_of(key, values, KEYS[command])
        targets = [(parent_of(values, key, depth) or {}).get("_target_", "") for depth in (1, 2)]
        ours = "." not in key or any(target.startswith("pix2pix_lit.") for target in targets)
        if ours and hint is not None and (value is None or isinstance(value, str)) and takes_text(hint):
            yield key, string_kind(hint)


def takes_text(hint):
    return hint is str or any(takes_text(argument) for argument in get_args(hint) if get_origin(hint) is not Mapping)


def parent_of(values, key, depth):
    for part in key.split(".")[:-depth]:
        values = values[part]
    return values


DATA = sorted(path.stem for path in Path(CONFIG_DIR, "data").glob("*.yaml") if path.stem != "base")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "choices"),
    [(name, []) for name in KEYS if name != "train"]
    + [("train", [f"data={option}"]) for option in DATA]
    + [("train", ["sweep=[grid,pruning]"])],
)
def test_the_type_of_every_string_says_whether_it_is_a_file_name_free_text_or_a_word(name, choices):
    found = dict(strings(name, *choices))
    assert found
    assert [key for key, kind in found.items() if not isinstance(kind, StringKind)] == []


@pytest.mark.parametrize("key", ["data.root", "ckpt_path"])
def test_a_sweep_over_paths_without_quotes_is_answered_with_how_to_write_it(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"{key}=d1,d2 is read as one value, 'd1,d2', which does not exist") as error:
        quoted("train", f"{key}=d1,d2", is_sweep=True)
    [word] = shlex.split(str(error.value).rpartition(": ")[2])
    assert [word] == quoted("train", word) == [f"{key}='d1','d2'"]
    [choices] = OverridesParser.create().parse_overrides([word])
    assert choices.is_sweep_override()
    assert list(choices.sweep_string_iterator()) == ["'d1'", "'d2'"]


def test_commas_are_no_concern_without_a_sweep_in_quotes_in_patterns_and_in_paths_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d1,d2").mkdir()
    others = ["data=folders", "data.source.a_pattern=(.{1,2})", "data.root='d1','d3'", "seed=1,2"]
    quoted("train", "data.root=d1,d2", *others, is_sweep=True)
    quoted("train", "data.root=d1,d3")
