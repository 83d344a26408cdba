"""Colours of high dynamic range and of wide gamut, as a standard display shows them.

Pictures come out as BT.709 colours with the display gamma of BT.1886, whatever they were
graded for. Of a brighter grading, light up to three quarters of its reference white (203 cd/m²,
ITU-R BT.2408) is kept as it is and the rest, up to 1000 cd/m², rolls off to white.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Numbers of ITU-T H.273.
PQ, HLG = 16, 18
HDR = {PQ: "PQ", HLG: "HLG"}
BT2020, P3_THEATRE, P3_DISPLAY = 9, 11, 12

WHITE_CD_M2 = 203.0
PEAK_CD_M2 = 1000.0
KNEE = 0.75
GAMMA = 2.4
HLG_GAMMA = 1.2
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])

# Linear RGB to linear BT.709 RGB (ITU-R BT.2087; SMPTE EG 432-1 with the white of D65).
TO_BT709 = {
    BT2020: np.array(
        [
            [1.660491, -0.587641, -0.072850],
            [-0.124550, 1.132900, -0.008349],
            [-0.018151, -0.100579, 1.118730],
        ]
    ),
    P3_DISPLAY: np.array(
        [
            [1.224940, -0.224940, 0.0],
            [-0.042057, 1.042057, 0.0],
            [-0.019638, -0.078636, 1.098274],
        ]
    ),
}
TO_BT709[P3_THEATRE] = TO_BT709[P3_DISPLAY]


def needs_mapping(transfer: int, primaries: int) -> bool:
    """Whether colours would look wrong if taken for BT.709."""
    return transfer in HDR or primaries in TO_BT709


def as_bt709(picture: NDArray[np.uint16], transfer: int, primaries: int) -> NDArray[np.uint8]:
    """Pictures in another colour space as 8-bit BT.709.

    Parameters
    ----------
    picture : uint16 (H, W, 3), R'G'B' of the grading, 0 to 65535
    transfer, primaries : by the numbers of ITU-T H.273
    """
    signal = picture / np.float64(65535)
    light = _light(signal, transfer)
    matrix = TO_BT709.get(primaries if transfer not in HDR else BT2020)
    if matrix is not None:
        light = np.maximum(light @ matrix.T, 0)
    if transfer in HDR:
        light = rolled_off(light)
    shown = np.clip(light, 0, 1) ** (1 / GAMMA)
    return np.rint(shown * 255).astype(np.uint8)


def _light(signal: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Linear light, 1 at the reference white."""
    if transfer == PQ:
        return pq_light(signal) / WHITE_CD_M2
    if transfer == HLG:
        return hlg_light(signal) / WHITE_CD_M2
    return np.asarray(signal**GAMMA)


def pq_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light in cd/m² of a PQ signal (SMPTE ST 2084)."""
    power = np.maximum(signal, 0) ** (1 / 78.84375)
    ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return np.asarray(10000 * ratio ** (1 / 0.1593017578125))


def hlg_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light in cd/m² of an HLG signal on a display of 1000 cd/m² (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum(scene @ LUMA_2020, 1e-6)[..., None]
    return np.asarray(PEAK_CD_M2 * luma ** (HLG_GAMMA - 1) * scene)


def rolled_off(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light with all above `KNEE` bent to reach 1 at the peak, hues kept."""
    brightest = light.max(axis=-1, keepdims=True)
    reach = PEAK_CD_M2 / WHITE_CD_M2 - KNEE
    above = np.clip(brightest - KNEE, 0, reach)
    # x (1 + x / reach²) / (1 + x): slope 1 at the knee, in units of the room above it.
    room = 1 - KNEE
    x, top = above / room, reach / room
    bent = KNEE + room * x * (1 + x / top**2) / (1 + x)
    factor = np.where(brightest > KNEE, bent / np.maximum(brightest, KNEE), 1)
    return np.asarray(light * factor)
