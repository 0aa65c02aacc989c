# Needs the merged tables. Makes the figures, each for papers (SVG, PDF) and for the screen (HTML, and its description as
# JSON). When they are made is said by report.make; by name, or all of them, always:
#
#   snakemake --cores 8 results/demo/figures/heat_map.svg
#   snakemake --cores 8 figures

# Figure to what it shows and the tables that it is drawn from; the module `figures` of the package has a function of each name.
DRAWN = {
    "time_series": ("abundance per class through time", ["abundance", "coverage"]),
    "heat_map": ("abundance per class and day", ["abundance", "coverage"]),
    "composition": ("composition by group of classes", ["abundance", "coverage"]),
    "coverage_calendar": ("bins per day and what became of them", ["coverage"]),
    "threshold_sweep": ("what each threshold keeps", ["abundance", "sweep"]),
    "positions": ("where the bins were sampled", ["catalog", "ledger"]),
    "bin_series": ("one class, bin by bin", ["abundance", "coverage", "bins"]),
}
# Those for which features have to be read.
DRAWN_OF_FEATURES = {
    "size_spectrum": ("objects per size, and where they drop off", ["coverage", "biovolume", "size_spectrum"]),
    "carbon": ("carbon by group of classes", ["coverage", "biovolume"]),
}


# The scripts of the interactive figures are put together once, which takes longer than to draw one.
rule bundle_scripts:
    output:
        f"{FIGURES}/vega.js",
    log:
        f"{LOGS}/figures/bundle_scripts.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        f"{SCRIPTS}/bundle_scripts.py"


for figure, (shows, tables) in {**DRAWN, **DRAWN_OF_FEATURES}.items():

    rule:
        name:
            f"draw_{figure}"
        input:
            **{table: f"{TABLES}/{({**MERGED, **FEATURE_MERGED}).get(table, 'catalog.csv')}" for table in tables},
            scripts=rules.bundle_scripts.output[0],
        output:
            **{
                form: report(
                    f"{FIGURES}/{figure}.{form}",
                    caption=f"../scripts/ifcb_abundance/figures/captions/{figure}.rst",
                    category="Figures",
                    labels={"figure": shows, "form": label},
                )
                for form, label in (("svg", "for papers"), ("html", "interactive"))
            },
            pdf=f"{FIGURES}/{figure}.pdf",
            json=f"{FIGURES}/{figure}.json",
        log:
            f"{LOGS}/figures/{figure}.log",
        retries: 2
        conda:
            "../../envs/figures.yaml"
        threads: 2  # of libraries; and eight at a time would take 2.5 GB of memory
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=30,
        params:
            version=1,  # of how figures look: raise it when they have to be drawn again
            figure=figure,
            wish=WISH,
        script:
            f"{SCRIPTS}/draw_figure.py"


# With all tables: else those that figures are not drawn from could be left as they were before a change of the config.
rule figures:
    input:
        targets(),
        figure_files(),
    localrule: True
