"""Wiring of the house: settings, URLs, Celery, WSGI, and the kernel below all apps."""

from config.celery import app as celery

__all__ = ["celery"]
