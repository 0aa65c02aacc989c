"""Images of ROIs: zips of a bin's images, and montages of classes.

It uses pooling, scores, raw and sources through their protocols.

Public: extract.extract_images and extract_examples, examples.choose_examples, montages.draw_montages.
"""
