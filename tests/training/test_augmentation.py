"""Pictures are moved and mirrored, and nothing else."""

from __future__ import annotations

import torch

from rankprobe.training.augmentation import SHIFT, augmented


def test_every_picture_is_one_that_a_move_and_a_mirror_make() -> None:
    pictures = torch.randn(12, 2, 9, 7)
    result = augmented(pictures, "flip_shift", seed=3)
    assert result.shape == pictures.shape
    kinds = set()
    for before, after in zip(pictures, result, strict=True):
        found = []
        for mirrored in (False, True):
            source = before.flip(-1) if mirrored else before
            padded = torch.nn.functional.pad(source, [2 * SHIFT] * 4)
            for down in range(-SHIFT, SHIFT + 1):
                for right in range(-SHIFT, SHIFT + 1):
                    top, left = 2 * SHIFT + down, 2 * SHIFT + right
                    if torch.equal(padded[:, top : top + 9, left : left + 7], after):
                        found.append((mirrored, down, right))
        assert len(found) == 1
        kinds |= set(found)
    assert len(kinds) > 6
    assert {mirrored for mirrored, *_ in kinds} == {False, True}


def test_each_way_alone() -> None:
    pictures = torch.randn(40, 6, 5)
    flipped = augmented(pictures, "flip", seed=1)
    same = (flipped == pictures).flatten(1).all(dim=1)
    assert 8 < same.sum() < 32
    assert torch.equal(flipped[~same], pictures[~same].flip(-1))
    shifted = augmented(pictures, "shift", seed=1)
    assert not torch.equal(shifted, pictures)
    assert torch.equal(augmented(pictures, "shift", seed=1), shifted)
    assert not torch.equal(augmented(pictures, "shift", seed=2), shifted)


def test_draws_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    augmented(
        torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0)), "flip_shift", seed=1
    )
    assert torch.equal(torch.get_rng_state(), before)
