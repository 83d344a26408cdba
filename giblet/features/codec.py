"""Neural audio codec: sound to codes and back, through ``transformers.EncodecModel``.

Legend: Q codebooks, N codec frames, D latent size, n samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.errors import CodecError
from giblet.features.codec_load import DEFAULT, load_encodec
from giblet.features.codec_rate import CodecRate
from giblet.features.codec_stream import stream
from giblet.timing import Exact

CHUNK_S = 30.0
# Codec frames whose distances to a codebook fit into a processor's cache.
QUANTISED_AT_ONCE = 256

Codes = NDArray[np.int16]
Latents = NDArray[np.float16]
Samples = NDArray[np.float32]


class Codec:
    """An EnCodec with its number of codebooks and its frame rate fixed exactly.

    Make one with :meth:`load`. Streams of any length are run in pieces of `chunk_s` seconds
    in constant memory, with the result of running them whole (see
    :mod:`giblet.features.codec_stream`).
    """

    def __init__(self, model: Any, rate: CodecRate, n_codebooks: int, chunk_s: float) -> None:
        self.model = model
        self.rate = rate
        self.name = rate.codec
        self.n_codebooks = n_codebooks
        self._chunk_frames = max(1, round(chunk_s * rate.frame_rate_hz))

    @classmethod
    def load(
        cls,
        name_or_folder: str | Path = DEFAULT,
        sample_rate_hz: int | None = None,
        n_codebooks: int | None = None,
        bandwidth_kbps: Exact | None = None,
        *,
        revision: str | None = None,
        chunk_s: float = CHUNK_S,
    ) -> Codec:
        """Load a codec by name, hub id or folder.

        Parameters
        ----------
        name_or_folder
            A packaged codec (``giblet-12khz``), a hub id (``facebook/encodec_24khz``), or a
            folder that ``EncodecModel.from_pretrained`` reads.
        sample_rate_hz
            Rate of the sound it will be fed, which may differ from the one it was trained
            at; None for that one.
        n_codebooks, bandwidth_kbps
            How many codebooks to use; either or both, see :class:`CodecRate`.
        revision
            Commit or tag of a hub id.
        chunk_s
            Length of the pieces that long streams are run in, in seconds.

        Raises
        ------
        CodecError
            If the settings contradict each other, or the codec cannot be run in pieces.
        PretrainedModelError
            If it is not on this machine and cannot be fetched.
        """
        name = str(name_or_folder)
        model = load_encodec(name, revision)
        config = model.config
        rate = CodecRate(
            codec=name,
            sample_rate_hz=int(sample_rate_hz or config.sampling_rate),
            hop_length=int(config.hop_length),
            codebook_size=int(config.codebook_size),
            n_available=len(model.quantizer.layers),
        )
        return cls(model, rate, rate.codebooks(n_codebooks, bandwidth_kbps), chunk_s)

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second of the sound."""
        return self.rate.sample_rate_hz

    @property
    def frame_rate_hz(self) -> Fraction:
        """Codec frames a second, exact."""
        return self.rate.frame_rate_hz

    @property
    def hop_length(self) -> int:
        """Samples of one codec frame."""
        return self.rate.hop_length

    @property
    def codebook_size(self) -> int:
        """Codes in each codebook."""
        return self.rate.codebook_size

    @property
    def latent_dim(self) -> int:
        """Size of a latent."""
        return int(self.model.config.hidden_size)

    @property
    def bandwidth_kbps(self) -> Fraction:
        """Thousand bits a second of the codes, exact."""
        return self.rate.bandwidth_kbps(self.n_codebooks)

    @property
    def codebooks(self) -> NDArray[np.float32]:
        """The code vectors in use, shape (Q, K, D); a latent is a sum of one of each."""
        layers = self.model.quantizer.layers[: self.n_codebooks]
        return np.stack([layer.codebook.embed.numpy() for layer in layers])

    def n_frames(self, n_samples: int) -> int:
        """Codec frames that cover some samples: the last may be padded with silence."""
        return -(-n_samples // self.hop_length)

    def encode(self, samples: NDArray[np.floating]) -> tuple[Codes, Latents]:
        """Encode a whole stream.

        Codes are those of the latents as computed, in single precision. Quantising the latents
        that are returned can give other codes where two are about equally near: use the codes.

        Parameters
        ----------
        samples
            Mono sound of shape (n,), full scale 1.

        Returns
        -------
        codes : array of shape (Q, N), int16, N = ceil(n / hop_length)
        latents : array of shape (N, D), float16, the encoder's output before quantising

        Raises
        ------
        CodecError
            If the sound is not mono or holds a sample that is not finite.
        """
        if np.ndim(samples) != 1:
            raise CodecError(f"sound to encode has shape {np.shape(samples)}, expected (n,) mono")
        step = self._chunk_frames * self.hop_length
        pieces = (samples[i : i + step] for i in range(0, len(samples), step))
        n_frames, done = self.n_frames(len(samples)), 0
        codes = np.empty((self.n_codebooks, n_frames), np.int16)
        latents = np.empty((n_frames, self.latent_dim), np.float16)
        for some_codes, some_latents in self.encode_pieces(pieces):
            stop = done + len(some_latents)
            codes[:, done:stop], latents[done:stop] = some_codes, some_latents
            done = stop
        return codes, latents

    def encode_pieces(
        self, pieces: Iterable[NDArray[np.floating]]
    ) -> Iterator[tuple[Codes, Latents]]:
        """Encode a stream that comes in pieces, in constant memory.

        All pieces but the last must hold whole codec frames. Yields (codes, latents) whose
        concatenation is what :meth:`encode` returns; lengths differ from the pieces'.
        """
        for latents in self.latent_pieces(pieces):
            yield self.quantise(latents), _as_half(latents)

    def latent_pieces(self, pieces: Iterable[NDArray[np.floating]]) -> Iterator[Samples]:
        """Latents (n, D) of a stream that comes in pieces, in the single precision they have."""
        with _inference():
            tensors = self._whole_frames(pieces)
            for latents in stream(self.model.encoder.layers, tensors):
                yield np.ascontiguousarray(latents.t().numpy())

    def _whole_frames(self, pieces: Iterable[NDArray[np.floating]]) -> Iterator[Any]:
        """Pieces as tensors of shape (1, n), the last padded to a whole frame."""
        import torch

        done = 0
        for piece in pieces:
            samples = np.asarray(piece, np.float32)
            bad = np.flatnonzero(~np.isfinite(samples))
            if len(bad):
                place = done + int(bad[0])
                raise CodecError(
                    f"sound to encode: sample {place} ({place / self.sample_rate_hz:.3f} s) is "
                    f"{samples[bad[0]]}, which is no sound: repair it, or set such samples to 0"
                )
            done += len(samples)
            padding = -len(samples) % self.hop_length
            yield torch.from_numpy(np.pad(samples, (0, padding)))[None]

    def quantise(self, latents: NDArray[np.floating]) -> Codes:
        """Codes of latents of shape (N, D): nearest code, residual after residual; (Q, N)."""
        import torch

        codes = np.empty((self.n_codebooks, len(latents)), np.int16)
        books = [layer.codebook.embed for layer in self.model.quantizer.layers[: self.n_codebooks]]
        with _inference():
            for start in range(0, len(latents), QUANTISED_AT_ONCE):
                part = slice(start, start + QUANTISED_AT_ONCE)
                residual = torch.from_numpy(np.array(latents[part], np.float32))
                for level, embed in enumerate(books):
                    # NumPy's search for the smallest is several times as fast as torch's.
                    index = _scores(residual, embed).numpy().argmin(1)
                    residual = residual - embed[torch.from_numpy(index)]
                    codes[level, part] = index
        return codes

    def dequantise(self, codes: NDArray[np.integer]) -> Samples:
        """Sum of the code vectors of codes of shape (Q', N), Q' <= Q; shape (N, D)."""
        import torch

        n_given = len(codes)
        if not 1 <= n_given <= self.n_codebooks:
            raise CodecError(
                f"{n_given} rows of codes, codec {self.name!r} runs {self.n_codebooks}"
            )
        if codes.size and not 0 <= codes.min() <= codes.max() < self.codebook_size:
            raise CodecError(
                f"codes from {codes.min()} to {codes.max()}, codebooks have 0 to "
                f"{self.codebook_size - 1}"
            )
        with _inference():
            total = torch.zeros(codes.shape[1], self.latent_dim)
            for level, row in enumerate(codes):
                embed = self.model.quantizer.layers[level].codebook.embed
                total += embed[torch.from_numpy(np.asarray(row, np.int64))]
        return total.numpy()

    def decode(
        self, codes_or_latents: NDArray[np.generic], n_samples: int | None = None
    ) -> Samples:
        """Sound of codes (integers, shape (Q', N), Q' <= Q) or latents (floats, shape (N, D)).

        Parameters
        ----------
        n_samples
            Length of the sound that was encoded: the padding of its last frame is cut off.
            None for whole frames.

        Returns
        -------
        array of shape (n_samples,) or (N * hop_length,), float32

        Raises
        ------
        CodecError
            If it is neither, or sound of `n_samples` has another number of frames.
        """
        given = np.asarray(codes_or_latents)
        if given.dtype.kind not in "iuf":
            raise CodecError(
                f"cannot decode {given.dtype}: give codes (integers, shape (Q, N)) or latents "
                "(floats, shape (N, D))"
            )
        is_latents = given.dtype.kind == "f"
        sound = self.decode_latents(given) if is_latents else self.decode_codes(given)
        if n_samples is not None and self.n_frames(n_samples) * self.hop_length != len(sound):
            raise CodecError(
                f"{len(sound) // self.hop_length} codec frames to decode, but sound of "
                f"{n_samples} samples has {self.n_frames(n_samples)} (hop {self.hop_length}): "
                "give the length of the sound that was encoded"
            )
        return sound[:n_samples]

    def decode_codes(self, codes: NDArray[np.integer]) -> Samples:
        """Sound of codes of shape (Q', N); the first few codebooks alone also decode.

        Returns
        -------
        array of shape (N * hop_length,), float32
        """
        return self.decode_latents(self.dequantise(codes))

    def decode_latents(self, latents: NDArray[np.floating], requantise: bool = False) -> Samples:
        """Sound of latents of shape (N, D).

        Parameters
        ----------
        requantise
            Go through the nearest codes first, as a transmission at the codec's bandwidth
            would.
        """
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise CodecError(
                f"latents to decode have shape {latents.shape}, codec {self.name!r} needs "
                f"(N, {self.latent_dim})"
            )
        if requantise:
            latents = self.dequantise(self.quantise(latents))
        step = self._chunk_frames
        pieces = (latents[i : i + step] for i in range(0, len(latents), step))
        parts = list(self.decode_pieces(pieces))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def decode_pieces(self, pieces: Iterable[NDArray[np.floating]]) -> Iterator[Samples]:
        """Decode latents that come in pieces (n, D), in constant memory."""
        import torch

        with _inference():
            tensors = (torch.from_numpy(np.array(p, np.float32)).t() for p in pieces)
            for samples in stream(self.model.decoder.layers, tensors):
                yield samples[0].numpy()


def nearest(vectors: Any, embed: Any) -> Any:
    """Index of the nearest code of `embed` (K, D) for each of `vectors` (N, D), tensors."""
    return _scores(vectors, embed).argmin(1)


def _scores(vectors: Any, embed: Any) -> Any:
    """Squared distances (N, K) less the vectors' own squares, in one pass over (N, K)."""
    import torch

    return torch.addmm(embed.square().sum(1), vectors, embed.t(), alpha=-2)


def _as_half(latents: NDArray[np.floating]) -> Latents:
    largest = np.finfo(np.float16).max
    return np.clip(latents, -largest, largest).astype(np.float16)


@contextmanager
def _inference() -> Iterator[None]:
    import torch

    with torch.no_grad():
        yield
