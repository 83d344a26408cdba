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


@pytest.fixture(scope="session")
def scored(inputs, tmp_path_factory):
    """Folders of the scores of each modality."""
    from giblet.validate.video import score_video
    from tests.unit.validate.test_validate_decoding import decode, scored_audio, scored_text
    from tests.unit.validate.test_validate_fmri import score

    folders = {name: tmp_path_factory.mktemp(name) for name in ("fmri", "video", "audio", "text")}
    score(inputs, folders["fmri"], STATISTICS)
    scored_audio(inputs, decode(inputs, folders["audio"]), folders["audio"])
    scored_text(inputs, folders["text"])
    names = {"metrics": "metrics.csv", "trs": "trs.tsv", "series": "series.h5"}
    paths = {name: folders["video"] / file for name, file in names.items()}
    score_video(inputs.study, inputs.predictions, inputs.baseline, **paths, **STATISTICS)
    return folders
