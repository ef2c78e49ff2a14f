"""The installation's own signing keys (keys/signing.py). The private part is sealed, and erased once it has retired."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from config.kernel.identifiers import public_id
from config.kernel.sealed import SealedField
from config.kernel.tenancy.models import new_id

PUBLIC_KEY_LENGTH = 32
KID_LENGTH = 43


class SigningKey(models.Model):
    """An Ed25519 key. Global: its signatures speak for the installation, whichever organization they are about."""

    class State(models.TextChoices):
        """WAITING is published and signs nothing yet; RETIRED signs no more; WITHDRAWN is believed no more."""

        WAITING = "waiting"
        SIGNING = "signing"
        RETIRED = "retired"
        WITHDRAWN = "withdrawn"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kid = models.CharField(max_length=KID_LENGTH, unique=True)
    public_key = models.BinaryField(max_length=PUBLIC_KEY_LENGTH)
    private_key = SealedField(null=True)
    ready_at = models.DateTimeField(help_text="From when on every verifier that caches the key set knows it.")
    signs_from = models.DateTimeField(null=True, blank=True)
    signs_until = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["SigningKey"]] = models.Manager()

    class Meta:
        db_table = "keys_signing_key"
        constraints = [
            # One signs without an end, and one waits for its turn: two processes at once end with the same.
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(signs_from=None, withdrawn_at=None),
                name="keys_signing_key_one_waits",
            ),
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(signs_from__isnull=False, signs_until=None, withdrawn_at=None),
                name="keys_signing_key_one_signs_last",
            ),
        ]

    def __str__(self) -> str:
        return self.kid

    @property
    def public_id(self) -> str:
        """`sgk_…`."""
        return public_id("sgk", self.id)

    @property
    def state(self) -> "SigningKey.State":
        """What it does now."""
        now = timezone.now()
        if self.withdrawn_at:
            return self.State.WITHDRAWN
        if self.signs_from is None or self.signs_from > now:
            return self.State.WAITING
        return self.State.RETIRED if self.signs_until and self.signs_until <= now else self.State.SIGNING
