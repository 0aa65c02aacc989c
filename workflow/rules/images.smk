# Needs the source, for zips of images by name; the merged tables, for all of them and for montages. Makes nothing unless
# asked for, or images.make says so:
#
#   snakemake --cores 8 results/demo/images/2024/D20240418/D20240418T001403_IFCB901.zip
#   snakemake --cores 8 images
#   snakemake --cores 8 montages
import extract_images
import montages

extracted = Progress("images of bins", lambda: jobs_to_do("extract_images"))
exampled = Progress("bins of montages", lambda: jobs_to_do("extract_examples"))


def is_among_all(bin_id):
    """Whether a bin's images are wanted because all are: it is left out without raw files, which one by name is not."""
    listed = Path(f"{TABLES}/image_bins.csv")
    return not IMAGES["bins"] and listed.exists() and bin_id in read_image_bins(listed, listed.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def read_image_bins(path, changed):
    return frozenset(table_files.read("image_bins", path)["bin"])


def say_left_out():
    """How many bins of all images have no raw files, which a server only says when it is asked for them."""
    zips = [path for job in workflow.dag.jobs if job.rule.name == "extract_images" for path in job.output]
    if without := extract_images.left_out(zips):
        if len(without) == len(zips):
            for path in without:  # so that the next run says so too
                path.unlink()
            raise WorkflowError(f"images: none of {len(zips)} bins has raw files (.hdr, .adc, .roi) in the source")
        logger.warning(f"images: {len(without)} of {len(zips)} bins have no raw files in the source: left out")


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
        logged(log[0], extract_images.list_images, SOURCE, input[0], IMAGES["classes"], IMAGES["bins"], output[0])


rule extract_images:
    input:
        files_of_images,
        archive=ancient(SOURCE.catalog_files()),
    output:
        f"{RESULTS}/images/{{folder}}/{{bin}}.zip",
    log:
        f"{LOGS}/extract_images/{{folder}}/{{bin}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        **OF_IMAGES,
    run:
        logged(
            log[0],
            extracted.counted,
            extract_images.extract_images,
            SOURCE,
            wildcards.bin,
            output[0],
            classes=IMAGES["classes"],
            leave_out=is_among_all(wildcards.bin),
            made_of=stated(OF_IMAGES, wildcards),
            **EXTRACTION,
        )


rule images:
    input:
        image_zips,
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
        logged(log[0], examples.choose_examples, SOURCE, *input, output[0], **EXAMPLES)


# Only the images that montages show.
rule extract_examples:
    input:
        files_of_examples,
        chosen=ancient(f"{TABLES}/montages.csv"),  # what it says of the bin is among the params
    output:
        f"{TABLES}/examples/{{folder}}/{{bin}}.zip",
    log:
        f"{LOGS}/extract_examples/{{folder}}/{{bin}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        **OF_EXAMPLES,
    run:
        logged(
            log[0],
            exampled.counted,
            extract_images.extract_examples,
            SOURCE,
            wildcards.bin,
            output[0],
            chosen=params.chosen,
            made_of=stated(OF_EXAMPLES, wildcards),
            **EXTRACTION,
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
        pixels_per_um=PIXELS,
    run:
        logged(log[0], montages.draw_montages, input.chosen, input.examples, PIXELS, output[0])


# With all tables, as for figures.
rule montages:
    input:
        targets(),
        MONTAGES,
    localrule: True
