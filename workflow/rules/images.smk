# Needs the source, for zips of images by name, and the merged tables, for all zips and for montages. Runs make them if
# images.make says so, or on request:
#
#   snakemake --cores 8 results/demo/images/2024/D20240418/D20240418T001403_IFCB901.zip
#   snakemake --cores 8 images
#   snakemake --cores 8 montages
from ifcb_abundance.images import montages


checkpoint list_images:
    """List the used bins whose images are wanted."""
    input:
        MERGED["bins"],
    output:
        MERGED["image_bins"],
    log:
        f"{LOGS}/list_images.log",
    localrule: True
    params:
        **OF_MERGING,
        version=extract_images.VERSION,
        classes=IMAGES["classes"],
        bins=IMAGES["bins"],
    message:
        "List the bins whose images are wanted."
    run:
        logged(log[0], extract_images.list_images, SOURCE, input[0], params.classes, params.bins, output[0], METHOD)


rule extract_images:
    """Extract the images of a bin into a zip."""
    input:
        files_of_images,
        archive=ancient(lambda wildcards: SOURCE.catalog_files()),
    output:
        f"{LAYOUT.images}/{ZIP}",
    log:
        f"{LOGS}/extract_images/{{folder}}/{{bin}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        **OF_IMAGES,
    message:
        "Extract the images of bin {wildcards.bin}."
    run:
        of = (IMAGES["classes"], EXTRACTION)
        logged(log[0], extract_images.extract_images, SOURCE, wildcards.bin, output[0], *of, **of_zip(wildcards))


rule images:
    """Extract the images of all used bins."""
    input:
        image_zips,
    localrule: True
    message:
        "The images of all used bins are extracted."


checkpoint choose_examples:
    """Choose the images that montages show."""
    input:
        ledger=MERGED["ledger"],
        abundance=MERGED["abundance"],
    output:
        MERGED["montages"],
    log:
        f"{LOGS}/choose_examples.log",
    localrule: True
    params:
        version=examples.VERSION if METHOD.by_winner else examples.BY_OUTCOME,
        # The engine compares the values of params without their names.
        classes={"classes": IMAGES["classes"] or FIGURE_OPTIONS.top_classes},
        bins=IMAGES["bins"],
        per_class={"per_class": IMAGES["per_class"]},
        thresholds=OF_CLASSES,
    message:
        "Choose the images that montages show."
    run:
        logged(log[0], examples.choose_examples, SOURCE, *input, SUMMARIES, EXAMPLES, output[0])


rule extract_examples:
    """Extract the images of a bin that montages show."""
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
    message:
        "Extract the images of bin {wildcards.bin} that montages show."
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
    """Draw a page of example images for each class."""
    input:
        chosen=MERGED["montages"],
        examples=example_zips,
    output:
        report(
            directory(MONTAGES),
            patterns=[r"{name,(?!index\.html).+}.html"],
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
    message:
        "Draw the montages of classes."
    run:
        logged(log[0], montages.draw_montages, input.chosen, input.examples, PIXELS, output[0], METHOD.merged)


rule montages:
    """Build all tables and the montages of classes."""
    input:
        targets,
        MONTAGES,
    localrule: True
    message:
        "The montages of all classes are drawn."
