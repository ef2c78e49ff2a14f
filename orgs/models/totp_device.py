"""A person's authenticator."""

from uuid import UUID

from django.db import models
from django_otp.models import Device, ThrottlingMixin, TimestampMixin

from config.kernel.sealed import SealedField
from config.kernel.tenancy.models import new_id


class TOTPDevice(TimestampMixin, ThrottlingMixin, Device):
    """Makes codes of six digits every 30 seconds (RFC 6238) from a seed, kept encrypted under the installation's key.

    Like every device of django-otp it verifies a session, but codes are checked by orgs.services.second_factor alone:
    `verify_token`, which could not read the seed, accepts none.
    """

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=new_id, editable=False)
    seed = SealedField(help_text="20 random bytes, in base32.")
    drift = models.SmallIntegerField(default=0, help_text="By how many steps its clock is known to be ahead of ours.")
    last_t = models.BigIntegerField(default=-1, help_text="The step of the last code accepted; later ones are left.")

    class Meta(Device.Meta):
        db_table = "orgs_totp_device"

    @property
    def persistent_id(self) -> str:
        """How a session names it. As a number, since django-otp reads it back as one."""
        return f"{self.model_label()}/{self.id.int}"

    def get_throttle_factor(self) -> int:
        """Seconds to wait after the first wrong code; each further one doubles them."""
        return 1
