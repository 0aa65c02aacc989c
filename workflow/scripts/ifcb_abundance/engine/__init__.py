"""What the workflow does with Snakemake itself: its log, its locks and records, and what is put aside.

It uses common. No other room knows it.

Public: log.SENTENCES, state.claim and Doubt, stale.
"""
