"""Sound of the test TRs from every source: WAVs to listen to, and all of it to score.

Every segment of test TRs is decoded on its own and laid at its exact place: codec frame ``j``
starts at sample ``j * hop`` of the run, TR ``k`` at sample ``ceil(k * tr_s * rate)``. The
*ceiling* is the original's own codes through the same decoder in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import replacing, writing
from giblet.timing import Exact, n_items
from giblet.validate.floors import nearest_by_bold
from giblet.validate.predictions import (
    SHARED,
    codec_index,
    decoded_sources,
    has,
    opened_predictions,
)
from giblet.validate.soundtracks import Decoder, read_original
from giblet.validate.table import write_table
from giblet.validate.testset import TestSet, runs_of, shown_subject

Samples = NDArray[np.float32]
PLAYED = ("original", "ceiling", "model", "from_bold", "from_predicted")


def decode_audio(
    study: str | Path,
    predictions: str | Path,
    audio: Sequence[str | Path],
    *,
    folder: str | Path,
    runs: Sequence[str],
    seed: int,
    decode_from: str,
    codec: Decoder | None = None,
) -> None:
    """Write ``decoded.h5``, ``shown.tsv`` and ``{run}_{source}.wav`` into `folder`.

    Parameters
    ----------
    audio : ``stimulus/{run}/audio.wav`` of the study's runs, each in a folder of its name
    runs : runs that WAVs are expected of
    decode_from
        ``latents`` as predicted, ``quantised`` (through their nearest codes), or ``codes``
        (the most probable ones).
    codec : decoder; None loads the one the study was made with
    """
    folder = Path(folder)
    originals = {Path(path).parent.name: Path(path) for path in audio}
    with opened_predictions(study, predictions, runs) as (study_file, predicted, tests):
        codec = codec or _codec_of(study_file)
        rate_hz = int(study_file.attrs["sample_rate_hz"])
        timeline = Timeline(study_file, tests, rate_hz, codec.hop_length)
        with writing(folder / "decoded.h5", stage="validate", tr_s=tests.tr_s) as out:
            out.attrs["sample_rate_hz"] = rate_hz
            sounds = _original(timeline, originals)
            _store(out, "original", "", sounds)
            _store(out, "floor_nearest", None, _nearest(timeline, originals))
            _store(out, "ceiling", "", _through_codec(timeline, codec))
            _store(out, "floor_mean", "", _mean_sound(timeline, codec))
            for source, subject in decoded_sources(predicted, "latents"):
                print(f"decoding {source} {subject}")
                found = _decoded(timeline, predicted, source, subject, decode_from, codec)
                _store(out, source, subject, found)
            _write_wavs(out, folder, tests, seed)


def _codec_of(study: h5py.File) -> Decoder:
    from giblet.features.audio import codec_of

    return codec_of(study)


class Timeline:
    """Where the segments of test TRs lie among samples and codec frames."""

    def __init__(self, study: h5py.File, tests: TestSet, rate_hz: int, hop: int) -> None:
        self.study, self.tests, self.rate_hz, self.hop = study, tests, rate_hz, hop

    def samples(self, start: int, stop: int) -> tuple[int, int]:
        """First sample of TR `start` and of TR `stop`."""
        return (
            n_items(start, self.tests.tr_s, self.rate_hz),
            n_items(stop, self.tests.tr_s, self.rate_hz),
        )

    def frames(self, run: str, start: int, stop: int) -> tuple[int, int]:
        """First codec frame of TR `start` and of TR `stop`."""
        index = self.study[f"runs/{run}/audio_index"]
        return int(index[start, 0]), int(index[stop - 1, 1])

    def place(self, sound: Samples, run: str, start: int, stop: int) -> Samples:
        """Lay decoded frames of a segment at their samples; silence before the first frame."""
        first, last = self.samples(start, stop)
        out = np.zeros(last - first, np.float32)
        offset = self.frames(run, start, stop)[0] * self.hop - first
        sound = sound[max(0, -offset) :][: len(out) - max(0, offset)]
        out[max(0, offset) : max(0, offset) + len(sound)] = sound
        return out


PerRun = Mapping[tuple[str, str], Samples]


def _original(timeline: Timeline, originals: Mapping[str, Path]) -> PerRun:
    parts: dict[tuple[str, str], list[Samples]] = {}
    for run, start, stop in timeline.tests.segments():
        sound = read_original(originals, run, timeline.rate_hz, *timeline.samples(start, stop))
        parts.setdefault((run, ""), []).append(sound)
    return {key: np.concatenate(sounds) for key, sounds in parts.items()}


def _through_codec(timeline: Timeline, codec: Decoder) -> PerRun:
    parts: dict[tuple[str, str], list[Samples]] = {}
    for run, start, stop in timeline.tests.segments():
        first, last = timeline.frames(run, start, stop)
        codes = timeline.study[f"runs/{run}/audio_codes"][:, first:last]
        sound = codec.decode_latents(codec.dequantise(codes))
        parts.setdefault((run, ""), []).append(timeline.place(sound, run, start, stop))
    return {key: np.concatenate(sounds) for key, sounds in parts.items()}


def _mean_sound(timeline: Timeline, codec: Decoder) -> PerRun:
    """The training set's mean latent decoded: a few seconds of it, over and over."""
    mean = timeline.study["stats/latents/mean"][:]
    frames = max(1, 4 * timeline.rate_hz // timeline.hop)
    piece = codec.decode_latents(np.tile(mean, (frames, 1)).astype(np.float32))
    lengths: dict[tuple[str, str], int] = {}
    for run, start, stop in timeline.tests.segments():
        first, last = timeline.samples(start, stop)
        lengths[run, ""] = lengths.get((run, ""), 0) + last - first
    return {key: np.resize(piece, length) for key, length in lengths.items()}


def _decoded(
    timeline: Timeline,
    predicted: h5py.File,
    source: str,
    subject: str,
    decode_from: str,
    codec: Decoder,
) -> PerRun:
    parts: dict[tuple[str, str], list[Samples]] = {}
    what = "codes" if decode_from == "codes" else "latents"
    used: dict[str, int] = {}
    for run, start, stop in timeline.tests.segments():
        if not has(predicted, run, what, source, subject):
            continue
        index = codec_index(timeline.study, timeline.tests, run)
        first = used.get(run, 0)
        used[run] = first + stop - start
        frames = slice(int(index[first, 0]), int(index[used[run] - 1, 1]))
        values = predicted[f"runs/{run}/{what}/{source}/{subject or SHARED}"]
        if what == "codes":
            sound = codec.decode_latents(codec.dequantise(values[:, frames]))
        else:
            sound = codec.decode_latents(values[frames], requantise=decode_from == "quantised")
        parts.setdefault((run, subject), []).append(timeline.place(sound, run, start, stop))
    return {key: np.concatenate(sounds) for key, sounds in parts.items()}


def _nearest(timeline: Timeline, originals: Mapping[str, Path]) -> PerRun:
    """The training TR's own sound whose BOLD is most alike, one TR after the other."""
    out: dict[tuple[str, str], Samples] = {}
    study = timeline.study
    for subject in timeline.tests.subjects:
        scanned = runs_of(study, subject)
        tests = timeline.tests.of_runs(scanned)
        if not tests.runs:
            continue
        moments = nearest_by_bold(study, tests, subject, scanned)
        for place, run in enumerate(tests.runs):
            pieces = []
            here = np.flatnonzero(tests.run_number == place)
            for k in here:
                tr = int(tests.tr[k])
                length = np.subtract(*timeline.samples(tr, tr + 1)[::-1])
                first, _ = timeline.samples(int(moments.tr[k]), int(moments.tr[k]) + 1)
                name = str(moments.run[k])
                last = first + int(length)
                pieces.append(read_original(originals, name, timeline.rate_hz, first, last))
            out[run, subject] = np.concatenate(pieces)
    return out


def _store(out: h5py.File, source: str, subject: str | None, sounds: PerRun) -> None:
    for (run, who), sound in sounds.items():
        whose = who if subject is None else subject
        pcm = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)
        out[f"{run}/{source}/{whose or SHARED}"] = pcm


def _write_wavs(out: h5py.File, folder: Path, tests: TestSet, seed: int) -> None:
    """WAVs of every run; from measured BOLD, those of one subject drawn by the seed."""
    import soundfile

    rows = []
    for run, source in _played(tests.runs):
        whose = [name for name in out.get(f"{run}/{source}", {}) if name != SHARED]
        subject = shown_subject(whose, seed) if whose else ""
        path = folder / f"{run}_{source}.wav"
        key = f"{run}/{source}/{subject or SHARED}"
        if key not in out:
            raise ValidationError(
                f"{out.filename}: there is no sound of {source} for {run}: no subject was scanned "
                "in it; take it out of the runs that test"
            )
        with replacing(path) as partial:
            rate_hz = int(out.attrs["sample_rate_hz"])
            soundfile.write(partial, out[key][:], rate_hz, subtype="PCM_16", format="WAV")
        rows.append({"file": path.name, "run": run, "source": source, "subject": subject})
    write_table(folder / "shown.tsv", rows)


def _played(runs: Sequence[str]) -> Iterator[tuple[str, str]]:
    for run in runs:
        for source in PLAYED:
            yield run, source


def stored_sources(decoded: h5py.File, run: str) -> Iterator[tuple[str, str]]:
    """Source and subject ("" for none) of every sound of a run but the original."""
    for source, group in decoded[run].items():
        for who in group:
            if source != "original":
                yield source, "" if who == SHARED else who


def segment_samples(tests: TestSet, run: str, rate_hz: Exact) -> Iterator[tuple[int, int, slice]]:
    """First and last TR of a run's segments and their samples among the run's test samples."""
    done = 0
    for name, start, stop in tests.segments():
        if name == run:
            length = n_items(stop, tests.tr_s, rate_hz) - n_items(start, tests.tr_s, rate_hz)
            yield start, stop, slice(done, done + length)
            done += length
