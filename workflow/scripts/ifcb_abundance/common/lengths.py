"""Units of length as files of images and arrays write them."""

from fractions import Fraction

# nm in one of each. Exact, so that three times 0.1 nm is 0.3 nm.
NM = {
    **dict.fromkeys(("nm", "nanometer", "nanometre", "nanometers", "nanometres"), Fraction(1)),
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "microns"), Fraction(1000)),
    **dict.fromkeys(("micrometer", "micrometre", "micrometers", "micrometres"), Fraction(1000)),
    **dict.fromkeys(("mm", "millimeter", "millimetre", "millimeters", "millimetres"), Fraction(10**6)),
    **dict.fromkeys(("cm", "centimeter", "centimetre", "centimeters", "centimetres"), Fraction(10**7)),
    **dict.fromkeys(("m", "meter", "metre", "meters", "metres"), Fraction(10**9)),
    **dict.fromkeys(("angstrom", "angstroms", "\u00c5", "\u212b"), Fraction(1, 10)),
    **dict.fromkeys(("pm", "picometer", "picometre", "picometers", "picometres"), Fraction(1, 1000)),
}
