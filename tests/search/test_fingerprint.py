"""What makes a network of the user's another one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from torch import nn

from rankprobe.search.fingerprint import network_hash

CODE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return {outputs}
"""


def network(folder: Path, outputs: str) -> nn.Module:
    """The same layers, put together in a file of one's own."""
    folder.mkdir()
    (folder / "nets.py").write_text(CODE.format(outputs=outputs), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"{folder.name}_nets", folder / "nets.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.Net()
    assert isinstance(made, nn.Module)
    return made


def test_the_same_layers_put_together_otherwise(tmp_path: Path) -> None:
    one = network(tmp_path / "one", "self.layer(x)")
    again = network(tmp_path / "again", "self.layer(x)")
    other = network(tmp_path / "other", "2 * self.layer(x)")
    assert repr(one) == repr(other)
    assert network_hash(one, weights=False) == network_hash(again, weights=False)
    assert network_hash(one, weights=False) != network_hash(other, weights=False)


def test_weights_count_where_they_are_kept() -> None:
    one, other = (nn.Sequential(nn.Linear(2, 2)) for _ in range(2))
    assert network_hash(one, weights=False) == network_hash(other, weights=False)
    assert network_hash(one, weights=True) != network_hash(other, weights=True)
