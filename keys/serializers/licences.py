"""Licences, as pages are told them."""

from rest_framework import serializers

from config.kernel.api.serializers import Record


class Limits(Record):
    """What the plan includes; null is no limit."""

    domains = serializers.IntegerField(allow_null=True)
    events = serializers.IntegerField(allow_null=True, help_text="Tracked in a calendar month (UTC).")


class LicenceRecord(Record):
    """What a page may. The token says the same, signed; docs/licences.md tells how to verify it without asking us."""

    token = serializers.CharField(help_text="A JSON Web Token (EdDSA), to be verified with /.well-known/jwks.json.")
    domain = serializers.CharField(help_text="The page's host, as the Origin said.")
    plan = serializers.CharField(source="plan.name")
    features = serializers.ListField(child=serializers.CharField(), source="plan.features")
    limits = Limits(source="plan.limits")
    downgraded = serializers.BooleanField(help_text="Whether the domain is not registered and gets the free plan's.")
    expires_at = serializers.DateTimeField()
