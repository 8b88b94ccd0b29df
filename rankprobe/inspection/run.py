"""Inspect a run folder: trained tensors in, an `Inspection` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rankprobe.errors import ArtifactError
from rankprobe.inspection.adapters import TrainedRank, adapter_spectra
from rankprobe.inspection.cuts import Scorer, compared, scored_cuts
from rankprobe.inspection.network import Network
from rankprobe.inspection.setting import find_setting
from rankprobe.inspection.updates import FullUpdate, update_spectra
from rankprobe.lowrank import Adapter
from rankprobe.records import Member, Result
from rankprobe.records.inspection import AdapterSpectrum, Cut, Inspection, mark
from rankprobe.result_file import load_result
from rankprobe.search.trained import Trained, read_tensors, trained

# Share by which a score of full training may differ from the recorded one: on other hardware
# single examples fall to the other side.
_SAME = 0.005

ByRank = Mapping[int, Sequence[Trained]]


def inspect_run(
    run: str | Path, *, data: Path | None = None, device: str = "auto", trust: bool = False
) -> Inspection:
    """What the adapters and full training of a finished measurement learned.

    Args:
        run: The run folder.
        data: The dataset.yaml that was measured, or its folder; looked for unless given.
        device: ``auto``, ``cpu`` or ``cuda``: where cuts are scored.
        trust: Allow a source or a network that runs the user's code.

    Raises:
        ArtifactError: No result, or no trained tensors of it.
        StoreError: Trained tensors are damaged.
        ConfigError, DataError: What ``data`` names is not what was measured.
    """
    result = load_result(run)
    assert result.folder is not None
    kept = _chosen(result, trained(result.folder))
    by_rank = _by_rank(result, kept)
    if not by_rank:
        raise ArtifactError(
            f"{result.folder} keeps no trained tensors of its ranks; "
            + result.provenance.get("weights", "measure again with --fresh to have them")
        )
    setting = find_setting(result, data=data, device=device, trust=trust)
    baselines = [item for item in kept if item.member.rank is None]
    notes = _absent(result, by_rank, baselines)
    if setting.setup is None:
        lacking = "norms of the scaffold, no update of full training and no scores of its cuts"
        notes.append(_without_data(setting.missing, lacking))
        return _inspection(result, _adapters(by_rank, _recorded_adapter(result)), notes=notes)
    bench = setting.setup.bench
    network = Network(bench.backbone, bench.protocol)
    notes += [note for note in [network.scaffold_note()] if note]
    adapters = _adapters(by_rank, bench.protocol.adapter, network)
    if setting.missing:
        notes.append(_without_data(setting.missing, "scores of full training's cuts"))
    if not baselines:
        return _inspection(result, adapters, notes=notes)
    updates = network.updates(baselines)
    if setting.missing:
        return _inspection(result, adapters, updates, notes=notes)
    full, cuts = scored_cuts(Scorer(bench), updates, list(by_rank))
    return _inspection(
        result,
        adapters,
        updates,
        full=full,
        cuts=_compared(result, by_rank, full, cuts),
        notes=(*notes, *_moved(full, baselines)),
    )


def _inspection(
    result: Result,
    adapters: Sequence[AdapterSpectrum],
    updates: Mapping[Member, FullUpdate] | None = None,
    *,
    cuts: Sequence[Cut] = (),
    full: Mapping[int, float] | None = None,
    notes: Sequence[str] = (),
) -> Inspection:
    return Inspection(
        task=result.task.name,
        metric=result.task.metric,
        adapters=tuple(adapters),
        updates=tuple(update_spectra(list(updates.values()))) if updates else (),
        cuts=tuple(cuts),
        full=tuple(score for _, score in sorted((full or {}).items())),
        minimal_rank=result.minimal_rank.value,
        notes=tuple(notes),
        of=mark(result),
    )


def _chosen(result: Result, kept: Sequence[Trained]) -> list[Trained]:
    """The members behind the result: those at the chosen rate of their rank."""
    rates: dict[int | None, float] = {point.rank: point.learning_rate for point in result.points}
    rates[None] = result.baseline.learning_rate
    epochs = result.scope.get("epochs")
    return [
        item
        for item in kept
        if rates.get(item.member.rank) == item.member.learning_rate
        and epochs in (None, item.member.epochs)
    ]


def _by_rank(result: Result, kept: Sequence[Trained]) -> ByRank:
    ranks = {
        point.rank: [item for item in kept if item.member.rank == point.rank]
        for point in result.points
    }
    return {rank: members for rank, members in ranks.items() if members}


def _adapters(
    by_rank: ByRank, adapter: Adapter, network: Network | None = None
) -> list[AdapterSpectrum]:
    found: list[AdapterSpectrum] = []
    for rank, items in by_rank.items():
        members = [read_tensors(item.file) for item in items]
        if network is None:
            found += adapter_spectra(TrainedRank(rank, members), adapter)
            continue
        norms = [network.scaffold_norms(item.member.scaffold) for item in items]
        found += adapter_spectra(TrainedRank(rank, members, norms), adapter, network.layers)
    return found


def _recorded_adapter(result: Result) -> Adapter:
    """How adapters were built, as far as their scaling goes."""
    recorded = result.provenance.get("configuration", {}).get("adapter", {})
    return Adapter(**{key: recorded[key] for key in ("scaling", "alpha") if key in recorded})


def _compared(
    result: Result,
    by_rank: ByRank,
    full: Mapping[int, float],
    cuts: Mapping[int, Mapping[int, float]],
) -> list[Cut]:
    found = []
    for rank, items in by_rank.items():
        own = {item.member.repeat: item.test for item in items}
        better = result.higher_is_better
        if (cut := compared(rank, cuts[rank], own, full, higher_is_better=better)) is not None:
            found.append(cut)
    return found


def _absent(result: Result, by_rank: ByRank, baselines: Sequence[Trained]) -> list[str]:
    """What the folder does not hold."""
    lacking = [str(point.rank) for point in result.points if point.rank not in by_rank]
    lacking += [] if baselines else ["full training"]
    if not lacking:
        return []
    plain = "measure again with --fresh to have them"
    return [
        f"no trained tensors of {', '.join(lacking)} are kept; "
        + result.provenance.get("weights", plain)
    ]


def _without_data(why: str, lacking: str) -> str:
    return f"without the data there are no {lacking}. They were not loaded: {why}"


def _moved(full: Mapping[int, float], baselines: Sequence[Trained]) -> list[str]:
    """Say it where full training no longer scores what the run recorded."""
    pairs = [(full[item.member.repeat], item.test) for item in baselines]
    odd = [
        (now, was) for now, was in pairs if not abs(now - was) <= _SAME * max(abs(was), abs(now))
    ]
    if not odd:
        return []
    now, was = odd[0]
    words = f"full training scores {now:.5g} here, and {was:.5g} when it was measured"
    return [f"{words}: the cuts are of a network that computes otherwise"]
