"""Export the tables as CF NetCDF."""

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.exports.netcdf import export_netcdf
from ifcb_abundance.exports.publication import Publication, Tables

scripted(
    snakemake.log[0],
    export_netcdf,
    Tables.among(snakemake.input),
    snakemake.input.run,
    snakemake.params.group_by,
    Publication(**snakemake.params.publication),
    snakemake.params.tolerance_km,
    snakemake.params.confidence,
    snakemake.output[0],
)
