"""Steps of the two optimizers: clipping, gradient scaling, precision."""

import copy

import pytest
import torch

from pix2pix_lit.errors import UserError

from .watch import INSTANCE, Overflow, Watch, assert_equal_weights, gradient_of, with_scaler


@pytest.mark.parametrize("fused", ["false", "true"])
@pytest.mark.parametrize("options", [{}, {"precision": "bf16-mixed"}, {"plugins": with_scaler()}])
def test_gradients_are_clipped_for_each_network_by_itself_after_unscaling(fit, fused, options):
    overrides = [*INSTANCE]
    for optimizer in ("model.generator_optimizer", "model.discriminator_optimizer"):
        descent = {"_target_": "torch.optim.SGD", "lr": 0.5, "fused": fused}
        overrides += [f"~{optimizer}.betas", *(f"{optimizer}.{key}={value}" for key, value in descent.items())]
    free, clipped = Watch(), Watch()
    fit(*overrides, callbacks=[free], max_steps=1, **copy.deepcopy(options))
    limit = gradient_of(free, 0, "generator").norm().item() / 4
    _, trainer = fit(
        *overrides,
        f"model.gradient_clip.generator={limit}",
        callbacks=[clipped],
        max_steps=1,
        log_every_n_steps=1,
        **copy.deepcopy(options),
    )
    tolerance = 1e-3 if options else 1e-5
    assert gradient_of(clipped, 0, "generator").norm().item() == pytest.approx(limit, rel=tolerance)
    assert trainer.callback_metrics["gradient_norm/generator"].item() == pytest.approx(4 * limit, rel=tolerance)
    torch.testing.assert_close(
        gradient_of(clipped, 0, "discriminator"), gradient_of(free, 0, "discriminator"), atol=1e-6, rtol=0
    )
    assert "gradient_norm/discriminator" not in trainer.callback_metrics


@pytest.mark.parametrize("fused", ["false", "true"])
@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_an_overflow_skips_the_step_of_that_network_alone_and_halves_the_scale(fit, network, fused):
    other = "discriminator" if network == "generator" else "generator"
    overrides = [*INSTANCE, *(f"model.{name}_optimizer.fused={fused}" for name in (network, other))]
    watch, free = Watch(), Watch()
    _, trainer = fit(*overrides, callbacks=[Overflow(network, 1), watch], plugins=with_scaler(1024.0))
    fit(*overrides, callbacks=[free], plugins=with_scaler(1024.0))
    assert [watch.moved(step, network) for step in range(3)] == [True, False, True]
    assert [watch.moved(step, other) for step in range(3)] == [True, True, True]
    assert trainer.precision_plugin.scaler.get_scale() == 512
    assert trainer.global_step == 3
    assert_equal_weights(watch.after[0], free.after[0])
    if network == "generator":  # the discriminator's step is over by then: it is what it would have been
        for name, value in free.after[1].items():
            if name.startswith("discriminator.") and "running" not in name:
                assert torch.equal(watch.after[1][name], value), name


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_weights_of_16_bits_are_refused_for_training_with_the_reason(fit, precision):
    with pytest.raises(
        UserError, match=f"trainer.precision is {precision}; .*rounding loses most updates.*set .*bf16-mixed"
    ):
        fit(precision=precision)
