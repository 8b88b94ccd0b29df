"""Scaffold tensors row by row, and as older versions of the specification made them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rankprobe.errors import ConfigError
from rankprobe.lowrank import Scaffold, families, scaffold
from rankprobe.lowrank.families import FAMILIES, SPEC_VERSION, family


class TestRows:
    @pytest.mark.parametrize("name", FAMILIES)
    def test_a_slice_is_that_of_the_whole(self, name: str) -> None:
        made = Scaffold(family=name)
        for shape in ((13, 5, 3), (64, 61)):
            whole = made.weight("h", shape)
            for rows in (slice(0, 1), slice(3, 11), slice(7, None), slice(5, 5), slice(None, -2)):
                part = made.weight("h", shape, rows)
                assert part.shape == whole[rows].shape
                assert np.array_equal(part, whole[rows])
                assert part.base is None or part.base.size == part.size

    @pytest.mark.parametrize("name", FAMILIES)
    def test_parts_make_the_whole(self, name: str) -> None:
        drawn = Scaffold(family=name)
        whole, made = drawn.weight("h", (13, 5)), np.zeros((13, 5), dtype=np.float32)
        for rows, part in drawn.parts("h", (13, 5), 4):
            assert len(part) <= 4
            made[rows] = part
        assert np.array_equal(made, whole)

    def test_parts_of_what_is_made_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where a large tensor is put together from several draws."""
        for name in FAMILIES:
            whole = Scaffold(family=name).weight("h", (40, 50))
            monkeypatch.setattr(scaffold, "_PART", 77)
            assert np.array_equal(Scaffold(family=name).weight("h", (40, 50)), whole)
            monkeypatch.undo()

    def test_a_slice_of_a_huge_tensor_is_cheap(self) -> None:
        """The last rows of 4 billion weights, which would take 16 GB."""
        shape = (1 << 16, 1 << 16)
        part = Scaffold(family="laplace").weight("h", shape, slice(shape[0] - 2, None))
        assert part.shape == (2, 1 << 16)
        assert part.std() == pytest.approx(1 / 256, rel=0.05)

    def test_a_step_is_refused(self) -> None:
        with pytest.raises(ValueError, match="without a step"):
            Scaffold().weight("h", (8, 2), slice(0, 8, 2))


class TestVersions:
    def test_old_ones_make_what_they_made(self) -> None:
        old = Scaffold(spec_version=1)
        assert np.array_equal(old.weight("h", (4, 3)), Scaffold().weight("h", (4, 3)))

    def test_a_family_is_not_in_versions_before_it(self) -> None:
        with pytest.raises(ConfigError) as error:
            Scaffold(family="cauchy", spec_version=1).weight("h", (2, 2))
        assert str(error.value) == (
            "unknown family of scaffold weights `cauchy`; there are: binary, normal, uniform"
        )

    @pytest.mark.parametrize("version", [0, SPEC_VERSION + 1])
    def test_unknown_ones(self, version: int) -> None:
        with pytest.raises(ConfigError) as error:
            family("normal", version)
        assert str(error.value) == (
            f"unknown version {version} of the scaffold specification; this rankprobe knows 1 to "
            f"{SPEC_VERSION}, and a newer one may know more"
        )

    def test_a_new_version_leaves_the_old_one_as_it_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A family whose weights change has another key, and another entry, from then on."""
        old = Scaffold(family="beta").weight("h", (3, 3))
        changed = replace(FAMILIES["beta"], since=SPEC_VERSION + 1)
        monkeypatch.setattr(families, "SPEC_VERSION", SPEC_VERSION + 1)
        monkeypatch.setattr(families, "DEFINITIONS", (*families.DEFINITIONS, changed))
        new = Scaffold(family="beta", spec_version=SPEC_VERSION + 1).weight("h", (3, 3))
        assert not np.array_equal(new, old)
        kept = Scaffold(family="beta", spec_version=SPEC_VERSION).weight("h", (3, 3))
        assert np.array_equal(kept, old)
