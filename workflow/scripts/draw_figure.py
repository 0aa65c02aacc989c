"""Draw a figure in all its forms."""

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.figures.figures import Wish, draw_figure

scripted(
    snakemake.log[0],
    draw_figure,
    snakemake.params.figure,
    dict(snakemake.input.items()),
    Wish(**snakemake.params.wish),
    snakemake.input.scripts,
    dict(snakemake.output.items()),
)
