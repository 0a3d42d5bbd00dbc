"""Which files are translated, and reading them."""

import io
from pathlib import Path

import numpy as np
import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.inference.files import Failure, Task, find_inputs, read_batches


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def kept_names(tasks: list[Task], source: Path, target: Path) -> list[str]:
    """Names of the tasks below ``source``, after checking that their targets have the same below ``target``."""
    for task in tasks:
        assert task.target.relative_to(target) == task.source.relative_to(source)
    return [str(task.source.relative_to(source)) for task in tasks]


ODD_NAMES = ["a [1].png", "b=2.png", "c,d.png", "e'f.png", "g{h}.png", "i*j.png", "k?.png", "~l.png", "ü.png"]


def test_one_file_becomes_one_task(tmp_path):
    touch(tmp_path, "in/x.png", "in/y.png")
    assert find_inputs(f"{tmp_path}/in/x.png", f"{tmp_path}/out").tasks == [
        (tmp_path / "in/x.png", tmp_path / "out/x.png")
    ]


def test_a_folder_is_searched_with_its_sub_folders_whose_structure_is_kept(tmp_path):
    touch(tmp_path, "in/b.png", "in/a/c.JPG", "in/a/d/e.webp", "in/notes.txt", "in/.hidden.png", "in/.git/x.png")
    tasks = find_inputs(f"{tmp_path}/in", f"{tmp_path}/out").tasks
    assert kept_names(tasks, tmp_path / "in", tmp_path / "out") == ["a/c.JPG", "a/d/e.webp", "b.png"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*.png", ["x.png", "y.png"]),
        ("in/?.*", ["x.png", "y.png", "z.jpg"]),
        ("in/[xz].*", ["x.png", "z.jpg"]),
        ("in/*/*.png", ["a/x.png", "b/x.png"]),
        ("in/**/x.png", ["a/x.png", "b/c/x.png", "b/x.png", "x.png"]),
        ("in/**/**/c/*", ["b/c/x.png"]),
        ("in/*", ["x.png", "y.png", "z.jpg"]),
    ],
)
def test_a_pattern_finds_images_and_keeps_the_path_below_its_fixed_part(tmp_path, pattern, expected):
    touch(tmp_path, "in/x.png", "in/y.png", "in/z.jpg", "in/n.txt", "in/a/x.png", "in/b/x.png", "in/b/c/x.png")
    (tmp_path / "in/folder.png").mkdir()
    touch(tmp_path, "in/.hidden.png")
    tasks = find_inputs(f"{tmp_path}/{pattern}", f"{tmp_path}/out").tasks
    assert kept_names(tasks, tmp_path / "in", tmp_path / "out") == expected


@pytest.mark.parametrize("input", ["in", "in/", "./in", "in/*.png", "./in/*.png"])
def test_relative_paths_work_too(tmp_path, monkeypatch, input):
    touch(tmp_path, "in/x.png")
    monkeypatch.chdir(tmp_path)
    assert find_inputs(input, "out").tasks == [(Path("in/x.png"), Path("out/x.png"))]


def test_a_pattern_in_the_current_folder_works_too(tmp_path, monkeypatch):
    touch(tmp_path, "x.png")
    monkeypatch.chdir(tmp_path)
    assert find_inputs("*.png", "out").tasks == [(Path("x.png"), Path("out/x.png"))]


@pytest.mark.parametrize("folder", ["in", "in [1]", "in*", "a=b, c"])
def test_odd_names_are_found_in_a_folder_and_by_a_pattern(tmp_path, folder):
    touch(tmp_path / folder, *ODD_NAMES)
    for input in (f"{tmp_path}/{folder}", f"{tmp_path}/{folder}/*.png"):
        tasks = find_inputs(input, f"{tmp_path}/out").tasks
        assert sorted(kept_names(tasks, tmp_path / folder, tmp_path / "out")) == sorted(ODD_NAMES)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_existing_file_is_never_taken_for_a_pattern(tmp_path, name):
    touch(tmp_path, name, "a 1.png", "ixj.png", "kx.png")
    assert find_inputs(f"{tmp_path}/{name}", f"{tmp_path}/out").tasks == [(tmp_path / name, tmp_path / "out" / name)]


def test_files_are_in_the_order_in_which_people_number_them_and_those_of_a_list_in_its_own(tmp_path):
    names = ["1/b.png", "2/a.png", "10/a.png", "x1.png", "x2 (3).png", "x2 (20).png", "x10.png"]
    touch(tmp_path / "in", *names)
    for input in ("in", "in/**/*.png"):
        tasks = find_inputs(f"{tmp_path}/{input}", f"{tmp_path}/out").tasks
        assert [str(task.target.relative_to(tmp_path / "out")) for task in tasks] == names
    listed = [f"{tmp_path}/in/{name}" for name in ("x10.png", "x1.png", "10/a.png")]
    standard_input = io.BytesIO("\n".join(listed).encode())
    tasks = find_inputs("-", f"{tmp_path}/out", standard_input=standard_input).tasks
    assert [str(task.source) for task in tasks] == listed


def test_translations_may_get_another_ending(tmp_path):
    touch(tmp_path, "in/x.1.jpg", "in/sub/y.PNG")
    tasks = find_inputs(f"{tmp_path}/in", f"{tmp_path}/out", suffix=".webp").tasks
    assert [str(task.target.relative_to(tmp_path / "out")) for task in tasks] == ["sub/y.webp", "x.1.webp"]


@pytest.mark.parametrize("suffix", ["png", ".gif", ""])
def test_an_unknown_ending_is_refused(tmp_path, suffix):
    touch(tmp_path, "x.jpg")
    with pytest.raises(UserError, match=rf"suffix is '{suffix}'; expected one of \.jpg"):
        find_inputs(f"{tmp_path}/x.jpg", f"{tmp_path}/out", suffix)


def test_two_translations_of_one_name_are_refused(tmp_path):
    touch(tmp_path, "in/x.jpg", "in/x.png")
    assert len(find_inputs(f"{tmp_path}/in", f"{tmp_path}/out").tasks) == 2
    with pytest.raises(UserError, match=r"in/x\.jpg and .*in/x\.png would both be translated into .*out/x\.png"):
        find_inputs(f"{tmp_path}/in", f"{tmp_path}/out", suffix=".png")


@pytest.mark.parametrize("output", ["in", "in/../in", "link"])
def test_overwriting_an_input_is_refused(tmp_path, output):
    touch(tmp_path, "in/x.png")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(UserError, match="would overwrite an input; choose another output folder"):
        find_inputs(f"{tmp_path}/in", f"{tmp_path}/{output}")


def test_a_translation_with_another_ending_may_stand_beside_its_input(tmp_path):
    touch(tmp_path, "in/x.png")
    [task] = find_inputs(f"{tmp_path}/in", f"{tmp_path}/in", suffix=".jpg").tasks
    assert task.target == tmp_path / "in/x.jpg"


@pytest.mark.parametrize(
    ("input", "message"),
    [
        ("nowhere.png", r"input=.*nowhere\.png does not exist; expected an image file, a folder of images or a"),
        ("*.bmp", r"input=.*\*\.bmp matches no image; expected files ending in"),
        ("nowhere/*.png", r"input=.*nowhere/\*\.png matches no image"),
        ("*.txt", r"\*\.txt matches no image"),
        ("empty", "empty holds no image"),
    ],
)
def test_an_input_without_images_is_refused(tmp_path, input, message):
    touch(tmp_path, "x.png", "x.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        find_inputs(f"{tmp_path}/{input}", f"{tmp_path}/out")


def test_translations_of_an_earlier_run_within_the_input_are_left_out(tmp_path):
    touch(tmp_path, "in/x.png", "in/out/x.png", "in/out/grids/grid_0001.png")
    assert find_inputs(f"{tmp_path}/in", f"{tmp_path}/in/out").tasks == [
        Task(tmp_path / "in/x.png", tmp_path / "in/out/x.png")
    ]


def test_a_single_file_that_is_no_image_is_refused(tmp_path):
    touch(tmp_path, "x.md")
    with pytest.raises(UserError, match=r"x\.md is not an image; expected a file ending in"):
        find_inputs(f"{tmp_path}/x.md", f"{tmp_path}/out")


def test_a_file_as_output_is_refused(tmp_path):
    touch(tmp_path, "in/x.png", "in/y.png", "out", "out.png")
    with pytest.raises(UserError, match=r"out is a file; expected a folder"):
        find_inputs(f"{tmp_path}/in/x.png", f"{tmp_path}/out")
    with pytest.raises(UserError, match=r"out\.png is the name of one file, but input=.* names 2 files"):
        find_inputs(f"{tmp_path}/in", f"{tmp_path}/out.png")


def written(root: Path, sizes: list[tuple[int, int]]) -> list[Task]:
    """Tasks of new images, the i-th of them ``noise(height, width, i)``."""
    tasks = [Task(root / f"in/{i:02d}.png", root / f"out/{i:02d}.png") for i in range(len(sizes))]
    for i, (task, size) in enumerate(zip(tasks, sizes, strict=True)):
        write_image(task.source, noise(*size, i))
    return tasks


SIZES = [(4, 6), (8, 8), (4, 6), (4, 6), (6, 4), (8, 8), (4, 6), (4, 6)]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_have_one_size_each_and_every_image_once(tmp_path, num_workers):
    tasks = written(tmp_path, SIZES)
    batches = list(read_batches(tasks, batch_size=2, num_workers=num_workers))
    assert sorted(batch.images.shape for batch in batches) == [
        (1, 4, 6, 3),
        (1, 6, 4, 3),
        (2, 4, 6, 3),
        (2, 4, 6, 3),
        (2, 8, 8, 3),
    ]
    assert sorted(task for batch in batches for task in batch.tasks) == tasks
    for batch in batches:
        assert batch.other_halves is None
        for task, image in zip(batch.tasks, batch.images, strict=True):
            i = tasks.index(task)
            np.testing.assert_array_equal(image, noise(*SIZES[i], i))


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(
    ("half", "own", "other"), [("left", slice(0, 3), slice(3, 6)), ("right", slice(3, 6), slice(0, 3))]
)
def test_a_half_is_read_with_the_other_beside_it(tmp_path, half, own, other, num_workers):
    tasks = written(tmp_path, [(4, 6)] * 3)
    [batch] = read_batches(tasks, batch_size=3, num_workers=num_workers, half=half)
    full = np.stack([noise(4, 6, i) for i in range(3)])
    np.testing.assert_array_equal(batch.images, full[:, :, own])
    np.testing.assert_array_equal(batch.other_halves, full[:, :, other])
    assert batch.tasks == tasks


def test_few_images_wait_for_others_of_their_size(tmp_path):
    tasks = written(tmp_path, [(4 + i, 6) for i in range(20)])
    reader = read_batches(tasks, batch_size=2, num_workers=0)
    assert [len(batch.images) for batch in reader] == [1] * 20
    reader = read_batches(tasks, batch_size=2, num_workers=0)
    assert next(reader).tasks == tasks[:1]  # after the eighth file was read, not the last


@pytest.mark.parametrize("num_workers", [0, 2])
def test_files_that_cannot_be_read_are_reported_and_the_others_are_read(tmp_path, num_workers):
    tasks = written(tmp_path, [(40, 40)] * 6)
    tasks[1].source.write_bytes(b"no header")
    tasks[2].source.unlink()
    broken = Task(tmp_path / "in/body.jpg", tmp_path / "out/body.jpg")  # its header is intact
    write_image(broken.source, noise(40, 40))
    broken.source.write_bytes(broken.source.read_bytes()[:-900])
    results = list(read_batches([*tasks, broken], batch_size=3, num_workers=num_workers))
    failures = [result for result in results if isinstance(result, Failure)]
    assert [failure.task for failure in failures] == [tasks[1], tasks[2], broken]
    for failure, name in zip(failures, ["01.png cannot be read", "02.png does not", "body.jpg cannot"], strict=True):
        assert f"{tmp_path}/in/{name}" in failure.message
    batches = [result for result in results if not isinstance(result, Failure)]
    read = [(task, image) for batch in batches for task, image in zip(batch.tasks, batch.images, strict=True)]
    assert sorted(task for task, _ in read) == [tasks[i] for i in (0, 3, 4, 5)]
    for task, image in read:
        np.testing.assert_array_equal(image, noise(40, 40, tasks.index(task)))


def test_a_file_of_odd_width_has_no_half_and_is_reported(tmp_path):
    tasks = written(tmp_path, [(4, 6), (4, 7)])
    failure, batch = read_batches(tasks, 4, num_workers=0, half="left")
    assert failure.task == tasks[1]
    assert f"{tasks[1].source} is 7x4 pixels (width x height); half=left needs an even width" in failure.message
    assert batch.tasks == tasks[:1]


def test_nothing_to_read_gives_no_batch():
    assert list(read_batches([], 4, num_workers=0)) == []


def test_an_unknown_half_is_refused():
    with pytest.raises(UserError, match="half is 'top'; expected one of left, right, null"):
        next(read_batches([], 1, 0, half="top"))


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(UserError, match="batch_size is 0; expected a whole number, 1 or more"):
        next(read_batches([], 0, 0))
    with pytest.raises(UserError, match="num_workers is -1; expected a whole number, 0 or more"):
        next(read_batches([], 1, -1))


def test_an_input_that_lies_within_the_output_is_refused(tmp_path):
    touch(tmp_path, "in/x.png")
    with pytest.raises(UserError, match="all files of input=.*in are within output="):
        find_inputs(f"{tmp_path}/in", f"{tmp_path}")


@pytest.mark.parametrize("naming", ["photo", "", "a/{stem}", "../{stem}"])
def test_names_without_the_inputs_own_or_with_folders_are_refused(tmp_path, naming):
    touch(tmp_path, "in/x.png")
    with pytest.raises(UserError, match="naming is .*; expected a file name with {stem} for the name of the input"):
        find_inputs(f"{tmp_path}/in", f"{tmp_path}/out", naming=naming)


def test_braces_in_a_name_are_nothing_but_letters(tmp_path):
    touch(tmp_path, "in/{0}{x.png")
    [task] = find_inputs(f"{tmp_path}/in", f"{tmp_path}/out", naming="{stem}{y}").tasks
    assert task.target.name == "{0}{x{y}.png"


def test_what_cannot_be_read_of_a_folder_a_pattern_or_a_list_is_named_and_stops_no_others(tmp_path):
    touch(tmp_path, "in/x.png", "in/y.psd", "in/z.txt", "empty/notes.txt")
    (tmp_path / "in/w.jpg").symlink_to("gone.jpg")
    (tmp_path / "list.txt").write_text(f"{tmp_path}/in/y.psd\n{tmp_path}/empty\n{tmp_path}/in/x.png\n")
    link, psd = (
        (tmp_path / "in/w.jpg", "a link to gone.jpg, which does not exist"),
        (tmp_path / "in/y.psd", "PSD, which"),
    )
    expected = {"in": [link, psd], "in/*": [link, psd], "in/?.p*": [psd]}
    expected["list.txt"] = [psd, (tmp_path / "empty", f"{tmp_path / 'empty'} holds no image")]
    for input, left_out in expected.items():
        inputs = find_inputs(f"{tmp_path}/{input}", f"{tmp_path}/out")
        assert [task.source.name for task in inputs.tasks] == ["x.png"]
        assert [path for path, _ in inputs.left_out.items()] == [path for path, _ in left_out]
        for reason, (_, beginning) in zip(inputs.left_out.values(), left_out, strict=True):
            assert reason.startswith(beginning)


def test_a_file_of_a_format_that_is_not_read_is_refused_with_what_to_do(tmp_path):
    touch(tmp_path, "x.psd")
    for input in ("x.psd", "*.psd"):
        with pytest.raises(UserError, match=r"PSD, which is not supported: convert it to JPEG, PNG or TIFF"):
            find_inputs(f"{tmp_path}/{input}", f"{tmp_path}/out")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_lists_are_read_in_the_encodings_that_programs_write(tmp_path, encoding):
    touch(tmp_path, "ü.png", "b.png")
    content = f"{tmp_path}/ü.png\r\n{tmp_path}/b.png".encode(encoding)
    (tmp_path / "list.txt").write_bytes(content)
    for inputs in (
        find_inputs(f"{tmp_path}/list.txt", f"{tmp_path}/out"),
        find_inputs("-", f"{tmp_path}/out", standard_input=io.BytesIO(content)),
    ):
        assert [task.source for task in inputs.tasks] == [tmp_path / "ü.png", tmp_path / "b.png"]


@pytest.mark.parametrize("line", ["a\0.png", "n" * 300 + ".png"])
def test_lines_that_are_no_file_names_are_refused(tmp_path, line):
    touch(tmp_path, "x.png")
    (tmp_path / "list.txt").write_text(f"{tmp_path}/x.png\n{tmp_path}/{line}\n")
    if "\0" in line:
        with pytest.raises(UserError, match=r"list\.txt holds NUL characters"):
            find_inputs(f"{tmp_path}/list.txt", f"{tmp_path}/out")
    else:
        tasks = find_inputs(f"{tmp_path}/list.txt", f"{tmp_path}/out").tasks
        failures = [each for each in read_batches(tasks, 1, 0) if isinstance(each, Failure)]
        assert [failure.task.source.name for failure in failures] == ["x.png", line]


def test_a_closed_standard_input_is_named(tmp_path):
    with pytest.raises(UserError, match="input=- means standard input, which is closed"):
        find_inputs("-", f"{tmp_path}/out")


def test_files_that_differ_by_their_ending_alone_get_names_of_their_own_by_the_naming_that_is_proposed(tmp_path):
    touch(tmp_path, "in/x.jpg", "in/x.png")
    with pytest.raises(UserError, match=r"pass naming={stem}_{ending}, which makes them x_jpg\.png and x_png\.png"):
        find_inputs(f"{tmp_path}/in", f"{tmp_path}/out", suffix=".png")
    tasks = find_inputs(f"{tmp_path}/in", f"{tmp_path}/out", suffix=".png", naming="{stem}_{ending}").tasks
    assert [task.target.name for task in tasks] == ["x_jpg.png", "x_png.png"]


def test_formats_that_are_only_read_come_out_as_png(tmp_path):
    touch(tmp_path, "in/a.GIF", "in/b.jfif", "in/c.ppm")
    tasks = find_inputs(f"{tmp_path}/in", f"{tmp_path}/out").tasks
    assert [task.target.name for task in tasks] == ["a.png", "b.png", "c.png"]


def test_an_empty_list_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("\n \n")
    with pytest.raises(UserError, match="list.txt lists no files; expected a path on each line"):
        find_inputs(f"{tmp_path}/list.txt", f"{tmp_path}/out")
