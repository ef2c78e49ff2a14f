"""REST routes of sign-in."""

from django.urls import URLPattern, path

from sso.api.programs import Devices, DeviceTokens, SocialLogin

urlpatterns: list[URLPattern] = [
    path("auth/device", Devices.as_view(), name="api-device"),
    path("auth/device/token", DeviceTokens.as_view(), name="api-device-token"),
    path("auth/social", SocialLogin.as_view(), name="api-social-login"),
]
