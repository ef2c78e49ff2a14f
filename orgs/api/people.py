"""The person behind a request."""

from config.kernel.access import Admission
from config.kernel.errors import Forbidden
from config.kernel.principals import UserPrincipal


def person(admission: Admission) -> UserPrincipal:
    """Who asks, if that is a person. Raises Forbidden for programs."""
    if not isinstance(admission.principal, UserPrincipal):
        raise Forbidden("Only people can do this: use a personal token.", code="people_only")
    return admission.principal


def whole_person(admission: Admission) -> UserPrincipal:
    """A person with all that they may. Raises Forbidden for programs and for narrowed personal tokens."""
    principal = person(admission)
    if principal.is_narrowed:
        raise Forbidden(
            "This credential is narrowed: use one for all organizations and permissions.", code="token_narrowed"
        )
    return principal
