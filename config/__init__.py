"""Wiring of the house: settings, URLs, Celery, WSGI, and the kernel below all apps."""
