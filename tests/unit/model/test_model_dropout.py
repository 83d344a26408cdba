"""Dropout that belongs to the window: laws, and the usual dropout's mean and share."""

import pytest
import torch

from giblet.model.dropout import WindowDropout, draw_dropout
from tests.support.networks import small_network


def dropped(windows, key=(1, 2, 3), shape=(5, 40), share=0.3, paths=1):
    layer = WindowDropout(share).train()
    layer.draw(key, windows)
    return layer(torch.ones(paths * len(windows), *shape))


@pytest.mark.parametrize("paths", [1, 2])
def test_a_window_loses_the_same_units_however_the_batch_is_shared(paths):
    whole = dropped([0, 1, 2, 3, 4], paths=paths).unflatten(0, (paths, 5))
    for part in ([0, 1], [2], [3, 4]):
        torch.testing.assert_close(
            dropped(part, paths=paths).unflatten(0, (paths, len(part))), whole[:, part],
            rtol=0, atol=0,
        )  # fmt: skip


def test_windows_paths_steps_seeds_and_layers_lose_different_units():
    masks = [*dropped([0, 1], paths=2)]
    masks += [dropped([0], key=key)[0] for key in ((2, 2, 3), (1, 3, 3), (1, 2, 4))]
    for first in range(len(masks)):
        for second in range(first):
            assert not torch.equal(masks[first], masks[second])


def test_share_and_mean_are_those_of_dropout():
    out = dropped([0, 1, 2], shape=(200, 200))
    assert (out == 0).float().mean() == pytest.approx(0.3, abs=0.01)
    assert out.mean() == pytest.approx(1.0, abs=0.01)


def test_gradient_goes_through_what_is_left():
    layer = WindowDropout(0.5).train()
    layer.draw((0,), [0, 1])
    x = torch.randn(2, 30, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, 2.0 * (out != 0))


def test_nothing_is_dropped_in_evaluation_or_with_a_share_of_zero():
    x = torch.randn(2, 30)
    layer = WindowDropout(0.5).eval()
    layer.draw((0,), [0, 1])
    assert layer(x) is x
    assert WindowDropout(0.0).train()(x) is x


def test_network_has_its_own_masks_in_each_layer():
    net = small_network(dropout=0.5).train()
    draw_dropout(net, 7, 3, [0, 2])
    keys = [part.key for part in net.modules() if isinstance(part, WindowDropout)]
    assert keys == [(7, 3, 0), (7, 3, 1), (7, 3, 2), (7, 3, 3)]
