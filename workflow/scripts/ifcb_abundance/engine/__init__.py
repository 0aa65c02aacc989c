"""All dealings with Snakemake itself: its log, its locks and records, what is put aside, and what is changed in it.

It uses common. No other room knows it. `docs/engine.md` lists what it relies on.

Public: log.SENTENCES, hooks.JobEvents, lock.Claim, records.Doubt and out_of_date, stale, folders, patches, ending.
"""
