"""Times on the command line."""

from argparse import ArgumentTypeError
from datetime import datetime, timedelta

from django.utils import timezone

LONGEST_DAYS = 3650


def days_from_now(text: str) -> datetime:
    """An argument type: a whole number of days, as the time that is so far ahead."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= LONGEST_DAYS):
        raise ArgumentTypeError(f"write a whole number of days from 1 to {LONGEST_DAYS}")
    return timezone.now() + timedelta(days=int(text))
