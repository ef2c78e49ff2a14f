"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

from config.kernel.chunked import measured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django_application = get_wsgi_application()

from config.kernel.hot import opened  # noqa: E402 - the hot handlers need the apps, which are loaded only now

application = opened(measured(django_application))
