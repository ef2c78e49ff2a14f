"""The column of a secret that is encrypted at rest."""

from typing import Any

from django.db import models


class SealedField(models.BinaryField):
    """Holds a ciphertext. Written by `orgs.encryption.seal`, read by `unseal`, and by nothing else."""

    def deconstruct(self) -> Any:
        """Migrations see plain bytes, which is all it is to the database."""
        name, _path, arguments, options = super().deconstruct()
        return name, "django.db.models.BinaryField", arguments, options
