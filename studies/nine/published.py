"""What was published of each kind of task, as numbers.

Hazan, Zhang, Hartl and Levin, "A Little Rank Goes a Long Way: Random Scaffolds with LoRA Adapters
Are All You Need", arXiv:2604.08749v2: means over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published curve.

    Attributes:
        what: Task, network and what is scored, in a few words.
        scores: Mean score by rank.
        full: Mean score of full training.
        guess: Score of guessing, over which recovery is a share of full training's gain; ``None``
            where it is not known, as for a loss: then it is full training's loss over the rank's.
        guess_is: What the guess is, in words.
    """

    what: str
    scores: Mapping[int, float]
    full: float
    guess: float | None = None
    guess_is: str = ""

    def recovery(self, rank: int) -> float:
        """Share of full training at a rank."""
        return share(self.scores[rank], self.full, self.guess)

    def smallest(self, target: float) -> int | None:
        """The smallest published rank that reaches a share of full training."""
        return next((rank for rank in self.scores if self.recovery(rank) >= target), None)


def share(score: float, full: float, guess: float | None) -> float:
    """Share of full training's gain over a guess; without a guess, full training's loss over it."""
    if guess is None:
        return full / score if score else math.nan
    return (score - guess) / (full - guess)


PUBLISHED = {
    "mnist": Published(
        "MNIST, multilayer perceptron 512-256-128-64, test accuracy",
        {1: 0.8933, 2: 0.9273, 4: 0.9544, 8: 0.9680, 16: 0.9753, 32: 0.9780},
        full=0.9838,
        guess=0.1135,
        guess_is="the most frequent digit",
    ),
    "cifar10": Published(
        "CIFAR-10, Plain-20, plain adapters, test accuracy",
        {1: 0.6108, 2: 0.7502, 4: 0.8240, 8: 0.8618, 16: 0.8770, 32: 0.8801},
        full=0.9081,
        guess=0.1,
        guess_is="one class of ten",
    ),
    "icu": Published(
        "PhysioNet 2012, CfC of hidden 256, AUROC",
        {1: 0.832, 2: 0.835, 4: 0.834, 8: 0.833, 16: 0.834, 32: 0.833},
        full=0.836,
        guess=0.5,
        guess_is="no order",
    ),
    "molhiv": Published(
        "MolHIV, GIN of hidden 300, ROC-AUC",
        {8: 0.7520, 16: 0.7562, 32: 0.7456},
        full=0.7755,
        guess=0.5,
        guess_is="no order",
    ),
    "citations": Published(
        "ogbn-arxiv, GCN of hidden 256, accuracy",
        {1: 0.5748, 2: 0.6196, 4: 0.6521, 8: 0.6751, 16: 0.6904, 32: 0.7011},
        full=0.7186,
        guess=1 / 40,
        guess_is="one class of 40",
    ),
    "flowers": Published(
        "Flowers-102, ViT-B/16 with pre-trained surroundings, accuracy",
        {1: 0.9453, 4: 0.9399, 8: 0.9401, 32: 0.9468, 64: 0.9489},
        full=0.9683,
        guess=1 / 102,
        guess_is="one class of 102",
    ),
    "imdb": Published(
        "IMDB, 3-layer Transformer, accuracy",
        {1: 0.8330, 2: 0.8439, 4: 0.8459, 8: 0.8512, 16: 0.8493, 32: 0.8494},
        full=0.8569,
        guess=0.5,
        guess_is="one class of two",
    ),
    "control": Published(
        "HalfCheetah-expert, Decision Transformer, validation MSE",
        {1: 0.03482, 2: 0.03221, 4: 0.02985, 8: 0.02832, 16: 0.02761, 32: 0.02713},
        full=0.02718,
    ),
    "language": Published(
        "WikiText-103, Llama-style model of 3 million parameters, training loss",
        {8: 5.639},
        full=5.007,
    ),
}
# What else was published of a kind of task, beside the curve that stands for it.
SMALL_ICU = Published(
    "PhysioNet 2012, CfC of hidden 32, AUROC",
    {1: 0.778, 4: 0.829},
    full=0.831,
    guess=0.5,
    guess_is="no order",
)
ONLINE_CONTROL = Published(
    "HalfCheetah-expert, Decision Transformer, online score in percent of the expert's",
    {1: 61.1, 2: 84.3, 4: 89.1, 8: 91.8, 16: 93.5, 32: 94.3},
    full=91.9,
    guess=0.0,
    guess_is="a score of 0",
)
RANDOM_FLOWERS = Published(
    "Flowers-102, ViT-B/16 with a random backbone, accuracy",
    {16: 0.5427},
    full=0.9683,
    guess=1 / 102,
    guess_is="one class of 102",
)
