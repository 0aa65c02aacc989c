"""The pixel size of an instrument's images, from the config's `features.pixels_per_um`."""

from collections.abc import Mapping

DEFAULT = "default"

PixelSizes = Mapping[str, float]  # instrument such as IFCB10, or DEFAULT, to pixels per um


def pixels_of(instrument: str, sizes: PixelSizes) -> float:
    """Return the pixels per um of an instrument."""
    return sizes.get(instrument, sizes[DEFAULT])
