"""Class scores of a bin: read from CSV, .h5 and .mat, and reduced to the summary from which any threshold follows.

It uses sources through their protocols.

Public: summary.summarize_scores, read_summary, read_rois, count_classes and classify_rois; packed.read_packed.
"""
