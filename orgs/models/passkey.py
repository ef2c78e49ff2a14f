"""Passkeys: public keys of people's devices (W3C Web Authentication)."""

from django.db import models

from config.kernel.identifiers import public_id
from config.kernel.tenancy.models import new_id


class Passkey(models.Model):
    """One credential of a person's, by which they sign in or give their second factor. It holds nothing secret.

    Not allauth's row of the same: that keeps the device's whole first answer as JSON, cannot be found by its credential
    and knows no signature counter. orgs.services.passkeys checks each use.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=60)
    credential_id = models.BinaryField(max_length=1023, unique=True, help_text="By which its device knows it.")
    public_key = models.BinaryField(max_length=2048, help_text="As COSE writes it (RFC 9052).")
    sign_count = models.BigIntegerField(
        default=0, help_text="The device's counter at the last use. A copy of the device would fall behind it."
    )
    last_challenge = models.BinaryField(
        max_length=64, null=True, help_text="What it signed last, so that nobody sends the same once more."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "orgs_passkey"

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """`psk_…`."""
        return public_id("psk", self.id)
