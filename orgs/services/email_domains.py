"""E-mail domains: register, prove by a record in the DNS, vouch for, remove.

A check asks the DNS first and changes rows after that, so that no transaction waits for an answer. What an answer
means: the record is there; it is not there; or nothing, when no answer came or an error. A proven domain is lost when
MISSES answers in a row said that the record is not there and nobody saw it for MISSING_FOR, or when it was not seen
for UNSEEN_FOR whatever the reason. A lost one is proven again when its record is found again.

Only proven domains count when people sign in (orgs/sign_in.py). So without its domain single sign-on makes and links
nobody of that domain any more, and while it is lost enforcement holds for nobody with an address in it: they get in by
their other ways. Whoever came in by the identity provider before and has no address in a lost domain stays governed as
long as any domain of the organization is proven. Whoever may manage sign-in is told by mail of each domain that is lost
or removed.
"""

import secrets
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.services import Target, record, record_refused
from config.kernel.errors import Absent, Conflict, Invalid
from config.kernel.permissions import Permission
from config.kernel.principals import Principal
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope
from config.kernel.throttling import require_try
from orgs import events
from orgs.domain_names import UnfitDomain, own_domain, spellings_of
from orgs.models import EmailDomain, Membership
from orgs.models.email_domain import MISSES, MISSING_FOR
from orgs.resolver import Unanswered, text_records
from orgs.selectors import consequences_of_losing
from orgs.services.authority import lock_organization
from orgs.services.sign_in_policies import release_people_of

Status = EmailDomain.Status

# Each is looked up again and again, so there is an end to registering them.
MOST_DOMAINS = 100
TOKEN_BYTES = 16
UNSEEN_FOR = timedelta(days=7)
CHECK_LIMIT = "10/minute"
OF_ONE = "orgs_email_domain_of_one"
FAILURE_LENGTH = 200
LONGEST_REASON = 500
# What a check changes of a row whose status stays.
CHECKED = ["checked_at", "failure", "misses", "missing_since", "updated_at"]
TAKEN = "Another organization has proven this domain: ask whoever operates this installation."


def email_domain_target(row: EmailDomain) -> Target:
    """How an e-mail domain is named in the ledger."""
    return Target("email_domain", row.public_id, row.domain)


def domain_taken() -> Conflict:
    """The one answer to a domain that another organization has proven."""
    return Conflict(TAKEN, code="email_domain_taken", errors={"domain": [TAKEN]})


@transaction.atomic
def register_email_domain(*, actor: Principal, domain: str) -> EmailDomain:
    """Registers a domain, which is then to be proven. Two organizations may wait for the same one.

    Raises Invalid for what is no domain of one organization's own, Conflict for one that this organization registered
    or another one has proven already, and beyond MOST_DOMAINS.
    """
    try:
        name = own_domain(domain)
    except UnfitDomain as error:
        raise Invalid.field("domain", str(error)) from None
    lock_organization()
    if EmailDomain.objects.filter(domain=name).exists():
        sentence = "This domain is registered already."
        raise Conflict(sentence, code="email_domain_registered", errors={"domain": [sentence]})
    if EmailDomain.objects.count() >= MOST_DOMAINS:
        raise Conflict(
            f"An organization has {MOST_DOMAINS} domains at most: remove one.", code="too_many_email_domains"
        )
    if _belongs_to_another(name):
        raise domain_taken()
    row = EmailDomain.objects.create(domain=name, token=secrets.token_hex(TOKEN_BYTES))
    record(events.EMAIL_DOMAIN_REGISTERED, actor=actor, target=email_domain_target(row))
    return row


def _belongs_to_another(domain: str) -> bool:
    """Asked before this organization has a row of it, so whoever has it is another one."""
    with system_scope("whether another organization has proven an e-mail domain"):
        return EmailDomain.objects.proven().filter(domain=domain).exists()


def require_check(email_domain_id: UUID) -> None:
    """Counts one check that somebody asks for. Raises RateLimited."""
    require_try("e-mail domain check", str(email_domain_id), limit=CHECK_LIMIT)


def check_email_domain(*, actor: Principal, email_domain_id: UUID) -> EmailDomain:
    """Looks a domain's record up and notes what was found. Raises Absent, Conflict when another organization has it.

    Must not be called inside a transaction of the request's, which would wait for the DNS.
    """
    row = EmailDomain.objects.filter(id=email_domain_id).first()
    if row is None:
        raise Absent
    try:
        texts, failure = text_records(row.txt_name), ""
    except Unanswered as error:
        texts, failure = None, str(error)
    was_known = row.failure == TAKEN
    with transaction.atomic():
        row = EmailDomain.objects.select_for_update().filter(id=email_domain_id).first()
        if row is None:
            raise Absent
        row.checked_at = timezone.now()
        if texts is None:
            _unanswered(row, actor, failure)
        elif any(_says(text, row.txt_value) for text in texts):
            _found(row, actor)
        else:
            _not_there(row, actor, texts)
    if row.failure == TAKEN:
        if not was_known:
            record_refused(
                events.EMAIL_DOMAIN_PROVEN, actor=actor, target=email_domain_target(row), data={"how": "dns"}
            )
        raise domain_taken()
    return row


def _says(text: str, value: str) -> bool:
    """Whether a record is the one asked for: what people add by mistake in a form of their DNS makes no difference."""
    return text.strip().strip('"').strip().lower() == value


def _found(row: EmailDomain, actor: Principal) -> None:
    was_proven = row.status == Status.PROVEN
    row.failure, row.misses, row.missing_since = "", 0, None
    if was_proven:
        row.save(update_fields=CHECKED)
        return
    row.status, row.proven_at, row.lost_at = Status.PROVEN, row.checked_at, None
    if not _saved_as_proven(row):
        row.refresh_from_db()
        row.checked_at, row.failure = timezone.now(), TAKEN
        row.save(update_fields=CHECKED)
        return
    record(events.EMAIL_DOMAIN_PROVEN, actor=actor, target=email_domain_target(row), data={"how": "dns"})


def _saved_as_proven(row: EmailDomain) -> bool:
    """False when another organization has it: the database decides between two at once."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is None or diagnosis.constraint_name != OF_ONE:
            raise
        return False
    return True


def _not_there(row: EmailDomain, actor: Principal, texts: list[str]) -> None:
    row.failure = _found_instead(row, texts)
    if row.status == Status.PROVEN and not row.vouched_for:
        row.misses = min(row.misses + 1, MISSES)
        row.missing_since = row.missing_since or row.checked_at
        if row.misses == MISSES and _unseen(row) >= MISSING_FOR:
            _lose(row, actor)
            return
    row.save(update_fields=CHECKED)


def _found_instead(row: EmailDomain, texts: list[str]) -> str:
    if not texts:
        return f"There is no TXT record at {row.txt_name}."[:FAILURE_LENGTH]
    others = "; ".join(" ".join(text.split())[:80] for text in sorted(texts)[:3])
    return f"The TXT record there says something else: {others}"[:FAILURE_LENGTH]


def _unanswered(row: EmailDomain, actor: Principal, failure: str) -> None:
    """Says nothing about the record; but what nobody could look up for very long is no proof any more."""
    row.failure = failure
    if row.status == Status.PROVEN and not row.vouched_for:
        row.missing_since = row.missing_since or row.checked_at
        if _unseen(row) >= UNSEEN_FOR:
            _lose(row, actor)
            return
    row.save(update_fields=CHECKED)


def _unseen(row: EmailDomain) -> timedelta:
    """For how long nobody saw the record."""
    return (row.checked_at or timezone.now()) - (row.missing_since or timezone.now())


def _lose(row: EmailDomain, actor: Principal) -> None:
    missing_since, row.status, row.lost_at = row.missing_since, Status.LOST, row.checked_at
    row.misses, row.missing_since = 0, None
    consequences = consequences_of_losing(row)
    row.save()
    record(
        events.EMAIL_DOMAIN_LOST,
        actor=actor,
        target=email_domain_target(row),
        data={
            "missing_since": missing_since.isoformat() if missing_since else None,
            "people": consequences.people,
            "enforcement": consequences.enforcement,
        },
    )
    _tell(row, "lost")


def _tell(row: EmailDomain, what: str) -> None:
    """A mail for each person who may manage sign-in."""
    for membership in Membership.objects.holding(Permission.MANAGE_SSO).order_by("id"):
        enqueue("orgs.mail_email_domain", row.domain, what, str(membership.user_id))


@transaction.atomic
def prove_by_staff(*, actor: Principal, domain: str, reason: str) -> EmailDomain:
    """Marks a domain as proven on staff's word, and registers it if it is not. Then no check undoes it.

    Only staff's edges call this. Raises Invalid, Conflict when another organization has it.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Invalid.field("reason", f"Say why, in at most {LONGEST_REASON} characters.")
    try:
        name = own_domain(domain)
    except UnfitDomain as error:
        raise Invalid.field("domain", str(error)) from None
    if not EmailDomain.objects.filter(domain=name).exists():
        register_email_domain(actor=actor, domain=name)
    row = EmailDomain.objects.select_for_update().get(domain=name)
    if row.status != Status.PROVEN:
        row.status, row.proven_at = Status.PROVEN, timezone.now()
    row.vouched_for, row.failure, row.misses, row.missing_since, row.lost_at = reason, "", 0, None, None
    if not _saved_as_proven(row):
        raise domain_taken()
    record(
        events.EMAIL_DOMAIN_PROVEN,
        actor=actor,
        target=email_domain_target(row),
        data={"how": "staff", "reason": reason},
    )
    return row


@transaction.atomic
def remove_email_domain(*, actor: Principal, email_domain: str, confirmation: str | None = None) -> None:
    """Removes a domain, named by its public id. Raises Absent.

    While people sign in by it, or enforcement rests on it, `confirmation` must be the domain: raises Conflict with
    what would stop.
    """
    lock_organization()
    rows = EmailDomain.objects.select_for_update()
    row = rows.by_reference(email_domain)
    if row is None:
        raise Absent
    consequences = consequences_of_losing(row)
    if consequences.is_in_use and (confirmation or "").strip().lower() not in spellings_of(row.domain):
        raise Conflict(
            f"{consequences.sentence} Send {row.domain} as `confirm` to remove it nevertheless.",
            code="email_domain_in_use",
            errors={"confirm": [f"Type {row.domain} to confirm."]},
            people=consequences.people,
            people_by_sso=consequences.people_by_sso,
            enforcement=consequences.enforcement,
        )
    target, status = email_domain_target(row), row.status
    row.delete()
    release_people_of(row.domain)
    record(
        events.EMAIL_DOMAIN_REMOVED,
        actor=actor,
        target=target,
        data={"status": status, "people": consequences.people, "enforcement": consequences.enforcement},
    )
    if status == Status.PROVEN:
        _tell(row, "removed")
