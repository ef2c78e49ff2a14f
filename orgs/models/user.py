"""People: sign-in identity, name and state only. What they may do is told by their memberships."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from config.kernel.identifiers import public_id
from config.kernel.tenancy.models import new_id


def normalize_email(email: str) -> str:
    """Addresses are compared without case; we keep them in lower case."""
    return email.strip().lower()


class UserManager(BaseUserManager["User"]):
    """Makes users; Django's commands and allauth use it."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user with a hashed password, or with none that works."""
        user = self.model(email=normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A member of the operator's staff who may do everything in Django admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalize_email(username or ""))

    def by_email(self, email: str) -> "User | None":
        """The user of an address, in any case."""
        return self.filter(email=normalize_email(email)).first()


class User(AbstractBaseUser, PermissionsMixin):
    """A person with one e-mail address, in any number of organizations."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField("enabled", default=True, help_text="A disabled person is out at once, everywhere.")
    is_staff = models.BooleanField("staff", default=False, help_text="May use Django admin, with a second factor.")
    must_change_password = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "orgs_user"
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="orgs_user_email_lower_case"),
        ]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = normalize_email(self.email)
        super().save(*args, **kwargs)

    @property
    def public_id(self) -> str:
        """`usr_…`."""
        return public_id("usr", self.id)

    @property
    def display_name(self) -> str:
        """The name, or the part of the address before the @."""
        return self.name or self.email.split("@")[0]

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.display_name
