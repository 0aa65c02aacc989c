# Needs what the rules of crops, volumes and flipbooks made. Draws pictures of it, which are in `snakemake --report` too.


rule draw_boxes:
    """Draw where the boxes of a dataset lie."""
    input:
        boxes=f"{VOLUMES}/boxes/{{name}}.csv",
    output:
        report(
            f"{VOLUMES}/pictures/boxes/{{name}}.png",
            category="Volumes",
            subcategory="Where crops lie",
            caption="../report/boxes.rst",
            labels={"dataset": "{name}"},
        ),
    log:
        f"{LOGS}/draw_boxes/{{name}}.log",
    wildcard_constraints:
        name="[^/]+",
    localrule: True
    resources:
        dashboard=lambda wildcards: requests_to(wildcards.name, MOST_REQUESTS),
    params:
        version=lambda wildcards: volumes_version("pictures"),
    message:
        "Draw where the boxes of {wildcards.name} lie."
    run:
        from ifcb_abundance.volumes import pictures

        chosen = listed_datasets()[wildcards.name]
        logged(log[0], pictures.draw_boxes, chosen, input.boxes, output[0], resources.dashboard)


rule draw_patches:
    """Draw the kept and the dropped patches of a volume."""
    input:
        curated=MERGED["volume_curated"],
        images=f"{VOLUMES}/patches/{{volume}}.zip",
    output:
        report(
            f"{VOLUMES}/pictures/patches/{{volume}}.png",
            category="Volumes",
            subcategory="Kept and dropped patches",
            caption="../report/volume_patches.rst",
            labels={"volume": "{volume}"},
        ),
    log:
        f"{LOGS}/draw_patches/{{volume}}.log",
    wildcard_constraints:
        volume="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: volumes_version("pictures"),
    message:
        "Draw the kept and the dropped patches of the volume {wildcards.volume}."
    run:
        from ifcb_abundance.volumes import pictures

        logged(log[0], pictures.draw_patches, wildcards.volume, input.curated, input.images, output[0])


rule draw_flipbooks:
    """Draw the flipbooks of a dataset as strips."""
    input:
        rows=f"{VOLUMES}/flipbook_rows/{{source}}.csv",
        folder=f"{VOLUMES}/flipbooks/{{source}}",
    output:
        report(
            f"{VOLUMES}/pictures/flipbooks/{{source}}.png",
            category="Volumes",
            subcategory="Flipbooks",
            caption="../report/flipbooks.rst",
            labels={"dataset": "{source}"},
        ),
    log:
        f"{LOGS}/draw_flipbooks/{{source}}.log",
    wildcard_constraints:
        source="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: volumes_version("pictures"),
    message:
        "Draw the flipbooks of {wildcards.source}."
    run:
        from ifcb_abundance.volumes import pictures

        logged(log[0], pictures.draw_flipbooks, wildcards.source, input.rows, input.folder, output[0])
