"""Synthesised speech: text to samples, offline, through eSpeak NG.

The library and its voices come with the pip package ``espeakng-loader`` and are called
through ctypes. It is a formant synthesiser: plain but intelligible, the same on every
machine, and its rate, pitch and voice can be set, which is what simulated narration and the
training of the audio codec need.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError, MissingExtraError

SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
UTF8 = 1
RATE, VOLUME, PITCH = 1, 2, 3
RATE_RANGE_WPM = (80, 450)
LONGEST_DATA_PATH = 150
VOICES = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbclan")
VARIANTS = ("", "+m1", "+m3", "+m5", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5")

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_LOCK = threading.Lock()


def synthesise(
    text: str, voice: str = "en", rate_wpm: int = 165, pitch: int = 50
) -> tuple[NDArray[np.float32], int]:
    """Speak a text.

    Parameters
    ----------
    text
        What to say; English unless `voice` is of another language.
    voice
        An eSpeak NG voice, with a variant if wanted: ``en``, ``en-us+f3``. See `VOICES`
        and `VARIANTS` for those the project uses.
    rate_wpm
        Words a minute, 80 to 450.
    pitch
        0 (low) to 100 (high); 50 is the voice's own.

    Returns
    -------
    samples : array of shape (n_samples,), float32 in [-1, 1), mono; empty for empty text
    sample_rate_hz : int, 22050 with the packaged voices

    Raises
    ------
    ConfigError
        If the voice is unknown, or rate or pitch are out of range.
    MissingExtraError
        If the synthesiser is not installed or cannot start.
    """
    low, high = RATE_RANGE_WPM
    if not low <= rate_wpm <= high:
        raise ConfigError(f"speech rate is {rate_wpm} words a minute: use {low} to {high}")
    if not 0 <= pitch <= 100:
        raise ConfigError(f"speech pitch is {pitch}: use 0 to 100")
    # The library keeps its voice, and the phase of its flutter, for the whole process.
    with _LOCK, _library() as (library, sample_rate_hz):
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ConfigError(
                f"speech voice {voice!r} is not one of eSpeak NG's: use for example "
                f"{', '.join(VOICES)}, with a variant such as +f3 if wanted"
            )
        for parameter, value in ((RATE, rate_wpm), (PITCH, pitch), (VOLUME, 100)):
            library.espeak_SetParameter(parameter, int(value), 0)
        return _speak(library, text), sample_rate_hz


def _speak(library: ctypes.CDLL, text: str) -> NDArray[np.float32]:
    """Samples of a text with the voice as it is set."""
    pieces: list[NDArray[np.int16]] = []

    def collect(wave: ctypes._Pointer[ctypes.c_short], n_samples: int, _events: int) -> int:
        if wave and n_samples > 0:
            pieces.append(np.ctypeslib.as_array(wave, shape=(n_samples,)).copy())
        return 0

    callback = _CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode("utf-8")
    # Breathy variants (+f2, +f3, +f5) take their noise from the C library's generator.
    library.srand(1)
    status = library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, UTF8, None, None)
    library.espeak_Synchronize()
    if status != 0:
        raise MissingExtraError(
            f"the speech synthesiser gave up with status {status} on {text[:40]!r}: "
            "reinstall the package espeakng-loader"
        )
    if not text.strip() or not pieces:
        return np.zeros(0, dtype=np.float32)
    return np.concatenate(pieces).astype(np.float32) / np.float32(32768)


@contextmanager
def _library() -> Iterator[tuple[ctypes.CDLL, int]]:
    """The synthesiser, freshly loaded, and its sample rate in Hz.

    It is unloaded again after each text (4 ms in all): the flutter of its voice runs on from
    one text to the next, so that otherwise the samples would depend on what was said before.
    """
    import _ctypes

    try:
        import espeakng_loader

        data = str(espeakng_loader.get_data_path())
        library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingExtraError(
            f"no speech synthesiser ({error}): pip install espeakng-loader"
        ) from error
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
    library.espeak_SetSynthCallback.restype = None
    rate = int(library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), DO_NOT_EXIT))
    if rate <= 0:
        raise MissingExtraError(
            f"the speech synthesiser cannot read its voices in {data} "
            f"(it takes paths up to about {LONGEST_DATA_PATH} characters): "
            "install the environment in a folder with a shorter path"
        )
    # Breathy voices are made with random numbers, otherwise seeded by the clock.
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    try:
        yield library, rate
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)
