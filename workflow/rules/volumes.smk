# Needs volumes in volumes.folder, or the crops of the datasets in samples.list. Makes patches of their slices, and says
# which are kept, on request:
#
#   snakemake --cores 8 volumes
from ifcb_abundance.volumes.leftovers import of_other_flipbooks, of_other_volumes


include: "volume_inputs.smk"
include: "crops.smk"


rule convert_volume:
    """Turn a volume into one of bytes."""
    input:
        file_of_volume,
    output:
        volume=f"{VOLUMES}/bytes/{{volume}}.nrrd",
        row=f"{VOLUMES}/converted/{{volume}}.csv",
    log:
        f"{LOGS}/convert_volume/{{volume}}.log",
    wildcard_constraints:
        volume="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: volumes_version("convert"),
        file=identity_of_volume,
        how=[CONFIG.volumes.scaling, CONFIG.volumes.axes, CONFIG.volumes.anisotropy],
        voxel_nm=lambda wildcards: CONFIG.volumes.voxel_nm.get(wildcards.volume),
    message:
        "Turn the volume {wildcards.volume} into bytes."
    run:
        from ifcb_abundance.volumes import convert

        how = (*params.how, params.voxel_nm, tuple(output))
        logged(log[0], convert.convert_volume, wildcards.volume, input[0], *how)


checkpoint merge_volumes:
    """Join the rows of all volumes."""
    input:
        lambda wildcards: [f"{VOLUMES}/converted/{volume}.csv" for volume in volume_names()],
    output:
        update(MERGED["volumes"]),  # the old table stays if no volume can be used
    log:
        f"{LOGS}/merge_volumes.log",
    localrule: True
    message:
        "Join the rows of all volumes."
    run:
        from ifcb_abundance.volumes import convert

        logged(log[0], convert.merge_volumes, input, output[0])
        stale.put_aside(of_other_volumes(VOLUMES, output[0]), RESULTS)


rule cut_slices:
    """Cut the slices of a volume into patches."""
    input:
        volume=f"{VOLUMES}/bytes/{{volume}}.nrrd",
        row=f"{VOLUMES}/converted/{{volume}}.csv",
    output:
        images=f"{VOLUMES}/patches/{{volume}}.zip",
        rows=f"{VOLUMES}/patches/{{volume}}.csv",
    log:
        f"{LOGS}/cut_slices/{{volume}}.log",
    wildcard_constraints:
        volume="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: volumes_version("slices"),
        how=[CONFIG.volumes.patch_px, CONFIG.volumes.spacing, CONFIG.volumes.duplicates.hash],
    message:
        "Cut the slices of the volume {wildcards.volume}."
    run:
        from ifcb_abundance.volumes import slices

        outputs = (output.images, output.rows)
        logged(log[0], slices.cut_slices, input.volume, input.row, *params.how, outputs, workflow.cores)


rule merge_slices:
    """Join the rows of the patches of all volumes."""
    input:
        of_volumes("patches/{volume}.csv"),
    output:
        MERGED["volume_patches"],
    log:
        f"{LOGS}/merge_slices.log",
    localrule: True
    message:
        "Join the rows of the patches of all volumes."
    run:
        from ifcb_abundance.tables.concatenate import join_parts

        logged(log[0], join_parts, "volume_patches", input, output[0])


rule group_volume_duplicates:
    """Find the patches of a volume that are copies of another."""
    input:
        rows=f"{VOLUMES}/patches/{{volume}}.csv",
        images=f"{VOLUMES}/patches/{{volume}}.zip",
    output:
        f"{VOLUMES}/duplicates/{{volume}}.csv",
    log:
        f"{LOGS}/group_volume_duplicates/{{volume}}.log",
    wildcard_constraints:
        volume="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: curation_version("duplicates"),
        rule=CONFIG.volumes.duplicates.model_dump(include={"distance", "confirm", "seed"}),
    message:
        "Find the copies among the patches of the volume {wildcards.volume}."
    run:
        from ifcb_abundance.curation import duplicates

        how = duplicates.DuplicateRule(within="group", key="volumes.duplicates", **params.rule)
        folder = Path(input.images).parent
        logged(log[0], duplicates.group_duplicates, input.rows, folder, how, output[0])


rule merge_volume_duplicates:
    """Join what was found of copies in all volumes."""
    input:
        of_volumes("duplicates/{volume}.csv"),
    output:
        MERGED["volume_duplicates"],
    log:
        f"{LOGS}/merge_volume_duplicates.log",
    localrule: True
    message:
        "Join what was found of copies in all volumes."
    run:
        from ifcb_abundance.tables.concatenate import join_parts

        logged(log[0], join_parts, "duplicates", input, output[0])


include: "volume_filter.smk"
include: "flipbooks.smk"
include: "volume_pictures.smk"
