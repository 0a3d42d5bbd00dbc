"""``Translator``: the only path from an image to its translation, for every backend."""

import copy
import os
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.checks import check_integer
from pix2pix_lit.errors import NotFiniteError, UserError
from pix2pix_lit.formats import format_of
from pix2pix_lit.formats.backends import Backend, TorchBackend
from pix2pix_lit.formats.format import Opening
from pix2pix_lit.images.decoders import decode_pillow
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.lenient import convert
from pix2pix_lit.images.padding import padded_floats
from pix2pix_lit.images.strict import fit
from pix2pix_lit.inference.tiles import check_tile, default_overlap, translate_in_tiles
from pix2pix_lit.networks.layers.norm import InferenceStatistics
from pix2pix_lit.runs.folder import checkpoint_in


class Samples(NamedTuple):
    """Several translations of one image, with the dropout of training.

    Attributes:
        mean: (channels, H, W) of the target's dtype: the mean of the samples before rounding.
        samples: (K, channels, H, W) of the target's dtype.
        deviation: (H, W) float32: standard deviation of the samples per pixel, averaged over the network's output
            channels, which range from -1 to 1.
    """

    mean: Tensor
    samples: Tensor
    deviation: Tensor


class Translator:
    """Translates images of any size with a generator in inference mode.

    The translation of an image does not depend on the rest of its batch: dropout is off, and norm statistics are those
    of the image or fixed, according to the generator's ``norm_inference``.

    Args:
        backend: a network with ``size_multiple`` and ``smallest_side``, whose mode and device are not changed; or an
            exported file in its runtime.
        input_type: of its inputs.
        target_type: of its translations.
        metadata: of its file, if it was loaded from one.
    """

    def __init__(
        self,
        backend: nn.Module | Backend,
        input_type: ImageType = RGB,
        target_type: ImageType = RGB,
        metadata: GeneratorMetadata | None = None,
    ) -> None:
        self.backend: Backend = TorchBackend(backend) if isinstance(backend, nn.Module) else backend
        self.input_type = input_type
        self.target_type = target_type
        self.metadata = metadata

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        device: str | torch.device = "cpu",
        precision: str | None = None,
        norm_inference: InferenceStatistics | None = None,
        trusted: bool = False,
    ) -> "Translator":
        """Load a file; no other arguments are needed.

        Args:
            path: a checkpoint of training, the folder of a run (for its last checkpoint), a generator file of the
                reference implementation, or a file of ``pix2pix-lit export``.
            device: a device of torch, such as ``cuda``. OpenVINO and ONNX files run on the CPU.
            precision: ``fp32``, ``fp16`` or ``bf16`` for the arithmetic of a network; None is fp32, or the precision of
                an exported file.
            norm_inference: ``per_image`` or ``running`` to override the file's inference mode, which is fixed in
                exported files.
            trusted: whether you trust the author of the file. Files of torch.export, AOTInductor and TorchScript can
                run code when they are opened, and are refused otherwise.

        Raises:
            UserError: if the file cannot be read or is not one of these (see ``formats.Format.open``), and if it or the
                device does not support a value.
        """
        device, path = _checked(device), checkpoint_in(path)
        backend, metadata = format_of(path).open(path, Opening(device, precision, norm_inference, trusted))
        return cls(backend, metadata.input, metadata.target, metadata)

    def with_bit_depth(self, bits: int) -> "Translator":
        """The same translator, with translations of 8 or 16 bits or of 32-bit floats.

        Raises:
            UserError: for labels, for other ``bits``, and for an exported file whose outputs are pixels.
        """
        target_type = self.target_type.with_depth(bits)
        if self.backend.takes_images and target_type != self.target_type:
            raise UserError(
                f"bit_depth is {bits}, but this file can only generate {self.target_type.describe()}; expected null: "
                f"export it with embed_preprocessing=false"
            )
        other = copy.copy(self)
        other.target_type = target_type
        return other

    def __call__(self, images: Any, tile: int | None = None, overlap: int | None = None) -> Any:
        """Translate one image or several.

        Args:
            images: of ``input_type`` and any height and width, one of

                - a NumPy array (H, W, planes) or (N, H, W, planes), as from ``read_image``; or (H, W)
                - a torch tensor (planes, H, W) or (N, planes, H, W), on any device
                - a Pillow image, converted by ``images.lenient.convert``
                - a list of these, which may differ in size
            tile: side in pixels of the tiles in which larger images are translated; None for no tiles. Networks that
                normalise with statistics of their input (``norm_inference=per_image``, instance norm) then use those
                of each tile, which makes tiles differ somewhat.
            overlap: pixels that neighbouring tiles share; None for about an eighth of a tile.

        Returns:
            Of ``target_type``, in the same form: (H, W, channels), (N, channels, H, W) on the CPU, an image, a list.

        Raises:
            UserError: for a type, shape or dtype that the network does not accept, and for an invalid ``tile`` or
                ``overlap``.
        """
        if tile is not None:
            overlap = self.overlap_of(tile, overlap)
        if isinstance(images, list | tuple):
            return [self(image, tile, overlap) for image in images]
        if isinstance(images, Image.Image):
            return self._as_pillow(self(self._from_pillow(images), tile, overlap))
        if isinstance(images, np.ndarray):
            return self._translate_array(images, tile, overlap)
        if not isinstance(images, Tensor):
            raise UserError(
                f"images are of type {type(images).__name__}; expected a NumPy array, a torch tensor, a Pillow image, "
                f"or a list of these"
            )
        if images.dim() not in (3, 4) or images.shape[-3] != self.input_type.planes:
            raise UserError(
                f"images are a tensor of shape {tuple(images.shape)}; expected (N, {self.input_type.planes}, H, W) or "
                f"({self.input_type.planes}, H, W)"
            )
        self._check_dtype(str(images.dtype).removeprefix("torch."))
        batch = images if images.dim() == 4 else images[None]
        if tile is None or max(batch.shape[-2:]) <= tile:
            translations = self._translate(batch)
        else:
            assert overlap is not None
            translations = torch.cat(
                [translate_in_tiles(self.generate, self._finish, image, tile, overlap) for image in batch.split(1)]
            )
        return translations if images.dim() == 4 else translations[0]

    def overlap_of(self, tile: int, overlap: int | None = None) -> int:
        """The pixels that neighbouring tiles share: ``overlap``, or the default.

        Raises:
            UserError: for an invalid ``tile`` or ``overlap``, and for a file with embedded preprocessing.
        """
        if self.backend.takes_images:
            raise UserError(
                "tile is for networks; this file takes images of any size: export it with embed_preprocessing=false"
            )
        multiple = self.backend.size_multiple
        if overlap is None and type(tile) is int:
            overlap = default_overlap(tile, multiple)
        check_tile(tile, overlap, multiple)
        assert overlap is not None
        return overlap

    def generate(self, images: Tensor) -> Tensor:
        """The output of the network, not converted to pixels.

        Args:
            images: (N, planes, H, W) of ``input_type``, of any height and width, on any device.

        Returns:
            (N, network channels, H, W) floats in [-1, 1], on the backend's device.
        """
        height, width = images.shape[-2:]
        return self.backend(self._padded(images))[..., :height, :width]

    def sample(self, image: Tensor, samples: int, seed: int = 0) -> Samples:
        """Translate one image several times with dropout on: "noise only in the form of dropout, applied ... at both
        training and test time" (Isola et al. 2017, section 3.2).

        The k-th sample depends only on the image, ``seed`` and k, on devices of the same kind.

        Args:
            image: (planes, H, W) of ``input_type``.
            samples: number of samples, 1 or more.
            seed: of the noise.

        Raises:
            UserError: for an exported file or a generator without dropout, and for ``samples`` below 1.
        """
        check_integer("samples", samples, 1)
        if not isinstance(self.backend, TorchBackend):
            raise UserError("samples need dropout, which exported files do not have; expected a checkpoint")
        self._check_dtype(str(image.dtype).removeprefix("torch."))
        height, width = image.shape[-2:]
        padded = self._padded(image[None])
        mean = deviation = torch.zeros(())
        finished = []
        for k in range(samples):
            key = np.random.SeedSequence([seed, k]).generate_state(1, np.uint64)[0]
            floats = self.backend.sample(padded, int(key >> 1))[..., :height, :width].float()
            finished.append(self._finish(floats)[0])
            step = floats - mean  # Welford 1962: one pass, and no difference of large numbers
            mean = mean + step / (k + 1)
            deviation = deviation + step * (floats - mean)
        spread = (deviation / samples).sqrt().mean(1)[0]
        return Samples(self._finish(mean)[0], torch.stack(finished), spread.cpu())

    @torch.inference_mode()
    def _translate(self, images: Tensor) -> Tensor:
        if self.backend.takes_images:
            finished = self.backend(images.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)
            if not finished.isfinite().all():
                raise NotFiniteError(
                    "the file's output has NaN or infinity; expected finite numbers: look at the image"
                )
            return finished
        return self._finish(self.generate(images))

    def _finish(self, floats: Tensor) -> Tensor:
        return self.target_type.from_network(floats).cpu()

    @torch.inference_mode()
    def _padded(self, images: Tensor) -> Tensor:
        backend = self.backend
        return padded_floats(images.to(backend.device), self.input_type, backend.size_multiple, backend.smallest_side)

    def _translate_array(self, images: np.ndarray, tile: int | None, overlap: int | None) -> np.ndarray:
        planes = self.input_type.planes
        shaped = images[..., None] if images.ndim == 2 and planes == 1 else images
        if shaped.ndim not in (3, 4) or shaped.shape[-1] != planes:
            also = ", or (H, W)" if planes == 1 else ""
            raise UserError(
                f"images are an array of shape {images.shape}; expected (H, W, {planes}) or (N, H, W, {planes}){also}"
            )
        if self.input_type.instance_edges and shaped.dtype == self.input_type.stored_dtype:
            finished = [self.input_type.finish(image) for image in shaped.reshape(-1, *shaped.shape[-3:])]
            shaped = np.stack(finished).reshape(shaped.shape)
        self._check_dtype(str(shaped.dtype))
        tensor = torch.from_numpy(np.require(shaped, requirements=["C", "W"]))
        translated = self(tensor.movedim(-1, -3), tile, overlap)
        return translated.movedim(-3, -1).numpy()

    def _from_pillow(self, image: Image.Image) -> np.ndarray:
        converted, _ = convert(decode_pillow(image), self.input_type)
        return fit(converted, self.input_type, f"the image of mode {image.mode}")

    def _as_pillow(self, image: np.ndarray) -> Image.Image:
        pixels = self.target_type.as_in_files(image)
        channels, dtype = pixels.shape[-1], pixels.dtype
        if dtype == np.uint8 and channels in (1, 3, 4):
            return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        if dtype in (np.uint16, np.float32) and channels == 1:
            return Image.fromarray(np.ascontiguousarray(pixels[..., 0]))
        raise UserError(
            f"this model generates {channels} channels of {dtype}, for which Pillow has no mode; expected a NumPy "
            f"array or a torch tensor: pass numpy.asarray(image)"
        )

    def _check_dtype(self, dtype: str) -> None:
        if dtype != self.input_type.dtype:
            hint = "; pass floats in [-1, 1] to the network itself" * dtype.startswith("float")
            raise UserError(
                f"images are of dtype {dtype}; expected {self.input_type.dtype} from {self.input_type.limits[0]:g} to "
                f"{self.input_type.limits[1]:g}: this model translates {self.input_type.describe()}{hint}"
            )


def _checked(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"device={device} cannot be used here ({reason}); expected cpu, cuda, cuda:1, mps") from error
