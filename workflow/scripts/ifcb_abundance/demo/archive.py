"""The demo archive: four made-up days of two made-up instruments, with every awkward bin that real archives hold.

It looks like an export from a dashboard 5.0: the metadata export, one class-scores file and one features file a bin.
The bins of one day and instrument have raw files too. Five people have labelled some of the ROIs.
"""

import csv
import io
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ifcb_abundance.demo.images import draw_pictures, write_raw_bin
from ifcb_abundance.demo.people import Scored, write_people

VERSION: Final = 3  # raise it when existing archives must be made again
START: Final = datetime(2024, 4, 15, tzinfo=UTC)
DAYS: Final = 4

# Instrument: latitude, longitude, depth (m) of its mooring, minute of its first sample of a day. There are no such
# instruments, and the place is Point Nemo in the South Pacific, as far from any land and mooring as the sea gets.
MOORINGS: Final = {901: ("-48.875", "-123.3917", "4.0", 12), 902: ("-49.0583", "-123.7083", "7.0", 41)}
SAMPLE_TYPE: Final = "demo"  # of every bin, so that nobody takes one for a real one

# The special bins. Midnight bins are additional to the regular ones; all others are among them.
AWKWARD: Final[dict[str, list[str]]] = {
    "no_scores": ["D20240415T132637_IFCB901", "D20240417T113425_IFCB902"],
    "skipped": ["D20240415T072912_IFCB901", "D20240418T041754_IFCB902"],
    "beads_skipped": ["D20240416T095957_IFCB901"],
    "beads_not_skipped": ["D20240417T090751_IFCB902"],
    "volume_empty": ["D20240415T102346_IFCB902"],
    "volume_fill": ["D20240416T062306_IFCB901"],
    "volume_too_large": ["D20240416T162222_IFCB902"],
    "volume_zero": ["D20240417T144016_IFCB901"],
    "volume_negative": ["D20240418T144527_IFCB901"],
    "no_roi_at_threshold": ["D20240416T124431_IFCB902"],
    "header_only": ["D20240417T182407_IFCB901"],
    "corrected_time": ["D20240416T231004_IFCB901"],
    "midnight": ["D20240415T000000_IFCB902", "D20240418T000000_IFCB901"],
    "position_empty": ["D20240415T170728_IFCB901", "D20240416T052949_IFCB902", "D20240416T065206_IFCB902"],
    "position_fill": ["D20240417T050500_IFCB901"],
    "rois_without_scores": ["D20240415T181445_IFCB901"],
    "rois_with_some_scores": ["D20240416T192713_IFCB901"],
    "ties": ["D20240417T222058_IFCB902"],
    "exactly_at_threshold": ["D20240418T095619_IFCB901"],
    "older_classifier": ["D20240417T173350_IFCB902"],
    "no_features": ["D20240416T222847_IFCB902"],
    "rois_without_features": ["D20240418T204652_IFCB901"],
    "rois_without_blob": ["D20240415T042821_IFCB902"],
}

# ml_analyzed as written. Real dashboards hold such values: an inhibit time longer than the run time makes it
# negative.
BAD_VOLUMES: Final = {
    "volume_empty": "",
    "volume_fill": "-9999999.0",
    "volume_too_large": "37.8",
    "volume_zero": "0.0",
    "volume_negative": "-0.029",
}
UNUSED: Final = ("skipped", "beads_skipped", "no_scores", *BAD_VOLUMES)  # nobody labels ROIs of such bins
CORRECTED_TIME: Final = datetime(2024, 4, 17, 0, 20, 45, tzinfo=UTC)

# Objects per mL at IFCB901 and at IFCB902 on an average hour; every other class has OTHER_DENSITY.
DENSITY: Final = {
    "Guinardia_delicatula": (2.0, 1.0),
    "Skeletonema": (5.0, 0.8),
    "Leptocylindrus": (4.0, 0.6),
    "Thalassiosira": (2.5, 0.6),
    "Thalassiosira_TAG_external_detritus": (0.7, 0.2),
    "Ditylum_brightwellii": (0.6, 0.2),
    "Cylindrotheca": (1.5, 2.0),
    "Chaetoceros": (1.5, 6.0),
    "Pseudo-nitzschia": (0.8, 3.5),
    "Dinophysis_acuminata": (1.2, 0.3),
    "Margalefidinium": (0.0, 3.0),
    "Mesodinium": (1.5, 0.8),
    "ciliate": (0.8, 1.5),
    "nanoplankton <10um": (8.0, 7.0),
    "detritus": (4.0, 8.0),
    "mix": (0.8, 1.2),
    "pollen": (0.3, 0.6),
    "bead": (0.0, 0.0),
    "Vicicitus_globosus": (0.15, 0.15),
}
OTHER_DENSITY: Final = 0.04
BEAD_DENSITY: Final = 45.0
BLOOM_CLASS: Final = "Guinardia_delicatula"  # grows 1.9-fold a day at IFCB901
HARMFUL_CLASS: Final = "Margalefidinium"  # drifts in on the third day, at IFCB902 only
WITH_IMAGES: Final = ("D20240418", "IFCB901")  # day and instrument of the bins with raw files
RARE_CLASS: Final = "Vicicitus_globosus"  # seen on the third day only
DAYLIGHT_CLASSES: Final = {"nanoplankton <10um", "Dinophysis_acuminata", "Mesodinium"}
NEWER_CLASSES: Final = {"Margalefidinium", "Thalassiosira_TAG_external_detritus"}  # not in older label sets

# Equivalent spherical diameter (um) of the median object of a class; every other class has OTHER_DIAMETER.
DIAMETER: Final = {
    "nanoplankton <10um": 7.0,
    "cryptophyta": 8.0,
    "Skeletonema": 13.0,
    "Cylindrotheca": 11.0,
    "Chaetoceros": 20.0,
    "Guinardia_delicatula": 24.0,
    "Leptocylindrus": 16.0,
    "Thalassiosira": 22.0,
    "Ditylum_brightwellii": 40.0,
    "Dinophysis_acuminata": 32.0,
    "Margalefidinium": 30.0,
    "Mesodinium": 25.0,
    "ciliate": 28.0,
    "detritus": 7.5,
    "bead": 6.0,
    "pollen": 45.0,
}
OTHER_DIAMETER: Final = 18.0
PIXELS_PER_UM: Final = 3.4
FEATURES: Final = "roi_number,Area,Biovolume,EquivDiameter,numBlobs,summedArea,summedBiovolume"
FEATURES_LINE: Final = "{:d},{:.1f},{:.3f},{:.4f},{:d},{:.1f},{:.3f}\n"

LABELS: Final = sorted(
    [
        *DENSITY,
        "Chaetoceros, single cell",  # the comma needs quotes in the header
        *"""Akashiwo Alexandrium_catenella Amphidinium Asterionellopsis_glacialis
        Cerataulina_pelagica Ceratium_fusus Chaetoceros_TAG_external_pennate Chaetoceros_didymus
        Corethron_hystrix Coscinodiscus Dactyliosolen_fragilissimus Dictyocha Dinobryon Dinophyceae
        Emiliania_huxleyi Eucampia Gonyaulax Guinardia_delicatula_TAG_internal_parasite
        Guinardia_flaccida Guinardia_striata Gyrodinium Heterocapsa_triquetra Karenia
        Laboea_strobila Licmophora Odontella Paralia_sulcata Phaeocystis Pleurosigma
        Prorocentrum_micans Protoperidinium Pyramimonas Rhizosolenia Thalassionema Tintinnida bubble
        cryptophyta fecal_pellet pennate""".split(),
    ]
)

COLUMNS: Final = (
    "pid sample_time ifcb ml_analyzed latitude longitude depth cruise cast niskin sample_type n_images "
    "tag1 tag2 comment_summary trigger_selection skip"
).split()


def write_demo_archive(folder: Path, seed: int = 20240415) -> None:
    """Write the archive: the files of bins below `folder/{YYYY}/D{YYYYMMDD}/`, `labels.csv`, and `metadata.csv` last.

    The same seed gives the same bytes, and the same times of the bins' files. Summaries name their files by size and
    time, so the summaries of two checkouts are equal. The metadata are written last: if they exist, the archive is
    complete. Files of another seed are overwritten.
    """
    metadata = folder / "metadata.csv"
    metadata.unlink(missing_ok=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    pictures = draw_pictures(seed)
    text = _score_texts()
    rows: list[list[object]] = []
    scored: list[Scored] = []
    for bin_id in _bin_ids():
        sample_time = CORRECTED_TIME if _is("corrected_time", bin_id) else _id_time(bin_id)
        labels = [x for x in LABELS if not (_is("older_classifier", bin_id) and x in NEWER_CLASSES)]
        # The definition of ml_analyzed: flow (mL/min) by look time, here of a run of 20 minutes.
        ml_analyzed = 0.25 * (1200.0 - int(rng.integers(120_000, 480_000)) / 1000) / 60
        density = np.array([_density(label, bin_id, sample_time) for label in labels])
        density *= 0.5 + rng.random(len(labels))  # plankton is patchy: bins scatter more than by chance alone
        n_images = int(np.clip(round(ml_analyzed * density.sum()), 100, 300))
        scores = _scores(rng, density / density.sum(), n_images, bin_id)
        roi = 1 + np.cumsum(1 + (rng.random(n_images) < 0.08))  # triggers without an image leave gaps

        path = folder / bin_id[1:5] / bin_id[:9] / f"{bin_id}_class_scores.csv"
        if _is("no_scores", bin_id):
            path.unlink(missing_ok=True)
        else:
            table = text[np.where(np.isnan(scores), len(text) - 1, scores.view(np.uint16))].tolist()
            lines = [f"{bin_id}_{n:05d},{','.join(row)}\n" for n, row in zip(roi, table, strict=True)]
            path.parent.mkdir(parents=True, exist_ok=True)
            body = "" if _is("header_only", bin_id) else "".join(lines)
            path.write_text(_csv([["pid", *labels]]) + body, encoding="utf-8", newline="\n")
        if not _is("no_scores", bin_id):
            _write_features(folder, seed, bin_id, labels, roi, scores)
        if not any(_is(case, bin_id) for case in UNUSED):
            scored += _winners(bin_id, labels, roi, scores)
        if bin_id.startswith(WITH_IMAGES[0]) and bin_id.endswith(WITH_IMAGES[1]):
            shown = [labels[i] for i in np.nan_to_num(scores, nan=-1).argmax(axis=1)]
            write_raw_bin(path.parent, bin_id, roi.tolist(), shown, ml_analyzed, pictures)
        rows.append(_metadata_row(bin_id, sample_time, ml_analyzed, n_images))

    for path in folder.rglob("D*_IFCB*.*"):
        os.utime(path, (_id_time(path.name).timestamp(),) * 2)
    folder.mkdir(parents=True, exist_ok=True)
    abundant = {label: sum(DENSITY.get(label, (OTHER_DENSITY,))) + OTHER_DENSITY for label in LABELS}
    write_people(folder / "labels.csv", seed, scored, abundant)
    unfinished = folder / "metadata.csv.part"
    unfinished.write_text(_csv([COLUMNS, *rows]), encoding="utf-8", newline="\n")
    unfinished.replace(metadata)


def _winners(
    bin_id: str, labels: list[str], roi: npt.NDArray[np.int64], scores: npt.NDArray[np.float16]
) -> list[Scored]:
    """List the ROIs of a bin that have a score, with the class that won."""
    known = np.nan_to_num(scores, nan=-1)
    best = zip(roi.tolist(), known.argmax(axis=1), known.max(axis=1).tolist(), strict=True)
    written = not _is("header_only", bin_id)
    return [Scored(f"{bin_id}_{n:05d}", labels[i], top) for n, i, top in best if written and top >= 0]


def _is(case: str, bin_id: str) -> bool:
    return bin_id in AWKWARD[case]


def _bin_ids() -> list[str]:
    """About one bin in 72 minutes, with some jitter; independent of the seed, so that AWKWARD can name them."""
    ids = set(AWKWARD["midnight"])
    for number, (_, _, _, first) in MOORINGS.items():
        for day in range(DAYS):
            for i in range(20):
                wobble = timedelta(minutes=(7 * i * i + 5 * day) % 13, seconds=(30 + 17 * i + 11 * day) % 60)
                time = START + timedelta(days=day, minutes=first + 72 * i) + wobble
                ids.add(f"D{time:%Y%m%dT%H%M%S}_IFCB{number:03d}")
    return sorted(ids)


def _id_time(bin_id: str) -> datetime:
    return datetime.strptime(bin_id[:16], "D%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def _density(label: str, bin_id: str, time: datetime) -> float:
    """Give the mean objects per mL of a class in a bin."""
    days = (time - START) / timedelta(days=1)
    at_901 = bin_id.endswith("IFCB901")
    density = DENSITY.get(label, (OTHER_DENSITY, OTHER_DENSITY))[0 if at_901 else 1]
    if _is("beads_skipped", bin_id) or _is("beads_not_skipped", bin_id):
        return BEAD_DENSITY if label == "bead" else 0.05 * density
    if label == BLOOM_CLASS and at_901:
        density *= 1.9**days
    if label in DAYLIGHT_CLASSES:  # local noon at the moorings is 20:14 UTC
        density *= 1 + 0.8 * float(np.cos(2 * np.pi * (days - 0.843)))
    if (label == HARMFUL_CLASS and days < 2) or (label == RARE_CLASS and not 2 <= days < 3):
        density = 0.0
    return density


def _scores(
    rng: np.random.Generator, shares: npt.NDArray[np.float64], n_rois: int, bin_id: str
) -> npt.NDArray[np.float16]:
    """Draw scores of a softmax classifier, (n_rois, classes); rows sum to 1, and NaN is a missing score.

    The best score of a third of the ROIs is below 0.7. The score of the true class is above 0.3, so that
    no other class can reach 0.7 by chance: at that threshold the counts show what `shares` says.
    """
    rois = np.arange(n_rois)
    winner = rng.choice(len(shares), n_rois, p=shares)
    top = 1 - 0.69 * rng.random(n_rois) ** 2
    if _is("no_roi_at_threshold", bin_id):
        top = 0.155 + 0.5 * top
    if _is("exactly_at_threshold", bin_id):
        top[[3, 40]] = 0.7, 0.6997  # 0.7 and the float16 next below it
    others = np.exp(5 * rng.standard_normal((n_rois, len(shares))))
    others[rois, winner] = 0
    scores = others * ((1 - top) / others.sum(axis=1))[:, None]
    scores[rois, winner] = top
    if _is("ties", bin_id):
        scores[[4, 30, 50]] = 0
        scores[4, [9, 20]] = 1 / 2
        scores[30, [0, 20, -1]] = 1 / 3
        scores[50] = 1 / len(shares)
    if _is("rois_without_scores", bin_id):
        scores[[0, 25, 60]] = np.nan
    if _is("rois_with_some_scores", bin_id):
        scores[[2, 35], winner[[2, 35]]] = np.nan  # the best is missing: the next counts
        scores[70] = np.nan  # only the best is there
        scores[70, winner[70]] = 0.9
    return np.asarray(scores, dtype=np.float16)


def _score_texts() -> npt.NDArray[np.object_]:
    """List the shortest text of every float16 from 0 to 1, by bit pattern, then an empty text for a missing score.

    Looked up rather than formatted: the archive has more than a million scores and 15,361 different ones.
    """
    one = int(np.float16(1).view(np.uint16))
    values = np.arange(one + 1, dtype=np.uint16).view(np.float16)
    return np.array([*map(str, values), ""], dtype=object)


def _write_features(
    folder: Path,
    seed: int,
    bin_id: str,
    labels: list[str],
    roi: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float16],
) -> None:
    """Write the features of a bin, with a few columns of a real file; each ROI is about as large as its class.

    Each bin has its own random generator, so that nothing else in the archive depends on it.
    """
    path = folder / bin_id[1:5] / bin_id[:9] / f"{bin_id}_features.csv"
    if _is("no_features", bin_id):
        path.unlink(missing_ok=True)
        return
    rng = np.random.Generator(np.random.PCG64([seed, *bin_id.encode()]))
    medians = np.array([DIAMETER.get(label, OTHER_DIAMETER) for label in labels])
    diameter = medians[np.nan_to_num(scores, nan=-1).argmax(axis=1)] * np.exp(0.3 * rng.standard_normal(len(roi)))
    pixels = diameter * PIXELS_PER_UM
    blobs = 1 + (rng.random(len(roi)) < 0.15)
    share = np.where(blobs > 1, 0.5 + 0.4 * rng.random(len(roi)), 1.0)  # of the largest blob
    summed_area, summed_volume = np.pi / 4 * pixels**2, np.pi / 6 * pixels**3
    area, volume = share * summed_area, share * summed_volume
    if _is("rois_without_blob", bin_id):
        for column in (area, volume, summed_area, summed_volume, blobs):
            column[[7, 33]] = 0
    columns = (roi, area, volume, np.sqrt(4 / np.pi * area), blobs, summed_area, summed_volume)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [FEATURES_LINE.format(*row) for row in rows]
    if _is("rois_without_features", bin_id):
        lines = lines[:5] + lines[8:]
    path.write_text(f"{FEATURES}\n{''.join(lines)}", encoding="utf-8", newline="\n")


def _metadata_row(bin_id: str, sample_time: datetime, ml_analyzed: float, n_images: int) -> list[object]:
    number = int(bin_id[-3:])
    latitude, longitude, depth, _ = MOORINGS[number]
    if _is("position_empty", bin_id):
        latitude = longitude = ""
    if _is("position_fill", bin_id):
        latitude = longitude = "-9999999.0"
    volume = next((text for case, text in BAD_VOLUMES.items() if _is(case, bin_id)), repr(ml_analyzed))
    skip = _is("skipped", bin_id) or _is("beads_skipped", bin_id)
    beads = "beads" if _is("beads_skipped", bin_id) or _is("beads_not_skipped", bin_id) else ""
    comment = 'bubbles in the line, "do not use"' if _is("skipped", bin_id) else ""
    where = [latitude, longitude, depth, "", "", ""]  # a mooring has no cruise, cast or niskin
    what = [SAMPLE_TYPE, n_images, beads, "", comment, 2, int(skip)]
    return [bin_id, f"{sample_time:%Y-%m-%d %H:%M:%S}+00:00", number, volume, *where, *what]


def _csv(rows: Iterable[Iterable[object]]) -> str:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()
