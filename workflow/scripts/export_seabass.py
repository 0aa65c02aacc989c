"""Export the tables as a SeaBASS file."""

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.exports.publication import Publication, Tables
from ifcb_abundance.exports.seabass import export_seabass

scripted(
    snakemake.log[0],
    export_seabass,
    Tables.among(snakemake.input),
    snakemake.params.group_by,
    Publication(**snakemake.params.publication),
    snakemake.params.tolerance_km,
    snakemake.params.accept_zero,
    snakemake.output[0],
)
