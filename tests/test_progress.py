import pytest

from rankprobe import progress
from rankprobe.progress import Watch


def test_a_pipe_gets_a_plain_line_a_phase(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("rankprobe.progress.time.monotonic", lambda: now[0])
    with Watch() as watch:
        watch.phase("full training")
        watch.expect(100)
        watch.done(25)
        now[0] = 30.0
        watch.phase("ranks 1, 2, 4, 8")
        watch.expect(300)
    assert capsys.readouterr().err.splitlines() == [
        "full training",
        "ranks 1, 2, 4, 8 (about 6 min left)",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Watch(quiet=True) as watch:
        watch.phase("full training")
        watch.expect(100)
        watch.done(100)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (45, "45 s"), (120, "2 min"), (7200, "2.0 h")]
)
def test_spans_are_told_roughly(seconds: float, words: str) -> None:
    assert progress._span(seconds) == words
