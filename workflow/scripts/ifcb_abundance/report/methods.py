"""Write the methods section of a run, to be put into a paper, from its run.json."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.words import counted
from ifcb_abundance.config import Config
from ifcb_abundance.config.model import FROM_SCORES, Features
from ifcb_abundance.report import run_record
from ifcb_abundance.report.overview import volume_wanted
from ifcb_abundance.sources.score_files import SUMMARY

VERSION = 7  # of the text: raise it so that it is written again
THRESHOLDS_SHOWN = 20
MERGED_SHOWN = 10  # classes that labels are merged into
HALF = {"float16": "half", "float32": "single", "float64": "double"}
CARBON_RULES = {
    "menden_deuer_lessard_2000": "",
    "ifcb_analysis": " as ifcb-analysis does (biovol2carbon.m): diatoms of less than 3,000 µm³ have the equation of "
    "other protists, larger ones that of large diatoms",
    "irfcb_legacy": " as iRfcb's vol2C_lgdiatom does: diatoms of any size have the equation of large diatoms",
}
LEFT_OUT = {
    BinStatus.SKIPPED: "flagged by the operator (skip)",
    BinStatus.FILTERED: "left out by the selection{}",
    BinStatus.BAD_VOLUME: "without a {}",
    BinStatus.NO_SCORES: "without class scores",
    BinStatus.FAILED: "that could not be read",
}
REFERENCES = {
    "Garwood 1936": "Garwood, F. (1936). Fiducial limits for the Poisson distribution. *Biometrika* 28, 437-442.",
    "McCullagh and Nelder 1989": "McCullagh, P., and J. A. Nelder (1989). *Generalized Linear Models*, 2nd edition. "
    "Chapman and Hall.",
    "Menden-Deuer and Lessard 2000": "Menden-Deuer, S., and E. J. Lessard (2000). Carbon to volume relationships for "
    "dinoflagellates, diatoms, and other protist plankton. *Limnol. Oceanogr.* 45, 569-579.",
    "Moberg and Sosik 2012": "Moberg, E. A., and H. M. Sosik (2012). Distance maps to estimate cell volume from "
    "two-dimensional plankton images. *Limnol. Oceanogr. Methods* 10, 278-288.",
    "Mölder et al. 2021": "Mölder, F., and others (2021). Sustainable data analysis with Snakemake. *F1000Research* "
    "10, 33.",
    "Olson and Sosik 2007": "Olson, R. J., and H. M. Sosik (2007). A submersible imaging-in-flow instrument to analyze "
    "nano- and microplankton: Imaging FlowCytobot. *Limnol. Oceanogr. Methods* 5, 195-203.",
    "Sosik and Olson 2007": "Sosik, H. M., and R. J. Olson (2007). Automated taxonomic classification of phytoplankton "
    "sampled with imaging-in-flow cytometry. *Limnol. Oceanogr. Methods* 5, 204-216.",
}


def write_methods(run: str | Path, path: str | Path) -> None:
    """Write METHODS.md from a run.json: how the numbers were made, how to cite, and the references."""
    record = run_record.read(run)
    sections = {
        "Data": _data(record),
        "Classification": _classification(record),
        "Abundance": _abundance(record),
        "Software": _software(record),
    }
    body = "\n\n".join(f"## {name}\n\n{' '.join(sentences)}" for name, sentences in sections.items())
    cited = [full for short, full in REFERENCES.items() if short in body]
    text = "\n\n".join(
        [
            f"# Methods: {_plain(record['dataset'])}",
            "This section is written from `run.json` of this run. Read it before you use it, and fill in what is in "
            "square brackets.",
            body,
            "## How to cite",
            "\n".join(f"- {line}" for line in _cite(record)),
            "## References",
            "\n".join(f"- {line}" for line in cited),
        ]
    )
    with atomic_write(path) as unfinished:
        unfinished.write_text(f"{text}\n", encoding="utf-8")


def _data(run: Mapping[str, Any]) -> Iterator[str]:
    source, config, statuses = _source(run), run["config"], run["bins_per_status"]
    yield (
        "Class scores of images from an Imaging FlowCytobot (IFCB; Olson and Sosik 2007) were read from "
        f"{source}. The list of bins was read on {run['catalog_read_at'][:10]}."
    )
    volume = volume_wanted(config)
    chosen = _selection(config["select"], volume)
    skipped = ", including bins flagged by the operator (skip)" if config["select"]["include_skipped"] else ""
    yield f"The bins were selected by {chosen}{skipped}." if chosen else f"All bins were selected{skipped}."
    if not run["bins"]:
        yield "There was no bin."
        return
    used = statuses[BinStatus.USED]
    of_config = {
        BinStatus.FILTERED: " or for their quality" if config["quality"]["exclude_bad"] else "",
        BinStatus.BAD_VOLUME: volume or "usable volume",
    }
    left_out = [
        f"{statuses[status]:,} {why.format(of_config.get(status))}"
        for status, why in LEFT_OUT.items()
        if statuses[status]
    ]
    yield (
        f"Of {counted(run['bins'], 'bin')} on {counted(run['days'], 'UTC day')} ({run['first_day']} to "
        f"{run['last_day']}), {used:,} {'was' if used == 1 else 'were'} used"
        + (f"; not used: {', '.join(left_out)}." if left_out else ".")
    )
    yield (
        f"The used bins of {counted(len(run['instruments']), 'instrument')} ({', '.join(run['instruments'])}) hold "
        f"{counted(run['n_rois'], 'image')} in {run['ml_analyzed']:,.1f} mL of analyzed sample."
        if run["n_rois"]
        else "They hold no image."
    )
    if config["source"]["catalog"] == "raw":
        yield (
            "Volumes were computed from the instruments' raw files, with RunFastFactor for fast runs."
            if config["source"]["fast_runs"] == "factor"
            else "Volumes were computed from the instruments' raw files, without RunFastFactor, as the dashboard does."
        )
    else:
        yield "The analyzed volume of a bin is the source's (ml_analyzed)."


def _selection(select: Mapping[str, Any], volume: str) -> str:
    chosen = []
    if select["start"] or select["end"]:
        chosen.append(
            f"time ({select['start'] or 'the first bin'} to {select['end'] or 'the last bin'}, UTC, inclusive)"
        )
    for key in ("instruments", "sample_types", "exclude_tags", "exclude_bins"):
        if select[key]:
            chosen.append(f"{key.replace('_', ' ')} ({', '.join(map(_plain, select[key]))})")
    if volume:
        chosen.append(f"analyzed {volume.replace(' ', ' (', 1)})")
    return " and ".join(chosen)


def _classification(run: Mapping[str, Any]) -> Iterator[str]:
    classify, own = run["config"]["classify"], run["class_thresholds"]
    own_ones = classify["class_thresholds"] == FROM_SCORES
    needed = "threshold of the classifier for that class" if own_ones else f"threshold of {classify['threshold']}"
    yield {
        "winner": "Each image was assigned to the class with its highest score (Sosik and Olson 2007) if that score "
        f"reached the {needed}; otherwise it is unclassified.",
        "above_own": "Of the classes whose score reached their threshold, each image was assigned to the one with the "
        f"highest score; an image without any is unclassified. A class needed the {needed}.",
        "each": "Each image was counted for every class whose score reached its threshold, so an image may count more "
        f"than once; an image without any is unclassified. A class needed the {needed}.",
    }[classify.get("rule", "winner")]
    if own:
        shown = [f"{_plain(name)} {threshold}" for name, threshold in list(own.items())[:THRESHOLDS_SHOWN]]
        more = f" and {len(own) - THRESHOLDS_SHOWN} more" if len(own) > THRESHOLDS_SHOWN else ""
        yield f"{counted(len(own), 'class')} had thresholds of their own: {', '.join(shown)}{more}."
    yield from _merged(run["merged_labels"])
    if run["scores_format"] == SUMMARY:
        yield "The counts were read from class summaries of ifcb-analysis, which have no scores of single images."
    else:
        first = " Among equal scores the first class won." if classify.get("rule") != "each" else ""
        yield f"Scores and thresholds were compared in {HALF[classify['score_precision']]} precision.{first}"
    if run["n_rois"]:
        share = run["n_unclassified"] / run["n_rois"]
        yield (
            f"There were {counted(run['classes'] - 1, 'class')}; {run['n_unclassified']:,} images ({share:.1%}) "
            "remained unclassified."
        )
    yield "[Name the classifier and its training set: class scores do not say which made them.]"


def _merged(merged: Mapping[str, str]) -> Iterator[str]:
    """Say which labels the class table makes one class. merged: the class of each label that has another one."""
    labels_of: dict[str, list[str]] = {}
    for label, name in merged.items():
        labels_of.setdefault(name, []).append(label)
    shown = [
        f"{' and '.join(map(_plain, labels))} as {_plain(name)}"
        for name, labels in list(labels_of.items())[:MERGED_SHOWN]
    ]
    if shown:
        more = len(labels_of) - len(shown)
        yield f"The class table merges labels: it counts {'; '.join(shown)}{f'; and {more} more' if more else ''}."


def _abundance(run: Mapping[str, Any]) -> Iterator[str]:
    config = run["config"]
    groups = [name.replace("_", " ") for name in config["abundance"]["group_by"]]
    per = " and ".join(["UTC day", *groups])
    counts = "images (objects)" if run["cells"] else "images (objects), not cells"
    yield (
        f"Abundance per {per} is the sum of a class's counts over the sum of the volumes of all used bins whose label "
        f"set has the class, bins without a hit included. It counts {counts}. A class that was looked for "
        "and not found has a count of zero."
    )
    yield (
        f"Limits are the exact Poisson limits at {100 * config['abundance']['confidence']:g} % (Garwood 1936) of the "
        "count over the volume. A second pair of limits is widened by the scatter between bins, Pearson's chi-square "
        "over its degrees of freedom (McCullagh and Nelder 1989). Neither covers images that were misclassified."
    )
    if run["cells"]:
        yield (
            "Abundance is given in cells too, where the cells of all images of a class are known, from the class table "
            "or the class scores. Its limits are those of the images times the mean cells per image: the error of the "
            "cells per image is not in them."
        )
    if config["abundance"]["period"] != "day":
        yield f"The same was done per {config['abundance']['period']}."
    if (km := config["abundance"]["pool_km"]) is not None:
        yield (
            "Bins of an instrument and UTC day were also pooled, one after the other, as long as they were no farther "
            f"than {km:g} km from the first."
        )
    if config["features"]["make"]:
        of_bins = _features_of_summaries if run["scores_format"] == SUMMARY else _features
        yield from of_bins(Config(**config).features)


def _features(features: Features) -> Iterator[str]:
    computed = "computed with planktofeatures, version 4 of WHOI's features (Moberg and Sosik 2012)"
    volumes = {
        None: "those of the feature files (Moberg and Sosik 2012)",
        "missing": f"those of the feature files or, for bins with raw images and without such a file, {computed}",
        "all": f"{computed}, from the raw images of all bins that have them",
    }[features.compute]
    size = features.pixels_per_um.default
    yield f"Biovolumes are {volumes}, at {size} pixels per µm unless an instrument has its own value."
    yield f"Carbon is computed from biovolume (Menden-Deuer and Lessard 2000){CARBON_RULES[features.carbon_rule]}."
    if features.carbon == "per_cell":
        yield "For carbon, an image is as many equal cells as it shows, or one cell where that is not known."


def _features_of_summaries(features: Features) -> Iterator[str]:
    yield (
        "Biovolumes are the sums per class of ifcb-analysis' class summaries (Moberg and Sosik 2012), which are in µm³ "
        "already."
    )
    if (features.carbon_rule, features.carbon) == ("ifcb_analysis", "per_image"):
        rule = CARBON_RULES[features.carbon_rule]
        yield (
            "Carbon was taken from the summaries as well, which computed it from biovolume (Menden-Deuer and Lessard "
            f"2000){rule}."
        )
    else:
        yield "There is no carbon: class summaries have it by ifcb-analysis' rule and per image only."


def _software(run: Mapping[str, Any]) -> Iterator[str]:
    software = dict(run["software"])
    snakemake = software.pop("snakemake")
    others = ", ".join(f"{name} {version}" for name, version in software.items())
    yield (
        f"The numbers were made with {run['workflow']['name']} {run['workflow']['version']}, a workflow for Snakemake "
        f"{snakemake} (Mölder et al. 2021), with {others}."
    )
    if servers := run["servers"]:
        yield f"The server said of itself: {', '.join(map(_plain, servers))}."
    yield (
        "`run.json` has the config as resolved and the time at which the scores of each bin were read; `ledger.csv` "
        "has the outcome for each bin, with the SHA-256 of its score file."
    )


def _cite(run: Mapping[str, Any]) -> Iterator[str]:
    workflow = run["workflow"]
    yield (
        f"The workflow: {workflow['authors']} ({workflow['released'][:4]}). {workflow['title']}. Version "
        f"{workflow['version']}. [address or DOI of the release]"
    )
    yield f"The data: {_source(run)}, read on {run['catalog_read_at'][:10]}. [creators, title and DOI of the data set]"
    yield "The classifier: [its authors, version and training set]"


def _source(run: Mapping[str, Any]) -> str:
    """Name the source and the data set on it."""
    source = Config(**run["config"]).source
    if source.kind == "directory":
        return "an archive on disk"
    if source.kind == "bucket":
        server = f", at {source.endpoint_url}" if source.endpoint_url else ""
        return f"an archive in a bucket ({_plain(source.path)}{server})"
    return f"the data set {_plain(run['dataset'])} at {source.url}"


def _plain(text: Any) -> str:
    """Escape what Markdown would take for markup: labels, tags and servers may say anything."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~$&])", r"\\\1", " ".join(str(text).split()))
