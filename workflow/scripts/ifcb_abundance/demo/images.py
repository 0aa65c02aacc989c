"""Write raw files for bins of the demo archive: triggers, and small drawn shapes that differ by family of class."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

RUN_TIME: Final = 1200.0  # seconds
FRAME: Final = (1380, 1034)  # pixels of the camera
CHAINS: Final = "Asterionellopsis Cerataulina Chaetoceros Dactyliosolen Eucampia Guinardia Leptocylindrus Skeletonema"
NEEDLES: Final = "Corethron Cylindrotheca Licmophora Pleurosigma Pseudo-nitzschia Rhizosolenia Thalassionema pennate"
SPECKS: Final = "detritus mix fecal_pellet"
DRAWN: Final = 24  # pictures per family
ADC_COLUMNS: Final = (
    "trigger#, ADC_time, PMTA, PMTB, PMTC, PMTD, peakA, peakB, peakC, peakD, time of flight, grabtimestart, "
    "grabtimeend, ROIx, ROIy, ROIwidth, ROIheight, start_byte, comparator_out, STartPoint, SignalLength, status, "
    "runTime, inhibitTime"
)

Pixels = npt.NDArray[np.uint8]


def write_raw_bin(
    folder: Path,
    bin_id: str,
    rois: Sequence[int],
    labels: Sequence[str],
    ml_analyzed: float,
    pictures: Mapping[str, Sequence[Pixels]],
) -> None:
    """Write `{bin}.hdr`, `.adc` and `.roi`: an image per ROI, showing its class; other triggers have none.

    ml_analyzed: the volume by the clocks. pictures: by family, as `family` names them.
    """
    inhibit_time = RUN_TIME - ml_analyzed * 60 / 0.25
    of_roi = dict(zip(rois, labels, strict=True))
    lines, images, offset = [], [], 0
    last = max(rois, default=1)
    for trigger in range(1, last + 1):
        x = y = width = height = 0
        if trigger in of_roi:
            among = pictures[family(of_roi[trigger])]
            image = among[trigger % len(among)]
            images.append(image.tobytes())
            height, width = image.shape
            x, y = 37 * trigger % (FRAME[0] - width), 91 * trigger % (FRAME[1] - height)
        at = RUN_TIME * trigger / last
        signals = "0.01,0.02,0.001,0.01,0.3,0.2,0.01,0.01,-999.0"
        clocks = f"-999.0,0,0,0,{at:.6f},{inhibit_time * trigger / last:.6f}"
        where = f"{x},{y},{width},{height},{offset}"
        lines.append(f"{trigger},{at:.6f},{signals},{at:.6f},{at + 0.05:.6f},{where},{clocks}\n")
        offset += width * height
    header = {
        "softwareVersion": "a made-up bin of the demo archive",
        "runTime": f"{RUN_TIME:.6f}",
        "inhibitTime": f"{inhibit_time:.6f}",
        "ADCFileFormat": ADC_COLUMNS,
    }
    for ending, body in (
        (".hdr", "".join(f"{key}: {value}\n" for key, value in header.items()).encode()),
        (".adc", "".join(lines).encode()),
        (".roi", b"".join(images)),
    ):
        (folder / f"{bin_id}{ending}").write_bytes(body)


def family(label: str) -> str:
    """The family of pictures that shows a class."""
    genus = label.split("_")[0]
    if genus in CHAINS.split():
        return "chain"
    if genus in NEEDLES.split():
        return "needle"
    if label in SPECKS.split():
        return "specks"
    return "dot" if label in ("bead", "nanoplankton <10um") else "disc"


def draw_pictures(seed: int) -> dict[str, list[Pixels]]:
    """Draw pictures of 10 to 60 pixels for each family: cells in a row, needles, specks, and discs with a dark rim.

    Few are drawn, and each is used in four orientations, so that the demo is made in an instant.
    """
    rng = np.random.default_rng(seed)
    families: dict[str, Callable[[], Pixels]] = {
        "chain": lambda: _chain(int(rng.integers(2, 6)), rng.uniform(4, 7), rng),
        "needle": lambda: _needle(int(rng.integers(34, 60)), rng.uniform(-0.15, 0.15), rng),
        "specks": lambda: _cells(rng.uniform(6, 22, (6, 2)), rng.uniform(2, 4), rng),
        "dot": lambda: _cells(np.full((1, 2), 8.0), rng.uniform(3, 5), rng),
        "disc": lambda: _cells(np.full((1, 2), 15.0), rng.uniform(7, 12), rng),
    }
    drawn = {name: [draw() for _ in range(DRAWN)] for name, draw in families.items()}
    return {
        name: [image[:: 1 - 2 * down, :: 1 - 2 * across] for image in images for down in (0, 1) for across in (0, 1)]
        for name, images in drawn.items()
    }


def _chain(n: int, radius: float, rng: np.random.Generator) -> Pixels:
    along = radius + 3 + 2 * radius * np.arange(n)
    return _cells(np.column_stack([along, radius + 4 + rng.normal(0, 0.6, n)]), radius, rng)


def _needle(length: int, slope: float, rng: np.random.Generator) -> Pixels:
    across, down = np.meshgrid(np.arange(length), np.arange(16))
    thick = 2.2 * np.sqrt(np.clip(1 - (2 * across / length - 1) ** 2, 0, 1))
    return _shaded(np.abs(down - 8 - slope * (across - length / 2)) - thick, rng)


def _cells(centres: npt.NDArray[np.float64], radius: float, rng: np.random.Generator) -> Pixels:
    width, height = (centres.max(axis=0) + radius + 4).astype(int)
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    return _shaded(np.min([np.hypot(across - x, down - y) for x, y in centres], axis=0) - radius, rng)


def _shaded(outside: npt.NDArray[np.float64], rng: np.random.Generator) -> Pixels:
    """Shade a shape by the distance from it: grey outside, darkest along its rim."""
    depth = np.where(outside > 0, 0.0, 55.0) + 70 * np.exp(-(outside**2) / 2)
    return np.asarray(np.clip(190 - depth + rng.normal(0, 4, outside.shape), 0, 255), np.uint8)
