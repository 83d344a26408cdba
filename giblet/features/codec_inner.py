"""The part of a codec that is trained, in a form that trains well and quickly.

Two changes that leave what the codec computes as it is:

*Without the outermost layers.* At the sound's own rate a layer costs most and, after
:mod:`giblet.features.codec_lapped`, does least: it hands the samples on. So training runs the
first strided convolution on the samples, and the last one makes them; :meth:`Inner.exported`
puts the layers around them again.

*Centred.* Activations stand on offsets, and a step that moves many weights of a layer alike
moves its output by the sum of the offsets. So each layer's input is taken relative to its mean
on some examples (LeCun et al. 1998, section 4.3), and the biases make up for it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from giblet.features.codec_lapped import OFFSET, set_convolution

# Samples of full scale 1 are small beside activations.
SAMPLE_SCALE = 8.0
# Side paths begin near zero and have to be able to grow.
SMALLEST_SCALE = 0.1
# Largest spread, as a share of its mean, of an input that counts as constant.
CONSTANT = 0.1
# Largest difference to the whole network for which the outer layers count as handing on.
SAME = 0.05


class Inner:
    """A view of an ``EncodecModel`` for training.

    `encoder`, `decoder` and `quantizer` take and give what the model's do, but for the scale
    of the samples: see :meth:`encode` and :meth:`decode`.

    Parameters
    ----------
    model
        Trained in place, except for its outermost layers and biases: use :meth:`exported`.
    samples
        Examples of shape (B, 1, n) on which means are taken.
    """

    def __init__(self, model: Any, samples: Tensor) -> None:
        self.model = model
        self.quantizer = model.quantizer
        short = _shortened(model)
        self.is_short = _hands_on(model, short, samples[:4])
        self._scale = SAMPLE_SCALE if self.is_short else 1.0
        layers = short if self.is_short else (model.encoder.layers, model.decoder.layers)
        self.encoder, self.decoder = (nn.Sequential(*part) for part in layers)
        self._held: list[tuple[nn.Parameter, Any]] = []
        self._centre(samples)

    def to(self, device: torch.device) -> None:
        """Move everything to a device, parameters in place."""
        for part in (self.model, self.encoder, self.decoder):
            part.to(device)

    def encode(self, samples: Tensor) -> Tensor:
        """Latents (B, D, N) of samples (B, 1, n)."""
        return self.encoder(self._scale * samples)

    def decode(self, latents: Tensor) -> Tensor:
        """Samples (B, 1, n) of latents (B, D, N)."""
        return self.decoder(latents)

    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters with the `scale` of their learning rate.

        Adam's steps are as large as the learning rate whatever the parameter's size. Gains of
        the weight norms differ in size by thousands, so theirs are scaled to it, and the last
        bias, an offset of the sound, is small.
        """
        groups = []
        named = [*self.encoder.named_parameters("encoder"), *self.decoder.named_parameters("")]
        last_bias = [name for name, _ in named if name.endswith("conv.bias")][-1]
        for name, parameter in named:
            scale = 1.0
            if name.endswith("weight.original0"):
                scale = min(1.0, max(SMALLEST_SCALE, float(parameter.detach().abs().mean())))
            elif name == last_bias:
                scale = 0.01
            groups.append({"params": [parameter], "scale": scale})
        return groups

    @torch.no_grad()
    def hold(self) -> None:
        """Take the constant channels out of the gradients."""
        for parameter, place in self._held:
            if parameter.grad is not None:
                parameter.grad[place] = 0

    @torch.no_grad()
    def exported(self) -> Any:
        """The whole model as trained so far; a copy."""
        whole = copy.deepcopy(self.model)
        ends = copy.deepcopy((self.encoder[0].conv, self.decoder[-1].conv))
        for module in [*whole.modules(), *ends]:
            if hasattr(module, "centre"):
                _shift_bias(module, -module.centre)
                module._forward_pre_hooks.clear()
                del module.centre
        if self.is_short:
            _put_back(whole, *ends)
        return whole

    @torch.no_grad()
    def _centre(self, samples: Tensor) -> None:
        """Take off each layer's mean input, without changing what it gives."""
        kinds = nn.Conv1d | nn.ConvTranspose1d | nn.LSTM
        modules: list[Any] = [
            m for p in (self.encoder, self.decoder) for m in p.modules() if isinstance(m, kinds)
        ]
        hooks = [module.register_forward_pre_hook(_keep_mean) for module in modules]
        self.decode(self.encode(samples))
        for hook in hooks:
            hook.remove()
        for module in modules:
            if _is_transposed(module):
                module.constant = _constant_input(module)
                if module.constant is None:
                    del module.centre
                    continue
                module.centre[module.constant[0]] = 0
                self._held += _made_constant(list(self.decoder), module, *module.constant)
            _shift_bias(module, module.centre)
            module.register_forward_pre_hook(_take_off_mean)


@torch.no_grad()
def _hands_on(model: Any, short: tuple[list[Any], list[Any]], samples: Tensor) -> bool:
    """Whether the outermost layers only hand the samples on, on examples (B, 1, n)."""
    inner = nn.Sequential(*short[0], *short[1])(SAMPLE_SCALE * samples)
    whole = model.decoder(model.encoder(samples))
    return bool((inner - whole).std() < SAME * whole.std())


def _shortened(model: Any) -> tuple[list[nn.Module], list[nn.Module]]:
    """Layers without those at the sound's own rate; the two new ones are copies."""
    from transformers.models.encodec.modeling_encodec import EncodecConv1d, EncodecConvTranspose1d

    encoder, decoder = list(model.encoder.layers), list(model.decoder.layers)
    enter, leave = _ends(model)
    wide, high = encoder[enter].conv, decoder[leave].conv
    taps, stride = wide.kernel_size[0], wide.stride[0]
    first = EncodecConv1d(model.config, 1, wide.out_channels, taps, stride=stride)
    last = EncodecConvTranspose1d(model.config, high.in_channels, 1, taps, stride=stride)
    gain, back = _gains(model)
    with torch.no_grad():
        weight = wide.weight[:, :1]  # (out, 1, taps)
        set_convolution(
            first.conv, weight * gain / SAMPLE_SCALE, wide.bias + OFFSET * weight.sum((1, 2))
        )
        set_convolution(last.conv, high.weight[:, :1] * back, (high.bias[:1] - OFFSET) * back)
    return [first, *encoder[enter + 1 :]], [*decoder[:leave], last]


def _ends(model: Any) -> tuple[int, int]:
    """Places of the first strided layer of the encoder and of the last one of the decoder."""
    encoder, decoder = (
        [type(m).__name__ for m in p.layers] for p in (model.encoder, model.decoder)
    )
    enter = encoder.index("EncodecConv1d", 1)
    return enter, len(decoder) - 1 - decoder[::-1].index("EncodecConvTranspose1d")


def _gains(model: Any) -> tuple[float, float]:
    """Gain of channel 0 where the samples come in, and back where they go out."""
    first, last = model.encoder.layers[0].conv, model.decoder.layers[-1].conv
    middle = first.kernel_size[0] // 2
    with torch.no_grad():
        return float(first.weight[0, 0, middle]), float(last.weight[0, 0, middle])


def _put_back(whole: Any, first: Any, last: Any) -> None:
    """Weights of the shortened ends into channel 0 of the whole model's layers."""
    enter, leave = _ends(whole)
    wide, high = whole.encoder.layers[enter].conv, whole.decoder.layers[leave].conv
    gain, back = _gains(whole)
    weight = torch.zeros_like(wide.weight)
    weight[:, :1] = first.weight * SAMPLE_SCALE / gain
    set_convolution(wide, weight, first.bias - OFFSET * weight.sum((1, 2)))
    weight = torch.zeros_like(high.weight)
    weight[:, :1] = last.weight / back
    bias = torch.zeros_like(high.bias)
    bias[:1] = last.bias / back + OFFSET
    set_convolution(high, weight, bias)


def _keep_mean(module: nn.Module, inputs: Any) -> None:
    axes = (0, 1) if isinstance(module, nn.LSTM) else (0, 2)
    module.register_buffer("centre", inputs[0].mean(axes), persistent=False)
    module.register_buffer("spread", inputs[0].std(axes), persistent=False)


def _take_off_mean(module: Any, inputs: Any) -> Any:
    centre = module.centre if isinstance(module, nn.LSTM) else module.centre[:, None]
    return (inputs[0] - centre, *inputs[1:])


def _is_transposed(module: Any) -> bool:
    return isinstance(module, nn.ConvTranspose1d)


def _constant_input(module: Any) -> tuple[int, float] | None:
    """Input that hardly varies, and its value; None if there is none."""
    relative = module.spread / module.centre.abs().clamp(min=1e-6)
    place = int(relative.argmin())
    return (place, float(module.centre[place])) if relative[place] < CONSTANT else None


def _made_constant(
    layers: list[Any], reader: Any, channel: int, value: float
) -> list[tuple[nn.Parameter, Any]]:
    """Let nothing move the constant channel that a layer reads.

    Returns
    -------
    What the channel is made by: parameters, and the places in them.
    """
    held: list[tuple[nn.Parameter, Any]] = []
    at = next(k for k, layer in enumerate(layers) if getattr(layer, "conv", None) is reader)
    for layer in reversed(layers[:at]):
        kind = type(layer).__name__
        if kind == "EncodecLSTM":
            size = layer.lstm.hidden_size
            for name, parameter in layer.lstm.named_parameters():
                # Without input to the cell there is no output.
                if name.endswith(f"l{layer.lstm.num_layers - 1}"):
                    parameter[2 * size + channel] = 0
                    held.append((parameter, 2 * size + channel))
        elif kind != "ELU":
            last = kind != "EncodecResnetBlock"
            conv = layer.conv if last else layer.block[-1].conv
            held += _made_silent(conv, channel, value if last else 0.0)
            if last:
                break
    return held


def _made_silent(conv: Any, channel: int, bias: float) -> list[tuple[nn.Parameter, Any]]:
    """Let an output of a convolution be its bias; the places of its parameters."""
    # Weight normalisation is per output, or per input of a transposed convolution.
    transposed = isinstance(conv, nn.ConvTranspose1d)
    place = (slice(None), channel) if transposed else channel
    weight, biases = conv.weight.clone(), conv.bias.clone()
    weight[place] = 0
    biases[channel] = bias
    set_convolution(conv, weight, biases)
    normalised = conv.parametrizations.weight
    held = [(normalised.original1, place), (conv.bias, channel)]
    return held if transposed else [*held, (normalised.original0, channel)]


def _shift_bias(module: Any, shift: Tensor) -> None:
    """Make up in a layer for inputs that are to be given without a `shift` they had."""
    if hasattr(module, "weight_ih_l0"):
        module.bias_ih_l0 += module.weight_ih_l0 @ shift
    elif _is_transposed(module):
        # The places within a stride, and the ends of a stream, see other taps but share the
        # bias: a constant input makes up for each tap on its own.
        weight = module.weight.clone()  # (in, out, taps)
        constant, value = module.constant
        weight[constant] += torch.einsum("iok,i->ok", weight, shift) / value
        set_convolution(module, weight, module.bias.clone())
    else:
        module.bias += torch.einsum("oik,i->o", module.weight, shift)
