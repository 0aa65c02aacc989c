# Needs the source, for zips of images by name; the merged tables, for all of them and for montages. Makes nothing unless
# asked for, or images.make says so:
#
#   snakemake --cores 8 results/demo/images/2024/D20240415/D20240415T001230_IFCB010.zip
#   snakemake --cores 8 images
#   snakemake --cores 8 montages
import examples
import extract_images
import montages

IMAGES = SETTINGS["images"]
OF_CLASSES = {
    "threshold": METHOD.threshold,
    "class_thresholds": METHOD.class_thresholds,
    "precision": METHOD.precision,
}
extracted = Progress("images of bins", lambda: jobs_left("extract_images"))
exampled = Progress("bins of montages", lambda: jobs_left("extract_examples"))


def jobs_left(rule_name):
    """How many jobs there are, all of them to be done; a job on its own knows of itself alone."""
    if not workflow.is_main_process:
        return 1, 1
    return (sum(job.rule.name == rule_name for job in workflow.dag.needrun_jobs()),) * 2


def files_of_images(wildcards, scores=True):
    """What is read on disk; of an archive that is still to be made its list says that it is there."""
    return SOURCE.image_files(wildcards.bin) + (SOURCE.scores_files(wildcards.bin) if scores else [])


def zip_path(bin_id):
    return f"{RESULTS}/images/{parse_bin_id(bin_id).folder}/{bin_id}.zip"


def zips(wildcards):
    """Those asked for; which used bins have a ROI of the classes has to be seen in the tables."""
    if IMAGES["bins"] and not IMAGES["classes"]:
        return list(map(zip_path, IMAGES["bins"]))
    table = table_files.read("image_bins", checkpoints.list_images.get().output[0])
    return list(map(zip_path, table["bin"]))


def chosen():
    path = Path(checkpoints.choose_examples.get().output[0])
    return read_chosen(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def read_chosen(path, changed):
    """Bin to the class, score and number of its ROIs that are shown."""
    table = table_files.read("montages", path)
    return {
        bin_id: list(rows[["class", "score", "n_rois"]].itertuples(index=False, name=None))
        for bin_id, rows in table.groupby(["class", "bin", "score"], as_index=False)["n_rois"].sum().groupby("bin")
    }


def example_zips(wildcards):
    return [f"{TABLES}/examples/{parse_bin_id(bin_id).folder}/{bin_id}.zip" for bin_id in chosen()]


checkpoint list_images:
    input:
        f"{TABLES}/{MERGED['bins']}",
    output:
        f"{TABLES}/image_bins.csv",
    log:
        f"{LOGS}/list_images.log",
    localrule: True
    params:
        version=extract_images.VERSION,
        classes=IMAGES["classes"],
        bins=IMAGES["bins"],
    run:
        logged(log[0], extract_images.list_images, input[0], IMAGES["classes"], IMAGES["bins"], output[0])


rule extract_images:
    input:
        lambda wildcards: files_of_images(wildcards, scores=bool(IMAGES["classes"])),
        archive=ancient(SOURCE.catalog_files()),
    output:
        f"{RESULTS}/images/{{folder}}/{{bin}}.zip",
    log:
        f"{LOGS}/extract_images/{{folder}}/{{bin}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        version=extract_images.VERSION,
        source=SOURCE.scores_identity,
        stitch=IMAGES["stitch"],
        classes=IMAGES["classes"],
        thresholds=OF_CLASSES if IMAGES["classes"] else None,
    run:
        logged(
            log[0],
            extracted.counted,
            extract_images.extract_images,
            SOURCE,
            wildcards.bin,
            IMAGES["classes"],
            METHOD,
            IMAGES["stitch"],
            RECORD_FAILURES,
            output[0],
        )


rule images:
    input:
        zips,
    localrule: True


checkpoint choose_examples:
    input:
        ledger=f"{TABLES}/ledger.csv",
        abundance=f"{TABLES}/abundance_long.csv",
    output:
        f"{TABLES}/montages.csv",
    log:
        f"{LOGS}/choose_examples.log",
    localrule: True
    params:
        version=examples.VERSION,
        classes=IMAGES["classes"] or WISH["top_classes"],
        bins=IMAGES["bins"],
        per_class=IMAGES["per_class"],
        thresholds=OF_CLASSES,
    run:
        logged(
            log[0],
            examples.choose_examples,
            SOURCE,
            input.ledger,
            input.abundance,
            SUMMARIES,
            IMAGES["classes"],
            IMAGES["bins"],
            WISH["top_classes"],
            IMAGES["per_class"],
            METHOD,
            output[0],
        )


# Only the images that montages show.
rule extract_examples:
    input:
        files_of_images,
    output:
        f"{TABLES}/examples/{{folder}}/{{bin}}.zip",
    log:
        f"{LOGS}/extract_examples/{{folder}}/{{bin}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        version=extract_images.VERSION,
        source=SOURCE.scores_identity,
        stitch=IMAGES["stitch"],
        precision=METHOD.precision,
        chosen=lambda wildcards: chosen()[wildcards.bin],
    run:
        logged(
            log[0],
            exampled.counted,
            extract_images.extract_examples,
            SOURCE,
            wildcards.bin,
            params.chosen,
            METHOD,
            IMAGES["stitch"],
            RECORD_FAILURES,
            output[0],
        )


rule draw_montages:
    input:
        chosen=f"{TABLES}/montages.csv",
        examples=example_zips,
    output:
        report(
            directory(MONTAGES),
            patterns=["{name}.html"],
            category="Images",
            caption="../report/montage.rst",
            labels={"class": "{name}"},
        ),
    log:
        f"{LOGS}/draw_montages.log",
    localrule: True
    params:
        version=montages.VERSION,
    run:
        logged(log[0], montages.draw_montages, input.chosen, input.examples, output[0])


# With all tables, as for figures.
rule montages:
    input:
        targets(),
        MONTAGES,
    localrule: True
