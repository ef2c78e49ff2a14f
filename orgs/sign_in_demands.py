"""What an organization asks of the sign-in of its members before anything of it opens. One small function a demand.

The organization gate asks them all, in the scope of the organization.
"""

from config.kernel.errors import Forbidden, SecondFactorRequired, SsoRequired
from config.kernel.principals import UserPrincipal
from config.kernel.sign_in import SignIn
from orgs.models import Membership, Organization, SignInPolicy
from orgs.sign_in import OWN_WAYS, Governance, came_lately, governing_organizations, is_within


class GuestsRefused(Forbidden):
    """The organization requires single sign-on and lets nobody in from outside of its domains."""

    code = "guests_refused"
    title = "Not open to guests"
    detail = "This organization lets in people of its own e-mail domains only; ask one of its owners."


def require_single_sign_on(principal: UserPrincipal, organization: Organization, membership: Membership) -> None:
    """Whom the organization governs comes by its own connection, within its session limit. The others are guests.

    `membership` comes from `with_single_sign_on`, so that it costs nothing where nothing is enforced. Raises
    SsoRequired, SecondFactorRequired or GuestsRefused.
    """
    if not membership.single_sign_on:
        return
    governing = governing_organizations(user_id=principal.user_id)
    mine = [each for each in governing if each.organization_id == organization.id]
    if not mine:
        require_welcome(principal, organization, membership)
    elif not _came_by(principal, mine[0]):
        raise SsoRequired(organization.public_id)


def require_welcome(principal: UserPrincipal, organization: Organization, membership: Membership) -> None:
    """What holds for members from outside of the proven domains while single sign-on is required of the others."""
    policy = SignInPolicy.objects.of_organization(organization.id)
    if policy is None or policy.enforcement != SignInPolicy.Enforcement.REQUIRED:
        return
    if policy.guests == SignInPolicy.Guests.REFUSED:
        raise GuestsRefused
    sign_in = principal.sign_in
    # A token cannot give a second factor: its owner must have one set up.
    if not (membership.has_second_factor if sign_in is None else sign_in.second_factor is not None):
        raise SecondFactorRequired


def _came_by(principal: UserPrincipal, governance: Governance) -> bool:
    sign_in = principal.sign_in
    if sign_in is None:
        return came_lately(user_id=principal.user_id, governing=[governance])
    return _is_of(sign_in, governance) and is_within(governance.session_hours, since=sign_in.at)


def _is_of(sign_in: SignIn, governance: Governance) -> bool:
    return sign_in.method in OWN_WAYS and sign_in.organization_id == governance.organization_id
