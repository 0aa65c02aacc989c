"""The raw files of a bin: header, triggers, images, volume, position, and where they lie in a tree of folders.

It knows the formats of .hdr, .adc and .roi. It uses common and bins, and never a network.

Public: tree.find_raw and read_raw_bin, header.read_header, triggers.read_triggers, images.RawImages,
volume.measure_volume, position.header_position.
"""
