"""The command line, `ifcb-abundance init | plan | run | targets`: a thin front door to the workflow.

It uses config, sources, catalog and scores, and nothing uses it. `run` starts Snakemake as a process of its own; the
other commands need neither Snakemake nor a clone.

Public: main.main, the console script.
"""
