"""Compiled loops over the bytes of records: arrays in, arrays out."""

from __future__ import annotations

from numba import njit

CARD_DIGITS_MIN = 13
_QUOTE, _COLON, _SPACE, _DASH, _ZERO, _NINE = 34, 58, 32, 45, 48, 57

kernel = njit(cache=True, nogil=True, error_model="numpy")


@kernel
def _is_plain_time(data, begin, first, digits, is_grouped):
    """A number of 13 digits right behind a field's name: a time in milliseconds."""
    if digits != CARD_DIGITS_MIN or is_grouped:
        return False
    at = first - 1
    if at >= begin and data[at] == _SPACE:
        at -= 1
    return at - 1 >= begin and data[at] == _COLON and data[at - 1] == _QUOTE


@kernel
def find_long_numbers(data, ends, out):
    """Mark in out[n] the records with 13 digits or more in a row, single spaces and dashes between them left aside.

    A number of 13 digits right behind a field's name isn't marked. What is marked needs a closer look: it may be longer
    than any card number, or no card number.

    Args:
        data: uint8 of all records, one after the other.
        ends: int64[n], where each ends.
        out: bool[n].
    """
    begin = 0
    for row in range(len(ends)):
        end = ends[row]
        digits, first, is_grouped, is_after_gap = 0, begin, False, False
        found = False
        for at in range(begin, end):
            byte = data[at]
            if _ZERO <= byte <= _NINE:
                if digits == 0:
                    first, is_grouped = at, False
                elif is_after_gap:
                    is_grouped = True
                digits += 1
                is_after_gap = False
            elif digits > 0 and byte in (_SPACE, _DASH) and not is_after_gap:
                is_after_gap = True
            elif digits > 0:
                if digits >= CARD_DIGITS_MIN and not _is_plain_time(data, begin, first, digits, is_grouped):
                    found = True
                    break
                digits, is_after_gap = 0, False
        if digits >= CARD_DIGITS_MIN and not found:
            found = not _is_plain_time(data, begin, first, digits, is_grouped)
        out[row] = found
        begin = end
