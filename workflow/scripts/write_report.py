"""Write the report, and its tables as pages of their own."""

from ifcb_abundance.common.job_log import scripted
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.report.page import READ, TITLES, ReportInputs, write_report

given, made = snakemake.input, snakemake.output
inputs = ReportInputs(
    given.run,
    {name: str(given[name]) for name in READ if given.get(name)},
    list(given.figures),
    given.scripts,
    given.bins,
    snakemake.params.summaries,
    given.get("montages"),
    FigureOptions(**snakemake.params.figure_options),
)
scripted(snakemake.log[0], write_report, inputs, made.page, {name: made[name] for name in TITLES})
