"""Personal tokens of the caller."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import SIGNED_IN, Admission, organization_gate
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Forbidden
from config.kernel.principals import UserPrincipal
from keys.models import PersonalToken, PersonalTokenQuerySet
from keys.serializers.tokens import IssuedToken, NewToken, TokenRecord
from keys.services import tokens
from orgs.api.people import person, whole_person
from orgs.models import User


class Tokens(ApiView):
    """The caller's personal tokens."""

    access = {"GET": SIGNED_IN, "POST": SIGNED_IN}

    @listing("list_tokens", TokenRecord)
    def get(self, request: Request) -> Response:
        """The caller's personal tokens, newest first. A narrowed token sees only itself."""
        return self.page(tokens_in_reach(self.admission), TokenRecord)

    @idempotent
    @operation("create_token", IssuedToken, body=NewToken, status=201, refusals=[Absent, Forbidden])
    def post(self, request: Request) -> Response:
        """Makes a personal token and answers with its plaintext, `token`.

        Needs a personal token that is not narrowed itself, so that none makes a wider one.
        """
        actor, body = whole_person(self.admission), self.read()
        reference = body.pop("organization", None)
        if reference is not None:
            gate = organization_gate()
            body["organization"] = gate.admit(actor, reference, while_inactive=False).organization
        user = User.objects.get(id=actor.user_id)
        token, plaintext = tokens.create_token(actor=actor, user=user, **body)
        return self.answer(token, TokenRecord, status=201, token=plaintext)


class OneToken(ApiView):
    """One of the caller's personal tokens."""

    access = {"GET": SIGNED_IN, "DELETE": SIGNED_IN}

    @operation("get_token", TokenRecord, refusals=[Absent, Forbidden])
    def get(self, request: Request, token: str) -> Response:
        """One of the caller's personal tokens."""
        return self.answer(token_in_reach(self.admission, token), TokenRecord)

    @operation("revoke_token", refusals=[Absent, Forbidden])
    def delete(self, request: Request, token: str) -> Response:
        """Ends one of the caller's personal tokens at once. A narrowed token can end only itself."""
        row = token_in_reach(self.admission, token)
        tokens.revoke_token(actor=self.admission.principal, user=row.user, token=row.public_id)
        return Response(status=204)


def tokens_in_reach(admission: Admission) -> PersonalTokenQuerySet:
    """All tokens of the caller's; to a narrowed token itself alone. Raises Forbidden for programs."""
    actor = person(admission)
    return token_in_hand(actor) if actor.is_narrowed else PersonalToken.objects.of_user(actor.user_id)


def token_in_hand(actor: UserPrincipal) -> PersonalTokenQuerySet:
    """The token that the request came with."""
    return PersonalToken.objects.of_user(actor.user_id).filter(id=actor.token_id or UUID(int=0))


def token_in_reach(admission: Admission, reference: str) -> PersonalToken:
    """One of those. Raises Absent."""
    row = tokens_in_reach(admission).select_related("user").by_reference(reference)
    if row is None:
        raise Absent
    return row
