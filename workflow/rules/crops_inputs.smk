# The datasets that crops are taken from, and with how many requests at a time they are read. This file has no rule.


@lru_cache(maxsize=1)
def listed_datasets():
    """The datasets of samples.list by name, read once."""
    from ifcb_abundance.volumes.dataset_list import read_datasets

    if CONFIG.samples.datasets is None:
        raise ConfigError(
            "samples.list is not set. Set volumes.folder, the path of a folder of volumes, or samples.list, a CSV file "
            "of datasets to take crops from; docs/how-to/volumes.md has examples"
        )
    return read_datasets(CONFIG.samples.datasets)


@lru_cache(maxsize=1)
def chosen_crops():
    """The crops that are taken, by name: the dataset, and the part of the crop that is no padding."""
    from ifcb_abundance.volumes.files import warn_of_unknown

    boxes = [checkpoints.choose_boxes.get(name=name).output.boxes for name in listed_datasets()]
    tables = [table_files.read("boxes", path, ["crop", "dataset", "filled", "status"]) for path in boxes]
    chosen = {
        crop: (dataset, filled)
        for table in tables
        for crop, dataset, filled, status in table.itertuples(index=False)
        if status == "taken"
    }
    warn_of_unknown(CONFIG.volumes.voxel_nm, sorted(chosen))
    return Named("samples: no crop that is taken is called", chosen)


def crop_to_read(wildcards):
    """The dataset of a crop, its place, and the part of it that is no padding."""
    from ifcb_abundance.volumes.names import parse_crop

    dataset, filled = chosen_crops()[wildcards.crop]
    return listed_datasets()[dataset], parse_crop(wildcards.crop), filled


def identity_of_dataset(name):
    """What is asked of a dataset; where it stands in the list does not matter. Of one on disk, which file it is too."""
    from ifcb_abundance.stores.metadata_files import files_on_disk
    from ifcb_abundance.volumes.files import data_files

    dataset, path = listed_datasets()[name], Path(listed_datasets()[name].url)
    files = [dataset.url, *data_files(path)] if path.is_file() else files_on_disk(dataset.url)
    return [str(replace(dataset, line=0)), *map(stamp, files)]


def identity_of_crop(wildcards):
    """What a crop hangs on. Another seed or budget takes others, and does not read this one again."""
    dataset = listed_datasets()[chosen_crops()[wildcards.crop][0]]
    voxel = [f"voxel_{axis}_nm" for axis in "zyx"] if dataset.voxel_nm and dataset.mip else []  # as its scales have it
    path = f"{VOLUMES}/datasets/{dataset.name}.csv"
    told = table_files.read("sampled_datasets", path, ["rule", "low", "high", *voxel]).iloc[0]
    return [*identity_of_dataset(dataset.name), *map(str, told)]


def requests_to(name, most):
    """How many requests at a time read a dataset, or the profile's limit if that is lower. 0 for one on disk."""
    dataset = listed_datasets().get(name)
    return most if dataset and "://" in dataset.url else 0


def requests_of_crop(wildcards):
    """A few, so that several crops are read at a time where the profile allows more."""
    from ifcb_abundance.stores.places import FEW
    from ifcb_abundance.volumes.names import parse_crop

    crop = parse_crop(wildcards.crop)
    return requests_to(crop.dataset, FEW) if crop else 0
