"""Labels that mean something to the workflow itself."""

UNCLASSIFIED = "unclassified"  # ROIs below the threshold of their class, or without any valid score
