"""Leak reports, as the REST interface reads them."""

from rest_framework import serializers

from config.kernel.api.fields import Text
from config.kernel.api.serializers import Body, Record
from keys.leaks import LONGEST_CREDENTIAL

SOURCE_LENGTH = 100
URL_LENGTH = 2000


class LeakedKey(Body):
    """A credential that somebody found where it should not be."""

    key = Text(
        max_length=LONGEST_CREDENTIAL,
        trim_whitespace=False,
        help_text="The whole key, personal token, refresh token or enrolment token.",
    )
    url = Text(max_length=URL_LENGTH, required=False, allow_blank=True, help_text="Where it was found.")
    source = Text(  # type: ignore[assignment]  # DRF takes declared fields out of the class
        max_length=SOURCE_LENGTH, required=False, allow_blank=True, help_text="Who found it, or how."
    )


class LeakReceived(Record):
    """The same for every report."""

    received = serializers.BooleanField()
