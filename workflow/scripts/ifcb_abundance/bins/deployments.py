"""Where instruments were, and when: positions for bins whose files do not have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.common.strict_csv import number, read_columns

if TYPE_CHECKING:  # importing it takes longer than reading a config
    import pandas as pd

COLUMNS = ("instrument", "from", "to", "latitude", "longitude", "depth")


@dataclass(frozen=True)
class Deployment:
    """An instrument at a place, from `start` (inclusive) to `end` (exclusive), UTC; None means open.

    latitude, longitude: degrees north and east. depth: m, None if unknown.
    """

    instrument: int
    start: datetime | None
    end: datetime | None
    latitude: float
    longitude: float
    depth: float | None

    def holds(self, instrument: int, time: datetime) -> bool:
        """Tell whether the instrument was there at that time (UTC)."""
        after = self.start is None or time >= self.start
        return instrument == self.instrument and after and (self.end is None or time < self.end)


def read_deployments(path: str | Path) -> list[Deployment]:
    """Read deployments from a CSV with the columns COLUMNS: instrument numbers, UTC days or times, degrees, m.

    Raises ConfigError, naming the file and the line, if it is not such a table, or if an instrument is in two places.
    """
    try:
        table = read_columns(Path(path).read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as a CSV with the columns {','.join(COLUMNS)} ({error})") from None
    if missing := [name for name in COLUMNS if name not in table]:
        raise ConfigError(f"{path} has no column {', '.join(missing)}; {','.join(COLUMNS)} are needed")
    deployments: list[Deployment] = []
    for line, cells in enumerate(zip(*(table[name] for name in COLUMNS), strict=True), start=2):
        try:
            new = _deployment(*cells)
        except ValueError as error:
            raise ConfigError(f"{path}, line {line}: {error}") from None
        if any(_overlap(new, other) for other in deployments):
            raise ConfigError(
                f"{path}, line {line}: instrument {new.instrument} is in another place at that time already"
            )
        deployments.append(new)
    return deployments


def _deployment(instrument: str, start: str, end: str, latitude: str, longitude: str, depth: str) -> Deployment:
    digits = instrument.strip().upper().removeprefix("IFCB")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"instrument is {instrument!r}, not a number such as 10")
    began, ended = (_time(name, text) for name, text in (("from", start), ("to", end)))
    if began and ended and began >= ended:
        raise ValueError(f"from {start} is not before to {end}; `to` is the first day or time after it")
    place = {"latitude": latitude, "longitude": longitude, "depth": depth}
    numbers = {name: _number(name, text) for name, text in place.items() if text or name != "depth"}
    return Deployment(int(digits), began, ended, numbers["latitude"], numbers["longitude"], numbers.get("depth"))


def _time(name: str, text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ValueError(f"{name} is {text!r}, not a day YYYY-MM-DD or a time in ISO 8601 (UTC)") from None
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def _number(name: str, text: str) -> float:
    from ifcb_abundance.bins.positions import LIMITS  # which imports pandas: a config without deployments does not

    try:
        value = number(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, not a number") from None
    lowest, highest = LIMITS[name]
    if not lowest <= value <= highest:
        raise ValueError(f"{name} is {text}, beyond {highest if value > 0 else lowest:g}")
    return value


def _overlap(one: Deployment, other: Deployment) -> bool:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    begins, ends = max(one.start or first, other.start or first), min(one.end or last, other.end or last)
    return one.instrument == other.instrument and begins < ends


def unmatched(deployments: Sequence[Deployment], bins: pd.DataFrame) -> list[str]:
    """Name the deployments during which none of the bins (columns instrument, sample_time) was sampled."""
    import pandas as pd

    times = {name: of_one["sample_time"] for name, of_one in bins.groupby("instrument")}
    without = []
    for one in deployments:
        of_instrument = times.get(f"IFCB{one.instrument}", pd.Series(dtype="datetime64[us, UTC]"))
        inside = pd.Series(True, index=of_instrument.index)
        if one.start:
            inside &= of_instrument >= one.start
        if one.end:
            inside &= of_instrument < one.end
        if not inside.any():
            began, ended = (f"{time:%Y-%m-%dT%H:%M}" if time else "open" for time in (one.start, one.end))
            without.append(f"IFCB{one.instrument} from {began} to {ended} (UTC)")
    return without


def deployed(deployments: Sequence[Deployment], instrument: int, time: datetime) -> Deployment | None:
    """The deployment of the instrument at that time (UTC), or None."""
    return next((one for one in deployments if one.holds(instrument, time)), None)
