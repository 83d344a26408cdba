"""Two networks whose difference is known: intervals hold it about as often as they say."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.signal import lfilter

from giblet.validate.compare.items import statistic_of
from giblet.validate.compare.paired import paired_interval
from giblet.validate.identification import distractors, identify, similarity
from giblet.validate.settings import Settings
from giblet.validate.table import mean_draws
from giblet.validate.testset import TestSet
from giblet.validate.tr_series import series_r

N_STUDIES, N_FEATURES = 150, 12
SUBJECTS = ("sub-01", "sub-02")
TESTS = TestSet(
    ("run-1", "run-2"), (130, 130), (np.arange(120), np.arange(10, 130)), Fraction(3, 2), SUBJECTS
)
SETTINGS = Settings(0, 4, 200, 10, 6, 9)
NAMES = ("top1", "top5", "pairwise", "rank")
NOISE = (1.0, 1.4)


def smooth(rng):
    """Patterns that change slowly, within the length of a block."""
    return lfilter([1], [1, -0.6], rng.normal(size=(TESTS.n, N_FEATURES)), axis=0)


def study(rng):
    """A film, and of each network and subject its prediction, the second network the noisier."""
    film = smooth(rng)
    return film, [[film + noise * smooth(rng) for _ in SUBJECTS] for noise in NOISE]


def identification(seed):
    """Difference of each score and its interval."""
    film, networks = study(np.random.default_rng(seed))
    allowed = distractors(TESTS.film_number, TESTS.time_s, SETTINGS.min_distance_s)
    scored = [[identify(similarity(own, film), allowed) for own in network] for network in networks]
    block = TESTS.blocks(SETTINGS.block_trs)
    for name in NAMES:
        over = statistic_of(f"identification_{name}")
        pairs = [[getattr(own, name) for own in pair] for pair in zip(*scored, strict=True)]
        found = paired_interval([(*pair, block) for pair in pairs], over, SETTINGS.n_bootstrap)
        yield np.mean([over(other) - over(one) for one, other in pairs]), *found.interval


def correlation(seed):
    """Difference of the correlation over TRs and its interval."""
    film, networks = study(np.random.default_rng(seed))
    found = [[series_r(film, own, TESTS, SETTINGS) for own in network] for network in networks]
    values, draws = ([[one[k] for one in network] for network in found] for k in (0, 1))
    one, other = (mean_draws(network) for network in draws)
    low, high = np.percentile(other - one, [2.5, 97.5])
    yield np.mean(values[1]) - np.mean(values[0]), low, high


@pytest.mark.parametrize(("score", "signs"), [(identification, (-1, -1, -1, 1)), (correlation, -1)])
def test_interval_holds_the_true_difference_about_as_often_as_it_says(score, signs):
    found = np.array([list(score(seed)) for seed in range(N_STUDIES)])  # [studies, scores, 3]
    truth = found[..., 0].mean(0)
    assert (np.sign(truth) == signs).all()
    holds = ((found[..., 1] <= truth) & (truth <= found[..., 2])).mean(0)
    # Blocks are few, which makes percentile intervals somewhat too narrow.
    assert (holds >= 0.9).all(), holds
    # They are of use: the worse network is found.
    beyond = (found[..., 1] * signs > 0) & (found[..., 2] * signs > 0)
    assert (beyond.mean(0) >= 0.9).all(), beyond.mean(0)
