"""Where a project's product takes people over: register and remove its addresses.

Only people may do that. Whoever holds a project's secret key could otherwise have everybody's handover sent to an
address of their own.
"""

from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from django.db import transaction

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Forbidden, Invalid
from config.kernel.principals import Principal, ProgramPrincipal, ServicePrincipal
from projects.hosts import UnfitHost, host_of, is_loopback
from projects.services.projects import locked_project
from sso import events
from sso.models import HandoverAddress

LONGEST_ADDRESS = 500
MOST_ADDRESSES = 50
# What a handover adds to an address.
ADDED = frozenset({"code", "state"})


def handover_address_target(row: HandoverAddress) -> Target:
    """How a handover address is named in the ledger."""
    return Target("handover_address", row.public_id, row.address)


@transaction.atomic
def register_handover_address(*, actor: Principal, project_id: UUID, address: str) -> HandoverAddress:
    """Registers an address, which is compared character by character from then on.

    Raises Absent, Forbidden for programs, Invalid, Conflict for one that is there and beyond MOST_ADDRESSES.
    """
    _require_person(actor)
    require_fit(address)
    project = locked_project(project_id)
    rows = HandoverAddress.objects.filter(project_id=project.id)
    if rows.filter(address=address).exists():
        sentence = "This address is registered already."
        raise Conflict(sentence, code="handover_address_registered", errors={"address": [sentence]})
    if rows.count() >= MOST_ADDRESSES:
        raise Conflict(
            f"A project has {MOST_ADDRESSES} addresses at most: remove one.", code="too_many_handover_addresses"
        )
    row = HandoverAddress.objects.create(project=project, address=address, created_by=actor.id)
    record(
        events.HANDOVER_ADDRESS_REGISTERED,
        actor=actor,
        target=handover_address_target(row),
        data={"project": project.public_id},
    )
    return row


@transaction.atomic
def remove_handover_address(*, actor: Principal, project_id: UUID, handover_address: str) -> None:
    """Ends a registration, named by public id. Handovers that are under way to it are refused. Raises Absent."""
    _require_person(actor)
    project = locked_project(project_id)
    row = HandoverAddress.objects.filter(project_id=project.id).by_reference(handover_address)
    if row is None:
        raise Absent
    target = handover_address_target(row)
    row.delete()
    record(events.HANDOVER_ADDRESS_REMOVED, actor=actor, target=target, data={"project": project.public_id})


def _require_person(actor: Principal) -> None:
    if isinstance(actor, ProgramPrincipal | ServicePrincipal):
        raise Forbidden("Only people change where a handover leads: do it in the dashboard.", code="people_only")


def require_fit(address: str) -> None:
    """Raises Invalid for what must not be registered: RFC 9700 (2.1, 4.1.1), and http beyond this very machine."""
    problem = _problem_of_text(address) or _problem_of_place(address)
    if problem:
        raise Invalid.field("address", problem)


def _problem_of_text(address: str) -> str:
    """What is wrong with the characters, in a sentence; empty when nothing is."""
    if len(address) > LONGEST_ADDRESS or not address.isascii() or not address.isprintable() or " " in address:
        return f"Write at most {LONGEST_ADDRESS} characters of ASCII without spaces."
    if "*" in address or "\\" in address:
        return "Write the address in full: it is compared character by character, and * stands for nothing else."
    if "#" in address:
        return "Leave out the fragment, from the # on."
    if ADDED & {name for name, _ in parse_qsl(address.partition("?")[2], keep_blank_values=True)}:
        return "Leave out the parameters `code` and `state`: a handover adds them."
    return ""


def _problem_of_place(address: str) -> str:
    """What is wrong with the scheme, the host or the port; empty when nothing is."""
    try:
        parts = urlsplit(address)
        host = host_of(parts.netloc)
        named = parts.netloc.removesuffix(f":{parts.port}") if parts.port is not None else parts.netloc
    except (ValueError, UnfitHost):
        return "Write an address such as https://app.example.com/signed-in, without a name or password in it."
    if not address.startswith(("https://", "http://")) or named != host:
        return f"Write it in lower case up to the path: https://{host}."
    if parts.scheme == "http" and not is_loopback(host):
        return "Use https. Only localhost, 127.0.0.1 and [::1] may do without, for development."
    return ""
