"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

from config.kernel.chunked import measured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django_application = get_wsgi_application()

# These need the apps, which are loaded only now.
from config.kernel.hot import opened  # noqa: E402
from keys.uses import recorder  # noqa: E402
from orgs.changes import feed  # noqa: E402

feed.start()
recorder.start()
application = opened(measured(django_application))
