"""The product as the browser tests serve it: like in production, it shows its own pages of errors."""

import os

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

settings.DEBUG = False
settings.ROOT_URLCONF = "tests.browser.urls"
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # as tests/conftest.py has it

from config.wsgi import application  # noqa: E402 - the settings come first

__all__ = ["application"]
