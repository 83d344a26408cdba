"""A run's soundtrack as codec codes, latents and log-mel bands, in one pass.

Reads the sound that the stimulus stage wrote in scanner time and streams it through the
codec, so memory does not grow with the length of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet import timing
from giblet.errors import CodecError, MediaError
from giblet.features.codec import CHUNK_S, Codec
from giblet.features.mel import log_mel_of_padded
from giblet.store import writing
from giblet.timing import Exact, as_fraction


def extract_audio(
    audio: str | Path,
    out: str | Path,
    *,
    run: str,
    tr_s: Exact,
    codec: str = "giblet-12khz",
    revision: str | None = None,
    sample_rate_hz: int = 12000,
    bandwidth_kbps: Exact | None = None,
    n_codebooks: int | None = None,
    chunk_s: float = CHUNK_S,
    n_mels: int = 64,
) -> None:
    """Write ``audio.h5`` of a run.

    Datasets, for Q codebooks and N codec frames, ``N = n_items(T, tr_s, frame_rate)``:
    ``codes`` int16 (Q, N); ``latents`` float16 (N, D), the encoder's output before
    quantising; ``log_mel`` float16 (N, n_mels), natural log of RMS amplitude (see
    :func:`giblet.features.mel.log_mel`); ``index`` int64 (T, 2), the frames of each TR.

    Parameters
    ----------
    audio
        Mono sound at `sample_rate_hz` whose sample 0 is at scanner time 0.
    codec, revision, sample_rate_hz, bandwidth_kbps, n_codebooks, chunk_s
        See :meth:`giblet.features.codec.Codec.load`.
    n_mels
        Number of mel bands.

    Raises
    ------
    MediaError
        If the sound cannot be read, is not mono or of another rate, or does not last a whole
        number of TRs.
    CodecError, PretrainedModelError
        See :meth:`giblet.features.codec.Codec.load`.
    """
    n_samples = _checked_length(audio, sample_rate_hz)
    n_trs = _whole_trs(audio, n_samples, tr_s, sample_rate_hz)
    loaded = Codec.load(
        codec, sample_rate_hz, n_codebooks, bandwidth_kbps, revision=revision, chunk_s=chunk_s
    )
    n_frames = timing.n_items(n_trs, tr_s, loaded.frame_rate_hz)
    with writing(out, stage="features", run=run, tr_s=tr_s, units="codec frames") as file:
        for name, value in describe(loaded).items():
            file.attrs[name] = value
        file["index"] = timing.tr_ranges(n_trs, tr_s, loaded.frame_rate_hz)
        _write_streams(file, loaded, Path(audio), n_frames, n_mels, chunk_s)


def describe(codec: Codec) -> dict[str, Any]:
    """Attributes by which later stages know the codec that made some codes."""
    return {
        "codec": codec.name,
        "sample_rate_hz": codec.sample_rate_hz,
        "hop_length": codec.hop_length,
        "n_codebooks": codec.n_codebooks,
        "codebook_size": codec.codebook_size,
        "bandwidth_kbps": float(codec.bandwidth_kbps),
        "frame_rate_hz": [codec.frame_rate_hz.numerator, codec.frame_rate_hz.denominator],
    }


def _write_streams(
    file: Any, codec: Codec, audio: Path, n_frames: int, n_mels: int, chunk_s: float
) -> None:
    """Fill codes, latents and log_mel piece by piece."""
    chunk = max(1, min(n_frames, round(chunk_s * codec.frame_rate_hz)))
    # About a TR or two a chunk on disk, so that a window of TRs is one read.
    rows = max(1, min(n_frames, 128))
    codes = file.create_dataset(
        "codes", (codec.n_codebooks, n_frames), np.int16, chunks=(codec.n_codebooks, rows)
    )
    latents = file.create_dataset(
        "latents", (n_frames, codec.latent_dim), np.float16, chunks=(rows, codec.latent_dim)
    )
    mel = file.create_dataset("log_mel", (n_frames, n_mels), np.float16, chunks=(rows, n_mels))

    def pieces() -> Iterator[NDArray[np.float32]]:
        hop, before = codec.hop_length, codec.hop_length // 2
        for start, padded in _padded_chunks(audio, hop, n_frames, chunk):
            n_here = min(chunk, n_frames - start)
            mel[start : start + n_here] = log_mel_of_padded(
                padded, n_here, codec.sample_rate_hz, hop, n_mels
            )
            yield padded[before : before + n_here * hop]

    done = 0
    for found_codes, found_latents in codec.encode_pieces(pieces()):
        stop = done + len(found_latents)
        codes[:, done:stop] = found_codes
        latents[done:stop] = found_latents
        done = stop


def _padded_chunks(
    audio: Path, hop: int, n_frames: int, chunk: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Sound of each chunk of frames with half a hop before and after, silence at the ends."""
    import soundfile

    with soundfile.SoundFile(audio) as sound:
        for start in range(0, n_frames, chunk):
            first = start * hop - hop // 2
            size = (min(chunk, n_frames - start) + 1) * hop
            sound.seek(max(0, first))
            found = sound.read(size + min(0, first), dtype="float32")
            _refuse_not_finite(audio, found, max(0, first), sound.samplerate)
            missing_before = max(0, -first)
            yield start, np.pad(found, (missing_before, size - missing_before - len(found)))


def _refuse_not_finite(
    audio: Path, samples: NDArray[np.float32], first: int, sample_rate_hz: int
) -> None:
    bad = np.flatnonzero(~np.isfinite(samples))
    if len(bad):
        place = first + int(bad[0])
        raise MediaError(
            f"{audio}: sample {place} ({place / sample_rate_hz:.3f} s) is {samples[bad[0]]}, which "
            "is no sound: run stimulus again, which writes 16-bit sound, or repair the file"
        )


def _checked_length(audio: str | Path, sample_rate_hz: int) -> int:
    import soundfile

    try:
        info = soundfile.info(str(audio))
    except (soundfile.LibsndfileError, OSError) as error:
        raise MediaError(
            f"{audio}: cannot be read as sound ({error}): run stimulus again"
        ) from error
    if info.channels != 1:
        raise MediaError(f"{audio}: has {info.channels} channels, the codec takes mono sound")
    if info.samplerate != sample_rate_hz:
        raise MediaError(
            f"{audio}: sampled at {info.samplerate} Hz, features/audio/sample_rate_hz is "
            f"{sample_rate_hz}: run stimulus again at that rate"
        )
    return int(info.frames)


def _whole_trs(audio: str | Path, n_samples: int, tr_s: Exact, sample_rate_hz: int) -> int:
    """Number of TRs that a sound of `timing.n_items` samples was made for."""
    n_trs = int(n_samples / (as_fraction(tr_s, "tr_s") * sample_rate_hz))
    expected = timing.n_items(n_trs, tr_s, sample_rate_hz)
    if n_trs == 0 or expected != n_samples:
        raise MediaError(
            f"{audio}: holds {n_samples} samples at {sample_rate_hz} Hz, which is not a whole "
            f"number of TRs of {float(as_fraction(tr_s)):g} s ({n_trs} TRs are {expected} "
            "samples): run stimulus again with this TR"
        )
    return n_trs


def codec_of(file: Any, chunk_s: float = CHUNK_S, revision: str | None = None) -> Codec:
    """Load the codec named by the attributes of an ``audio.h5`` or ``study.h5``.

    Raises
    ------
    CodecError
        If the codec of that name now differs in hop or codebook size from the one that made
        the file.
    """
    attrs = file.attrs
    codec = Codec.load(
        str(attrs["codec"]),
        int(attrs["sample_rate_hz"]),
        int(attrs["n_codebooks"]),
        revision=revision,
        chunk_s=chunk_s,
    )
    for name in ("hop_length", "codebook_size"):
        if int(attrs[name]) != getattr(codec, name):
            raise CodecError(
                f"{file.filename}: made with {name} {int(attrs[name])}, codec {codec.name!r} "
                f"has {getattr(codec, name)}: run features again"
            )
    return codec
