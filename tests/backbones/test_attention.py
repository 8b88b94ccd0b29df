"""Attention, alone and inside a cohort, against its formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from rankprobe.backbones import build
from rankprobe.backbones.attention import Rotary, SelfAttention, attention
from rankprobe.lowrank.attention import FoldedAttention
from tests.training.toys import inputs_of, toy

LENGTH, WIDTH = 5, 4


def formula(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    return scores.masked_fill(~seen, -torch.inf).softmax(dim=-1) @ value


def draw(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, *shape, dtype=torch.float64, generator=generator)


def masks() -> dict[str, Tensor | None]:
    padding = torch.arange(LENGTH) < torch.tensor([5, 2, 1])[:, None]
    window = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(-2)
    return {"none": None, "padding": padding[:, None, None], "window": window[None, None]}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", ["none", "padding", "window"])
@pytest.mark.parametrize("shared", [False, True])
def test_outputs_and_gradients(name: str, causal: bool, shared: bool) -> None:
    """Members' queries and keys, and values of their own or shared, forward and backward."""
    mask = masks()[name]
    seen = torch.ones(LENGTH, LENGTH, dtype=torch.bool) if mask is None else mask
    seen = seen & torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril() if causal else seen
    members, examples = 4, 3
    queries, keys = draw(members, examples, 2, LENGTH, WIDTH)[:2]
    values = draw(examples, 2, LENGTH, WIDTH)[2]
    if not shared:
        values = values * torch.arange(1, members + 1).view(-1, 1, 1, 1, 1)
    tensors = (queries.requires_grad_(), keys.requires_grad_(), values.requires_grad_())
    expected = formula(queries, keys, values, seen)
    weights = torch.randn(expected.shape, dtype=torch.float64)
    gradients = torch.autograd.grad((expected * weights).sum(), tensors)

    with FoldedAttention():
        together = vmap(
            lambda q, k, v: attention(q, k, v, mask=mask, causal=causal),
            in_dims=(0, 0, None if shared else 0),
        )(*tensors)
    torch.testing.assert_close(together, expected)
    own = torch.autograd.grad((together * weights).sum(), tensors)
    torch.testing.assert_close(own, gradients)

    alone = attention(queries[0], keys[0], torch.ones_like(keys[0]), mask=mask, causal=causal)
    torch.testing.assert_close(alone, torch.ones_like(alone))
    first = values if shared else values[0]
    one = attention(queries[0], keys[0], first, mask=mask, causal=causal)
    torch.testing.assert_close(one, expected[0])


def test_masks_of_members() -> None:
    query, key, value = draw(4, 3, 2, LENGTH, WIDTH)
    seen = torch.arange(LENGTH) < torch.tensor([5, 2, 1, 3])[:, None]
    seen = seen[:, None, None, None].expand(4, 3, 1, 1, LENGTH)
    with FoldedAttention():
        together = vmap(lambda q, k, v, m: attention(q, k, v, mask=m))(query, key, value, seen)
    torch.testing.assert_close(together, formula(query, key, value, seen))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="`heads` divides `width`, and 3 does not divide 8"):
        SelfAttention(8, 3)


class TestRotary:
    def test_turns_by_position(self) -> None:
        """In the plane of coordinates i and i + d/2, by the position over base^(2i/d)."""
        x = draw(2, LENGTH, 4)
        turned = Rotary(4, LENGTH, base=100.0).double()(x)
        for i, wavelength in enumerate([1.0, 10.0]):
            pair = torch.complex(x[..., i], x[..., i + 2])
            angle = torch.arange(LENGTH, dtype=torch.float64) / wavelength
            expected = pair * torch.polar(torch.ones_like(angle), angle)
            torch.testing.assert_close(turned[..., i], expected.real, rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(turned[..., i + 2], expected.imag, rtol=1e-6, atol=1e-6)

    def test_products_depend_on_distance_alone(self) -> None:
        rotary = Rotary(4, 9).double()
        query, key = draw(1, 1, 4)[:2]
        turned = [rotary(x.expand(3, 1, 9, 4))[0, 0] for x in (query, key)]
        products = turned[0] @ turned[1].t()
        torch.testing.assert_close(products[2:, 2:], products[:-2, :-2], rtol=1e-5, atol=1e-5)

    def test_odd_widths(self) -> None:
        with pytest.raises(ValueError, match="even width, and not 3"):
            Rotary(3, 9)


@pytest.mark.parametrize(
    ("family", "name"), [("transformer", "tokens"), ("decision_transformer", "windows")]
)
def test_every_position_has_something_to_look_at(family: str, name: str) -> None:
    """Also in an empty text and at steps of padding: some kernels give NaN otherwise."""
    task = toy(name)
    net = build(family, inputs_of(task), task.outputs, width=8)
    masks: list[Tensor] = []
    for layer in net.modules():
        if isinstance(layer, SelfAttention):
            layer.register_forward_pre_hook(lambda _, inputs: masks.append(inputs[1]))
    net(torch.from_numpy(task.train.x))
    assert masks
    assert all(mask.any(dim=-1).all() for mask in masks)
    assert not all(mask.all() for mask in masks)
