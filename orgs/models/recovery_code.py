"""Codes that stand in for a lost authenticator."""

from django.db import models

from config.kernel.tenancy.models import new_id


class RecoveryCode(models.Model):
    """One code of a person's, good once. Only its digest is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=32, unique=True)
    used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "orgs_recovery_code"

    def __str__(self) -> str:
        return str(self.user_id)
