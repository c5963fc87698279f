"""The training step of the public TMU code, in its plain form: what every speed-up of ours is held against.

One convolution of [input, hidden] a cell and step, all in float32 and torch's own memory layout, autograd as it comes,
and the sources are run inside the step. It reads the weights of our networks, so both train the same thing, and passes
the case `tmu_released` of the fixtures.
"""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional as F

from tmu_models import VideoPredictor, from_patches, to_patches

# B clips, T frames, P patch channels, H hidden channels, h w grid cells

Weights = Mapping[str, torch.Tensor]


class ReleasedStep:
    """A target whose layer 0 is the released TMU cell, beside its sources, plain ConvLSTMs."""

    def __init__(self, target: VideoPredictor, sources: Sequence[VideoPredictor], learning_rate: float = 3e-4) -> None:
        """Trains copies: the networks themselves are left as they are."""
        self.patch_size, self.padding = target.patch_size, target.kernel_size // 2
        self.num_layers = len(target.hidden)
        named = target.state_dict()
        self.weights = {name: value.detach().clone().contiguous().requires_grad_() for name, value in named.items()}
        self.sources = [{name: value.contiguous() for name, value in s.state_dict().items()} for s in sources]
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=learning_rate)

    def step(self, frames_BTCHW: torch.Tensor, input_length: int, truth_mask: torch.Tensor | None) -> torch.Tensor:
        """One optimiser step on the prediction loss; the imitation loss is computed and not added, as released."""
        with torch.no_grad():
            memories = [self.memory(weights, frames_BTCHW, input_length, truth_mask) for weights in self.sources]
        predicted, distilled = self.predict(frames_BTCHW, input_length, truth_mask)
        loss = F.mse_loss(predicted, frames_BTCHW[:, 1:])
        with torch.no_grad():
            self.imitation = sum(F.mse_loss(d, m) for d, m in zip(distilled, memories, strict=True))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def memory(
        self, weights: Weights, frames_BTCHW: torch.Tensor, input_length: int, truth_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """A source's memory of its first layer, (B, T-1, H, h, w)."""
        return self._unroll(weights, frames_BTCHW, input_length, truth_mask, num_sources=0)[1][0]

    def predict(
        self, frames_BTCHW: torch.Tensor, input_length: int, truth_mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Frames (B, T-1, C, H, W), and what the target takes for each source's memory, (B, T-1, H, h, w)."""
        count = len(self.sources)
        frames, memories = self._unroll(self.weights, frames_BTCHW, input_length, truth_mask, num_sources=count)
        return frames, memories[1:]

    def _unroll(
        self,
        weights: Weights,
        frames_BTCHW: torch.Tensor,
        input_length: int,
        truth_mask: torch.Tensor | None,
        *,
        num_sources: int,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Frames, and over the steps layer 0's memory followed by what it distilled."""
        true_BTPhw = to_patches(frames_BTCHW, self.patch_size)
        B, T, _, h, w = true_BTPhw.shape
        widths = [weights[f"cell_list.{layer}.conv.0.weight"].shape[0] for layer in range(self.num_layers)]
        widths = [widths[0] // (4 + num_sources), *(width // 4 for width in widths[1:])]
        hidden = [frames_BTCHW.new_zeros(B, width, h, w) for width in widths]
        memory = [torch.zeros_like(each) for each in hidden]
        generated: list[torch.Tensor] = []
        kept: list[list[torch.Tensor]] = [[] for _ in range(1 + num_sources)]
        for t in range(T - 1):
            x = true_BTPhw[:, t]
            if t >= input_length:
                x = generated[-1]
                if truth_mask is not None:
                    shown = truth_mask[:, t - input_length, None, None, None]
                    x = shown * true_BTPhw[:, t] + (1 - shown) * x
            for layer in range(self.num_layers):
                cell = f"cell_list.{layer}"
                gates = F.conv2d(
                    torch.cat([x, hidden[layer]], dim=1),
                    weights[f"{cell}.conv.0.weight"],
                    weights[f"{cell}.conv.0.bias"],
                    padding=self.padding,
                )
                if f"{cell}.conv.1.weight" in weights:
                    gates = self._norm(gates, weights, f"{cell}.conv.1")
                i, f, o, g, *opened = torch.split(gates, widths[layer], dim=1)
                proposed = torch.sigmoid(f) * memory[layer] + torch.sigmoid(i) * torch.tanh(g)
                hidden[layer] = x = torch.sigmoid(o) * torch.tanh(proposed)
                memory[layer] = proposed
                for number, gate in enumerate(map(torch.sigmoid, opened), start=1):
                    d = F.conv2d(proposed, weights[f"{cell}.distiller{number}.0.weight"])
                    d = self._norm(d, weights, f"{cell}.distiller{number}.1")
                    memory[layer] = memory[layer] + gate * d + (1 - gate) * proposed
                    kept[number].append(d)
            kept[0].append(memory[0])
            generated.append(F.conv2d(x, weights["conv_last.weight"]))
        frames = from_patches(torch.stack(generated, dim=1), self.patch_size)
        return frames, [torch.stack(steps, dim=1) for steps in kept]

    @staticmethod
    def _norm(values: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
        return F.layer_norm(values, values.shape[1:], weights[f"{name}.weight"], weights[f"{name}.bias"])
