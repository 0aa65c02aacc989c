# Needs the source, for zips of images by name, and the merged tables, for all zips and for montages. Runs make them if
# images.make says so, or on request:
#
#   snakemake --cores 8 results/demo/images/2024/D20240418/D20240418T001403_IFCB901.zip
#   snakemake --cores 8 images
#   snakemake --cores 8 montages
from ifcb_abundance.images import montages


checkpoint list_images:
    input:
        MERGED["bins"],
    output:
        MERGED["image_bins"],
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
        f"{LAYOUT.images}/{ZIP}",
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
            extract_images.extract_images,
            SOURCE,
            wildcards.bin,
            output[0],
            IMAGES["classes"],
            EXTRACTION,
            **of_zip(wildcards),
        )


rule images:
    input:
        image_zips,
    localrule: True


checkpoint choose_examples:
    input:
        ledger=MERGED["ledger"],
        abundance=MERGED["abundance"],
    output:
        MERGED["montages"],
    log:
        f"{LOGS}/choose_examples.log",
    localrule: True
    params:
        version=examples.VERSION,
        classes=IMAGES["classes"] or FIGURE_OPTIONS.top_classes,
        bins=IMAGES["bins"],
        per_class=IMAGES["per_class"],
        thresholds=OF_CLASSES,
    run:
        logged(log[0], examples.choose_examples, SOURCE, *input, SUMMARIES, EXAMPLES, output[0])


# Only the images that montages show.
rule extract_examples:
    input:
        files_of_examples,
        chosen=ancient(MERGED["montages"]),  # the params have what it says of the bin
    output:
        f"{LAYOUT.examples}/{ZIP}",
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
            extract_images.extract_examples,
            SOURCE,
            wildcards.bin,
            output[0],
            params.chosen,
            EXTRACTION,
            of_examples(wildcards),
        )


rule draw_montages:
    input:
        chosen=MERGED["montages"],
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


# With all tables, as for the figures.
rule montages:
    input:
        targets,
        MONTAGES,
    localrule: True
