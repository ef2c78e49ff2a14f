"""The person behind a page."""

from config.kernel.access import Admission
from config.kernel.errors import AuthFailure
from config.kernel.principals import UserPrincipal


def person_of(admission: Admission) -> UserPrincipal:
    """The person signed in. Raises AuthFailure for anybody else, who is led to the sign-in page."""
    if not isinstance(admission.principal, UserPrincipal):
        raise AuthFailure
    return admission.principal
