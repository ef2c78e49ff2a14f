"""Routes of sign-in."""

from django.urls import URLPattern

app_name = "sso"

urlpatterns: list[URLPattern] = []
