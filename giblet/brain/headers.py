"""What an image's header may say, and what cannot be.

nibabel repairs some impossible values without a word (a voxel size of 0 becomes 1 mm), and
takes others as they are. Here the header is looked at as it stands in the file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.errors import BrainError

# Spatial units of NIfTI's xyzt_units, and millimetres in one.
METRE, MICROMETRE = 1, 3
MM = {METRE: ("metres", 1e3), MICROMETRE: ("micrometres", 1e-3)}
# Edges of voxels, from layers of a mouse's cortex to a whole lobe.
VOXEL_MM = (0.01, 100.0)
# A head that lies further than this from the origin lies nowhere.
FURTHEST_MM = 1e4
# Codes of sform and qform: unknown, scanner, aligned, Talairach, MNI152, other template.
CODES = range(6)
OWN_SPACE = (1, 2)
# The two say the same when no corner of the grid moves further.
SAME_PLACE_MM = 1.0
# What can be held in memory many times over; 0.1 mm voxels of a whole head are 5e9.
MOST_VOXELS = 2**29
NOWHERE = (
    "the header does not say where the image lies ({}), so left and right are a guess: convert "
    "it again with its orientation, or set sform and qform"
)

Affine = NDArray[np.float64]


def require_possible(file: str, raw: Any) -> None:
    """Refuse a NIfTI or Analyze header that holds values no image can have.

    Parameters
    ----------
    raw : the header as it stands in the file (nibabel, unchecked)

    Raises
    ------
    BrainError
        With the field and its value.
    """
    from nibabel.nifti1 import data_type_codes

    dims = [int(n) for n in raw["dim"]]
    if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1:
        shape = " x ".join(str(n) for n in dims[1 : max(1, min(dims[0], 7)) + 1])
        raise _impossible(file, f"{dims[0]} axes of length {shape}")
    code, bits = int(raw["datatype"]), int(raw["bitpix"])
    known = code in data_type_codes.dtype
    kind: Any = data_type_codes.dtype[code] if known else None
    size = 8 * np.dtype(kind).itemsize if known else 0
    if size and bits not in (0, size):
        raise _impossible(file, f"numbers of {bits} bits (bitpix) and of {size} (datatype {code})")
    if "scl_slope" in raw and np.isinf(raw["scl_slope"]):
        raise _impossible(file, f"a scl_slope of {raw['scl_slope']}")
    offset = float(raw["vox_offset"])
    if not np.isfinite(offset) or offset < 0 or offset != int(offset):
        raise _impossible(file, f"a vox_offset of {offset:g}")
    if "sform_code" in raw:
        _require_possible_place(file, raw)


def _require_possible_place(file: str, raw: Any) -> None:
    sform, qform = int(raw["sform_code"]), int(raw["qform_code"])
    if sform not in CODES:
        raise _impossible(file, f"an sform_code of {sform}")
    if sform > 0:
        return
    if qform not in CODES:
        raise _impossible(file, f"a qform_code of {qform}")
    # The qform, or the bare size of the voxels, says where the image lies.
    sizes = np.asarray(raw["pixdim"][1:4], dtype=float)
    # Axes of length 1 have no size in some files of single slices.
    if not np.isfinite(sizes).all() or (sizes <= 0).any():
        raise _impossible(file, f"voxels of {' x '.join(f'{size:g}' for size in sizes)} mm")
    if qform > 0 and abs(float(raw["pixdim"][0])) not in (0.0, 1.0):
        raise _impossible(file, f"a qfac (pixdim[0]) of {float(raw['pixdim'][0]):g}")


def affine_in_mm(file: str, affine: Affine, unit: int) -> tuple[Affine, list[str]]:
    """An affine in millimetres, whatever unit the header is in.

    Parameters
    ----------
    unit : the spatial part of xyzt_units

    Returns
    -------
    affine : array of shape (4, 4)
    notes : what is to be said of it

    Raises
    ------
    BrainError
        If no image can lie like that.
    """
    affine = np.asarray(affine, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise _impossible(file, "an affine that is not finite")
    notes = []
    if unit in MM:
        name, mm = MM[unit]
        if _plausible(affine * mm):
            affine = affine * [[mm], [mm], [mm], [1]]
        elif _plausible(affine):
            text = " x ".join(f"{size:g}" for size in voxel_sizes(affine))
            notes.append(
                f"the header says voxels of {text} {name}; taken as millimetres: correct its "
                "xyzt_units"
            )
    sizes = voxel_sizes(affine)
    text = " x ".join(f"{size:g}" for size in sizes)
    if not _plausible(affine):
        raise _impossible(file, f"voxels of {text} mm")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-3 * np.prod(sizes):
        raise _impossible(file, "an affine whose axes lie in one plane")
    if np.abs(affine[:3, 3]).max() > FURTHEST_MM:
        where = ", ".join(f"{value:g}" for value in affine[:3, 3])
        raise _impossible(file, f"an origin at ({where}) mm")
    return affine, notes


def voxel_sizes(affine: Affine) -> NDArray[np.float64]:
    """Edges of a voxel: array of shape (3,)."""
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0), dtype=np.float64)


def _plausible(affine: Affine) -> bool:
    low, high = VOXEL_MM
    return bool(((voxel_sizes(affine) >= low) & (voxel_sizes(affine) <= high)).all())


def place_notes(header: Any, shape: tuple[int, ...]) -> list[str]:
    """What is to be said of where a header puts the image: nowhere, or at two places."""
    codes = int(header["sform_code"]), int(header["qform_code"])
    if codes == (0, 0):
        return [NOWHERE.format("sform_code and qform_code are 0")]
    # Scanner and template space may well differ; two of one kind may not.
    if 0 in codes or (codes[0] in OWN_SPACE) != (codes[1] in OWN_SPACE):
        return []
    try:
        sform, qform = header.get_sform(), header.get_qform()
    except Exception:  # the one that is not used may be anything
        return []
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape[:3]])).reshape(3, -1)
    apart = np.linalg.norm((sform - qform)[:3, :3] @ corners + (sform - qform)[:3, 3:], axis=0)
    if not apart.max() > max(SAME_PLACE_MM, 0.5 * voxel_sizes(sform).min()):
        return []
    return [
        f"sform and qform disagree by {apart.max():.3g} mm; the sform is used: set both alike if "
        "another program is to see the image at the same place"
    ]


def require_room(
    file: str, shape: tuple[int, ...], item_bytes: int, offset: int, capacity: int | None
) -> None:
    """Refuse a header that announces more data than the file can hold.

    Parameters
    ----------
    shape : x, y, z and, if there are several, volumes
    offset : where the data start in the (unpacked) file
    capacity : bytes that the (unpacked) file can have at most; None if that is not known

    Raises
    ------
    BrainError
    """
    n_voxels = math.prod(shape[:3])
    n_volumes = int(shape[3]) if len(shape) > 3 else 1
    if n_voxels > MOST_VOXELS:
        size = " x ".join(str(n) for n in shape[:3])
        raise BrainError(
            f"{file}: the header announces volumes of {size} voxels, more than giblet reads "
            f"({MOST_VOXELS:,}): the header is damaged; export the image again"
        )
    volume = n_voxels * item_bytes
    if capacity is None or offset + volume * n_volumes <= capacity:
        return
    whole = max(0, capacity - offset) // max(1, volume)
    raise cut_short(
        file,
        min(whole + 1, n_volumes),
        n_volumes,
        f"it needs {offset + volume * n_volumes:,} bytes, the file has room for {capacity:,}",
    )


def cut_short(file: str, before: int, n_volumes: int, why: str) -> BrainError:
    """The error of data that end too early, for all readers of images."""
    return BrainError(
        f"{file}: the data end or break before volume {before} of the {n_volumes} that the header "
        f"announces ({why}): the file is cut short; copy it again"
    )


def _impossible(file: str, what: str) -> BrainError:
    return BrainError(
        f"{file}: the header says {what}, which cannot be: the header is damaged; export the "
        "image again"
    )
