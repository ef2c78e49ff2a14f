"""Signing in command lines, as the REST interface reads and shows it."""

from rest_framework import serializers

from config.kernel.api.fields import Name, Text
from config.kernel.api.serializers import Body, Record
from keys.serializers.sessions import ProgramSignIn

DEVICE_CODE_LENGTH = 80
TOKEN_LENGTH = 8192


class NewDevice(Body):
    """A command line that wants to sign in."""

    client_name = Name(help_text="What the person is asked about: “acme CLI on build-7”.")


class BegunDeviceRecord(Record):
    """What the command line shows, and what it keeps."""

    device_code = serializers.CharField(help_text="For `auth/device/token`. Show it to nobody.")
    user_code = serializers.CharField(help_text="What the person types at `verification_uri`.")
    verification_uri = serializers.CharField(help_text="The page to open in a browser.")
    verification_uri_complete = serializers.CharField(help_text="The same with the code in it.")
    expires_in = serializers.IntegerField(help_text="Seconds until both codes end.")
    interval = serializers.IntegerField(help_text="Seconds to wait between two questions.")


class DeviceCode(Body):
    """A device code."""

    device_code = Text(max_length=DEVICE_CODE_LENGTH, trim_whitespace=False)


class SocialSignIn(ProgramSignIn):
    """What a command line got from Google or GitHub for the client that the operator named for command lines."""

    provider = serializers.ChoiceField(choices=["google", "github"])
    token = Text(
        max_length=TOKEN_LENGTH,
        trim_whitespace=False,
        help_text="Google's ID token or GitHub's access token, made within the last ten minutes. It works once.",
    )
