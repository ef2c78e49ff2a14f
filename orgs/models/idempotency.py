"""What config.kernel.api.idempotency keeps."""

from django.db import models

from config.kernel.tenancy.models import TenantModel


class IdempotencyKey(TenantModel):
    """The answer to a request that came with an Idempotency-Key, encrypted under that key, for 24 hours."""

    digest = models.BinaryField(max_length=32, unique=True)
    request_digest = models.BinaryField(max_length=32)
    answer = models.BinaryField(default=b"")

    exported = False  # answers kept for a day to the requests of programs say nothing of their own

    class Meta:
        db_table = "orgs_idempotency_key"
        indexes = [models.Index(fields=["created_at"], name="orgs_idempotency_key_age")]

    def __str__(self) -> str:
        return str(self.id)
