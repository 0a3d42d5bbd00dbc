"""debug=profile writes a table and a timeline."""

import json


def test_a_profile_names_the_convolutions(run_python, tiny_overrides, tmp_path):
    run_python(
        tmp_path, "-m", "pix2pix_lit.train", *tiny_overrides, "trainer=cpu", "debug=profile", "data.batch_size=1"
    )
    (run,) = (tmp_path / "outputs" / "train").iterdir()
    assert "aten::convolution" in (run / "fit-profile.txt").read_text()
    (path,) = run.glob("*.pt.trace.json")
    names = {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
    assert "aten::convolution_backward" in names
    assert sum(name.startswith("ProfilerStep#") for name in names) == 6
    assert not (run / "checkpoints").exists()
    assert json.loads((run / "result.json").read_text())["steps"] == 20
