"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.kernel.chunked import measured
from config.kernel.hot import opened

application = opened(measured(get_wsgi_application()))
