"""Units of length as files of images and arrays write them."""

from fractions import Fraction

# nm in one of each. Exact, so that three times 0.1 nm is 0.3 nm.
NM = {
    **dict.fromkeys(("nm", "nanometer", "nanometre", "nanometers"), Fraction(1)),
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "microns", "micrometer", "micrometre"), Fraction(1000)),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), Fraction(10**6)),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), Fraction(10**7)),
    **dict.fromkeys(("m", "meter", "metre"), Fraction(10**9)),
    **dict.fromkeys(("angstrom", "\u00c5", "\u212b"), Fraction(1, 10)),
    **dict.fromkeys(("pm", "picometer", "picometre"), Fraction(1, 1000)),
}
