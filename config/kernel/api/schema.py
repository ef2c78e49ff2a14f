"""How our views appear in the OpenAPI document."""

from drf_spectacular.openapi import AutoSchema


class Schema(AutoSchema):
    """One operation a method."""
