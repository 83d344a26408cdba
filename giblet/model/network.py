"""The thirteen layers: a stimulus goes in and comes out, with a brain in the middle.

Layer: 1 stimulus window; 2A video, 2B sound, 2C text; 3 pool; 4 features over TRs; 5 brain;
6 volume; 7 bottleneck; 8 volume; 9 brain, mirrored; 10 features; 11 unpool; 12A-C; 13 frames,
codec latents and codes, text. Between layer 5 and BOLD stands the HRF. Suffixes: B windows,
T TRs of a window, F frames, H rows, W columns, N codec frames, Q codebooks, K codes,
D latent, E text embedding, P features, V voxels, Z bottleneck.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from giblet.model.absent import AbsentAudio, AbsentEncoder, AbsentText, AbsentVideo
from giblet.model.across_trs import across_trs as over_trs
from giblet.model.audio import AudioDecoder, AudioEncoder
from giblet.model.brain import (
    Bottleneck,
    BrainLayer,
    ParcelDecoder,
    ParcelEncoder,
    VolumeDecoder,
    VolumeEncoder,
    VoxelMap,
)
from giblet.model.dropout import WindowDropout
from giblet.model.hrf import Delag, HrfOperator
from giblet.model.pool import Pool, Unpool
from giblet.model.stimulus import Decoded, Stimulus
from giblet.model.video import VideoDecoder, VideoEncoder
from giblet.model.widths import check_widths, layer_widths


class GibletNet(nn.Module):
    """Stimulus -> brain -> stimulus.

    Parameters
    ----------
    subjects
        Names of the subjects that have a part of their own.
    tr_s
        Repetition time, seconds, exact ("1.5").
    n_voxels, grid_shape
        Voxels (or parcels), and the cropped volume they lie in; an empty grid for parcels.
    frames, height, width, frames_out
        Frames of a TR in, their size, and frames of a TR out; 0 for a study without pictures.
    n_codebooks, codebook_size, latent_dim, n_mels, max_frames
        Sizes of the audio codec and spectrum, and codec frames of the longest TR; 0 for a study
        without sound.
    text_dim, video_embedding_dim
        Sizes of the text embedding (0 for a study without words) and of the video backbone's
        output (0: none).
    bottleneck
        Units of layer 7, fewer than in any other layer.
    video_width, audio_width, text_width
        Shares of the modalities in layers 4 and 10.
    video_channels, video_stride, video_grid, audio_channels, audio_basis
        See :mod:`giblet.model.video` and :mod:`giblet.model.audio`.
    within_tr
        How neighbouring frames of a TR are read together, see :mod:`giblet.model.within_tr`.
    across_trs, context_hidden, context_kernel_trs
        Layers 4 and 10, see :mod:`giblet.model.across_trs`.
    brain_rank, subject_rank
        Rank of the maps between features and voxels: shared (0: full) and per subject.
    volume_channels, parcel_width
        Channels of the strided convolutions of layer 6; its width for parcels.
    hrf, hrf_duration_s, hrf_groups, learn_delays, follow_trs
        The HRF, how many groups of voxels have a delay, whether it is trained, and the TRs
        that the inverse filter reads ahead.
    dropout
        Share dropped in layers 4, 5 (on its way to 6), 7 and 10 while training.

    Raises
    ------
    ModelError
        If layer 7 is not the narrowest, or a size is impossible.
    """

    def __init__(
        self,
        *,
        subjects: list[str],
        tr_s: str,
        n_voxels: int,
        grid_shape: list[int],
        frames: int,
        height: int,
        width: int,
        frames_out: int,
        n_codebooks: int,
        codebook_size: int,
        latent_dim: int,
        n_mels: int,
        max_frames: int,
        text_dim: int,
        video_embedding_dim: int = 0,
        bottleneck: int = 2048,
        video_width: int = 1280,
        audio_width: int = 768,
        text_width: int = 512,
        video_channels: int = 16,
        video_stride: int = 5,
        video_grid: list[int] | None = None,
        audio_channels: int = 48,
        audio_basis: int = 8,
        within_tr: str = "multiscale",
        across_trs: str = "conv",
        context_hidden: int = 256,
        context_kernel_trs: int = 3,
        brain_rank: int = 0,
        subject_rank: int = 16,
        volume_channels: list[int] | None = None,
        parcel_width: int = 4096,
        hrf: str = "glover",
        hrf_duration_s: float = 24.0,
        hrf_groups: int = 1,
        learn_delays: bool = True,
        follow_trs: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.subjects, self.frames, self.frames_out = list(subjects), frames, frames_out
        self.max_frames = max_frames
        rows, columns = video_grid or (9, 16)
        picture: dict[str, Any] = {
            "height": height,
            "width": width,
            "channels": video_channels,
            "stride": video_stride,
            "grid": (rows, columns),
        }
        codec: dict[str, Any] = {
            "n_codebooks": n_codebooks,
            "codebook_size": codebook_size,
            "latent_dim": latent_dim,
            "max_frames": max_frames,
            "channels": audio_channels,
            "within_tr": within_tr,
        }
        # 2A, 2B, 2C
        self.video_in = (
            VideoEncoder(frames=frames, within_tr=within_tr, **picture)
            if frames
            else AbsentEncoder()
        )
        self.audio_in = AudioEncoder(n_mels=n_mels, **codec) if max_frames else AbsentEncoder()
        self.text_in = nn.Linear(text_dim, text_dim) if text_dim else AbsentEncoder()
        # 3, 4
        n_in = (
            self.video_in.n_features + video_embedding_dim,
            self.audio_in.n_features,
            text_dim + 1 if text_dim else 0,
        )
        shares = zip((video_width, audio_width, text_width), n_in, strict=True)
        widths = tuple(width if n else 0 for width, n in shares)
        features = sum(widths)
        around: dict[str, Any] = {
            "hidden": context_hidden, "kernel_trs": context_kernel_trs, "dropout": dropout
        }  # fmt: skip
        self.pool = Pool(n_in, widths)
        self.context_in = over_trs(across_trs, features, causal=True, **around)
        # 5
        self.brain = BrainLayer(
            features, n_voxels, len(subjects), rank=brain_rank, subject_rank=subject_rank
        )
        self.hrf = HrfOperator(
            kind=hrf, tr_s=tr_s, duration_s=hrf_duration_s, n_voxels=n_voxels,
            n_groups=hrf_groups, learn=learn_delays,
        )  # fmt: skip
        self.delag = Delag(n_follow=follow_trs, n_voxels=n_voxels, n_groups=hrf_groups)
        self.voxel_dropout = WindowDropout(dropout)
        self.gain = nn.Parameter(torch.ones(n_voxels))  # [V]: how far layer 6 trusts a voxel
        self.own_gain = nn.Parameter(torch.zeros(len(subjects), n_voxels))  # [S, V]
        # 6, 7, 8, 9
        self.volume_in: VolumeEncoder | ParcelEncoder
        self.volume_out: VolumeDecoder | ParcelDecoder
        if grid_shape:
            channels = tuple(volume_channels or (8, 24))
            self.volume_in = VolumeEncoder(tuple(grid_shape), channels, n_voxels)
            self.volume_out = VolumeDecoder(tuple(grid_shape), channels, n_voxels)
            self.volume_out.mirror(self.volume_in)
        else:
            self.volume_in = ParcelEncoder(n_voxels, parcel_width)
            self.volume_out = ParcelDecoder(n_voxels, parcel_width)
            self.volume_out.mirror(self.volume_in)
        self.bottleneck = Bottleneck(self.volume_in.width, bottleneck, dropout)
        # 10, 11
        self.brain_out = VoxelMap(n_voxels, features, brain_rank)
        self.context_out = over_trs(across_trs, features, causal=False, **around)
        self.unpool = Unpool(n_in, widths)
        self.unpool.mirror(self.pool)
        # 12A, 12B, 12C and 13
        self.video_out = VideoDecoder(frames_out=frames_out, **picture) if frames else AbsentVideo()
        heads: dict[str, Any] = {"n_features": self.audio_in.n_features, "n_basis": audio_basis}
        self.audio_out = AudioDecoder(**heads, **codec) if max_frames else AbsentAudio()
        self.text_out = nn.Linear(text_dim, text_dim) if text_dim else AbsentText()
        for identity in (self.text_in, self.text_out):
            if isinstance(identity, nn.Linear):
                nn.init.eye_(identity.weight)
                nn.init.zeros_(identity.bias)
        self.sizes = (text_dim, n_voxels, features, bottleneck, height * width * 3)
        check_widths(self.layer_widths())

    # -- stimulus to brain -------------------------------------------------------------------

    def raw_features(self, stimulus: Stimulus) -> list[Tensor]:
        """Layers 1 and 2: features [B, T, I] of video, audio and text, in their own units.

        Zero of what the stimulus lacks, none of what the network does not know.
        """
        made = (self._video_features, self._audio_features, self._text_features)
        return [
            find(stimulus) if n and there else stimulus.text.new_zeros(*stimulus.valid.shape, n)
            for find, n, there in zip(made, self.pool.n_in, stimulus.has, strict=True)
        ]

    def _video_features(self, stimulus: Stimulus) -> Tensor:
        video: Tensor = self.video_in(stimulus.video)
        if stimulus.video_embedding.shape[-1]:
            video = torch.cat([video, stimulus.video_embedding], dim=2)
        return video

    def _audio_features(self, stimulus: Stimulus) -> Tensor:
        found: Tensor = self.audio_in(
            stimulus.codes, stimulus.latents, stimulus.log_mel, stimulus.audio_mask
        )
        return found

    def _text_features(self, stimulus: Stimulus) -> Tensor:
        said = stimulus.text_valid[..., None].to(stimulus.text.dtype)  # [B, T, 1]
        return torch.cat([self.text_in(stimulus.text) * said, said], dim=2)  # [B, T, E + 1]

    def features(self, stimulus: Stimulus, keep: Tensor | None = None) -> Tensor:
        """Layer 4: features [B, T, P].

        Parameters
        ----------
        keep : bool [B, 3], optional
            Modalities (video, audio, text) that the network may see; all by default.
        """
        has = torch.tensor(stimulus.has, device=stimulus.valid.device)  # [3]
        present = stimulus.valid[..., None] & has  # [B, T, 3]
        if keep is not None:
            present = present & keep[:, None, :]
        return self.context_in(self.pool(self.raw_features(stimulus), present))

    def subject_index(self, subject: str | int | None) -> int | None:
        """Number of a subject; None, the shared map, for one that training did not see."""
        if subject is None or isinstance(subject, int):
            return subject
        return self.subjects.index(subject) if subject in self.subjects else None

    def drive(self, z_BTP: Tensor, subject: str | int | None = None) -> Tensor:
        """Layer 5 from layer 4: neural drive [B, T, V]."""
        return self.brain(z_BTP, self.subject_index(subject))

    def encode(self, stimulus: Stimulus, subject: str | int | None = None) -> Tensor:
        """Layers 1 to 5: neural drive [B, T, V]."""
        return self.drive(self.features(stimulus), subject)

    def bold(self, drive_BTV: Tensor, n_out: int | None = None) -> Tensor:
        """BOLD of the last `n_out` TRs, [B, n_out, V]; causal, starting from rest."""
        return self.hrf(drive_BTV.float(), n_out)

    # -- brain to stimulus -------------------------------------------------------------------

    def from_bold(
        self, bold_BTV: Tensor, subject: str | int | None = None, n_out: int | None = None
    ) -> Tensor:
        """Measured BOLD in the place of layer 5: drive [B, n_out, V] of the first TRs."""
        drive = self.delag(bold_BTV, n_out)
        number = self.subject_index(subject)
        return drive if number is None else drive * (1 + self.own_gain[number])

    def middle(self, drive_BTV: Tensor) -> tuple[Tensor, Tensor]:
        """Layers 6 to 9: bottleneck [B, T, Z] and mirrored brain layer [B, T, V]."""
        b, t = drive_BTV.shape[:2]
        trusted = self.voxel_dropout(drive_BTV * self.gain)
        x = self.volume_in(trusted.flatten(0, 1)).unflatten(0, (b, t))  # [B, T, width of 6]
        code, x = self.bottleneck(x)
        mirrored = self.volume_out(x.flatten(0, 1)).unflatten(0, (b, t))  # [B, T, V]
        return code, mirrored

    def decode(
        self,
        drive_BTV: Tensor,
        code_frames: Tensor | None = None,
        n_frames_BT: Tensor | None = None,
    ) -> Decoded:
        """Layers 6 to 13 from layer 5.

        Parameters
        ----------
        code_frames : int64 [n], optional
            Codec frames within a TR to make code logits for; all by default.
        n_frames_BT : int64 [B, T], optional
            Codec frames of each TR (56 or 57); by default as many as the longest has.
        """
        _, mirrored = self.middle(drive_BTV)
        z = self.context_out(self.brain_out(mirrored))  # [B, T, P]
        video, audio, text = self.unpool(z)
        latents, logits = self.audio_out(audio, code_frames, n_frames_BT)
        n_video = self.video_in.n_features
        return Decoded(
            video=self.video_out(video[..., :n_video]),
            latents=latents,
            code_logits=logits,
            text=self.text_out(text[..., :-1]),
        )

    # -- sizes -------------------------------------------------------------------------------

    @property
    def context_trs(self) -> int:
        """TRs before a TR that its predicted BOLD depends on."""
        return self.hrf.n_lags - 1 + self.context_in.around[0]

    def layer_widths(self) -> dict[str, int]:
        """Total number of units of each layer for one TR."""
        return layer_widths(self)
