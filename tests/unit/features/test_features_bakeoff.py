"""The bake-off: who enters, on which sounds, with which scores, and what is written."""

from __future__ import annotations

import dataclasses
import sys

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from giblet import config as giblet_config
from giblet.errors import ConfigError, MediaError
from giblet.features.bakeoff import benchmark_codecs
from giblet.features.bakeoff_methods import NeuralCodec, Settings, Skipped, entrants
from giblet.features.bakeoff_page import BEGIN, END, fill_page
from giblet.features.bakeoff_scores import pesq_score, scores, sent_through
from giblet.features.bakeoff_sounds import drawn_runs, excerpt, file_sound, run_sound
from giblet.features.bakeoff_table import COLUMNS, STUDY, markdown, summary
from giblet.features.bakeoff_waveform import MuLaw, Pcm
from giblet.features.codec_quality import log_mel_distance_db
from tests.support.real import real_file

RATE = 12_000
DEFAULTS = giblet_config.defaults(
    giblet_config.read_schema("features")["properties"]["benchmark_codecs"]
)
NAMES = {field.name for field in dataclasses.fields(Settings)} - {"seed"}
OWN = {
    "tr_s": "1.5",
    "sample_rate_hz": RATE,
    "codec": "giblet-12khz",
    "n_codebooks": 8,
    "bandwidth_kbps": 3.0,
    "revision": None,
    "seed": 1,
}


def settings(**changes):
    return Settings(seed=1, **{name: DEFAULTS[name] for name in NAMES} | changes)


def sound(n_samples=2 * RATE, seed=0):
    """Noise in syllables of a quarter of a second."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.random(-(-n_samples // 3000)), 3000)[:n_samples]
    return (
        0.2 * loud * np.convolve(rng.standard_normal(n_samples), np.ones(3) / 2, "same")
    ).astype(np.float32)


def write(path, samples, rate_hz=RATE):
    soundfile.write(path, samples, rate_hz, subtype="PCM_16")
    return path


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(
        ConfigError, match=r"benchmark_codecs/methods: unknown method 'opsu'.*'opus'"
    ):
        list(entrants(settings(methods=["opsu"]), RATE))
    with pytest.raises(ConfigError, match=r"unknown method '3gp': use encodec, opus"):
        list(entrants(settings(methods=["3gp"]), RATE))


def test_the_schema_and_the_library_know_the_same_methods():
    schema = giblet_config.read_schema("features")
    block = schema["properties"]["benchmark_codecs"]["properties"]["methods"]
    assert block["items"]["enum"] == block["default"]
    assert len(list(entrants(settings(methods=block["default"], codecs=[]), RATE))) > len(
        block["default"]
    )
    with pytest.raises(ConfigError, match=r"benchmark_codecs/methods/0.*'opsu' is not one of"):
        giblet_config.complete({"benchmark_codecs": {"methods": ["opsu"]}}, schema)


@pytest.mark.parametrize("entry", ["giblet-12khz", "giblet-12khz@fast", "@12000"])
def test_a_codec_without_its_rate_is_refused(entry):
    with pytest.raises(ConfigError, match=r"codecs: .* is not NAME@RATE: .*giblet-12khz@12000"):
        list(entrants(settings(methods=["encodec"], codecs=[entry]), RATE))


def test_a_hop_beyond_half_the_window_is_refused():
    with pytest.raises(ConfigError, match=r"hop_s 0.03 is 360 samples at 12000 Hz and window_s"):
        list(entrants(settings(methods=["mel"], hop_s=0.03), RATE))


def test_a_codec_that_cannot_be_had_is_skipped_at_every_bandwidth():
    found = list(entrants(settings(methods=["encodec"], codecs=["nobody/no-codec@24000"]), RATE))
    skipped = [entrant for entrant in found if isinstance(entrant, Skipped)]
    assert [entrant.label.rpartition(", ")[2] for entrant in skipped] == [
        f"{kbps:g} kbps" for kbps in DEFAULTS["codec_kbps"]
    ]
    for entrant in skipped:
        assert "could not be fetched" in entrant.reason
        assert "features/benchmark_codecs/codecs" in entrant.reason


def test_a_bandwidth_that_a_codec_lacks_is_skipped_with_the_arithmetic(meta_like):
    found = list(
        entrants(
            settings(methods=["encodec"], codecs=[f"{meta_like}@12000"], codec_kbps=[3, 24]), RATE
        )
    )
    taken, skipped = found[2:]
    assert isinstance(taken, NeuralCodec)
    assert taken.codec.n_codebooks == 8
    assert isinstance(skipped, Skipped)
    assert "64 codebooks asked for" in skipped.reason
    assert "12 kbps at most" in skipped.reason


def test_a_neural_codec_costs_its_bandwidth_exactly(meta_like):
    entrant = list(
        entrants(settings(methods=["encodec"], codecs=[f"{meta_like}@24000"], codec_kbps=[6]), RATE)
    )[-1]
    outcome = sent_through(entrant, sound(2 * RATE), RATE)
    assert outcome.kbps == 6.0
    assert outcome.samples.shape == (2 * RATE,)
    assert entrant.frame_rate_hz == 75


def test_mu_law_at_another_rate_comes_back_in_place_and_costs_its_rate():
    low = np.sin(2 * np.pi * 150 * np.arange(2 * RATE) / RATE) * np.hanning(2 * RATE)
    outcome = sent_through(MuLaw("x", 1000), low, RATE)
    assert outcome.kbps == 8.0
    found = scores(low, outcome.samples, RATE, "music")
    assert found["si_sdr_db"] > 30


def test_a_mu_law_rate_above_the_studys_is_skipped():
    found = list(entrants(settings(methods=["mulaw"], mulaw_hz=[16_000]), RATE))
    assert isinstance(found[-1], Skipped)
    assert "mulaw_hz 16000 is above the study's 12000 Hz" in found[-1].reason


def test_the_original_scores_the_ceiling():
    original = sound(4 * RATE)
    outcome = sent_through(Pcm(RATE), original, RATE)
    assert outcome.kbps == 192.0
    found = scores(original, outcome.samples, RATE, "speech")
    assert found["stoi"] == pytest.approx(1, abs=1e-4)
    assert found["estoi"] == pytest.approx(1, abs=1e-3)
    assert found["log_mel_db"] == pytest.approx(0, abs=0.02)
    assert found["si_sdr_db"] > 40


def test_twice_the_amplitude_is_six_db_in_every_band():
    original = 0.3 * np.random.default_rng(0).standard_normal(RATE)
    distance = log_mel_distance_db(original, 2 * original, RATE, RATE // 50)
    assert distance == pytest.approx(6.0206, abs=1e-3)
    assert scores(original, 2 * original, RATE, "music")["log_spectral_db"] == pytest.approx(
        6.0206, abs=1e-3
    )


def test_silence_has_no_scores():
    found = scores(np.zeros(2 * RATE), np.zeros(2 * RATE), RATE, "music")
    assert found["note"] == "silent"
    for name in ("stoi", "estoi", "si_sdr_db", "log_mel_db", "log_spectral_db"):
        assert np.isnan(found[name]), name


def test_extended_stoi_is_the_same_each_time():
    a, b = sound(4 * RATE), sound(4 * RATE, seed=1)
    assert scores(a, a + b, RATE, "music") == pytest.approx(
        scores(a, a + b, RATE, "music"), nan_ok=True
    )


def test_pesq_is_for_speech_only_and_says_why_it_is_missing(monkeypatch):
    assert pesq_score(sound(), sound(), RATE, "music")[2] == "PESQ is for speech only"
    monkeypatch.setitem(sys.modules, "pesq", None)
    value, band, note = pesq_score(sound(), sound(), RATE, "speech")
    assert np.isnan(value)
    assert band == ""
    assert note == "PESQ needs the package pesq: pip install 'giblet[speech]'"


def test_pesq_of_real_speech():
    pytest.importorskip("pesq", reason="needs the extra giblet[speech]")
    speech = file_sound(
        real_file("speech_jfk.flac"), "speech", sample_rate_hz=RATE, seconds=8, seed=1
    ).samples
    value, band, note = pesq_score(speech, speech, RATE, "speech")
    # The largest that P.862.1's mapping gives.
    assert (value, band, note) == (pytest.approx(4.549, abs=0.01), "nb", "")
    assert pesq_score(speech, speech, 16_000, "speech")[1] == "wb"
    noisy = speech + 0.05 * np.random.default_rng(0).standard_normal(len(speech))
    assert pesq_score(speech, noisy, RATE, "speech")[0] < 3


def test_excerpts_are_drawn_by_seed_and_name():
    drawn = {excerpt(100 * RATE, RATE, 20, seed, name) for seed in (1, 2) for name in "ab"}
    assert len(drawn) == 4
    for start, length in drawn:
        assert length == 20 * RATE
        assert 0 <= start <= 80 * RATE
    assert excerpt(100 * RATE, RATE, 20, 1, "a") == excerpt(100 * RATE, RATE, 20, 1, "a")
    assert excerpt(5 * RATE, RATE, 20, 1, "a") == (0, 5 * RATE)


def test_runs_are_drawn_in_their_order():
    names = [f"run-{k}" for k in range(10)]
    drawn = drawn_runs(names, 4, 1)
    assert len(set(drawn)) == 4
    assert drawn == sorted(drawn)
    assert drawn_runs(names[:3], 4, 1) == names[:3]


@pytest.mark.parametrize(
    ("shares", "kind"),
    [
        ([1.0] * 8, "speech"),
        ([1.0] * 4 + [0.0] * 4, "speech"),
        ([1.0] * 3 + [0.5] + [0.0] * 4, "mixed"),
        ([float("nan")] * 8, "mixed"),
    ],
)
def test_a_run_is_speech_where_something_is_said_half_of_the_time(tmp_path, shares, kind):
    audio = write(tmp_path / "audio.wav", sound(12 * RATE))
    table = pd.DataFrame({"tr": range(8), "text": "word", "speech": shares})
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    found = run_sound(
        audio,
        tmp_path / "t.tsv",
        run="run-1",
        tr_s="1.5",
        sample_rate_hz=RATE,
        seconds=60,
        seed=1,
    )
    assert (found.kind, found.start_s, len(found.samples)) == (kind, 0, 12 * RATE)


def test_a_table_that_does_not_tell_speech_is_refused(tmp_path):
    audio = write(tmp_path / "audio.wav", sound(12 * RATE))
    pd.DataFrame({"tr": range(8), "text": "word"}).to_csv(tmp_path / "t.tsv", sep="\t")
    with pytest.raises(MediaError, match=r"t\.tsv: no column 'speech': run stimulus again"):
        run_sound(
            audio,
            tmp_path / "t.tsv",
            run="r",
            tr_s=1.5,
            sample_rate_hz=RATE,
            seconds=1,
            seed=1,
        )


def test_a_run_at_another_rate_is_refused(tmp_path):
    audio = write(tmp_path / "audio.wav", sound(), 16_000)
    with pytest.raises(MediaError, match=r"16000 Hz, features/audio/sample_rate_hz is 12000"):
        run_sound(
            audio,
            "t.tsv",
            run="r",
            tr_s=1,
            sample_rate_hz=RATE,
            seconds=1,
            seed=1,
        )


def test_files_of_any_rate_and_channels_are_brought_to_the_studys(tmp_path):
    at = np.arange(4 * 44_100) / 44_100
    one = 0.4 * np.sin(2 * np.pi * 440 * at)
    path = write(tmp_path / "a.flac", np.stack([one, one], 1), 44_100)
    found = file_sound(path, "music", sample_rate_hz=RATE, seconds=60, seed=1)
    assert abs(len(found.samples) - 4 * RATE) <= 1
    inner = slice(RATE, 3 * RATE)
    wanted = 0.4 * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)
    np.testing.assert_allclose(found.samples[inner], wanted[inner], atol=1e-3)


def test_files_that_cannot_be_used_are_named_with_their_key(tmp_path):
    about = {"sample_rate_hz": RATE, "seconds": 5, "seed": 1}
    with pytest.raises(ConfigError, match=r"codecs/speech_files names '.*gone.wav', which is not"):
        file_sound(tmp_path / "gone.wav", "speech", **about)
    (tmp_path / "text.wav").write_text("not sound")
    with pytest.raises(MediaError, match=r"music_files names '.*text.wav', which cannot be read"):
        file_sound(tmp_path / "text.wav", "music", **about)
    short = write(tmp_path / "short.wav", sound(RATE // 2))
    with pytest.raises(MediaError, match=r"mixed_files names '.*', which has 0.5 s of sound"):
        file_sound(short, "mixed", **about)


def test_a_film_without_sound_is_refused(tmp_path):
    with av.open(str(tmp_path / "silent.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        film.mux([*stream.encode(picture), *stream.encode(None)])
    with pytest.raises(MediaError, match=r"names '.*silent.mp4', which .*: it has no sound"):
        file_sound(tmp_path / "silent.mp4", "mixed", sample_rate_hz=RATE, seconds=5, seed=1)


def test_nothing_to_measure_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing to measure: max_runs is 0"):
        benchmark_codecs([], [], folder=tmp_path, runs=[], **OWN, **DEFAULTS | {"methods": []})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A bake-off of a few entrants on two sounds of the same file name."""
    folder = tmp_path_factory.mktemp("bakeoff")
    (folder / "other").mkdir()
    first = write(folder / "a.wav", sound(4 * RATE))
    second = write(folder / "other" / "a.wav", sound(2 * RATE, seed=1))
    few = {
        "methods": ["encodec", "opus", "mulaw"],
        "codecs": ["nobody/no-codec@12000"],
        "codec_kbps": [3, 6],
        "opus_kbps": [16],
        "mulaw_hz": [375],
        "max_runs": 0,
        "listen_s": 1,
        "speech_files": [str(first)],
        "music_files": [str(second)],
    }
    benchmark_codecs([], [], folder=folder / "out", runs=[], **OWN, **DEFAULTS | few)
    return folder / "out"


def test_every_entrant_is_in_the_tables(finished):
    table = pd.read_csv(finished / "table.csv").set_index("entrant")
    assert list(table["what"]) == [
        "neural codec",
        "neural codec",
        "ceiling",
        "floor",
        "in general use",
        "representation",
        STUDY,
    ]
    own = table.loc["giblet-12khz fed 12 kHz, 3 kbps"]
    assert (own["kbps"], own["frames_per_tr"], own["n"]) == (3.0, 56.25, 2)
    assert table.loc["µ-law waveform at 375 Hz", "kbps"] == 3.0
    assert "could not be fetched" in table.loc["nobody/no-codec fed 12 kHz, 6 kbps", "note"]
    per_sound = pd.read_csv(finished / "scores.csv")
    assert set(per_sound["sound"].dropna()) == {"a", "a-2"}
    assert len(per_sound) == 5 * 2 + 2
    assert (per_sound["encode_x"].dropna() > 0).all()


def test_sounds_and_plot_are_written(finished):
    names = {path.name for path in (finished / "sounds").iterdir()}
    assert len(names) == 10
    assert {"a_original-16-bit-pcm.wav", "a-2_opus-16-kbps-asked.wav"} <= names
    for name in names:
        info = soundfile.info(finished / "sounds" / name)
        assert (info.samplerate, info.frames, info.subtype) == (RATE, RATE, "PCM_16")
    plot = (finished / "codecs.png").read_bytes()
    assert plot.startswith(b"\x89PNG")
    assert len(plot) < 200_000


def test_a_page_gets_the_table_again_from_the_csv(finished, tmp_path):
    page = tmp_path / "codecs.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    fill_page(finished, tmp_path)
    table = (finished / "table.md").read_text()
    assert page.read_text() == (
        f"before\n{BEGIN}\n![Quality against bitrate](codecs.png)\n\n{table}{END}\nafter\n"
    )
    assert (tmp_path / "codecs.png").exists()
    page.write_text("no place")
    with pytest.raises(ConfigError, match="to put the table between"):
        fill_page(finished, tmp_path)


def test_means_are_over_sounds_and_speech_scores_over_speech():
    row = {"entrant": "e", "family": "opus", "what": "w", "note": ""}
    table = pd.DataFrame(
        [
            row | {"sound": "a", "kind": "speech", "stoi": 0.8, "pesq": 3.0, "kbps": 4},
            row | {"sound": "b", "kind": "music", "stoi": 0.4, "kbps": 8},
            {"entrant": "s, 3 kbps", "family": "encodec", "what": "w", "note": "no weights"},
            {"entrant": "s, 6 kbps", "family": "encodec", "what": "w", "note": "no weights"},
        ]
    )
    table = table.reindex(columns=COLUMNS)
    found = summary(table)
    assert found.loc[0, ["kbps", "stoi", "stoi_speech", "pesq"]].tolist() == pytest.approx(
        [6, 0.6, 0.8, 3.0]
    )
    assert found["n"].tolist() == [1 + 1, 0, 0]
    page = markdown(found, table)
    assert "| e | w | 6.00 |" in page
    assert "- s, 3 kbps, 6 kbps: no weights" in page
