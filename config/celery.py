"""The Celery application: `celery -A config worker`, `celery -A config beat`."""

import os

from celery import Celery
from django.apps import apps
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("tenantry", task_cls="config.kernel.tasks:TenantTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(lambda: settings.TENANTRY_WORKER_APPS or [each.name for each in apps.get_app_configs()])
