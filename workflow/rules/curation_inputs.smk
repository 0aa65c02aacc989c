# The groups of images that are curated: bins, or the subfolders of a folder. This file has no rule.
from functools import lru_cache

from ifcb_abundance.common import extras

CURATION = f"{TABLES}/curation"
CLEAN, KEPT = f"{CURATION}/clean", f"{CURATION}/kept"
OF_FOLDER = CONFIG.curation.folder is not None

# Folders that have a file of each group.
OF_GROUPS = ("clean", "cleaning", "patches", "filter", "classes")

# What the rules of duplicates and stuck particles are made with.
DUPLICATES = CONFIG.curation.duplicates
# Tables that say what becomes of patches; with a folder no particle can be told to be stuck.
OF_CURATED = ["cleaning", "patches", "duplicates", "filter", *([] if OF_FOLDER else ["stuck"])]
# Stages 1 to 8.
CURATED = [*OF_CURATED, "issues", "roc", "curated", "distance"]


def curation_targets(wildcards=None):
    return [MERGED[name] for name in CURATED] + figure_files(registry.OF_CURATION)


def duplicate_rule():
    from ifcb_abundance.curation.duplicates import DuplicateRule

    return DuplicateRule(DUPLICATES.distance, DUPLICATES.confirm, DUPLICATES.within, DUPLICATES.seed)


def stuck_rule():
    from ifcb_abundance.curation.stuck import StuckRule

    stuck = CONFIG.curation.stuck
    return StuckRule(stuck.place_px, stuck.times, stuck.gap_bins, DUPLICATES.hash, duplicate_rule())


def curation_version(module):
    """The version of what a module of the room makes; imported when a run asks for it."""
    from importlib import import_module

    return import_module(f"ifcb_abundance.curation.{module}").VERSION


@lru_cache(maxsize=1)
def listed_folder():
    """The groups of the folder, looked up once."""
    from ifcb_abundance.curation.listing import list_folder

    return list_folder(CONFIG.curation.folder)


def empty_folders():
    return listed_folder().empty if OF_FOLDER else ()


def images_of_group(wildcards):
    """The zip of a bin's images. Files of a folder may be many: the params have what tells them apart."""
    if not OF_FOLDER:
        try:
            return of_bin(LAYOUT.images, ZIP, wildcards.group)
        except ValueError:
            told = f"curation: no group of images is called {wildcards.group!r}"
            raise ConfigError(f"{told}; without curation.folder a group is a bin, and is called so") from None
    listed_folder().groups[wildcards.group]  # refuses other names
    table = f"{CURATION}/cleaning/{wildcards.group}.csv"
    DOUBT.refuse(table, lambda: not extras.reader_came(table))
    return meet_run()


def identity_of_group(wildcards):
    return listed_folder().groups[wildcards.group].identity() if OF_FOLDER else None


def clean_group(group, *how):
    from ifcb_abundance.curation import clean

    if OF_FOLDER:
        return clean.clean_folder(listed_folder().groups[group], *how)
    return clean.clean_bin(of_bin(LAYOUT.images, ZIP, group), group, *how)


def curated_groups(wildcards):
    """The groups by the names that their files have, in a fixed order."""
    if OF_FOLDER:
        return sorted(listed_folder().groups)
    return sorted(Path(path).stem for path in image_zips(wildcards))


def of_other_groups(parts):
    """The files of groups that an earlier config had. parts: a file of each group that there is."""
    groups = {Path(path).stem for path in parts}
    finished = [path for name in OF_GROUPS for path in Path(CURATION, name).glob("*")]
    return [path for path in finished if path.stem not in groups and path.suffix in (".csv", ".zip")]


def of_all_groups(pattern):
    """The files of all groups, as an input function. pattern: below the folder of curation, with `{group}`."""
    return lambda wildcards: [f"{CURATION}/{pattern.format(group=group)}" for group in curated_groups(wildcards)]


def kept_images(wildcards):
    """Nothing. If kept images are gone, the table that says what is kept is made again, and so are they."""
    if workflow.is_main_process and Path(MERGED["curated"]).exists():
        from ifcb_abundance.curation import curate

        if not curate.is_packed(MERGED["curated"], KEPT):
            DOUBT.make_again([MERGED["curated"]])
    return []


def identity_of(key, stage="curation"):
    """The checksum of a file that the filter of a stage names; None if it names none."""
    path = getattr(getattr(CONFIG, stage).filter, key)
    if path is None:
        return None
    from ifcb_abundance.curation import filter

    return filter.checksum(path, f"{stage}.filter.{key}")


def labels_of_filter(stage):
    """No file, as an input function: it is asked before any work, so labels that cannot be used end the run then."""

    def read(wildcards):
        if path := getattr(CONFIG, stage).filter.labels:
            from ifcb_abundance.curation import filter

            filter.parse_labels(path, f"{stage}.filter.labels")
        return []

    return read


def filter_options():
    from ifcb_abundance.curation.filter import FilterOptions

    options = CONFIG.curation.filter
    return FilterOptions(options.labels, options.model, options.weights, options.device)


OF_FILTER = {
    "version": lambda wildcards: curation_version("filter"),
    "model": CONFIG.curation.filter.model,
    "labels": lambda wildcards: identity_of("labels"),
    "weights": lambda wildcards: identity_of("weights") if CONFIG.curation.filter.model == "resnet34" else None,
}
SCORED_BY_NETWORK = CONFIG.curation.filter.model == "resnet34" and CONFIG.curation.filter.weights is not None
