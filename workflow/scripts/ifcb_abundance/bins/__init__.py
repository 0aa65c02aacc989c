"""Facts about bins that need no file: ids, the window, deployments, positions, pixel sizes, statuses, where files lie.

It uses common.

Public: ids.parse_bin_id and parse_roi_id, window.Window, deployments.read_deployments, positions.has_position,
pixel_size.pixels_of, statuses.BinStatus, layout.Layout.
"""
