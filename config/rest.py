"""How the REST interface and its document are made: settings of the two libraries below them."""

from typing import Any

FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["keys.authentication.CredentialAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["config.kernel.api.access.DeclaredAccess"],
    "DEFAULT_PARSER_CLASSES": ["config.kernel.api.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.kernel.api.negotiation.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "config.kernel.api.schema.Schema",
    "EXCEPTION_HANDLER": "config.kernel.api.errors.handle",
    "UNAUTHENTICATED_USER": "config.kernel.api.access.anonymous",
    "URL_FORMAT_OVERRIDE": None,
    "NON_FIELD_ERRORS_KEY": "body",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
}

DOCUMENT: dict[str, Any] = {
    "TITLE": "Tenantry",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["config.kernel.api.schema.finished", "webhooks.documentation.described"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
}
