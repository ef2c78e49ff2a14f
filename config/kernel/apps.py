"""The kernel as a Django app: checks, commands, tasks on their way to the queue, and connections to prepare."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules, module_has_submodule


class KernelConfig(AppConfig):
    """Installs the tenant scope on every connection and loads the declarations of the apps."""

    name = "config.kernel"
    label = "kernel"
    verbose_name = "Kernel"

    def ready(self) -> None:
        from config.kernel import checks  # noqa: F401 - registers
        from config.kernel.tenancy import checks as tenancy_checks  # noqa: F401 - registers
        from config.kernel.tenancy.grants import grant_after_last_app
        from config.kernel.tenancy.scope import install

        connection_created.connect(install, dispatch_uid="tenantry.scope")
        post_migrate.connect(grant_after_last_app, dispatch_uid="tenantry.grants")
        # Without its application Celery would send tasks to a broker of its own choosing.
        import_module(settings.TENANTRY_CELERY)
        autodiscover_modules("events")
        for app in settings.TENANTRY_WORKER_APPS or [each.name for each in apps.get_app_configs()]:
            if module_has_submodule(import_module(app), "tasks"):
                import_module(f"{app}.tasks")
