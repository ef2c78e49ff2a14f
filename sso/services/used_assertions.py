"""What may be used once: assertions and logout tokens, over all processes, kept for as long as they would be good."""

import hashlib
from datetime import datetime

from django.db import transaction

from sso.models import Connection, UsedAssertion


@transaction.atomic
def use_once(*, connection: Connection, kind: str, name: str, good_until: datetime) -> bool:
    """Whether this is its first use; of several at the same moment one is. `name` is the id that its issuer gave."""
    digest = hashlib.sha256(f"{connection.id}|{kind}|{name}".encode()).digest()
    row = UsedAssertion(digest=digest, expires_at=good_until)
    UsedAssertion.objects.bulk_create([row], ignore_conflicts=True)
    return UsedAssertion.objects.filter(id=row.id).exists()
