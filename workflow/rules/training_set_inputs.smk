# Paths, labels and facts of the training set. This file has no rule.
SET = f"{RESULTS}/training_set"
SET_OPTIONS = CONFIG.training_set
JOINED = f"{CURATION}/training_set.json"  # what joined images, for the card
WON = not OF_FOLDER and SET_OPTIONS.labels is None  # labels are the classes that ROIs won
FRACTIONS = (SET_OPTIONS.fractions.train, SET_OPTIONS.fractions.val, SET_OPTIONS.fractions.test)


def classes_won(wildcards):
    return of_all_groups("classes/{group}.csv")(wildcards) if WON else []


def label_sources(files):
    """Where labels and days come from; files: the inputs of a job."""
    from ifcb_abundance.curation.training_set import LabelSources

    return LabelSources(SET_OPTIONS.labels, files.won if WON else None, None if OF_FOLDER else files.ledger)


def labels_of_set(wildcards):
    """No file. An input function is asked before any work, so labels that cannot be used end the run then."""
    if SET_OPTIONS.labels is not None:
        from ifcb_abundance.curation.training_set import read_labels

        read_labels(SET_OPTIONS.labels)
    return []


def labels_identity(wildcards):
    """The checksum of the user's labels; None if there are none."""
    if SET_OPTIONS.labels is None:
        return None
    from ifcb_abundance.curation.filter import checksum

    return checksum(SET_OPTIONS.labels, "training_set.labels")


def kept_by(wildcards):
    """What decides which images are kept, and how they look. What the filter has learned from counts, not its path."""
    of_filter = {"labels", "weights", "device"}
    told = CONFIG.curation.model_dump(exclude={"make": True, "filter": of_filter})
    return [told, *(OF_FILTER[key](wildcards) for key in ("labels", "weights"))]


def split_training_set(files, split, paths):
    """Split the kept images; files: the inputs of a job. split: the options. paths: of what is written."""
    from ifcb_abundance.curation import training_set

    how = (label_sources(files), duplicate_rule(), training_set.SplitOptions(*split))
    training_set.split_training_set(by_name(files), CLEAN, *how, paths)


def card_facts():
    from ifcb_abundance.curation.dataset_card import CardFacts

    if SET_OPTIONS.labels:
        labels = f"from the file `{Path(SET_OPTIONS.labels).name}`, which people have to answer for"
    elif WON:
        labels = "the class that a classifier gave each ROI, at its threshold"
    else:
        labels = "the names of the folders that the images were in"
    return CardFacts(
        title=CONFIG.export.title or f"Training set {CONFIG.dataset}",
        labels=labels,
        machine=WON,
        formats=tuple(SET_OPTIONS.formats),
        split_by=SET_OPTIONS.split_by,
        fractions=FRACTIONS,
        seed=SET_OPTIONS.seed,
        duplicates=DUPLICATES.model_dump(),
        patch_px=CONFIG.curation.patch_px,
        license=CONFIG.export.license,
        tags=() if OF_FOLDER else ("plankton", "imaging-flow-cytobot"),
    )
