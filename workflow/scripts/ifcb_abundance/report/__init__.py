"""A run at a glance: its record (run.json), the overview in words, the report as a page.

It uses every room below, to read what they made.

Public: run_record.record_run, overview.write_overview, page.write_report.
"""
