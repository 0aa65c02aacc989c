"""How good the classifier is, by what people see.

May use common, tables, bins, classes, config, raw, sources, catalog, scores, pooling, abundance, features and images.

Public functions, in the order in which a run would use them: `sampling.count_strata`, `plan_sample`, `draw_sample`,
`expect_limits`; `subjects.write_subjects`; `labels.read_labels`, `as_classes`, `of_used_bins`;
`zooniverse_labels.read_zooniverse`; `consensus.agree`; `class_report.weigh`, `confusion`, `class_report`,
`class_curve`, `reliability`, `choose_thresholds`; `correction.correct_totals`, `correct_days`, `rate_drift`.
"""
