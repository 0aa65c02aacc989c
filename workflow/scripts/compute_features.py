"""Compute the features of a bin from its images."""

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.features.compute import compute_features

scripted(
    snakemake.log[0],
    compute_features,
    snakemake.wildcards.bin,
    list(snakemake.input),
    snakemake.output.features,
    dict(snakemake.output.items()).get("blobs"),
    snakemake.params.record_failures,
)
