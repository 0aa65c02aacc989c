# Needs the finished tables of two runs of the dataset, which have names (`run` in the config). Makes a table and a figure of
# what differs and why; on request:
#
#   snakemake compare --cores 1 --configfile my.yaml --config 'compare=[a, b]'
from ifcb_abundance.abundance import comparison


include: "compare_inputs.smk"


rule compare_runs:
    """Compare the tables of two runs."""
    input:
        first=tables_of_run(COMPARED[0]),
        second=tables_of_run(COMPARED[1]),
    output:
        of_comparison("differences.csv"),
    log:
        f"{LOGS}/compare_runs.log",
    localrule: True
    params:
        version=comparison.VERSION,
        runs=COMPARED,
    message:
        "Compare two runs."
    run:
        logged(log[0], comparison.compare, COMPARED, input.first, input.second, output[0])


# Not the scripts of either run: the config may be that of both in turns.
use rule bundle_scripts as bundle_scripts_of_comparison with:
    output:
        of_comparison("vega.js"),
    log:
        f"{LOGS}/figures/bundle_scripts_of_comparison.log",


rule draw_differences:
    """Draw how two runs differ."""
    input:
        differences=rules.compare_runs.output[0],
        scripts=rules.bundle_scripts_of_comparison.output[0],
    output:
        **{form: of_comparison(f"differences.{form}") for form in registry.FORMS},
    log:
        f"{LOGS}/figures/differences.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        version=registry.VERSION,
        figure="differences",
        figure_options=asdict(FIGURE_OPTIONS.of_dataset()),
    message:
        "Draw how two runs differ."
    script:
        f"{SCRIPTS}/draw_figure.py"


rule compare:
    """Compare two runs of the dataset: what differs in counts, volumes, bins and config, and why."""
    input:
        rules.compare_runs.output,
        rules.draw_differences.output,
    localrule: True
    message:
        "Two runs are compared."
