"""An archive of raw files and products, opened from Python: what `ifcb_abundance.raw` offers beside the formats.

It uses sources and scores.

Public: archive.open_archive and Archive; aio, the names of `ifcb_abundance.raw`, awaitable.
"""
