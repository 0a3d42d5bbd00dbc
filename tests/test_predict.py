"""The predict command: which files it translates, what it refuses, and what it writes beside translations."""

import io
import json
import logging
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.grid import Group, draw_grid
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.metadata import ImageMetadata
from pix2pix_lit.predict import predict
from pix2pix_lit.runs.stopping import RunStopped

from .predicting import DEPTH, config_of, files_below, save_checkpoint, translate, write_inputs


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path)


def test_every_image_is_translated_under_its_own_name(tmp_path, checkpoint, caplog):
    images = write_inputs(tmp_path, {"a.png": (9, 14), "sub/b.png": (16, 8), "sub/c d.bmp": (9, 14)})
    with caplog.at_level(logging.INFO):
        predict(config_of(tmp_path))
    assert files_below(tmp_path / "out") == sorted(images)
    for name, image in images.items():
        translation = read_image(tmp_path / "out" / name).astype(int)
        assert np.abs(translation - translate(checkpoint, image)).max() <= 1
    assert "3 of 3 images translated" in caplog.text


def test_a_half_is_translated_and_the_grid_shows_the_other_as_target(tmp_path, checkpoint):
    images = write_inputs(tmp_path, {"a.png": (12, 40), "b.png": (12, 40)})
    predict(config_of(tmp_path, half="right", grids=True))
    assert files_below(tmp_path / "out") == ["a.png", "b.png", "grids/grid_0001.png"]
    generated = [read_image(tmp_path / "out" / name) for name in images]
    expected = [
        Group(name, [{"input": image[:, 20:], "generated": translation, "target": image[:, :20]}])
        for (name, image), translation in zip(images.items(), generated, strict=True)
    ]
    assert np.abs(generated[0].astype(int) - translate(checkpoint, images["a.png"][:, 20:])).max() <= 1
    np.testing.assert_array_equal(read_image(tmp_path / "out/grids/grid_0001.png"), draw_grid(expected))


def test_a_grid_of_single_images_has_no_target(tmp_path, checkpoint):
    images = write_inputs(tmp_path, {"a.png": (30, 40)})
    predict(config_of(tmp_path, grids=True))
    expected = [Group("a.png", [{"input": images["a.png"], "generated": read_image(tmp_path / "out/a.png")}])]
    np.testing.assert_array_equal(read_image(tmp_path / "out/grids/grid_0001.png"), draw_grid(expected))


def test_an_ending_that_cannot_hold_the_translations_is_refused(tmp_path):
    save_checkpoint(tmp_path, RGB, DEPTH)
    write_inputs(tmp_path, {"a.png": (9, 14)})
    with pytest.raises(UserError, match=r"suffix=\.jpg, but .*1 channels of uint16.*expected suffix=\.png"):
        predict(config_of(tmp_path, suffix=".jpg"))


@pytest.mark.parametrize("key", ["ckpt", "input", "output"])
def test_a_key_that_is_not_set_is_named(tmp_path, key):
    with pytest.raises(UserError, match=rf"^{key} is not set; expected: pix2pix-lit predict"):
        predict(config_of(tmp_path, **{key: None}))


def test_translations_get_the_names_format_and_depth_that_are_asked_for(tmp_path, checkpoint):
    write_inputs(tmp_path, {"a.jpg": (9, 14), "sub/b.png": (9, 14)})
    predict(config_of(tmp_path, naming="{stem}_photo", suffix=".png", bit_depth=16))
    assert files_below(tmp_path / "out") == ["a_photo.png", "sub/b_photo.png"]
    with Image.open(tmp_path / "out/a_photo.png") as file:
        assert file.size == (14, 9)
    deep = read_image(tmp_path / "out/a_photo.png", ImageType(dtype="uint16"))
    assert np.abs(deep / 257 - translate(checkpoint, read_image(tmp_path / "in/a.jpg"))).max() <= 1


def test_files_of_a_list_and_of_the_standard_input_are_translated(tmp_path, checkpoint, monkeypatch):
    write_inputs(tmp_path, {"a.png": (9, 14), "b/c.png": (9, 14), "b/d/e.png": (9, 14)})
    lines = f"{tmp_path}/in/a.png\n\n{tmp_path}/in/b\n{tmp_path}/in/a.png\n"
    (tmp_path / "list.txt").write_text(lines)
    predict(config_of(tmp_path, input=f"{tmp_path}/list.txt"))
    assert files_below(tmp_path / "out") == ["a.png", "b/c.png", "b/d/e.png"]
    piped = io.BytesIO(f"{lines}{tmp_path}/in/missing.png\n".encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(piped))
    with pytest.raises(UserError, match=r"1 of 4 files were left out:\n.*missing\.png does not exist"):
        predict(config_of(tmp_path, input="-", output=f"{tmp_path}/piped"))
    assert files_below(tmp_path / "piped") == ["a.png", "b/c.png", "b/d/e.png"]


def test_images_that_cannot_be_read_are_counted_and_named_with_all_others_translated(tmp_path, checkpoint, caplog):
    write_inputs(tmp_path, {"a.png": (9, 14), "b/c.png": (9, 14)})
    (tmp_path / "in/b/d.svg").touch()
    (tmp_path / "in/e.jpg").symlink_to("gone.jpg")
    (tmp_path / "in/notes.txt").touch()
    caplog.set_level("INFO")
    with pytest.raises(
        UserError, match=r"2 of 4 files were left out:\n  .*b/d\.svg: SVG, .*\n  .*in/e\.jpg: a link to"
    ):
        predict(config_of(tmp_path))
    assert files_below(tmp_path / "out") == ["a.png", "b/c.png"]
    assert any(message.startswith("2 of 4 images translated") for message in caplog.messages)


def test_a_closed_standard_input_is_named(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="input=- means standard input, which is closed; expected a path on each"):
        predict(config_of(tmp_path, input="-"))


@pytest.mark.slow
def test_an_interrupted_command_resumes_and_translates_no_image_twice(tmp_path, checkpoint, monkeypatch, caplog):
    images = write_inputs(tmp_path, {f"{i}.png": (9, 14) for i in range(9)})
    written = []

    def write(path: Path, image: np.ndarray, metadata: ImageMetadata) -> None:
        if len(written) == 4:
            raise RunStopped(signal.SIGINT, together=False)  # which Ctrl-C is
        written.append(path.name)
        write_image(path, image, metadata)

    monkeypatch.setattr("pix2pix_lit.inference.prediction.write_image", write)
    with pytest.raises(RunStopped):
        predict(config_of(tmp_path, batch_size=2))
    assert files_below(tmp_path / "out") == sorted(written)
    monkeypatch.setattr(
        "pix2pix_lit.inference.prediction.write_image",
        lambda path, *others: written.append(path.name) or write_image(path, *others),
    )
    with caplog.at_level(logging.INFO):
        predict(config_of(tmp_path, batch_size=2))
    assert sorted(written) == sorted(images)
    assert "4 of 9 are already in" in caplog.text
    assert "5 of 5 images translated" in caplog.text
    for name, image in images.items():
        assert np.abs(read_image(tmp_path / "out" / name).astype(int) - translate(checkpoint, image)).max() <= 1

    predict(config_of(tmp_path, batch_size=2))  # nothing is left
    assert len(written) == 9
    predict(config_of(tmp_path, batch_size=2, existing="overwrite"))
    assert len(written) == 18
    predict(config_of(tmp_path, batch_size=2, bit_depth=16))  # others than those that are there
    assert len(written) == 27


def test_a_gallery_shows_all_translations_also_after_resuming(tmp_path, checkpoint):
    write_inputs(tmp_path, {"a.png": (12, 40), "b.png": (12, 40)})
    predict(config_of(tmp_path, half="right"))
    write_inputs(tmp_path, {"a.png": (12, 40), "b.png": (12, 40), "c.png": (12, 40)})
    predict(config_of(tmp_path, half="right", gallery=True, grids=True))
    page = (tmp_path / "out/gallery/index.html").read_text()
    entries = json.loads(page.partition('id="entries">')[2].partition("</script>")[0])["entries"]
    assert [entry["name"] for entry in entries] == ["a.png", "b.png", "c.png"]
    assert [picture["caption"] for picture in entries[0]["pictures"]] == ["input", "generated", "target"]
    assert entries[2]["pictures"][1]["file"] == "../c.png"
    assert read_image(tmp_path / "out/grids/grid_0001.png").shape[0] > 3 * 12


def test_the_folder_of_a_run_stands_for_its_last_checkpoint_and_the_gallery_names_the_run(tmp_path, checkpoint, caplog):
    last = tmp_path / "runs/my run/2026-01-02_03-04-05/checkpoints/last.ckpt"
    last.parent.mkdir(parents=True)
    torch.save(torch.load(checkpoint) | {"global_step": 15000, "epoch": 8}, last)
    write_inputs(tmp_path, {f"{i}.png": (9, 14) for i in (10, 2, 1)})
    os.mkdir(os.fsencode(tmp_path / "in") + b"/\xe9")
    (tmp_path / "in/1.png").rename(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xe9/1.png"))
    with caplog.at_level(logging.INFO):
        predict(config_of(tmp_path, ckpt=f"{last.parents[1]}", gallery=True))
        predict(config_of(tmp_path, ckpt=f"{last.parent}"))  # the same
    assert f"Translating with {last}" in caplog.text
    assert "All 3 are already in" in caplog.text
    page = (tmp_path / "out/gallery/index.html").read_text()
    assert "<h1>Translations by my run/2026-01-02_03-04-05, last.ckpt (epoch 8, step 15,000)</h1>" in page
    entries = json.loads(page.partition('id="entries">')[2].partition("</script>")[0])["entries"]
    assert [entry["name"] for entry in entries] == ["2.png", "10.png", "\\xe9/1.png"]


def test_a_folder_that_is_no_run_is_refused_with_suggestions(tmp_path, checkpoint):
    write_inputs(tmp_path, {"a.png": (9, 14)})
    (tmp_path / "outputs/x/1/checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match=r"outputs is a folder; expected a checkpoint, .* which has none"):
        predict(config_of(tmp_path, ckpt=f"{tmp_path}/outputs"))
    (tmp_path / "outputs/x/1/checkpoints/best.ckpt").touch()
    with pytest.raises(UserError, match=r"which has .*x/1/checkpoints/best\.ckpt: name the file"):
        predict(config_of(tmp_path, ckpt=f"{tmp_path}/outputs/x/1"))
    (tmp_path / "outputs/x/1/checkpoints/last.ckpt").touch()
    with pytest.raises(UserError, match=r"which has 1 runs, of which .*outputs/x/1 is the newest: name one"):
        predict(config_of(tmp_path, ckpt=f"{tmp_path}/outputs/x"))


def test_tiles_of_networks_with_statistics_of_their_input_are_warned_of_with_what_helps(tmp_path, checkpoint, caplog):
    write_inputs(tmp_path, {"a.png": (9, 14)})
    predict(config_of(tmp_path, tile=64, norm_inference="running"))
    assert "visible pattern" not in caplog.text
    predict(config_of(tmp_path, tile=64))
    assert "leave a visible pattern. norm_inference=running avoids it" in caplog.text


def test_a_single_translation_may_be_given_the_name_of_its_file(tmp_path, checkpoint, caplog):
    images = write_inputs(tmp_path, {"a.png": (9, 14), "b.png": (9, 14)})
    expected = translate(checkpoint, images["a.png"])
    one = {"input": f"{tmp_path}/in/a.png", "output": f"{tmp_path}/new/result.png"}
    with caplog.at_level(logging.INFO):
        predict(config_of(tmp_path, **one))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["result.png"]
    np.testing.assert_array_equal(read_image(tmp_path / "new/result.png"), expected)
    assert f"1 of 1 images translated into {tmp_path}/new/result.png" in caplog.text
    write_image(tmp_path / "new/result.png", images["b.png"])
    predict(config_of(tmp_path, existing="skip", **one))
    np.testing.assert_array_equal(read_image(tmp_path / "new/result.png"), images["b.png"])
    predict(config_of(tmp_path, **one))
    np.testing.assert_array_equal(read_image(tmp_path / "new/result.png"), expected)
    (tmp_path / "folder.png").mkdir()
    predict(config_of(tmp_path, **one | {"output": f"{tmp_path}/folder.png"}))
    assert (tmp_path / "folder.png/a.png").exists()


@pytest.mark.usefixtures("checkpoint")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": "{}/in"}, r"output=.*r\.png is the name of one file, but input=.* names 2 files; expected a folder"),
        ({"gallery": True}, r"is the name of one file, but gallery=True writes folders"),
        ({"samples": 2}, r"is the name of one file, but samples=2 writes folders"),
        ({"naming": "{{stem}}_x"}, r"is the name of a file; expected suffix=null and naming=null"),
        ({"output": "{}/r.mp4"}, r"a\.png is an image, but output=.*r\.mp4; expected a file ending in"),
        ({"output": "{}/in/a.png"}, r"would overwrite an input"),
        ({"bit_depth": 16, "output": "{}/r.jpg"}, r"r\.jpg, but such files cannot hold .* expected .*r\.png"),
    ],
)
def test_a_file_as_output_is_refused_where_more_than_one_would_be_written(tmp_path, changes, message):
    write_inputs(tmp_path, {"a.png": (9, 14), "b.png": (9, 14)})
    one = {"input": "{}/in/a.png", "output": "{}/r.png"} | changes
    with pytest.raises(UserError, match=message):
        predict(
            config_of(
                tmp_path,
                **{key: value.format(tmp_path) if isinstance(value, str) else value for key, value in one.items()},
            )
        )
    assert not list(tmp_path.glob("r.*"))


def test_nothing_left_to_do_shows_no_bar_and_still_makes_the_gallery(tmp_path, checkpoint, caplog, capsys):
    write_inputs(tmp_path, {"a.png": (9, 14), "b.png": (9, 14)})
    predict(config_of(tmp_path))
    assert "2/2" in capsys.readouterr().err
    caplog.clear()
    with caplog.at_level(logging.INFO):
        predict(config_of(tmp_path, gallery=True))
    assert f"All 2 are already in {tmp_path}/out" in caplog.text
    assert "images translated" not in caplog.text
    assert capsys.readouterr().err == ""
    assert (tmp_path / "out/gallery/index.html").exists()


def test_photos_given_to_a_model_of_labels_are_translated_and_reported_once(tmp_path, caplog):
    save_checkpoint(tmp_path, ImageType(kind="colors", palette="cityscapes"), RGB)
    for index, pair in enumerate(StreetsSource(size=64, val_length=4, split="val")[i] for i in range(4)):
        write_image(tmp_path / f"in/photo {index}.png", pair.a)
        write_image(tmp_path / f"in/labels {index}.png", pair.b)
    predict(config_of(tmp_path))
    assert len(files_below(tmp_path / "out")) == 8
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "4 images have hardly any colours of this model's labels, like photos: it translates labels: "
        f"{tmp_path}/in/photo 0.png, {tmp_path}/in/photo 1.png, {tmp_path}/in/photo 2.png, ..."
    ]


def test_own_folders_are_not_mixed_with_translations(tmp_path, checkpoint):
    write_inputs(tmp_path, {"gallery/a.png": (9, 14), "samples/a.png": (9, 14)})
    with pytest.raises(
        UserError, match="translations would be written to .*gallery, where gallery=True writes its own files"
    ):
        predict(config_of(tmp_path, gallery=True))
    with pytest.raises(
        UserError, match="translations would be written to .*samples, where samples=2 writes its own files"
    ):
        predict(config_of(tmp_path, samples=2))


@pytest.mark.usefixtures("checkpoint")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 2.5}, "samples is 2.5; expected a whole number, 0 or more"),
        ({"seed": "x"}, "seed is 'x'; expected a whole number"),
        ({"batch_size": 0}, "batch_size is 0; expected a whole number, 1 or more"),
        ({"num_workers": -1}, "num_workers is -1; expected"),
        ({"devices": 3.5}, "devices is 3.5; expected a whole number from 1 to"),
        ({"devices": 10**8}, "devices is 100000000; expected a whole number from 1 to"),
        ({"trusted": "no"}, "trusted is 'no'; expected true or false"),
        ({"gallery": "off"}, "gallery is 'off'; expected true or false"),
        ({"half": "middle"}, "half is 'middle'; expected one of left, right, null"),
        ({"overlap": 20}, "overlap is 20, but tile is null; expected both"),
        ({"tile": 60}, "tile is 60; expected a side"),
        ({"tile": 64, "overlap": 40}, "overlap is 40; expected pixels from 0 to half of tile=64"),
        ({"tile": "big"}, "tile is big; expected a side"),
    ],
)
def test_an_invalid_value_is_refused_before_anything_is_done(tmp_path, changes, message):
    write_inputs(tmp_path, {"a.png": (9, 14)})
    with pytest.raises(UserError, match=message):
        predict(config_of(tmp_path, **changes))
    assert not (tmp_path / "out").exists()


def test_weights_that_are_not_finite_end_predict_before_anything_is_written(tmp_path):
    write_inputs(tmp_path, {"a.png": (16, 16)})
    content = torch.load(save_checkpoint(tmp_path))
    content["state_dict"]["generator.decoder.1.conv.weight"][0, 0, 0, 0] = torch.nan
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="x.ckpt has NaN or infinity in decoder.1.conv.weight"):
        predict(config_of(tmp_path))
    assert not (tmp_path / "out").exists()
