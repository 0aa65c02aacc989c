"""Describe the table of abundance to an ERDDAP server."""

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.exports.erddap import export_erddap
from ifcb_abundance.exports.publication import Publication

scripted(
    snakemake.log[0],
    export_erddap,
    snakemake.input[0],
    snakemake.params.optional,
    Publication(**snakemake.params.publication),
    snakemake.output[0],
)
