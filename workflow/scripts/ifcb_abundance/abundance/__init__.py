"""Abundance: the bins of a day pooled per group and class, days merged, periods, coverage, what each threshold keeps.

It uses pooling, scores, catalog and tables.

Public: days.pool_abundance, merge_abundance and reshape_abundance, periods.pool_periods, coverage.cover,
bin_table.write_csv.
"""
