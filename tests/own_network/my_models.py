"""A mixer over the rows of small pictures: attention between rows, then a gated map in each."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.gate = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x):
        x = x + self.attention(self.norm(x), self.norm(x), self.norm(x), need_weights=False)[0]
        return x + torch.sigmoid(self.gate(x)) * self.value(x)


class RowMixer(nn.Module):
    def __init__(self, columns, outputs, width=32, depth=2):
        super().__init__()
        self.columns, self.read = columns, nn.Linear(columns, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(self.blocks(self.read(x.view(len(x), -1, self.columns))).mean(dim=1))


def make_net(input_shape, outputs):
    return RowMixer(columns=8, outputs=outputs)
