"""How pages are made, what they may load, and where files lie."""

from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}


def templates(folder: Path) -> list[dict[str, Any]]:
    """TEMPLATES, with our own in that folder. Compiled once a process, in development too."""
    return [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [folder],
            "APP_DIRS": False,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                    "csp.context_processors.nonce",
                    "orgs.context.dashboard",
                ],
                "loaders": [
                    (
                        "django.template.loaders.cached.Loader",
                        [
                            "django_cotton.cotton_loader.Loader",
                            "django.template.loaders.filesystem.Loader",
                            "django.template.loaders.app_directories.Loader",
                        ],
                    )
                ],
                "builtins": [
                    "django_cotton.templatetags.cotton",
                    "config.kernel.templatetags.icons",
                    "config.kernel.templatetags.numbers",
                ],
            },
        }
    ]


def storages(files: Path, *, debug: bool) -> dict[str, Any]:
    """STORAGES, with stored files in that folder. Static files are compressed and named by their content."""
    static = "django.contrib.staticfiles.storage.StaticFilesStorage"
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": files}},
        "staticfiles": {"BACKEND": static if debug else "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
