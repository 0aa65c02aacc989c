# The inputs of images of bins and of the examples of montages, and the choice of bins. This file has no rule.
from functools import lru_cache

from ifcb_abundance.images import examples, extract as extract_images

IMAGES = SETTINGS["images"]
OF_MERGING = {"class_table": CLASS_TABLE_SHA256} if METHOD.table.merges else {}  # images of a class: of all its labels
OF_CLASSES = {
    "threshold": METHOD.threshold,
    "class_thresholds": METHOD.class_thresholds,
    "precision": METHOD.precision,
    **({"rule": METHOD.rule} if METHOD.rule != "winner" else {}),
    **({"from_scores": True} if METHOD.from_scores else {}),
    **OF_MERGING,
}
OUTLINES = {"outlines": True} if CONFIG.images.outlines else {}
COMPUTES_BLOBS = CONFIG.images.outlines and CONFIG.features.blobs and CONFIG.features.compute is not None

EXTRACTION = extract_images.Extraction(
    METHOD, CONFIG.images.stitch, RECORD_FAILURES, **OUTLINES, computed_blobs=computed_blobs
)
EXAMPLES = examples.ExampleCriteria(
    classes=CONFIG.images.classes,
    bins=CONFIG.images.bins,
    top=FIGURE_OPTIONS.top_classes,
    per_class=CONFIG.images.per_class,
    method=METHOD,
)
# No second `True` beside `stitch`: the engine compares the values of params without their names.
OF_OUTLINES = {"outlines": ["computed" if COMPUTES_BLOBS else "given"]} if OUTLINES else {}
OF_IMAGES = {
    "version": extract_images.OF_EACH if IMAGES["classes"] and METHOD.rule == "each" else extract_images.VERSION,
    "source": lambda wildcards: SOURCE.images_identity_of(wildcards.bin),
    "scores": lambda wildcards: SOURCE.scores_identity_of(wildcards.bin) if IMAGES["classes"] else None,
    # For scores that come over the network: those that were counted.
    "counted": lambda wildcards: counted_scores(wildcards.bin) if IMAGES["classes"] else None,
    "stitch": IMAGES["stitch"],
    "classes": IMAGES["classes"],
    "thresholds": OF_CLASSES if IMAGES["classes"] else None,
    **OF_OUTLINES,
}
OF_EXAMPLES = {
    "version": extract_images.VERSION,
    "source": lambda wildcards: SOURCE.images_identity_of(wildcards.bin),
    "scores": lambda wildcards: SOURCE.scores_identity_of(wildcards.bin),
    "stitch": IMAGES["stitch"],
    "precision": METHOD.precision if METHOD.by_winner else OF_CLASSES,
    "chosen": lambda wildcards: examples_of_bins()[wildcards.bin],
    **OF_OUTLINES,
}


def counted_scores(bin_id):
    """The checksum of the class scores that a bin's counts come from; empty if they were not counted."""
    said = scores.read_provenance(summary_path(bin_id))
    return said.sha256 if said else ""


def of_images(wildcards):
    """What a zip says of how it was made. It does not say from where: the same images give the same zip."""
    return stated({name: of for name, of in OF_IMAGES.items() if name not in ("source", "scores")}, wildcards)


def of_examples(wildcards):
    return stated({name: of for name, of in OF_EXAMPLES.items() if name not in ("source", "scores")}, wildcards)


def is_served(files):
    """Whether images come over the network; if not, it costs little to extract them again."""
    return not files and RUN_BEFORE.get("source") == SOURCE.catalog_identity


def files_of_images(wildcards):
    """The local files that a zip of images is made from. A zip without a record must prove itself."""
    path = f"{LAYOUT.images}/{ZIP.format(folder=wildcards.folder, bin=wildcards.bin)}"
    files = image_files(wildcards, scores=bool(IMAGES["classes"]))
    DOUBT.proven([path], lambda: is_served(files) and extract_images.proves_itself(path, of_images(wildcards)))
    return files


def files_of_examples(wildcards):
    path = f"{LAYOUT.examples}/{ZIP.format(folder=wildcards.folder, bin=wildcards.bin)}"
    files = image_files(wildcards)
    DOUBT.proven([path], lambda: is_served(files) and extract_images.proves_itself(path, of_examples(wildcards)))
    return files


def is_among_all(bin_id):
    """Whether a bin's images are wanted because all are. Such a bin is excluded if it has no raw files."""
    listed = Path(MERGED["image_bins"])
    return not IMAGES["bins"] and listed.exists() and bin_id in read_image_bins(listed, listed.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def read_image_bins(path, changed):
    return frozenset(table_files.read("image_bins", path)["bin"])


def say_left_out():
    """Count the bins without raw files when all images are wanted: a server only tells when asked for them."""
    zips = [path for job in workflow.dag.jobs if job.rule is rules.extract_images.rule for path in job.output]
    if without := extract_images.left_out(zips):
        if len(without) == len(zips):
            for path in without:  # so that the next run reports it too
                path.unlink()
            raise WorkflowError(f"images: none of {len(zips)} bins has raw files (.hdr, .adc, .roi) in the source")
        logger.warning(f"images: {len(without)} of {len(zips)} bins have no raw files in the source: excluded")


def of_zip(wildcards):
    return {"leave_out": is_among_all(wildcards.bin), "made_of": of_images(wildcards)}


def ask_again_for_left_out():
    """Let the next run that wants images ask again for the bins that had no raw files."""
    for path in extract_images.left_out(
        [*Path(RESULTS).glob("images/**/*.zip"), *Path(TABLES).glob("examples/**/*.zip")]
    ):
        path.unlink()


def image_files(wildcards, scores=True):
    """The local files that a bin's images, and their class scores, are read from."""
    blobs = SOURCE.blobs_files(wildcards.bin) if OUTLINES else []
    if path := computed_blobs(wildcards.bin):
        blobs = [*blobs, path]
    return SOURCE.image_files(wildcards.bin) + blobs + (SOURCE.scores_files(wildcards.bin) if scores else [])


def image_zips(wildcards):
    """The bins to make images of; the tables say which used bins have a ROI of the classes."""
    bins = IMAGES["bins"]
    if IMAGES["classes"] or not bins:
        bins = table_files.read("image_bins", checkpoints.list_images.get().output[0])["bin"]
    return [of_bin(LAYOUT.images, ZIP, bin_id) for bin_id in bins]


def examples_of_bins():
    """Bin to the class, score and number of its ROIs that montages show; waits for the choice."""
    path = Path(checkpoints.choose_examples.get().output[0])
    return read_examples(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def read_examples(path, changed):
    return examples.of_bins(path)


def example_zips(wildcards):
    return [of_bin(LAYOUT.examples, ZIP, bin_id) for bin_id in examples_of_bins()]
