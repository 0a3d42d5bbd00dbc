"""Networks that others have trained, and the files with their weights."""

import logging
import os
import pickle
import re
import threading
import urllib.request
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pix2pix_lit.distributed import BATCH_NORMS
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.lock import locked

log = logging.getLogger(__name__)

Classifier = Literal["alexnet", "squeezenet1_1", "vgg16", "vgg19"]

_PATIENCE = 10
"""Seconds to wait for the first answer of a server: some firewalls drop requests silently."""


def given_file(path: str | os.PathLike[str], key: str, expected: str) -> Path:
    """The path of a file that a setting names, with ``~`` expanded.

    Args:
        path: the file.
        key: the setting, for the message.
        expected: what it should be, for the message.

    Raises:
        UserError: if it is no file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"{key} is {path}, which is not a file; expected {expected}")
    return path


def read_state_dict(path: Path, key: str, expected: str) -> dict[str, Any]:
    """The dictionary in a file of ``torch.save``, on the CPU; no code in the file is run.

    Args:
        path: the file.
        key: the setting that names it, for messages.
        expected: what it should be, for messages.

    Raises:
        UserError: if it is no file, damaged, or holds something else.
    """
    path = given_file(path, key, expected)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"{key} is {path}, which is damaged or holds more than tensors ({type(error).__name__}); expected "
            f"{expected}: get an intact copy"
        ) from error
    if not isinstance(state, dict):
        raise UserError(f"{key} is {path}, which holds a {type(state).__name__}; expected {expected}")
    return state


def cached(url: str) -> Path:
    """Where torch's cache (``TORCH_HOME``) has the file of a URL, if it has been downloaded."""
    return Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])


def downloaded(url: str, key: str) -> Path:
    """The file of a URL in torch's cache (``TORCH_HOME``), where it is downloaded to if necessary.

    Of several processes that need it, one downloads and the others wait.

    Args:
        url: whose file name ends with the first digits of its SHA-256, as torch's do.
        key: the setting that takes a copy of the file instead, for messages.

    Raises:
        UserError: if it is not there and cannot be downloaded. A server that does not answer is given up soon.
    """
    path = cached(url)
    if path.is_file():
        return path
    try:
        _check_connection(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f"{path.name}.lock"), path):
            if not path.is_file():
                log.info("Downloading %s to %s", url, path)
                digits = re.search(r"-([0-9a-f]{8,})\.", path.name)
                torch.hub.download_url_to_file(url, str(path), digits and digits[1], progress=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"weights could not be downloaded from {url} ({error}); expected a connection, or the file as {path}: "
            f"fetch it elsewhere, or fetch it and set {key}=PATH"
        ) from error
    return path


def _check_connection(url: str) -> None:
    """Raise OSError unless a server answers in ``_PATIENCE`` seconds, however many addresses it has."""
    errors: list[Exception] = [TimeoutError(f"no answer in {_PATIENCE} seconds")]

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_PATIENCE).close()
            errors.clear()
        except (OSError, ValueError) as error:
            errors[:] = [error]

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if errors:
        raise OSError(str(errors[0])) from errors[0]


def classifier_file(network: Classifier, weights: str | None, key: str, download: bool = True) -> Path:
    """The file with torchvision's weights of a classifier of ImageNet.

    Args:
        network: torchvision's name of it.
        weights: the path of the file, or None for torchvision's download in torch's cache.
        key: the setting that gives ``weights``, for messages.
        download: whether to download a file that is not in the cache.

    Raises:
        UserError: as ``downloaded``; if ``weights`` is not a file, and for a file that is not to be downloaded.
    """
    from torchvision.models import get_model_weights  # type: ignore[import-untyped]

    if weights is None:
        url = get_model_weights(network).DEFAULT.url
        if not download and not cached(url).is_file():
            raise UserError(
                f"its weights are not at hand as {cached(url)}; expected them there: set "
                f"{key.rpartition('.')[0]}.download=true to fetch them, or {key}=PATH"
            )
        return downloaded(url, key)
    return given_file(weights, key, _expected(network))


def classifier_features(network: Classifier, weights: str | None, key: str) -> nn.Sequential:
    """The convolutions of a classifier of ImageNet: ``features`` of torchvision's network, with its weights.

    Args:
        network: torchvision's name of it.
        weights: as for ``classifier_file``.
        key: the same.

    Raises:
        UserError: as ``classifier_file``; if the file cannot be read or does not fit.
    """
    from torchvision.models import get_model

    path = classifier_file(network, weights, key)
    state = read_state_dict(path, key, _expected(network))
    with torch.device("meta"):  # its weights are replaced: spend no time and no random numbers on them
        features = get_model(network, weights=None).features
    found = {}
    for name, own in features.state_dict().items():
        tensor = state.get(f"features.{name}")
        if not isinstance(tensor, Tensor) or tensor.shape != own.shape:
            shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else "missing"
            raise UserError(
                f"{key}: features.{name} is {shape} in {path}; expected {tuple(own.shape)}: give {_expected(network)}"
            )
        found[name] = tensor.float()
    features.load_state_dict(found, assign=True)
    return features


def _expected(network: Classifier) -> str:
    return f"a state-dict file of torchvision's {network}, as torchvision downloads it"


def make_constant(network: nn.Module) -> None:
    """Replace all parameters by buffers that are in no checkpoint, and set eval mode, in place."""
    network.eval()
    for module in network.modules():
        if isinstance(module, BATCH_NORMS):
            module.track_running_stats = False  # they are no state of the training that uses the network
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach(), persistent=False)
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, buffer, persistent=False)
