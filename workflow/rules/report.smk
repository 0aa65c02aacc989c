# Needs the merged tables and the figures. Makes the overview, a page to send on, and what `snakemake --report` shows.
from functools import partial

from ifcb_abundance.report import methods, overview

REPORTED = {table_registry.TABLES[name].schema: MERGED[name] for name in ("abundance", "coverage", "ledger", "catalog")}
if FEATURES_WANTED:
    REPORTED["features_ledger"] = MERGED["features_ledger"]
for name in ("label_notes", "rate_drift"):
    REPORTED[name] = lambda wildcards, name=name: [MERGED[name]] if validation_wanted() and TABLES == RESULTS else []
write_overview = partial(overview.write_overview, class_of=METHOD.merged)


rule write_overview:
    """Write overview.rst: the totals and what to know before you use them."""
    input:
        **REPORTED,
        bins=MERGED["bins"],
        run=LAYOUT.run_record,
    output:
        LAYOUT.overview,
    log:
        f"{LOGS}/write_overview.log",
    localrule: True
    params:
        version=overview.VERSION,
    message:
        "Write the overview in words."
    run:
        reported = {name: str(path) for name, path in by_name(input).items() if name in REPORTED and path}
        logged(log[0], write_overview, input.run, reported, input.bins, output[0])


rule write_methods:
    """Write METHODS.md: the methods section of a paper on this run, and how to cite it."""
    input:
        LAYOUT.run_record,
    output:
        LAYOUT.methods,
    log:
        f"{LOGS}/write_methods.log",
    localrule: True
    params:
        version=methods.VERSION,
    message:
        "Write the methods section."
    run:
        logged(log[0], methods.write_methods, input[0], output[0])


# Made if report.make says so, or on request: snakemake report --cores 8
rule write_report:
    """Write report.html, a page to send on."""
    input:
        **REPORTED,
        **({"montages": MONTAGES} if IMAGES["make"] else {}),
        groups_long=MERGED["groups"],
        bins=MERGED["bins"],
        run=LAYOUT.run_record,
        figures=lambda wildcards: [f"{FIGURES}/{figure}.json" for figure in shown_figures()],
        scripts=rules.bundle_scripts.output[0],
    output:
        **{
            name: report(
                f"{LAYOUT.report}/{name}.html",
                category="Tables",
                caption=f"../report/{name}.rst",
                labels={"table": name, "form": "page"},
            )
            for name in ("abundance", "coverage", "ledger")
        },
        page=report(
            LAYOUT.report_page,
            category="Report",
            caption="../report/report.rst",
            labels={"page": "All of it, to send on"},
        ),
    log:
        f"{LOGS}/write_report.log",
    retries: 2
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        version=overview.VERSION,
        summaries=lambda wildcards: SUMMARIES,
        figure_options=OF_FIGURES,
        coast=COAST,  # written again once there is a coast
    message:
        "Write the report page."
    script:
        f"{SCRIPTS}/write_report.py"


rule report:
    """Build all tables, figures and the report."""
    input:
        targets,
        figure_files(),
        LAYOUT.report_page,
    localrule: True
    message:
        "All tables, figures and the report are built."
