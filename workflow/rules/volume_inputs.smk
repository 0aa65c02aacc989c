# The volumes that are cut, and the inputs of what is made of them and of crops. This file has no rule.
from functools import lru_cache
from importlib import import_module
from ifcb_abundance.common import extras
from ifcb_abundance.common.folders import stamp

VOLUMES = LAYOUT.volumes
OF_CROPS = CONFIG.volumes.folder is None  # then the volumes are the crops of the same config


def volumes_version(module, name="VERSION"):
    """The version of what a module of the room makes; imported when a run asks for it."""
    return getattr(import_module(f"ifcb_abundance.volumes.{module}"), name)


@lru_cache(maxsize=1)
def listed_volumes():
    """The files of the volumes by name, looked up once."""
    from ifcb_abundance.volumes.files import list_volumes

    return list_volumes(CONFIG.volumes.folder, CONFIG.volumes.voxel_nm)


def of_datasets(pattern):
    """The files of all datasets, as an input function. pattern: below the folder of volumes, with `{name}`."""
    return lambda wildcards: [
        f"{VOLUMES}/{pattern.format(name=name)}" for name in (meet_run() or sorted(listed_datasets()))
    ]


def of_crops(pattern):
    """The files of all crops, likewise, with `{crop}`."""
    return lambda wildcards: [f"{VOLUMES}/{pattern.format(crop=crop)}" for crop in sorted(chosen_crops())]


def volume_names():
    return sorted(chosen_crops() if OF_CROPS else listed_volumes())


def usable_volumes():
    """The names of the volumes without a problem; waits for them to be converted. The others get no file."""
    rows = table_files.read("volumes", checkpoints.merge_volumes.get().output[0], ["volume", "problem"])
    return sorted(rows.loc[rows["problem"] == "", "volume"])


def of_volumes(pattern):
    """The files of all volumes that can be used, likewise, with `{volume}`."""
    return lambda wildcards: [f"{VOLUMES}/{pattern.format(volume=volume)}" for volume in usable_volumes()]


def of_sources(pattern):
    """The files of all datasets that volumes are of, likewise, with `{source}`."""

    def files(wildcards):
        from ifcb_abundance.volumes.names import dataset_of

        return [f"{VOLUMES}/{pattern.format(source=each)}" for each in sorted(set(map(dataset_of, usable_volumes())))]

    return files


def pictures_of_volumes(wildcards):
    """Pictures of the first volumes: thousands of crops would have thousands, and each can be asked for by name."""
    return [f"{VOLUMES}/pictures/patches/{volume}.png" for volume in usable_volumes()[:50]]


def file_of_volume(wildcards):
    meet_run()
    if OF_CROPS:
        return f"{VOLUMES}/crops/{wildcards.volume}.nrrd"
    row = f"{VOLUMES}/converted/{wildcards.volume}.csv"
    DOUBT.refuse(row, lambda: not extras.reader_came(row))
    return str(listed_volumes()[wildcards.volume])


def identity_of_volume(wildcards):
    """What tells a file from one that replaced it, whatever the time of either."""
    from ifcb_abundance.volumes.files import identity_of_file

    return None if OF_CROPS else identity_of_file(listed_volumes()[wildcards.volume])


def volume_filter():
    from ifcb_abundance.curation.filter import FilterOptions

    options = CONFIG.volumes.filter
    return FilterOptions(options.labels, options.model, options.weights, key="volumes.filter")


OF_VOLUME_FILTER = {
    "version": lambda wildcards: curation_version("filter"),
    "model": CONFIG.volumes.filter.model,
    "labels": lambda wildcards: identity_of("labels", "volumes"),
    "weights": lambda wildcards: identity_of("weights", "volumes") if VOLUMES_SCORED_BY_NETWORK else None,
}
VOLUMES_SCORED_BY_NETWORK = CONFIG.volumes.filter.model == "resnet34" and CONFIG.volumes.filter.weights is not None
