"""Nonces of signed requests that were used, until nothing signed with them could be accepted any more."""

from datetime import datetime

from django.db import connection, models


class UsedNonceManager(models.Manager["UsedNonce"]):
    """Spending nonces."""

    def spend(self, digest: bytes, *, expires_at: datetime) -> bool:
        """Whether this caller is the first to use it: of any number at once, over all servers, exactly one is."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO keys_used_nonce (digest, expires_at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                [digest, expires_at],
            )
            return cursor.rowcount == 1


class UsedNonce(models.Model):
    """One nonce of one service account, as SHA-256. Global: it is used before anybody knows for which organization."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    expires_at = models.DateTimeField()

    objects = UsedNonceManager()

    database_privileges = ("SELECT", "INSERT", "DELETE")

    class Meta:
        db_table = "keys_used_nonce"
        indexes = [models.Index(fields=["expires_at"], name="keys_used_nonce_by_expiry")]

    def __str__(self) -> str:
        return bytes(self.digest).hex()
