"""MobileNetV2 as its authors describe it, under the names of the published weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from studies.flowers.mobilenet import CLASSES, WEIGHTS, MobileNetV2, load, pretrained, random


def test_it_has_the_published_size_and_names() -> None:
    model = MobileNetV2(CLASSES)
    assert sum(parameter.numel() for parameter in model.parameters()) == 3_504_872
    names = model.state_dict()
    assert len(names) == 314
    assert names["features.0.0.weight"].shape == (32, 3, 3, 3)
    assert names["features.1.conv.0.0.weight"].shape == (32, 1, 3, 3)
    assert names["features.2.conv.2.weight"].shape == (24, 96, 1, 1)
    assert names["features.18.0.weight"].shape == (1280, 320, 1, 1)
    assert names["classifier.1.weight"].shape == (1000, 1280)


@pytest.mark.parametrize("shape", [(2, 64, 64), (2, 1, 64, 64), (2, 3, 32, 32)])
def test_it_reads_grey_and_colour_of_any_size(shape: tuple[int, ...]) -> None:
    model = random(shape[1:], 7).eval()
    with torch.no_grad():
        scores = model(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, 7)
    assert not torch.equal(scores[0], scores[1])


def test_grey_is_the_same_in_all_colours() -> None:
    model = random((64, 64), 3).eval()
    grey = torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(grey), model(torch.stack([grey] * 3, dim=1)))


def test_given_weights_are_kept_but_for_the_head(tmp_path: Path) -> None:
    weights = MobileNetV2(CLASSES).state_dict()
    torch.save(weights, tmp_path / "weights.pth")
    loaded = load(tmp_path / "weights.pth", 5).state_dict()
    assert loaded.pop("classifier.1.weight").shape == (5, 1280)
    assert all(
        torch.equal(weights[name], tensor) for name, tensor in loaded.items() if "1.b" not in name
    )
    weights["features.0.0.weight"] = weights["features.0.0.weight"][:1]
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(RuntimeError, match=r"features\.0\.0\.weight"):
        load(tmp_path / "weights.pth", 5)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"features": Path(tmp_path)}, file)
    with pytest.raises(Exception, match="Weights only load failed"):
        load(file, 5)


def test_missing_weights_are_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WEIGHTS.name == "mobilenet_v2.pth"
    monkeypatch.setattr("studies.flowers.mobilenet.WEIGHTS", Path("nowhere.pth"))
    with pytest.raises(FileNotFoundError, match=r"`python -m studies.fetch flowers-weights`"):
        pretrained((3, 64, 64), 5)
