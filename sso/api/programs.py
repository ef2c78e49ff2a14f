"""Signing in command lines: device authorization, and tokens of Google and GitHub."""

from dataclasses import asdict

from django.conf import settings
from django.urls import reverse
from django.utils.http import urlencode
from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import PUBLIC
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.errors import AuthFailure, RateLimited
from keys.serializers.sessions import IssuedTokensRecord
from sso.serializers.programs import BegunDeviceRecord, DeviceCode, NewDevice, SocialSignIn
from sso.services import devices, program_sign_ins


class Devices(ApiView):
    """Command lines that ask to sign in."""

    access = {"POST": PUBLIC}

    @operation("begin_device_authorization", BegunDeviceRecord, body=NewDevice, refusals=[RateLimited])
    def post(self, request: Request) -> Response:
        """Begins the sign-in of a command line (RFC 8628): show the person `user_code` and `verification_uri`."""
        begun = devices.begin(client_name=self.read()["client_name"])
        page = settings.TENANTRY_URL + reverse("sso:device")
        record = {
            **asdict(begun),
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': begun.user_code})}",
        }
        return Response(BegunDeviceRecord(record).data)


class DeviceTokens(ApiView):
    """What a command line asks while it waits."""

    access = {"POST": PUBLIC}

    @operation(
        "redeem_device_code",
        IssuedTokensRecord,
        body=DeviceCode,
        refusals=[devices.NotYet, devices.TooFast, devices.Denied, devices.Expired, devices.UnknownCode],
    )
    def post(self, request: Request) -> Response:
        """The tokens, once the person said yes. Until then a 400 whose `error` is the standard's:

        `authorization_pending`, `slow_down` (wait five seconds longer from now on), `access_denied`, `expired_token`,
        `invalid_grant`.
        """
        return Response(IssuedTokensRecord(asdict(devices.redeem(device_code=self.read()["device_code"]))).data)


class SocialLogin(ApiView):
    """Signing a command line in by Google or GitHub."""

    access = {"POST": PUBLIC}

    @operation("login_social", IssuedTokensRecord, body=SocialSignIn, refusals=[AuthFailure, RateLimited])
    def post(self, request: Request) -> Response:
        """Signs a command line in by what it got from Google or GitHub, for the client made for command lines.

        Whatever is wrong, the answer is the same 401: a token of another client, an old or used one, a person without
        an account here, a missing or wrong second factor.
        """
        body = self.read()
        issued = program_sign_ins.sign_in_by_social(
            provider=body["provider"],
            token=body["token"],
            code=body.get("otp"),
            organization=body.get("organization"),
        )
        return Response(IssuedTokensRecord(asdict(issued)).data)
