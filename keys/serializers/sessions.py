"""Signing in, and the sessions that programs have, as the REST interface reads and shows them."""

from rest_framework import serializers

from config.kernel.api.fields import Id, Text
from config.kernel.api.serializers import Body, Record
from config.kernel.sign_in import Method
from keys.serializers.tokens import REFERENCE_LENGTH

EMAIL_LENGTH = 254
PASSWORD_LENGTH = 4096
CODE_LENGTH = 20
TOKEN_LENGTH = 80


class ProgramSignIn(Body):
    """What every sign-in of a program may say beside the first proof."""

    otp = Text(
        max_length=CODE_LENGTH,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="The code of the person's second factor, if they have one.",
    )
    organization = Text(
        max_length=REFERENCE_LENGTH,
        required=False,
        allow_null=True,
        help_text="The id or slug of the one organization that the session works in; without it in all of theirs.",
    )


class SignIn(ProgramSignIn):
    """What a person proves themselves by."""

    email = Text(max_length=EMAIL_LENGTH)
    password = Text(max_length=PASSWORD_LENGTH, trim_whitespace=False)


class Refreshing(Body):
    """A refresh token, which is used up by this."""

    refresh_token = Text(max_length=TOKEN_LENGTH, trim_whitespace=False)


class IssuedTokensRecord(Record):
    """The tokens that a program goes on with."""

    access_token = serializers.CharField(help_text="For `Authorization: Bearer …`.")
    refresh_token = serializers.CharField(help_text="For `auth/refresh`, once.")
    expires_in = serializers.IntegerField(help_text="Seconds until the access token ends.")
    token_type = serializers.ChoiceField(choices=["Bearer"])


class SessionRecord(Record):
    """A program that signed in as the person."""

    id = Id("ses")
    organization_id = Id("org", allow_null=True, help_text="The one organization it works in; null for all.")
    method = serializers.ChoiceField(
        choices=[method.value for method in Method], help_text="How the person proved themselves."
    )
    ip = serializers.CharField(allow_null=True, help_text="Where it was last refreshed from.")
    user_agent = serializers.CharField(help_text="What the program calls itself.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(help_text="When it was last refreshed.")
    expires_at = serializers.DateTimeField(help_text="When it ends, unless it is refreshed until then.")


class BrowserSessionRecord(Record):
    """A browser that the person is signed in with."""

    id = Id("ses")
    device = serializers.CharField(help_text="Browser and system in words, as its User-Agent tells them.")
    user_agent = serializers.CharField(help_text="What the browser calls itself.")
    method = serializers.ChoiceField(choices=[method.value for method in Method], help_text="How the person signed in.")
    ip = serializers.CharField(allow_null=True, help_text="The address that it was last used from.")
    signed_in_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(help_text="When it was last used, to five minutes.")
    expires_at = serializers.DateTimeField(source="expire_date", help_text="When it ends by itself.")


class EndedSessions(Record):
    """How many sessions were ended."""

    ended = serializers.IntegerField()
