"""The authentication backend: passwords, of people who may sign in by one."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.base_user import AbstractBaseUser

from config.kernel.sign_in import Method
from orgs.sign_in import MethodRefused, validate_auth_method


class PasswordBackend(AuthenticationBackend):
    """Whoever may not sign in by a password is answered as if it were wrong, after it was hashed."""

    def _check_password(self, user: Any, password: str) -> AbstractBaseUser | None:
        # Asked first and whatever the password is, so that no time tells whether it is right.
        try:
            validate_auth_method(method=Method.PASSWORD, user=user)
            counts = True
        except MethodRefused:
            counts = False
        checked = super()._check_password(user, password)
        return checked if counts else None

    @classmethod
    def _stash_user(cls, user: AbstractBaseUser | None) -> AbstractBaseUser | None:
        """Nobody is let in as far as a page that says they are disabled."""
        return super()._stash_user(None)
