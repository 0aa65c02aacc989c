"""The section `quality`: flags of bins, from their headers, triggers and images."""

from ifcb_abundance.config.section import Section, key


class Quality(Section):
    """The quality of bins."""

    make: bool = key(
        False,
        "true or false: whether each run flags the quality of bins in quality.csv, and draws the figure `quality`. You "
        "can ask for them by name at any time",
        "By name: `snakemake --cores 8 quality`; see [Quality of bins](../docs/how-to/quality.md)",
    )
    exclude_bad: bool = key(
        False,
        "true or false: leave out bins whose flag in quality.csv is 4 (bad)",
        "They are `filtered` in the ledger, with what was found as the reason. It needs the headers and triggers of "
        "all bins before the first class score is asked for",
    )
