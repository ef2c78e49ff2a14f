"""REST routes of sign-in."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
