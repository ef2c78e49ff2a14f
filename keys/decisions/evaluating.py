"""Answers questions. Whatever goes wrong meanwhile decides "no"."""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from django.db import Error

from keys.decisions.callers import Caller
from keys.decisions.facts import Facts, OrganizationFacts
from keys.decisions.loading import load
from keys.decisions.maker import LONGEST_TTL, Decision, DecisionMaker, Inquiry, Source, decision_maker
from keys.decisions.wire import Batch, Fault, Question, Semantic

logger = structlog.get_logger()

Answer = dict[str, Any]

BY_CREDENTIAL, BY_NAME = Source.CREDENTIAL, Source.NAME

# To whoever may not know of the subject or the resource, and to whoever cannot be told.
PLAIN: Answer = {"decision": False}


def evaluate_batch(batch: Batch, *, caller: Caller, organization: OrganizationFacts) -> Answer:
    """The answer to a batch. Runs in the organization's tenant scope."""
    questions = [item for item in batch.items if isinstance(item, Question)]
    facts = gathered(questions, caller=caller, organization=organization)
    return answer_batch(batch, caller=caller, facts=facts)


def answer_batch(batch: Batch, *, caller: Caller, facts: Facts | None) -> Answer:
    """In order, as far as the semantic asks for. Without facts everything is denied."""
    if batch.single:
        return answers(batch.items, caller=caller, facts=facts)[0]
    stop = {Semantic.DENY_ON_FIRST_DENY: False, Semantic.PERMIT_ON_FIRST_PERMIT: True}.get(batch.semantic)
    if stop is None:
        return {"evaluations": answers(batch.items, caller=caller, facts=facts)}
    found: list[Answer] = []
    for item in batch.items:
        found += answers([item], caller=caller, facts=facts)
        if found[-1]["decision"] is stop:
            break
    return {"evaluations": found}


def gathered(questions: Sequence[Question], *, caller: Caller, organization: OrganizationFacts) -> Facts | None:
    """The facts that these questions need and the caller may ask for; None when they cannot be had."""
    facts = Facts(organization)
    askable = [question for question in questions if caller.horizon(question.subject) is not None]
    try:
        load(
            facts,
            subjects={question.subject for question in askable},
            places={question.resource for question in askable},
        )
    except Error:
        logger.exception("facts of decisions could not be loaded")
        return None
    return facts


def answers(items: Iterable[Question | Fault], *, caller: Caller, facts: Facts | None) -> list[Answer]:
    """One answer for each."""
    maker = installed_maker()
    if facts is None or maker is None:
        return [item.answer() if isinstance(item, Fault) else PLAIN for item in items]
    return [
        item.answer() if isinstance(item, Fault) else answer(item, caller=caller, facts=facts, maker=maker)
        for item in items
    ]


def answer(question: Question, *, caller: Caller, facts: Facts, maker: DecisionMaker) -> Answer:
    """The answer to one question; whatever a decision maker raises or answers wrongly is a denial."""
    try:
        decision = decided(question, caller=caller, facts=facts, maker=maker)
        return PLAIN if decision is None else answer_of(decision)
    except Exception:
        logger.exception("a decision failed")
        return PLAIN


def installed_maker() -> DecisionMaker | None:
    """The decision maker; None when it cannot be made, so that everything is denied."""
    try:
        return decision_maker()
    except Exception:
        logger.exception("the decision maker could not be made")
        return None


def decided(question: Question, *, caller: Caller, facts: Facts, maker: DecisionMaker) -> Decision | None:
    """The decision; None when the caller may not know of the subject or the resource. Raises what the maker raises."""
    own = question.subject == caller.name
    horizon = caller.own if own else caller.others
    subject, place = facts.subjects.get(question.subject), facts.places.get(question.resource)
    if horizon is None or subject is None or place is None or not horizon.sees_place(place):
        return None
    if not own and not horizon.sees_subject(subject):
        return None
    return maker.decide(
        Inquiry(
            question.subject[1],
            facts.organization.id,
            caller.principal if own else subject.principal,
            BY_CREDENTIAL if own else BY_NAME,
            question.subject,
            question.action,
            question.resource,
            question.attributes,
        ),
        facts,
    )


def answer_of(decision: Decision) -> Answer:
    """As the standard writes it."""
    return {
        "decision": decision.allowed is True,
        "context": {
            "ttl": max(0, min(decision.ttl, LONGEST_TTL)),
            "reason": decision.reason,
            "code": decision.code,
        },
    }
