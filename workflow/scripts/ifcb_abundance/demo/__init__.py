"""The demo archive, which the workflow makes up by itself: the same bytes each time.

It uses nothing of the other rooms, so that a fault of theirs cannot hide in it.

Public: archive.write_demo_archive.
"""
