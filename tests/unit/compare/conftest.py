"""A run, a noisier one of the same study, and one whose predictions are equally good."""

from types import SimpleNamespace

import pytest

from tests.support.run_files import make_run


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    return SimpleNamespace(
        good=make_run(folder / "good", config={"train": {"steps": 40}, "seed": 1}),
        worse=make_run(
            folder / "worse",
            config={"train": {"steps": 4}, "seed": 1, "lens": {"x": [1, 2]}},
            prediction_noise=2.0,
            decoding_noise=2.0,
        ),
    )
