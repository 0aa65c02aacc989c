"""What every room may use: errors, files that are whole or not there, strict CSV, progress, logs of jobs, intervals.

It knows nothing of bins, tables or sources, and uses no other room.

Public: errors.WorkflowInputError and its kinds, atomic_write.atomic_write, strict_csv.read_columns and number,
progress.Progress, job_log.logged and scripted, intervals.poisson_limits, proof (checksums that results state of
themselves), folders.below and stamp, precision.Precision, version.
"""
