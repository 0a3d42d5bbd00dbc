"""Settings in files of older versions under their current keys, so that those files still load."""

from typing import Any

from pix2pix_lit.runs.former_keys import IN_FILES

LOSS_CLASSES = {
    "adversarial": {
        "vanilla": "VanillaLoss",
        "lsgan": "LeastSquaresLoss",
        "hinge": "HingeLoss",
        "wgangp": "WassersteinLoss",
    },
    "reconstruction": {"l1": "L1Loss", "l2": "L2Loss", "charbonnier": "CharbonnierLoss"},
}
"""Classes of the losses that version 0.1.0 named by their key ``kind``."""

_OWN_KEYS = {
    "VanillaLoss": ("real_label",),
    "LeastSquaresLoss": ("real_label",),
    "WassersteinLoss": ("gradient_penalty",),
    "CharbonnierLoss": ("epsilon",),
}
"""Keys besides ``weight`` that a loss of version 0.1.0 keeps; there, every loss had the keys of all."""


def with_current_keys(values: Any) -> Any:
    """The same nested dictionaries and lists under their current keys; other values stay as they are."""
    if type(values) is dict:
        return {IN_FILES.get(key, key): with_current_keys(value) for key, value in values.items()}
    if type(values) is list:
        return [with_current_keys(value) for value in values]
    return values


def with_current_losses(hyper_parameters: Any) -> Any:
    """Hyper-parameters of a checkpoint, with the losses of version 0.1.0 as classes; others stay as they are."""
    adversarial = hyper_parameters.get("adversarial") if isinstance(hyper_parameters, dict) else None
    if not isinstance(adversarial, dict) or "_target_" in adversarial:
        return hyper_parameters
    losses: dict[str, Any] = {}
    for name, default in (("adversarial", "vanilla"), ("reconstruction", "l1")):
        stored = hyper_parameters.get(name)
        if isinstance(stored, dict) and (target := LOSS_CLASSES[name].get(str(stored.get("kind", default)))):
            kept = ("weight", *_OWN_KEYS.get(target, ()))
            losses[name] = {"_target_": f"pix2pix_lit.losses.{target}"} | {k: stored[k] for k in kept if k in stored}
    for name, target in (("feature_matching", "FeatureMatchingLoss"), ("perceptual", "PerceptualLoss")):
        losses[name] = {"_target_": f"pix2pix_lit.losses.{target}"} | (hyper_parameters.get(name) or {"weight": 0.0})
    r1 = {"weight": adversarial.get("r1", 0.0), "every": adversarial.get("r1_every", 16)}
    return hyper_parameters | losses | {"r1": {"_target_": "pix2pix_lit.losses.R1Penalty"} | r1}
