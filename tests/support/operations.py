"""Which of torch's operations a piece of code runs, its gradients included."""

from __future__ import annotations

import re
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# What a GPU does in another order each time and `torch.use_deterministic_algorithms` refuses, by
# its documentation in torch 2.13. Not here: linear and bilinear interpolation, which
# `torch.nn.functional.interpolate` does another way on a GPU when asked to be deterministic.
UNDETERMINED = re.compile(
    r"aten\.(_?adaptive_avg_pool[23]d_backward|_?adaptive_max_pool2d_backward|avg_pool3d_backward"
    r"|fractional_max_pool[23]d_backward|max_unpool[123]d|reflection_pad[123]d_backward"
    r"|nll_loss2d_forward|_ctc_loss_backward|put_|histc|grid_sampler_[23]d_backward|cumsum"
    r"|median\.dim|upsample_bicubic2d_backward|upsample_trilinear3d_backward)$"
)


class Operations(TorchDispatchMode):
    """Remembers the names of all operations, as ``aten.convolution``."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(func.overloadpacket))
        return func(*args, **(kwargs or {}))

    def undetermined(self) -> set[str]:
        """Those that a GPU does in another order each time."""
        return {name for name in self.names if UNDETERMINED.match(name)}
