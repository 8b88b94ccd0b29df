"""Networks on graphs against those of torch_geometric, with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap

from rankprobe.backbones import Inputs, build
from rankprobe.backbones.gcn import normalised
from rankprobe.backbones.gin import Gin
from rankprobe.backbones.sparse import Sparse
from tests.training.toys import inputs_of, toy


class TestSparse:
    def matrices(self) -> tuple[Sparse, Tensor]:
        generator = torch.Generator().manual_seed(2)
        row, column = (torch.randint(n, (12,), generator=generator) for n in (4, 6))
        value = torch.rand(12, dtype=torch.float64, generator=generator)
        dense = torch.zeros(4, 6, dtype=torch.float64).index_put((row, column), value, True)
        return Sparse.of(row, column, value, 4, 6), dense

    def test_products_and_gradients(self) -> None:
        sparse, dense = self.matrices()
        x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
        torch.testing.assert_close(sparse @ x, dense @ x)
        weights = torch.randn(4, 3, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(((sparse @ x) * weights).sum(), x)
        torch.testing.assert_close(gradient, dense.t() @ weights)

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_in_a_cohort(self, axis: int) -> None:
        sparse, dense = self.matrices()
        x = torch.randn(5, 6, 3, dtype=torch.float64, requires_grad=True)
        moved = x.movedim(0, axis)
        together = vmap(lambda own: sparse @ own, in_dims=axis)(moved)
        torch.testing.assert_close(together, dense @ x)
        weights = torch.randn(5, 4, 3, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((together * weights).sum(), x)
        torch.testing.assert_close(gradient, dense.t() @ weights)

    def test_shared_inputs_in_a_cohort(self) -> None:
        sparse, dense = self.matrices()
        x, own = torch.randn(6, 3, dtype=torch.float64), torch.arange(2.0, dtype=torch.float64)
        together = vmap(lambda one: (sparse @ x) * one)(own)
        torch.testing.assert_close(together[1], dense @ x)


class TestGcn:
    def test_equals_that_of_torch_geometric(self) -> None:
        conv = pytest.importorskip("torch_geometric.nn").GCNConv
        task = toy("nodes")
        inputs = inputs_of(task)
        net = build("gcn", inputs, 3, hidden=4, layers=3).double().eval()
        layers = [*net.get_submodule("layers").children(), net.get_submodule("head")]
        x, edges = inputs.context["nodes"], inputs.context["edges"]
        for index, layer in enumerate(layers):
            assert isinstance(layer, nn.Linear)
            twin = conv(layer.in_features, layer.out_features).double()
            twin.load_state_dict({"lin.weight": layer.weight, "bias": layer.bias})
            x = twin(x, edges)
            if index < 2:
                x = torch.relu(net.get_submodule(f"norms.{index}")(x))
        chosen = torch.tensor([5, 0, 88])
        torch.testing.assert_close(net(chosen), x[chosen])

    def test_loops_are_counted_once(self) -> None:
        edges = torch.tensor([[0, 1, 1, 2], [1, 0, 1, 2]])
        dense = normalised(edges, 3, torch.float64).times(torch.eye(3, dtype=torch.float64))
        expected = torch.tensor([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]], dtype=torch.float64)
        torch.testing.assert_close(dense, expected)

    def test_one_direction_is_refused(self) -> None:
        context = {"nodes": torch.ones(3, 2), "edges": torch.tensor([[0, 1], [1, 2]])}
        inputs = Inputs("nodes", (), {"node_features": 2, "edge_features": 0}, context)
        with pytest.raises(ValueError, match="listed in one direction; list both"):
            build("gcn", inputs, 2)

    def test_whole_numbers_as_features(self) -> None:
        context = {"nodes": torch.ones(3, 2).long(), "edges": torch.tensor([[0, 1], [1, 0]])}
        inputs = Inputs("nodes", (), {"node_features": 2, "edge_features": 0}, context)
        assert build("gcn", inputs, 2)(torch.tensor([1])).shape == (1, 2)


def layers_of(net: Gin) -> list[tuple[Any, Any]]:
    return list(zip(net.layers, net.norms, strict=True))


class TestGin:
    @pytest.mark.parametrize("name", ["graphs", "molecules"])
    def test_a_layer_equals_that_of_torch_geometric(self, name: str) -> None:
        conv = pytest.importorskip("torch_geometric.nn").GINEConv
        inputs = inputs_of(toy(name))
        net = build("gin", inputs, 3, hidden=4, layers=1).double().eval()
        assert isinstance(net, Gin)
        layer: Any = net.layers[0]
        whole = torch.arange(84)
        batch = net.batch(whole)
        x = net.encode(batch.node_features)
        features = inputs.context["edge_features"]
        mlp = nn.Sequential(layer.up, layer.norm, nn.ReLU(), layer.down)
        expected = conv(mlp)(x, inputs.context["edges"], layer.edges(features))
        torch.testing.assert_close(layer(x, batch), expected)

    def test_sums_of_embeddings(self) -> None:
        net = build("gin", inputs_of(toy("molecules")), 3, hidden=4)
        encode = net.get_submodule("encode")
        table = net.get_submodule("encode.table").get_parameter("weight")
        both = encode(torch.tensor([[3, 2], [0, 1]]))
        torch.testing.assert_close(both, torch.stack([table[3] + table[6], table[0] + table[5]]))

    @pytest.mark.parametrize("name", ["graphs", "molecules", "bare_graphs"])
    def test_a_graph_by_itself(self, name: str) -> None:
        """By loops over its nodes and edges."""
        inputs = inputs_of(toy(name))
        net = build("gin", inputs, 3, hidden=4, layers=3).double().eval()
        assert isinstance(net, Gin)
        context, layers = inputs.context, layers_of(net)
        chosen = [7, 0, 7, 30]
        outputs = net(torch.tensor(chosen))
        for graph, output in zip(chosen, outputs, strict=True):
            a, b = context["node_start"][graph : graph + 2].tolist()
            c, d = context["edge_start"][graph : graph + 2].tolist()
            x = net.encode(context["nodes"][a:b])
            for index, (layer, norm) in enumerate(layers):
                sums = list(x)
                for edge in range(c, d):
                    source, target = context["edges"][:, edge].tolist()
                    message = x[source - a]
                    if layer.edges is not None:
                        message = message + layer.edges(context["edge_features"][edge][None])[0]
                    sums[target - a] = sums[target - a] + message.relu()
                hidden = layer.norm(layer.up(torch.stack(sums))).relu()
                h = norm(layer.down(hidden))
                h = h.relu() if index < 2 else h
                x = h + x if index else h
            torch.testing.assert_close(output, net.head(x.mean(dim=0)))

    def test_skips(self) -> None:
        inputs = inputs_of(toy("graphs"))
        torch.manual_seed(0)
        nets = [build("gin", inputs, 3, hidden=4, layers=2, residual=r) for r in (True, False)]
        nets[1].load_state_dict(nets[0].state_dict())
        first, second = (net.double().eval()(torch.arange(5)) for net in nets)
        assert not torch.allclose(first, second)

    def test_graphs_are_no_state(self) -> None:
        """What comes with the task is not saved with the network."""
        for name, family in (("molecules", "gin"), ("nodes", "gcn")):
            net = build(family, inputs_of(toy(name)), 3)
            held = {key for key, _ in net.named_buffers()}
            statistics = {key for key in held if "running" in key or "batches" in key}
            saved = net.state_dict().keys() - {key for key, _ in net.named_parameters()}
            assert saved == statistics
            assert held - statistics

    def test_sizes_that_are_missing(self) -> None:
        task = toy("graphs")
        inputs = Inputs("graphs", (), {"edge_features": 2}, inputs_of(task).context)
        with pytest.raises(ValueError, match="graphs say `node_features`, a whole number, and not"):
            build("gin", inputs, 2)


def test_published_sizes() -> None:
    """OGB's GIN on molecules has 300-wide tables of 173 atom and 13 bond values in 5 layers."""
    atoms, bonds = (119, 5, 12, 12, 10, 6, 6, 2, 2), (5, 6, 2)  # their sum is 174 and 13
    context = {
        "nodes": torch.zeros(1, 9, dtype=torch.int64),
        "edges": torch.zeros(2, 0, dtype=torch.int64),
        "edge_features": torch.zeros(0, 3, dtype=torch.int64),
        "node_start": torch.tensor([0, 1]),
        "edge_start": torch.tensor([0, 0]),
    }
    sizes = {"node_features": 9, "edge_features": 3}
    inputs = Inputs(
        "graphs", (), {**sizes, "node_categories": atoms, "edge_categories": bonds}, context
    )
    net = build("gin", inputs, 1, hidden=300, layers=5)
    tables = 300 * (sum(atoms) + 5 * sum(bonds))
    layer = 300 * 600 + 600 + 2 * 600 + 600 * 300 + 300 + 2 * 300
    assert sum(p.numel() for p in net.parameters()) == tables + 5 * layer + 301
    assert np.isfinite(net.eval()(torch.tensor([0])).item())

    context = {"nodes": torch.zeros(2, 128), "edges": torch.tensor([[0, 1], [1, 0]])}
    inputs = Inputs("nodes", (), {"node_features": 128, "edge_features": 0}, context)
    net = build("gcn", inputs, 40, hidden=256, layers=3)
    # The count that OGB's leaderboard gives its GCN on ogbn-arxiv.
    assert sum(p.numel() for p in net.parameters()) == 110_120
