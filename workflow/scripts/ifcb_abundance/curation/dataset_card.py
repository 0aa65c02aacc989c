"""Write the card of a training set, README.md: what is in it, what was left out and why, and what it cannot promise.

Its head is the front matter that Hugging Face reads. Source: huggingface.co/docs/hub/datasets-cards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.words import counted
from ifcb_abundance.curation.leaks import Margin
from ifcb_abundance.curation.splits import SPLITS, TOLERANCE, missed_fractions

VERSION = 2  # of what the card says: raise it so that it is written anew
IMAGES, SHARDS = "imagefolder", "webdataset"  # formats
HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}
SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
UNITS = {"day": "day", "group": "group (a bin, or a subfolder)", "image": "image"}


@dataclass(frozen=True)
class CardFacts:
    """What the card says beside the counts.

    labels: where they are from, in words. machine: whether a classifier gave them. duplicates: the config's
    `curation.duplicates`. license: its SPDX name or address; None if the config has none.
    """

    title: str
    labels: str
    machine: bool
    formats: Sequence[str]
    split_by: str
    fractions: tuple[float, float, float]
    seed: int
    duplicates: Mapping[str, Any]
    patch_px: int | None
    license: str | None
    tags: Sequence[str] = ()


@dataclass(frozen=True)
class Joined:
    """What was found of copies. margin: of what joined images, see `leaks`.

    contradicted: copies that have another label than the image that they are a copy of. labels_of_copies: images that
    had no label and took that of their copies.
    """

    margin: Margin
    contradicted: int = 0
    labels_of_copies: int = 0


def write_card(split: pd.DataFrame, classes: pd.DataFrame, facts: CardFacts, joined: Joined, path: str | Path) -> None:
    """Write README.md of a training set, whose other files are beside it already.

    split, classes: the tables `training_split` and `training_classes`.
    """
    parts = [_front_matter(split, classes, facts), _contents(classes, facts), _left_out(split)]
    parts += [_how(facts, joined.margin), _limits(split, classes, facts, joined)]
    parts.append(_reading(classes, facts, Path(path).parent))
    with atomic_write(path) as unfinished:
        unfinished.write_text("\n".join(parts), encoding="utf-8")


def _front_matter(split: pd.DataFrame, classes: pd.DataFrame, facts: CardFacts) -> str:
    n = int((split["split"] != "").sum())
    head: dict[str, Any] = {
        "pretty_name": facts.title,
        "license": facts.license.lower() if facts.license and "/" not in facts.license else "unknown",
        "task_categories": ["image-classification"],
        **({"tags": list(facts.tags)} if facts.tags else {}),
        "size_categories": [next((size for most, size in SIZES.items() if n < most), "n>10M")],
    }
    there = [name for name in SPLITS if classes[name].any()]
    if IMAGES in facts.formats:
        files = {name: f"{name}/**" for name in there}
    else:
        files = {name: f"shards/{name}-*.tar" for name in there}
    if files:
        entries = [{"split": HUB_SPLITS[name], "path": path} for name, path in files.items()]
        head["configs"] = [{"config_name": "default", "data_files": entries}]
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n# {facts.title}\n"


def _contents(classes: pd.DataFrame, facts: CardFacts) -> str:
    sums = {name: int(classes[name].sum()) for name in SPLITS}
    n = sum(sums.values())
    shares = ", ".join(f"{name} {count:,} ({count / max(n, 1):.1%})" for name, count in sums.items())
    rows = [
        f"| {_cell(label)} | `{folder}` | {train:,} | {val:,} | {test:,} |"
        for label, folder, train, val, test in classes[["label", "folder", *SPLITS]].to_numpy(object)
    ]
    table = "\n".join(["| class | folder | train | val | test |", "|---|---|--:|--:|--:|", *rows])
    return (
        f"{counted(n, 'grey image')} of 8 bits in {counted(len(classes), 'class')}: {shares}.\n\n"
        f"Labels: {facts.labels}.\n\n## Classes\n\n{table}\n\n"
        "`classes.csv` has the same counts. The number of a class is its line there, from 0.\n"
    )


def _left_out(split: pd.DataFrame) -> str:
    left = split.loc[split["split"] == "", "reason"].str.split(":").str[0].value_counts()
    if left.empty:
        return "## Left out\n\nNothing.\n"
    rows = "\n".join(f"| {reason} | {count:,} |" for reason, count in sorted(left.items()))
    return f"## Left out\n\n| why | images |\n|---|--:|\n{rows}\n\n`split.csv` has a row for each, with the reason.\n"


def _how(facts: CardFacts, margin: Margin) -> str:
    duplicates = facts.duplicates
    hashed = f"the hash `{duplicates['hash']}` differs by {duplicates['distance']} of 64 bits or fewer"
    if duplicates["confirm"] is not None:
        hashed += f" and their pixels correlate by {duplicates['confirm']} or more"
    cut = "" if facts.patch_px is None else f" Images were cut into patches of {facts.patch_px} pixels."
    joined = "near-duplicates"
    if margin.correlation:
        joined = (
            f"images that look alike (up to {duplicates['distance'] + margin.bits} bits, correlation from "
            f"{duplicates['confirm'] - margin.correlation:.2f})"
        )
    chains = ", directly or by way of images that were left out" if margin.chains else ""
    return (
        "## How it was split\n\n"
        f"Two images are near-duplicates if {hashed}. Of such images one was kept (within: {duplicates['within']}, "
        f"seed {duplicates['seed']}).{cut} What is of one {UNITS[facts.split_by]} is in one split; so are units that "
        f"{joined} join{chains} (seed {facts.seed}). When all was written, "
        "the pictures were read again and hashed: no near-duplicates are in two splits (`leaks.csv` has no row).\n"
    )


def unseen_classes(classes: pd.DataFrame) -> list[str]:
    """List the classes that are in val or test and not in train. classes: the table `training_classes`."""
    return list(classes.loc[(classes["train"] == 0) & (classes["val"] + classes["test"] > 0), "label"])


def _limits(split: pd.DataFrame, classes: pd.DataFrame, facts: CardFacts, joined: Joined) -> str:
    limits = [
        f"{name} has {has:.1%} of the images, and {wanted:.1%} were asked for: what must stay together is too large, "
        f"or too little of it is there (more than {TOLERANCE} off)."
        for name, (has, wanted) in missed_fractions(split["split"], facts.fractions).items()
    ]
    for name, wanted in zip(SPLITS, facts.fractions, strict=True):
        lacking = list(classes.loc[classes[name] == 0, "label"])
        unseen = ", so a classifier cannot learn what val or test has of them" if name == "train" else ""
        if wanted and lacking and len(lacking) < len(classes):
            limits.append(
                f"{name} has no image of {counted(len(lacking), 'class')}: {_named(lacking)}{unseen}. Readers that "
                "number classes by a split's own folders number them differently there; take the numbers of "
                "`classes.csv`."
            )
    if joined.labels_of_copies:
        limits.append(
            f"{counted(joined.labels_of_copies, 'image')} had no label and took that of the copies, which were left "
            "out."
        )
    if joined.contradicted:
        limits.append(
            f"{counted(joined.contradicted, 'image')} left out as near-duplicates of images of the set, but under "
            "another label: one of the two may be wrong. The reasons in `split.csv` name them."
        )
    if facts.machine:
        limits.append("A classifier gave the labels, so they have its errors. Nobody has looked at them.")
    limits.append("Near-duplicates that neither the hash nor the correlation finds may still be in two splits.")
    terms = facts.license or "none is given: ask whoever made the images (`export.license` in the config)"
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits) + f"\n\n## Licence\n\n{terms}\n"


def _reading(classes: pd.DataFrame, facts: CardFacts, folder: Path) -> str:
    name = next((name for name in SPLITS if classes[name].any()), SPLITS[0])
    ways = []
    if IMAGES in facts.formats:
        ways += [f'torchvision.datasets.ImageFolder("{name}")', 'datasets.load_dataset(".")']
    if SHARDS in facts.formats:
        last = len(list((folder / "shards").glob(f"{name}-*.tar"))) - 1
        number = f"{{000000..{last:06}}}" if last > 0 else "000000"
        ways.append(f'webdataset.WebDataset("shards/{name}-{number}.tar", shardshuffle=False)')
    code = "\n".join(["```python", *ways, "```"])
    return f"## Reading it\n\n{code}\n\n`sha256sum --check SHA256SUMS` checks all files.\n"


def _cell(text: str) -> str:
    """Escape a label so that it is text, and nothing else, in a cell of Markdown."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|!" else c for c in plain)


def _named(labels: Sequence[str]) -> str:
    return ", ".join(map(_cell, labels[:20])) + (", …" if len(labels) > 20 else "")
