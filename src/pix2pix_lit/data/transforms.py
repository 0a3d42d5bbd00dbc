"""Named albumentations transforms with checked results: an unsuitable transform is an error that names it."""

import copy
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import albumentations as A
import cv2
import numpy as np

from pix2pix_lit.errors import UserError

Transform: TypeAlias = A.BasicTransform | A.BaseCompose
Images = Mapping[str, np.ndarray]

# albumentations only warns about a misspelt argument, and ignores it.
warnings.filterwarnings("error", message=".*not valid for transform", category=UserWarning)

_LATER = "scaling to [-1, 1] and conversion to tensors are done later, by the model"
_OVERSHOOT = 0.05  # tolerance beyond [0, 1], as sharpening needs
_LEAST_CONTRAST = 0.05  # share of the original: fog and sun flare leave 0.1, a second division by 255 leaves 0.01


class NamedTransforms:
    """The transforms of ``data.augmentation.geometry`` or ``data.augmentation.photometric``, run in their order.

    Args:
        group: ``geometry`` transforms may change the size, of all images alike; ``photometric`` ones map uint8 or
            float32 in [0, 1] to the same.
        transforms: by name, for messages.
        kinds: of each image, by its key: ``image`` is interpolated, ``mask`` is not.
        moved_only: images whose values must not change, since they are in a range that albumentations does not know.

    Raises:
        UserError: for anything other than transforms.
    """

    def __init__(
        self,
        group: Literal["geometry", "photometric"],
        transforms: Mapping[str, Transform],
        kinds: Mapping[str, Literal["image", "mask"]],
        moved_only: Iterable[str] = (),
    ) -> None:
        self._group = group
        self._key = f"data.augmentation.{group}"
        self._transforms = copy.deepcopy(dict(transforms))  # Compose writes to them
        self._kinds = dict(kinds)
        self._moved_only = tuple(moved_only)
        for name, transform in self._transforms.items():
            if not isinstance(transform, Transform):
                raise UserError(
                    f"{self._key}.{name} is {transform!r}; expected a transform of albumentations, as "
                    f"{{_target_: albumentations.Rotate, limit: 10}}"
                )
            try:
                A.Compose([copy.deepcopy(transform)], additional_targets=self._kinds)
            except Exception as error:  # as those for volumes raise
                raise UserError(
                    f"{self._key}.{name} ({type(transform).__name__}) does not work on images ({type(error).__name__}: "
                    f"{error}); expected one that does: remove or replace it"
                ) from error
        _keep_labels_in_place(self._transforms.values())
        self._compose = A.Compose(list(self._transforms.values()), additional_targets=self._kinds)

    def __call__(self, seed: int, images: Images) -> dict[str, np.ndarray]:
        """Transform all images alike.

        Args:
            seed: of the random numbers.
            images: (H, W, planes) each.

        Returns:
            (H', W', planes) each, of its own dtype.

        Raises:
            UserError: naming the transform that fails or returns unsuitable images.
        """
        try:
            return self._run(self._compose, seed, images)
        except _UnsuitableError as error:
            self.try_each(images)  # names the transform, if it always fails
            raise UserError(f"{self._key}: one of {', '.join(self._transforms)} {error}") from error.__cause__

    def try_each(self, images: Images) -> None:
        """Run every transform once on such images, including those of low probability and all parts of composed ones.

        Raises:
            UserError: as from a call.
        """
        for name, transform in self._transforms.items():
            images = self._tried(name, transform, images)

    def _tried(self, name: str, transform: Transform, images: Images) -> Images:
        if isinstance(transform, A.BaseCompose) and not isinstance(transform, A.SelectiveChannelTransform):
            result = images
            for part in transform.transforms:
                is_chain = isinstance(transform, A.Compose | A.Sequential)
                result = self._tried(name, part, result if is_chain else images)
            return result
        always = copy.deepcopy(transform)
        always.p = 1.0
        shown = f"{self._key}.{name} ({type(transform).__name__})"
        try:
            result = self._run(A.Compose([always], additional_targets=self._kinds), 0, images)
            if self._group == "photometric":
                _check_contrast(images, result)
        except _UnsuitableError as error:
            raise UserError(f"{shown} {error} ('~{self._key}.{name}')") from error.__cause__
        if self._moved_only and not isinstance(transform, A.DualTransform):
            raise UserError(
                f"{shown} changes values, but the values of the "
                f"{' and the '.join(self._moved_only)} are not those of photographs of 8 bits; expected transforms "
                f"that move pixels: put it into data.augmentation.photometric, where all shades are from 0 to 1, or "
                f"leave it out if it scales: {_LATER}"
            )
        return result

    def _run(self, compose: A.Compose, seed: int, images: Images) -> dict[str, np.ndarray]:
        # Forked workers copy the generator of Compose: without a seed, all workers would draw the same numbers.
        compose.set_random_seed(seed)
        height, width = next(iter(images.values())).shape[:2]
        blank = np.zeros((height, width, 1), np.uint8)  # albumentations wants an image, and all may be labels
        try:
            result = compose(**({} if "image" in images else {"image": blank}), **images)
        except Exception as error:  # any transform of a third party may raise anything
            shapes = ", ".join(f"{key} {image.shape} {image.dtype}" for key, image in images.items())
            reason = f"{type(error).__name__}: {str(error).strip()}"
            raise _UnsuitableError(
                f"cannot transform these images ({shapes}): {reason}; expected one that suits them: remove or "
                f"replace it"
            ) from error
        return self._checked(images, result)

    def _checked(self, images: Images, result: Mapping[str, Any]) -> dict[str, np.ndarray]:
        checked = {}
        for key, given in images.items():
            made = result.get(key)  # some omit images that they do not support
            if not isinstance(made, np.ndarray):
                raise _UnsuitableError(
                    f"makes a {type(made).__name__} of an image; expected an array as it was: leave it out, since "
                    f"{_LATER}"
                )
            if made.dtype != given.dtype:
                raise _UnsuitableError(
                    f"turns {given.dtype} into {made.dtype}; expected {given.dtype} as before: leave it out, since "
                    f"{_LATER}"
                )
            planes = made.shape[2:] or (1,)
            if planes != given.shape[2:]:
                raise _UnsuitableError(
                    f"turns {given.shape[2]} channels into {planes[0]}; expected as many as before: change its "
                    f"settings or leave it out; the channels of files are set by data.source.a.channels and "
                    f"data.source.b.channels"
                )
            checked[key] = np.ascontiguousarray(made).reshape(*made.shape[:2], -1)
        sizes = {image.shape[:2] for image in checked.values()}
        if self._group == "photometric":
            sizes |= {image.shape[:2] for image in images.values()}
            _check_shades(checked)
        if len(sizes) > 1:
            shown = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
            raise _UnsuitableError(
                f"returns images of sizes {shown} (width x height); expected input and target to stay of equal size: "
                f"transforms that move or cut pixels belong in data.augmentation.geometry"
            )
        return checked


class _UnsuitableError(Exception):
    """A transform failed or returned unsuitable images."""


def _check_shades(images: Images) -> None:
    """Refuse float32 images outside [0, 1], within a tolerance; integers cannot leave their range."""
    for image in images.values():
        if image.dtype == np.float32 and not (image.min() >= -_OVERSHOOT and image.max() <= 1 + _OVERSHOOT):
            raise _UnsuitableError(
                f"turns values from 0 to 1 into values from {image.min():.3g} to {image.max():.3g}; expected the same "
                f"range: leave it out, since {_LATER}"
            )


def _check_contrast(before: Images, after: Images) -> None:
    """Refuse float32 images that lost nearly all contrast, as those scaled twice do."""
    for key, image in before.items():
        if image.dtype == np.float32 and after[key].std() < _LEAST_CONTRAST * image.std():
            raise _UnsuitableError(
                f"turns values from {image.min():.3g} to {image.max():.3g} into values from "
                f"{after[key].min():.3g} to {after[key].max():.3g}, which leaves hardly any contrast; expected the "
                f"same range: leave it out, since {_LATER}"
            )


def _keep_labels_in_place(transforms: Iterable[Transform]) -> None:
    """Let resizing transforms use INTER_NEAREST_EXACT for labels.

    The default, OpenCV's INTER_NEAREST, shifts labels by up to half a pixel against the photograph.
    """
    for transform in transforms:
        if isinstance(transform, A.BaseCompose):
            _keep_labels_in_place(transform.transforms)
        elif (
            any(part in type(transform).__module__ for part in (".resize", ".crops"))  # others warp, without a bias
            and getattr(transform, "mask_interpolation", None) == cv2.INTER_NEAREST
        ):
            transform.mask_interpolation = cv2.INTER_NEAREST_EXACT
