"""The record of a run (run.json), an overview in words, and the report as a page.

It uses every room below, to read what they made.

Public: run_record.record_run, overview.write_overview, page.write_report.
"""
