"""The person behind an identity at Google or GitHub: known by it, by their verified address, or new here."""

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import IntegrityError, transaction

from audit.services import record
from config.kernel.errors import Forbidden
from config.kernel.principals import UserPrincipal
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events as orgs_events
from orgs.models import User
from orgs.models.user import normalize_email
from orgs.services.addresses import vouch_for_address
from orgs.services.targets import user_target
from orgs.sign_in import validate_auth_method
from sso import events
from sso.social import METHODS, NAMES, Identity


class AddressNotVerifiedThere(Forbidden):
    """The person has no verified address at the provider, so nobody can tell who they are here."""

    code = "address_not_verified_there"
    title = "No verified address"


class AddressNotConfirmedHere(Forbidden):
    """An account has this address, but nobody has ever proven that the address is theirs."""

    code = "address_not_confirmed"
    title = "Confirm your address first"


class SignUpClosed(Forbidden):
    """Nobody may sign up here."""

    code = "sign_up_closed"
    title = "No account yet"


def person_of(identity: Identity, *, may_sign_up: bool = True) -> User:
    """The user that this identity signs in, made where there is none and they may sign up.

    Raises MethodRefused, AddressNotVerifiedThere, AddressNotConfirmedHere, SignUpClosed; then nothing has changed.
    """
    try:
        return _person_of(identity, may_sign_up)
    except IntegrityError:  # the same person's first sign-in, twice at the same moment
        return _person_of(identity, may_sign_up)


@transaction.atomic
def _person_of(identity: Identity, may_sign_up: bool) -> User:  # noqa: FBT001 - of the one above
    method, name = METHODS[identity.provider], NAMES[identity.provider]
    account = SocialAccount.objects.select_related("user").filter(provider=identity.provider, uid=identity.uid).first()
    if account is not None:
        validate_auth_method(method=method, user=account.user, email=identity.email)
        return account.user
    if identity.email is None:
        raise AddressNotVerifiedThere(
            f"Your {name} account has no verified primary address: verify one there, then come back."
        )
    email = normalize_email(identity.email)
    validate_auth_method(method=method, email=email)
    # Asked before who has confirmed it: an account that comes between the two questions is then a confirmed one.
    is_taken = User.objects.filter(email=email).exists() or EmailAddress.objects.filter(email=email).exists()
    address = EmailAddress.objects.select_related("user").filter(email=email, verified=True).first()
    if address is not None:
        validate_auth_method(method=method, user=address.user, email=email)
        return _linked(address.user, identity)
    if is_taken:
        raise AddressNotConfirmedHere(
            f"An account with the address {email} exists, but nobody has confirmed the address yet. Sign in by a link "
            f"that we mail to it, then {name} works from the next time on."
        )
    if not (may_sign_up and settings.TENANTRY_SIGN_UP):
        raise SignUpClosed("There is no account with this address, and nobody may sign up here by themselves.")
    return _linked(_newcomer(identity, email, method), identity)


def _newcomer(identity: Identity, email: str, method: Method) -> User:
    user = User.objects.create_user(email, None, name=identity.name[:120])
    vouch_for_address(user=user)
    record(
        orgs_events.USER_CREATED,
        actor=UserPrincipal.of(user_id=user.id, email=user.email),
        target=user_target(user),
        data={"how": method.value},
        org_id=INSTALLATION_ID,
    )
    return user


def _linked(user: User, identity: Identity) -> User:
    if not user.is_active:  # nothing of theirs changes; the adapter refuses them
        return user
    SocialAccount.objects.create(user=user, provider=identity.provider, uid=identity.uid)
    record(
        events.ACCOUNT_LINKED,
        actor=UserPrincipal.of(user_id=user.id, email=user.email),
        target=user_target(user),
        data={"provider": identity.provider},
        org_id=INSTALLATION_ID,
    )
    return user
