"""Signing in, on top of django-allauth and django-otp."""
