"""Draw a figure in all its forms."""

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.figures.draw import draw_figure
from ifcb_abundance.figures.options import FigureOptions

scripted(
    snakemake.log[0],
    draw_figure,
    snakemake.params.figure,
    dict(snakemake.input.items()),
    FigureOptions(**snakemake.params.figure_options),
    snakemake.input.scripts,
    dict(snakemake.output.items()),
)
