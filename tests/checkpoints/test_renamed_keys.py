"""Settings of older versions under their current names."""

import pytest
from hydra.utils import instantiate

from pix2pix_lit.checkpoints.renamed_keys import with_current_keys, with_current_losses
from pix2pix_lit.losses import Loss

OLD = {
    "adversarial": {
        "kind": "wgangp", "weight": 2.0, "real_label": 1.0, "gradient_penalty": 5.0, "r1": 0.5, "r1_every": 4,
    },
    "reconstruction": {"kind": "charbonnier", "weight": 7.0, "epsilon": 0.01},
    "feature_matching": {"weight": 3.0},
    "perceptual": {"weight": 0.0, "kind": "lpips", "weights": None},
    "pool_size": 5,
}  # fmt: skip
"""Of version 0.1.0."""


def test_keys_are_renamed_at_every_depth():
    assert with_current_keys({"a": [{"recompute": True}], "told": {"boundaries": 1}}) == {
        "a": [{"activation_checkpointing": True}],
        "derived": {"instance_edges": 1},
    }


def test_losses_that_were_named_by_their_kind_become_classes():
    new = with_current_losses(OLD)
    assert new == {
        "adversarial": {"_target_": "pix2pix_lit.losses.WassersteinLoss", "weight": 2.0, "gradient_penalty": 5.0},
        "reconstruction": {"_target_": "pix2pix_lit.losses.CharbonnierLoss", "weight": 7.0, "epsilon": 0.01},
        "feature_matching": {"_target_": "pix2pix_lit.losses.FeatureMatchingLoss", "weight": 3.0},
        "perceptual": {
            "_target_": "pix2pix_lit.losses.PerceptualLoss", "weight": 0.0, "kind": "lpips", "weights": None,
        },
        "r1": {"_target_": "pix2pix_lit.losses.R1Penalty", "weight": 0.5, "every": 4},
        "pool_size": 5,
    }  # fmt: skip
    assert all(isinstance(instantiate(new[name]), Loss) for name in new.keys() - {"pool_size"})


@pytest.mark.parametrize("kind", ["vanilla", "lsgan", "hinge"])
def test_every_kind_builds_its_class(kind):
    new = with_current_losses(OLD | {"adversarial": {"kind": kind, "weight": 1.0, "real_label": 1.0, "r1": 0.0}})
    assert instantiate(new["adversarial"]).weight == 1


def test_settings_of_this_version_stay_as_they_are():
    current = with_current_losses(OLD)
    assert with_current_losses(current) is current


@pytest.mark.parametrize("other", [None, [], {}, {"adversarial": 3}, {"generator": {}}])
def test_other_values_stay_as_they_are(other):
    assert with_current_losses(other) == other
