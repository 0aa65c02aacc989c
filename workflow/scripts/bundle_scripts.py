"""Put the scripts of interactive figures into one file."""

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.figures.vega_scripts import bundle_scripts

scripted(snakemake.log[0], bundle_scripts, snakemake.output[0])
