"""The plate recogniser's network: ten slots, each attending to its place on the plate.

Convolutions turn a 64 x 128 crop into 8 x 16 tokens; a Gaussian prior on the horizontal position breaks the
symmetry between slots, without which training from scratch stays on a plateau. What all slots found tells
each where to look a second time: with one look alone, neighbours were read twice or left out.
"""

import math

import torch
from torch import Tensor, nn

from models.training.alphabet import ALPHABET, HEIGHT_PX, SLOTS, WIDTH_PX

__all__ = ["HEIGHT_PX", "WIDTH_PX", "OnnxContract", "SlotReader"]

_TOKENS_HIGH, _TOKENS_WIDE = 8, 16
_DROPPED_SHARE = 0.1
"""Of what a layer adds, while training: a few thousand photographs are soon known by heart."""


class SlotReader(nn.Module):
    """Crops in, logits out.

    Input shape (N, 3, 64, 128), float32, RGB in [0, 1]; output shape (N, SLOTS, len(ALPHABET)).
    """

    def __init__(self, width: int = 128, depth: int = 2) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            *_convolution(3, 32, size=6, stride=2),
            *_convolution(32, 32),
            nn.MaxPool2d(2),
            *_convolution(32, 64),
            *_convolution(64, 96),
            nn.MaxPool2d(2),
            *_convolution(96, width),
            *_convolution(width, width),
        )
        x, y = _token_centres()
        self.position = nn.Parameter(_sinusoids(x, y, width))
        self.encoder = nn.ModuleList(EncoderLayer(width) for _ in range(depth))
        self.token_norm = nn.LayerNorm(width)
        self.prior = nn.Parameter(_slot_prior(x))
        self.slots = nn.Parameter(torch.randn(SLOTS, width) * 0.3)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.decoder = EncoderLayer(width)
        self.second_look = SecondLook(width)
        self.slot_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(ALPHABET))

    def forward(self, crops: Tensor) -> Tensor:
        tokens = self.backbone(crops).flatten(2).transpose(1, 2) + self.position
        for layer in self.encoder:
            tokens = layer(tokens)
        tokens = self.token_norm(tokens)
        # Ten slots are projected instead of 128 tokens: the same sums in another order.
        query = self.slots @ self.key.weight * self.slots.shape[1] ** -0.5
        similarity = query @ tokens.transpose(1, 2)
        looked_at = self.value((similarity + self.prior).softmax(-1) @ tokens)
        slots = self.second_look(self.decoder(looked_at + self.slots), tokens)
        return self.head(self.slot_norm(slots))


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward (Vaswani et al. 2017; Xiong et al. 2020 for pre-norm)."""

    def __init__(self, width: int, heads: int = 4, *, expansion: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, expansion * width),
            nn.GELU(),
            nn.Linear(expansion * width, width),
        )
        self.dropout = nn.Dropout(_DROPPED_SHARE)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        split = self.qkv(self.attention_norm(x)).view(n, tokens, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5).softmax(-1)
        x = x + self.dropout(self.out((weights @ value).transpose(1, 2).reshape(n, tokens, width)))
        return x + self.dropout(self.feed(self.feed_norm(x)))


class SecondLook(nn.Module):
    """Cross-attention from slots to tokens and feed-forward; adds nothing until it has learnt something."""

    def __init__(self, width: int, heads: int = 4, *, expansion: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, expansion * width),
            nn.GELU(),
            nn.Linear(expansion * width, width),
        )
        self.dropout = nn.Dropout(_DROPPED_SHARE)
        for last in (self.out, self.feed[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, slots: Tensor, tokens: Tensor) -> Tensor:
        n, count, width = tokens.shape
        each = width // self.heads
        query = self.query(self.attention_norm(slots)).view(n, SLOTS, self.heads, each).transpose(1, 2)
        key, value = self.key_value(tokens).view(n, count, 2, self.heads, each).permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) * each**-0.5).softmax(-1)
        slots = slots + self.dropout(self.out((weights @ value).transpose(1, 2).reshape(n, SLOTS, width)))
        return slots + self.dropout(self.feed(self.feed_norm(slots)))


class OnnxContract(nn.Module):
    """The network as fast-plate-ocr's loader expects it: (N, 64, 128, 3) uint8 RGB in, probabilities out."""

    def __init__(self, reader: SlotReader, *, temperature: float = 1.0) -> None:
        super().__init__()
        self.reader = reader
        self.temperature = temperature

    def forward(self, crops: Tensor) -> Tensor:
        logits = self.reader(crops.permute(0, 3, 1, 2).float() / 255.0)
        return (logits / self.temperature).softmax(-1)


def _convolution(
    channels_in: int, channels_out: int, *, size: int = 3, stride: int = 1
) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels_in, channels_out, size, stride, padding=(size - 1) // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def _token_centres() -> tuple[Tensor, Tensor]:
    """x and y of every token's centre, each shape (128,), in [0, 1]."""
    y, x = torch.meshgrid(
        (torch.arange(_TOKENS_HIGH) + 0.5) / _TOKENS_HIGH,
        (torch.arange(_TOKENS_WIDE) + 0.5) / _TOKENS_WIDE,
        indexing="ij",
    )
    return x.flatten(), y.flatten()


def _sinusoids(x: Tensor, y: Tensor, width: int) -> Tensor:
    frequency = torch.exp(torch.linspace(0, math.log(16), width // 4)) * math.pi
    waves = [f(axis[:, None] * frequency) for axis in (x, y) for f in (torch.sin, torch.cos)]
    return torch.cat(waves, 1)[None] * 0.5


def _slot_prior(x: Tensor) -> Tensor:
    """Shape (SLOTS, tokens): slot k looks first where character k of a seven-character plate stands."""
    centre = 0.08 + 0.84 * torch.arange(SLOTS) / 6.5
    return -((x[None] - centre[:, None]) ** 2) / (2 * 0.12**2) * 0.5
