"""Class scores of a bin: read from CSV, .h5 and .mat, and reduced to the summary from which any threshold follows.

It uses sources through their protocols.

Public: summary.summarize_scores, read_summary, read_rois, count_by and labels_of_rois; packed.read_packed.
"""
