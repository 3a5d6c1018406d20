"""Binary formats of IEEE 754 in exact arithmetic: exact values, rounded once."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Format:
    """A binary format of IEEE 754: stored bits of the significand, and bits of the exponent."""

    significand: int
    exponent: int

    @property
    def bias(self) -> int:
        return (1 << self.exponent - 1) - 1

    @property
    def infinity(self) -> int:
        return ((1 << self.exponent) - 1) << self.significand

    def value(self, bits: int) -> Fraction:
        """Return the finite number with these bits."""
        magnitude = bits & (1 << self.significand + self.exponent) - 1
        exponent, fraction = divmod(magnitude, 1 << self.significand)
        if exponent:
            fraction += 1 << self.significand
        value = fraction * Fraction(2) ** (max(exponent, 1) - self.bias - self.significand)
        return -value if magnitude != bits else value

    def rounded(self, value: Fraction, negative_zero: bool = False) -> int:
        """Return the bits of the nearest number, of two equally near ones the one whose last bit is 0."""
        sign = 1 << self.significand + self.exponent if value < 0 or (negative_zero and not value) else 0
        value = abs(value)
        if not value:
            return sign
        # 2**power <= value < 2**(power + 1)
        power = value.numerator.bit_length() - value.denominator.bit_length()
        if value < Fraction(2) ** power:
            power -= 1
        exponent = max(power, 1 - self.bias)
        # Python rounds a Fraction to the nearest even integer. A carry goes on into the exponent.
        units = round(value / Fraction(2) ** (exponent - self.significand))
        return sign | min(units + (exponent + self.bias - 1 << self.significand), self.infinity)


HALF = Format(10, 5)
BFLOAT = Format(7, 8)
