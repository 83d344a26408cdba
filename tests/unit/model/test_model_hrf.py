"""The response between layer 5 and BOLD: causal, Glover at the start, and invertible."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.errors import ModelError
from giblet.hrf import KINDS, convolve_causal, hrf_kernel
from giblet.model.hrf import LEARNT, Delag, HrfOperator, wiener_filters


def operator(kind="glover", n_voxels=3, n_groups=1, learn=True):
    return HrfOperator(
        kind=kind, tr_s="3/2", duration_s=24, n_voxels=n_voxels, n_groups=n_groups, learn=learn
    )


@pytest.mark.parametrize("kind", KINDS)
def test_starts_at_the_standard_response(kind):
    drive = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0))
    found = operator(kind)(drive)
    kernel = hrf_kernel(kind, "1.5", duration_s=24)
    for window in range(2):
        expected = convolve_causal(drive[window].double().numpy(), kernel)
        np.testing.assert_allclose(found[window].detach(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", LEARNT)
def test_learnt_shapes_start_at_glover_to_the_last_bit(kind):
    drive = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(operator(kind)(drive), operator("glover")(drive))
    assert operator(kind).delays().abs().max() < 0.01


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(LEARNT), seed=st.integers(0, 99), at=st.integers(0, 25))
def test_causal_whatever_is_learnt(kind, seed, at):
    torch.manual_seed(seed)
    hrf = operator(kind)
    impulse = torch.zeros(1, 40, 3)
    impulse[:, at] = 1
    with torch.no_grad():
        for parameter in hrf.parameters():
            parameter.normal_(0, 3)
        bold = hrf(impulse)
    assert (bold[:, :at] == 0).all()
    assert bold[:, at:].any()


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["glover", "spm", "shift"]),
    delay=st.floats(-5, 5),
    at=st.integers(0, 39),
)
def test_no_response_before_the_stimulus(kind, delay, at):
    hrf = OPERATORS[kind]
    with torch.no_grad():
        hrf.delay_s.fill_(delay)
        impulse = torch.zeros(1, 40, 3)
        impulse[:, at] = 1
        bold = hrf(impulse)
    assert (bold[:, :at] == 0).all()
    if at < 15:
        peak_s = (int(bold[0, :, 0].argmax()) - at) * 1.5
        assert 0.5 <= peak_s <= 9


OPERATORS = {kind: operator(kind) for kind in ("glover", "spm", "shift")}


def test_last_trs_equal_those_of_the_whole_window():
    drive = torch.randn(1, 60, 3, generator=torch.Generator().manual_seed(1))
    hrf = operator()
    whole = hrf(drive)
    torch.testing.assert_close(hrf(drive, 20), whole[:, -20:])
    # With enough context the beginning of the run no longer matters.
    torch.testing.assert_close(hrf(drive[:, 60 - 20 - hrf.n_lags + 1 :], 20), whole[:, -20:])


def test_learns_a_planted_delay_per_group():
    torch.manual_seed(0)
    hrf = operator(n_voxels=4, n_groups=2)
    hrf.group.copy_(torch.tensor([0, 1, 0, 1]))
    drive = torch.randn(1, 200, 4)
    planted = torch.tensor([1.2, -0.8])
    with torch.no_grad():
        hrf.delay_s.copy_(planted)
        bold = hrf(drive)
        hrf.delay_s.zero_()
    optimizer = torch.optim.Adam([hrf.delay_s], lr=0.1)
    for _ in range(80):
        optimizer.zero_grad()
        (hrf(drive) - bold).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(hrf.delay_s.detach(), planted, atol=0.02, rtol=0)


@pytest.mark.parametrize("kind", LEARNT)
def test_learnt_shapes_recover_planted_delays(kind):
    """Each delay to 0.3 s, through noise of half the response's spread."""
    g = torch.Generator().manual_seed(1)
    planted = torch.tensor([1.3, -0.9, 0.4, 0.0])
    hrf, true = (operator(k, n_voxels=4, n_groups=4) for k in (kind, "glover"))
    drive = torch.randn(1, 400, 4, generator=g)
    with torch.no_grad():
        hrf.group.copy_(torch.arange(4))
        true.group.copy_(torch.arange(4))
        true.delay_s.copy_(planted)
        clean = true(drive)
        bold = clean + 0.5 * clean.std() * torch.randn(clean.shape, generator=g)
    optimizer = torch.optim.Adam([p for p in hrf.parameters() if p.requires_grad], lr=0.02)
    for _ in range(250):
        optimizer.zero_grad()
        (hrf(drive) - bold).square().mean().backward()
        optimizer.step()
    assert (hrf.delays() - planted).abs().max() <= 0.3


def test_delay_of_a_shape_is_that_of_the_response_it_is_like():
    hrf = operator("fir")
    glover = hrf_kernel("glover", "1.5", duration_s=24)
    for delay in (-2.0, -0.6, 0.1, 1.85):
        later = hrf_kernel("glover", "1.5", shift_s=delay, duration_s=24)
        with torch.no_grad():
            hrf.taps.copy_(torch.from_numpy(2 * later - glover))
        assert float(hrf.delays()) == pytest.approx(delay, abs=0.05)
    assert torch.isnan(operator("none").delays()).all()


@pytest.mark.parametrize("kind", LEARNT)
def test_a_learnt_shape_that_is_fixed_is_refused(kind):
    with pytest.raises(ModelError, match=f"model/hrf is '{kind}', but model/hrf_delays is 'fixed'"):
        operator(kind, learn=False)


def test_fixed_delays_are_not_trained():
    assert not operator(learn=False).delay_s.requires_grad
    assert not operator("none").delay_s.requires_grad


def test_unknown_kind_is_named():
    with pytest.raises(ModelError, match="model/hrf is 'glovr': use one of glover, spm"):
        operator("glovr")


def test_delag_reads_this_tr_and_those_that_follow_only():
    delag = Delag(n_follow=5, n_voxels=2, n_groups=1)
    with torch.no_grad():
        delag.filter.normal_()
    bold = torch.zeros(1, 30, 2)
    bold[:, 12] = 1
    out = delag(bold)
    assert (out[:, :7] == 0).all()
    assert (out[:, 7:13] != 0).all()
    assert (out[:, 13:] == 0).all()


def test_delag_of_a_part_equals_that_of_the_whole():
    delag = Delag(n_follow=5, n_voxels=2, n_groups=1)
    bold = torch.randn(1, 30, 2)
    torch.testing.assert_close(delag(bold[:, :25], 20), delag(bold)[:, :20])


def test_wiener_filter_recovers_the_drive():
    rng = np.random.default_rng(0)
    n = 4000
    drive = np.zeros(n)
    for t in range(1, n):
        drive[t] = 0.7 * drive[t - 1] + np.sqrt(1 - 0.49) * rng.normal()
    kernel = hrf_kernel("glover", "1.5", duration_s=24)
    clean = convolve_causal(drive[:, None], kernel)[:, 0]
    bold = clean + 0.5 * clean.std() * rng.normal(size=n)
    taps = wiener_filters(kernel[None], np.array([0.25]), 8, persistence=0.7)[0]
    found = np.convolve(bold, taps[::-1])[len(taps) - 1 :]
    assert np.corrcoef(found, drive)[0, 1] > 0.8
    assert np.corrcoef(found, drive)[0, 1] > np.corrcoef(np.roll(bold, -3), drive)[0, 1]
    # It is the minimum: nothing near it does better.
    error = ((found - drive)[:-8] ** 2).mean()
    for _ in range(20):
        other = taps + 0.05 * rng.normal(size=len(taps))
        worse = np.convolve(bold, other[::-1])[len(taps) - 1 :]
        assert ((worse - drive)[:-8] ** 2).mean() > error
