"""Image sets that can be trained on: cleaned, cut into patches, without duplicates, filtered and split.

It knows images and files of images, and may use the rooms from common to recheck.
"""
