"""The model card that is written beside an exported file (Mitchell et al. 2019)."""

from typing import Any

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata, classes_of
from pix2pix_lit.export.parity import as_table
from pix2pix_lit.images.image_type import ImageType


def model_card(name: str, format: str, metadata: GeneratorMetadata, report: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        name: of the exported file.
        format: of the file.
        metadata: of the file.
        report: the measurements, as in the file's ``.json``.
    """
    generator = {key: value for key, value in metadata.generator.items() if key != "_target_"}
    kind = str(metadata.generator.get("_target_", "")).rpartition(".")[2]
    training = ", ".join(f"{key}: {value}" for key, value in metadata.training.items()) or "not stated"
    sections = [
        f"# {name}\n\nA pix2pix generator (Isola et al. 2017), exported by pix2pix-lit {metadata.version} as "
        f"{format}, {metadata.precision}.",
        f"## Input and output\n\n{_contract(metadata)}",
        f"- input: {_described(metadata.input)}\n- target: {_described(metadata.target)}",
        f"## Network\n\n{kind} with {', '.join(f'{key}={value}' for key, value in generator.items())}.\n\n"
        f"Inference mode: `norm_inference={metadata.norm_inference}`, without dropout.",
        f"## Training and license\n\n- training: {training}\n- license: {metadata.license or 'not stated'}",
        f"## Checks\n\nAgainst the generator in PyTorch, fp32, in the same mode "
        f"({report['environment']}).\n\n| | |\n|---|---|\n{as_table(report)}",
        "## Limits\n\nThe model has seen only its training pairs. Inputs of another kind, from another camera or in "
        "other colours are translated without a warning, and details that the input does not determine are invented.",
    ]
    return "\n\n".join(sections) + "\n"


def _contract(metadata: GeneratorMetadata) -> str:
    if metadata.takes_images:
        return (
            f"`images`: (N, height, width, {metadata.input.planes}) {metadata.input.dtype}, any height and width "
            f"-> `generated`: (N, height, width, {metadata.target.channels}) {metadata.target.dtype}. Scaling, "
            f"padding by reflection and rounding are part of the file."
        )
    multiple, smallest = metadata.size_multiple, metadata.smallest_side
    return (
        f"`images`: (N, {metadata.input.network_channels}, height, width) float32 from -1 to 1 -> `generated`: (N, "
        f"{metadata.target.network_channels}, height, width) float32 from -1 to 1. Height and width must be "
        f"multiples of {multiple}, and at least {smallest}: pad other images by reflection, right and below, "
        f"and crop the result."
    )


def _described(image_type: ImageType) -> str:
    low, high = image_type.limits
    if image_type.classes is not None:
        scale = "one channel per class, 1 for the class of the pixel and -1 for all others"
    else:
        scale = f"{low:g} is -1 and {high:g} is 1"
    classes = classes_of(image_type) or []
    named = "; ".join(f"{entry.get('name', i)} {tuple(entry['color'])}" for i, entry in enumerate(classes))
    return f"{image_type.describe()}; in the network {scale}" + f". Classes: {named}" * bool(named)
