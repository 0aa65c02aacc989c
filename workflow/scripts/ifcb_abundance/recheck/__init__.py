"""Late and corrected data: what the source says now, beside what was read of it.

It uses catalog and scores.

Public: reread.recheck.
"""
