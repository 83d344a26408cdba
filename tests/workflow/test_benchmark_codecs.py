"""The bake-off as a target: on the study's own sound, on its own, and only when stale."""

import pandas as pd
import pytest
import yaml

from tests.support.checkout import TINY, planned_jobs

pytestmark = pytest.mark.workflow

FEW = {"methods": ["opus"], "codecs": [], "opus_kbps": [16], "seconds": 5, "listen_s": 1}


@pytest.fixture(scope="module")
def measured(finished, tmp_path_factory):
    copy = finished.copy(tmp_path_factory.mktemp("bakeoff") / "giblet")
    override(copy, FEW)
    code, output = copy.snakemake(*TINY, "few.yaml", "--", "benchmark_codecs")
    assert code == 0, output[-4000:]
    return copy, output


def override(copy, settings):
    text = yaml.safe_dump({"features": {"benchmark_codecs": settings}})
    (copy.folder / "few.yaml").write_text(text)


def test_it_measures_the_runs_of_the_study(measured):
    copy, output = measured
    assert planned_jobs(output) == {"benchmark_codecs": 1}
    folder = copy.folder / "results" / "tiny" / "features" / "benchmark_codecs"
    scores = pd.read_csv(folder / "scores.csv")
    assert set(scores["sound"]) == {"run-1", "run-2"}
    assert len(scores) == 4 * 2
    assert len(list((folder / "sounds").glob("*.wav"))) == 4 * 2
    assert (folder / "codecs.png").stat().st_size > 10_000


def test_it_is_measured_again_when_a_setting_of_its_own_changes(measured, planner):
    copy, _ = measured

    def planned(settings):
        override(copy, settings)
        code, output = planner(copy.folder, "-n", *TINY, "few.yaml", "--", "benchmark_codecs")
        assert code == 0, output[-3000:]
        return planned_jobs(output)

    assert planned(FEW) == {}
    for changed in ({"opus_kbps": [12]}, {"seconds": 6}, {"max_runs": 1}, {"dpi": 90}):
        assert planned(FEW | changed) == {"benchmark_codecs": 1}, changed


def test_a_missing_file_is_named_with_its_key(measured):
    copy, _ = measured
    override(copy, FEW | {"speech_files": ["gone.wav"]})
    code, output = copy.snakemake(*TINY, "few.yaml", "--", "benchmark_codecs")
    assert code != 0
    assert "ConfigError: features/benchmark_codecs/speech_files names 'gone.wav'" in output
