"""How good the classifier is, by what people see.

May use common, tables, bins, classes, config, raw, sources, catalog, scores, pooling, abundance, features and images.

In the order in which the functions work:

- `sampling.count_strata`, `plan_sample` (or `plan_second_round`) and `draw_sample` make `sample`; `expect_limits` says
  beforehand what a sample will tell. `subjects.cut_subjects` and
  `write_subjects` make images of it.
- `labels.read_labels` and `zooniverse_labels.read_zooniverse` read what people said; `labels.as_classes` and
  `of_used_bins` make classes of it; `consensus.agree` makes `consensus` and `people`.
- `class_report.labelled_rois` and `weigh` put labels beside what the classifier thinks. Of these come `confusion`,
  `class_report`, `class_curve`, `reliability` and `choose_thresholds`, and in `correction` the tables
  `totals_corrected`, `abundance_corrected` and `rate_drift`.

`winners`, `drawing` and `evaluation` do this with files, as rules call it.
"""

# Of what is in the files of each kind: raise one when such files have to be made again.
VERSIONS = {"strata": 1, "sample": 2, "winners": 1, "subjects": 1, "labels": 3, "tables": 6, "plan": 2}
