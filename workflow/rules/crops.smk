# Needs the datasets that samples.list names. Makes crops of them, on request:
#
#   snakemake --cores 8 crops


include: "crops_inputs.smk"


checkpoint choose_boxes:
    """Choose the boxes of a dataset that become crops."""
    input:
        meet_run,
    output:
        # update: the old choice stays if the dataset cannot be read
        boxes=update(f"{VOLUMES}/boxes/{{name}}.csv"),
        dataset=update(f"{VOLUMES}/datasets/{{name}}.csv"),
    log:
        f"{LOGS}/choose_boxes/{{name}}.log",
    wildcard_constraints:
        name="[^/]+",
    localrule: True
    resources:
        dashboard=lambda wildcards: requests_to(wildcards.name, MOST_REQUESTS),
    params:
        version=lambda wildcards: volumes_version("sample", "BOXES"),
        dataset=lambda wildcards: identity_of_dataset(wildcards.name),
        choice=[CONFIG.samples.max_bytes, CONFIG.samples.filled, CONFIG.samples.seed],
    message:
        "Choose the crops of {wildcards.name}."
    run:
        from ifcb_abundance.volumes import sample

        chosen = listed_datasets()[wildcards.name]
        outputs = (output.boxes, output.dataset)
        logged(log[0], sample.choose_boxes, chosen, *params.choice, outputs, resources.dashboard)


rule sample_volume:
    """Read a crop of a dataset."""
    input:
        ancient(lambda wildcards: f"{VOLUMES}/datasets/{chosen_crops()[wildcards.crop][0]}.csv"),
    output:
        crop=f"{VOLUMES}/crops/{{crop}}.nrrd",
        row=f"{VOLUMES}/crop_rows/{{crop}}.csv",
    log:
        f"{LOGS}/sample_volume/{{crop}}.log",
    wildcard_constraints:
        crop="[^/]+",
    localrule: True
    resources:
        dashboard=requests_of_crop,
    params:
        version=lambda wildcards: volumes_version("sample"),
        identity=identity_of_crop,
    message:
        "Read the crop {wildcards.crop}."
    run:
        from ifcb_abundance.volumes import sample

        of_crop = crop_to_read(wildcards)
        logged(log[0], sample.sample_volume, *of_crop, input[0], tuple(output), resources.dashboard)


rule merge_crops:
    """Join the rows of all crops, of all boxes that could be some, and of their datasets."""
    input:
        crops=of_crops("crop_rows/{crop}.csv"),
        boxes=of_datasets("boxes/{name}.csv"),
        sampled_datasets=of_datasets("datasets/{name}.csv"),
    output:
        crops=MERGED["crops"],
        boxes=MERGED["boxes"],
        sampled_datasets=MERGED["sampled_datasets"],
    log:
        f"{LOGS}/merge_crops.log",
    localrule: True
    message:
        "Join the rows of all crops."
    run:
        from ifcb_abundance.volumes import sample

        logged(log[0], sample.merge_crops, by_name(input), by_name(output))


rule crops:
    """Take crops of the datasets in samples.list."""
    input:
        MERGED["crops"],
        of_datasets("pictures/boxes/{name}.png"),
    localrule: True
    message:
        "The crops are taken."
