"""Volumes of images: crops, conversions, slices and flipbooks.

It uses curation for patches and duplicates, and stores for arrays.
"""
