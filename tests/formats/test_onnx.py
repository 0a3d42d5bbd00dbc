"""ONNX files of other programs, and those whose graphs fail when they run."""

from functools import partial

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.inference import Translator

from ..exporting import SHALLOW, noise


@pytest.mark.slow
@pytest.mark.parametrize(
    ("node", "message"),
    [
        (("Reshape", ["images", "shape"]), "cannot be run \\(.*Reshape"),
        (("Tile", ["images", "twice"]), r"cannot be run \(it returns \(1, 6, 32, 32\) .*, not \(1, 3, 32, 32\)"),
    ],
)
def test_a_graph_that_fails_when_it_runs_is_named(tmp_path, exported, node, message):
    onnx = pytest.importorskip("onnx")
    _, intact = exported("onnx", SHALLOW, norm_inference="running")
    floats = partial(onnx.helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT)
    operator, inputs = node
    numbers = {"shape": [7, 7], "twice": [1, 2, 1, 1]}
    constants = [onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [len(n)], n) for name, n in numbers.items()]
    nodes = [onnx.helper.make_node(operator, inputs, ["generated"])]
    ends = [floats("images", shape=["n", 3, "h", "w"])], [floats("generated", shape=None)]
    graph = onnx.helper.make_graph(nodes, "damaged", *ends, constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.helper.set_model_props(model, {p.key: p.value for p in onnx.load(intact).metadata_props})
    onnx.save(model, tmp_path / "damaged.onnx")
    with pytest.raises(UserError, match=f"damaged.onnx {message}"):
        Translator.load(tmp_path / "damaged.onnx")(noise(RGB, 32, 32))


def test_a_file_without_our_metadata_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "other.onnx"
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), path)
    with pytest.raises(UserError, match="has no metadata about|does not describe its generator"):
        Translator.load(path)
