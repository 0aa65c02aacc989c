# Needs raw images, and the bins' summaries. Makes features as the source would have them, if features.compute asks for it,
# and blobs, if features.blobs does. One bin, or its blobs, by name:
#
#   snakemake --cores 8 results/demo/computed/2024/D20240418/D20240418T001403_IFCB901_features_v4.csv
from ifcb_abundance.features import compute, gather


rule gather_images:
    """Gather the images of a bin for its features."""
    input:
        f"{SUMMARIES}/{SUMMARY}",
    output:
        temp(f"{LAYOUT.computed}/{{folder}}/{{bin}}_images.npz"),
    log:
        f"{LOGS}/gather_images/{{folder}}/{{bin}}.log",
    localrule: True
    resources:
        dashboard=1,
    message:
        "Gather the images of bin {wildcards.bin}."
    run:
        missing = CONFIG.features.compute == "missing"
        logged(log[0], gather.gather_images, SOURCE, wildcards.bin, input[0], missing, output[0], RECORD_FAILURES)


# On a cluster each bin goes to a node: 2,000 images are more than a minute of a core.
rule compute_features:
    """Compute the features of a bin from its images."""
    input:
        lambda wildcards: (
            SOURCE.image_files(wildcards.bin)
            if CONFIG.source.kind == "directory"
            else f"{LAYOUT.computed}/{wildcards.folder}/{wildcards.bin}_images.npz"
        ),
    output:
        **({"blobs": f"{LAYOUT.computed}/{BLOBS}"} if CONFIG.features.blobs else {}),
        features=f"{LAYOUT.computed}/{COMPUTED}",
    log:
        f"{LOGS}/compute_features/{{folder}}/{{bin}}.log",
    priority: priority_of_day
    retries: 1
    conda:
        "../../envs/features.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        # What is computed of a folder's bin is the same for both; over a network it may be that nothing is.
        **({"compute": CONFIG.features.compute} if CONFIG.source.kind != "directory" else {}),
        version=compute.VERSION,
        source=of_each_bin(lambda bin_id: SOURCE.images_identity_of(bin_id)),
        record_failures=RECORD_FAILURES,
        blobs=CONFIG.features.blobs,
    message:
        "Compute the features of bin {wildcards.bin}."
    script:
        f"{SCRIPTS}/compute_features.py"
