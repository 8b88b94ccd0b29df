"""Rules for what becomes of the scaffold: what goes together, and what means nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rankprobe.errors import Problem
from rankprobe.settings import Settings, Where


def has_no_scaffold(settings: Settings) -> bool:
    """Whether the matrix beside every adapter is zero."""
    scaffold = settings.get("scaffold")
    return isinstance(scaffold, dict) and scaffold.get("frozen") == "zero"


def scaffold_conflicts(settings: Settings, where: Where, *, kept: bool) -> Iterator[Problem]:
    """What is wrong between the section ``scaffold`` and others.

    Args:
        settings: Completed settings.
        where: Place of a key, for messages.
        kept: Whether the network keeps weights that it came with.
    """
    scaffold = settings.get("scaffold")
    if not isinstance(scaffold, dict):
        return

    def problem(message: str, hint: str, *keys: str) -> Problem:
        return Problem(message, where(keys or ("scaffold",)), hint)

    zero, removed = has_no_scaffold(settings), scaffold.get("evaluation") == "removed"
    resample = scaffold.get("resample", "none")
    changed = zero or removed or resample != "none"
    if kept and changed:
        yield problem(
            "`scaffold` is about random frozen weights, and this network keeps its own",
            "remove it, or write `backbone: {init: scaffold}`",
        )
    for key, set_ in (("evaluation", removed), ("resample", resample != "none")):
        if zero and set_:
            yield problem(
                f"`scaffold.{key}` means nothing beside `frozen: zero`: there is no scaffold",
                "remove one of them",
                "scaffold",
                key,
            )
    for key in ("count", "draws"):
        if key in scaffold and resample not in ("step", "batch"):
            yield problem(
                f"`scaffold.{key}` is about the scaffolds of `resample: step` and `batch`",
                "write one of them beside it, or remove it",
                "scaffold",
                key,
            )
    if scaffold.get("seeds") is not None and changed:
        yield problem(
            "`scaffold.seeds` says which scaffold each example goes through, and so does another "
            "key of `scaffold`",
            "keep `seeds` and `outside` alone",
            "scaffold",
            "seeds",
        )
    if "outside" in scaffold and scaffold.get("seeds") is None:
        yield problem(
            "`scaffold.outside` is about classes outside those of a seed, and there are no `seeds`",
            "write `seeds: {42: [0, 1], 43: [2, 3]}` beside it, or remove it",
            "scaffold",
            "outside",
        )
    yield from _beside(settings, where, zero=zero, removed=removed)


def _beside(settings: Settings, where: Where, *, zero: bool, removed: bool) -> Iterator[Problem]:
    """What the other sections say that needs a scaffold."""
    adapter, search = (
        value if isinstance(value, dict) else {}
        for value in (settings.get("adapter"), settings.get("search"))
    )
    if adapter.get("dora") is True and (zero or removed):
        yield Problem(
            "`dora` divides by the norms of W + B A, which are zero where both are",
            where(("adapter", "dora")),
            "remove it, or keep the scaffold",
        )
    if zero and adapter.get("beta") == "trained":
        yield Problem(
            "`beta: trained` means nothing beside `scaffold: zero`: beta scales the scaffold",
            where(("adapter", "beta")),
            "remove it",
        )
    if zero and search.get("scaffolds") not in (None, 1):
        yield Problem(
            "`search.scaffolds` draws several scaffolds, and `scaffold: zero` has none",
            where(("search", "scaffolds")),
            "remove it",
        )
