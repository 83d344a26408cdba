"""One small planted study with all that validate reads, shared by the tests of this stage."""

import pytest

from tests.support.validate_inputs import make_inputs

STATISTICS = {
    "seed": 7,
    "n_permutations": 200,
    "n_bootstrap": 200,
    "block_trs": 8,
    "min_shift_s": 10,
    "identification_min_distance_s": 15,
}


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    return make_inputs(
        tmp_path_factory.mktemp("validate"),
        n_trs=(120, 120),
        n_voxels=80,
        n_mels=16,
        delay_shift_s=(0.0, 0.5),
        missing=(("sub-02", "run-2"),),
    )


@pytest.fixture
def statistics():
    return dict(STATISTICS)
