"""The Celery application: `celery -A config worker`, `celery -A config beat`.

Its tasks are those of the apps that config/kernel/apps.py loads.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("tenantry", task_cls="config.kernel.tasks:TenantTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
