"""The table of normal weights is the committed one, and holds what it says."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from rankprobe.errors import ArtifactError
from rankprobe.lowrank import Scaffold, normal
from rankprobe.lowrank.normal import NORMAL_TABLE_SHA256, normal_table


class TestNormalTable:
    def test_is_the_committed_one(self) -> None:
        upper = normal_table()[32768:].astype("<f4").tobytes()
        assert hashlib.sha256(upper).hexdigest() == NORMAL_TABLE_SHA256
        assert NORMAL_TABLE_SHA256.startswith("aa44eb897dea7d5a")

    def test_holds_means_of_equally_probable_bins(self) -> None:
        # phi'(z) = -z phi(z), so the mean of a bin is the fall of phi over it, by its probability.
        edges = stats.norm.isf(1 - np.arange(32768, 65537) / 65536)
        means = -np.diff(stats.norm.pdf(edges)) * 65536
        np.testing.assert_allclose(normal_table()[32768:], means, rtol=1e-7, atol=1e-7)

    def test_is_symmetric_and_ascending(self) -> None:
        table = normal_table()
        assert table.shape == (65536,)
        assert table.dtype == np.float32
        assert np.array_equal(table, -table[::-1])
        assert (np.diff(table) > 0).all()

    def test_moments(self) -> None:
        table = normal_table().astype(np.float64)
        assert table.mean() == 0
        assert table.var() == pytest.approx(0.9999985, abs=1e-7)
        assert (table**4).mean() / table.var() ** 2 == pytest.approx(2.9998, abs=1e-4)
        assert table.max() == pytest.approx(4.39, abs=0.005)

    @pytest.mark.parametrize("damage", ["one bit", "cut short"])
    def test_damage_is_an_error(
        self, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = bytearray((Path(normal.__file__).parent / "normal_table.f32").read_bytes())
        if damage == "one bit":
            raw[70_000] ^= 1
        else:
            del raw[-4:]
        (tmp_path / "normal_table.f32").write_bytes(raw)
        monkeypatch.setattr(resources, "files", lambda _: tmp_path)
        normal_table.cache_clear()
        try:
            with pytest.raises(ArtifactError) as error:
                Scaffold().weight("h", (2, 2))
        finally:
            normal_table.cache_clear()
        assert str(error.value) == ("the table of normal weights is damaged; reinstall rankprobe")
