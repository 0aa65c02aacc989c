"""Features of a bin: its features summary, biovolume and carbon per day, size spectra.

It uses pooling, scores and sources through their protocols.

Public: summary.summarize_features, biovolume.pool_biovolume and merge_biovolume, size_spectrum.drop_off.
"""
