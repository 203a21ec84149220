"""Quantities with units: "30s", "1000/s", "256KiB", "5%" to exact numbers and back.

It knows words and numbers, nothing of scenarios.  Time is whole nanoseconds, a rate is an exact fraction of
messages a second, a size is bytes, a share is a fraction between 0 and 1 kept as a Fraction.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

Nanos = int

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
