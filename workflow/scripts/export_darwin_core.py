"""Export the tables as a Darwin Core Archive."""

from ifcb_abundance.classes.class_table import LabelTable
from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.exports.darwin_core import export_darwin_core
from ifcb_abundance.exports.publication import Publication, Tables

scripted(
    snakemake.log[0],
    export_darwin_core,
    Tables.among(
        snakemake.input,
        snakemake.params.get("event") == "bin",
        LabelTable(snakemake.params.class_table, snakemake.params.loose),
    ),
    snakemake.input.run,
    snakemake.params.group_by,
    Publication(**snakemake.params.publication),
    snakemake.params.precision,
    snakemake.params.confidence,
    snakemake.output[0],
)
