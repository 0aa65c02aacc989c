"""The precisions in which scores and thresholds may be compared."""

from typing import Literal

Precision = Literal["float16", "float32", "float64"]
PRECISIONS: tuple[Precision, ...] = ("float64", "float32", "float16")
