"""Records in the form of the PhysioNet/CinC Challenge 2012: one text file a stay.

``NNNNNN.txt`` holds the columns ``Time,Parameter,Value``, with times as ``HH:MM`` after admission.
At 00:00 come the record's number and its descriptors, where -1 means missing (Silva et al. 2012,
https://physionet.org/content/challenge-2012/1.0.0/).
"""

from __future__ import annotations

from pathlib import Path

from rankprobe.errors import DataError

HEADER = "Time,Parameter,Value"
RECORD = "RecordID"
TARGET = "In-hospital_death"
# Parameters that are -1 where they are missing; weight is also measured again later.
_MISSING = frozenset({"Age", "Gender", "Height", "ICUType", "Weight"})

Reading = tuple[str, float, str, float]


def read_records(folder: Path) -> list[Reading]:
    """All readings of a folder: (record, hours after admission, parameter, value).

    Raises:
        DataError: There are no records, or a line of one cannot be read.
    """
    files = sorted(folder.glob("*.txt"))
    records = [file for file in files if file.stem.isdigit()]
    if not records:
        raise DataError(
            f"{folder} holds no records such as 132539.txt; give the folder that holds them"
        )
    return [reading for file in records for reading in _record(file)]


def _record(file: Path) -> list[Reading]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}") from None
    if not lines or lines[0].strip() != HEADER:
        raise DataError(f"{file} does not begin with `{HEADER}`, as records of PhysioNet 2012 do")
    readings = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            clock, name, text = line.split(",")
            hours, minutes = clock.split(":")
            time, value = int(hours) + int(minutes) / 60, float(text)
        except ValueError:
            raise DataError(
                f"{file}, line {number}: {line!r} is not a time as HH:MM, a parameter and a number"
            ) from None
        # A few lines of the published records name no parameter.
        if name and name != RECORD and not (name in _MISSING and value == -1):
            readings.append((str(int(file.stem)), time, name, value))
    return readings
