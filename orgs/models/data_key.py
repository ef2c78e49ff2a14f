"""The key that an organization's secrets are encrypted with, itself encrypted by a master key."""

from typing import ClassVar

from django.db import models

from config.kernel.tenancy.models import TenantManager, TenantModel


class DataKey(TenantModel):
    """One for each organization, and one of the installation's own. Erasing it makes its ciphertexts unreadable."""

    wrapped = models.BinaryField()
    master_key_id = models.CharField(max_length=32)

    objects: ClassVar = TenantManager()

    class Meta:
        db_table = "orgs_data_key"
        constraints = [models.UniqueConstraint(fields=["org_id"], name="orgs_data_key_once")]
        indexes = [models.Index(fields=["master_key_id", "id"], name="orgs_data_key_by_master")]

    def __str__(self) -> str:
        return f"{self.org_id} {self.master_key_id}"
