"""What is in a zip of images beside the images. No import of Pillow hangs on these names."""

MANIFEST = "manifest.csv"
OUTLINE = "outlines/{roi}.png"
LEFT_OUT = "left out: "  # the start of `problem` in the only line of a manifest if the bin has no raw files
