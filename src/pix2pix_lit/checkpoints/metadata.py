"""Metadata stored in every model file, in any format: everything that is needed to use the file correctly."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import pix2pix_lit
from pix2pix_lit.checkpoints.renamed_keys import with_current_keys
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.palettes import PALETTE_NAMES

Precision = Literal["fp32", "fp16", "bf16", "int8"]

METADATA_KEY = "pix2pix_lit"
"""The name under which a file stores its metadata, as JSON, where its format provides for metadata."""


@dataclass(frozen=True)
class GeneratorMetadata:
    """A generator and its images.

    Args:
        generator: ``_target_`` and arguments of the network, ``norm_inference`` (its inference mode) among them.
        input: type of its inputs.
        target: type of its translations.
        size_multiple: height and width of the network's inputs must be multiples of it; set when the network is built.
        smallest_side: smallest height and width of the network's inputs; likewise.
        precision: of the file's arithmetic.
        takes_images: whether inputs and outputs are images, (N, H, W, planes) arrays of their own dtype and of any
            size, instead of floats (N, channels, H, W) in [-1, 1] whose sides are multiples.
        training: facts about the training, such as ``steps``, ``epochs`` and ``data``.
        license: under which the weights may be used; None if unknown.
        version: of pix2pix-lit that wrote the file.
    """

    generator: Mapping[str, Any]
    input: ImageType
    target: ImageType
    size_multiple: int = 1
    smallest_side: int = 1
    precision: Precision = "fp32"
    takes_images: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    license: str | None = None
    version: str = pix2pix_lit.__version__

    @property
    def norm_inference(self) -> str:
        """The inference mode: what the norm layers normalise with, ``per_image``, ``running`` or ``none``."""
        norm = self.generator.get("norm", "batch")
        return str(self.generator.get("norm_inference", "per_image")) if norm == "batch" else _MODES_OF_NORMS[norm]

    def to_json(self) -> str:
        """JSON text that ``from_json`` reads; ``derived`` holds further facts for other readers."""
        values = asdict(self) | {"input": self.input.as_dict(), "target": self.target.as_dict()}
        derived = {
            "norm_inference": self.norm_inference,
            "network_input_channels": self.input.network_channels,
            "network_output_channels": self.target.network_channels,
            "network_value_range": [-1, 1],
            "input_classes": classes_of(self.input),
            "target_classes": classes_of(self.target),
        }
        return json.dumps(values | {"derived": derived}, indent=2)

    @classmethod
    def from_json(cls, text: str, path: object) -> "GeneratorMetadata":
        """The metadata in a file; ``path`` is for messages.

        Raises:
            UserError: if the text is not valid metadata.
        """
        try:
            values = with_current_keys(json.loads(text))
            del values["derived"]
            types = {name: ImageType(**values[name]) for name in ("input", "target")}
            metadata = cls(**values | types)
            if metadata.precision not in get_args(Precision) or not isinstance(metadata.generator, dict):
                raise ValueError(f"precision={metadata.precision} generator={metadata.generator}")
            if not isinstance(metadata.training, dict) or not isinstance(metadata.license, str | None):
                raise ValueError(f"training={metadata.training} license={metadata.license}")
            if type(metadata.takes_images) is not bool or not isinstance(metadata.version, str):
                raise ValueError(f"takes_images={metadata.takes_images} version={metadata.version}")
            _ = metadata.norm_inference  # raises for an unknown norm
            for name in ("size_multiple", "smallest_side"):
                if type(getattr(metadata, name)) is not int or not 1 <= getattr(metadata, name) <= 2**16:
                    raise ValueError(f"{name}={getattr(metadata, name)}")
            return metadata
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path} has metadata that this version of pix2pix-lit cannot read "
                f"({type(error).__name__}: {error}); expected a file of version {pix2pix_lit.__version__}: export it "
                f"again from its checkpoint"
            ) from error

    def changed(self, **changes: Any) -> "GeneratorMetadata":
        """A copy with these values changed."""
        return replace(self, **changes)


_MODES_OF_NORMS = {"instance": "per_image", "none": "none"}


def classes_of(image_type: ImageType) -> list[dict[str, Any]] | None:
    """Colour, and name if it has one, of each class; None for images without a palette."""
    colors = image_type.palette_colors
    if colors is None:
        return None
    names = PALETTE_NAMES[image_type.palette] if isinstance(image_type.palette, str) else (None,) * len(colors)
    return [
        {"color": color.tolist()} | ({} if name is None else {"name": name})
        for color, name in zip(colors, names, strict=True)
    ]
