"""`POST /access/v1/evaluation` and `/evaluations` from memory. The same reading, rule and answers as on the full path.

Only keys ask here, and about others; people, signed requests and questions about oneself are for the full path.
"""

import time
from collections.abc import Callable
from typing import Any

import orjson

from config.kernel.api.parsers import require_shallow
from config.kernel.errors import Invalid
from config.kernel.hot import OK, Answer
from config.kernel.middleware import REQUEST_ID
from config.kernel.permissions import Permission
from config.kernel.principals import KeyPrincipal
from config.kernel.tenancy.scope import tenant_scope
from keys.decisions.callers import Caller, program_caller
from keys.decisions.evaluating import PLAIN, answer, answer_batch, installed_maker
from keys.decisions.evaluating import answers as answers_of
from keys.decisions.facts import Facts, SubjectType
from keys.decisions.maker import DecisionMaker
from keys.decisions.wire import (
    LONGEST_TEXT,
    NO_ATTRIBUTES,
    Batch,
    Fault,
    Name,
    Question,
    Semantic,
    batch_of,
    question_of,
)
from keys.facts import KeyFacts
from keys.hot.callers import calling_key, left
from keys.hot.decision_facts import Answers, cache

EVALUATE = Permission.ACCESS_EVALUATE.value
HELD = frozenset({Permission.ACCESS_EVALUATE})
KEY = SubjectType.KEY.value
ALL = Semantic.EXECUTE_ALL
# With so few objects and lists nothing is nested deeper than the full path allows.
CERTAINLY_SHALLOW = 20
# Of a question with nothing but its names: three parts, five fields, five texts, each in two.
MARKS_OF_A_QUESTION = 26
MOST_CALLERS = 1000

_callers: dict[str, tuple[KeyFacts, Caller]] = {}


def evaluate(environ: dict[str, Any], body: bytes) -> Answer | None:
    """The answer to one question, or None for the full path."""
    question = bare(body)
    if question is None:
        return _answer(environ, body, _single)
    key = _caller(environ)
    if key is None:
        return None
    if question.subject == (KEY, key.public_id):
        return left(environ)
    organization = key.project.organization.public_id
    generation, answers = cache.generation, cache.answers(organization, key.project.public_id)
    if answers is not None and body in answers:
        return OK, answers[body], []
    facts = cache.kept(organization, question.subject, question.resource)
    maker = installed_maker()
    # Whatever may ask the database does so in the organization's scope, on the way that batches take.
    if facts is None or maker is None or not getattr(maker, "is_pure", False):
        return _answer(environ, body, _single, key) or left(environ)
    told = answer(question, caller=caller_of_key(key), facts=facts, maker=maker)
    written = orjson.dumps(told)
    if answers is not None and is_lasting(question, told, facts, maker):
        cache.remember(answers, body, written, generation)
    return OK, written, []


def is_lasting(question: Question, told: dict[str, Any], facts: Facts, maker: DecisionMaker) -> bool:
    """Whether an answer holds as long as the facts do. One that follows from what is not there does not."""
    subject = facts.subjects.get(question.subject)
    return (
        told is not PLAIN
        and question.attributes is NO_ATTRIBUTES
        and subject is not None
        and subject.ends_at is None
        and getattr(maker, "is_steady", False)
    )


def evaluate_batch(environ: dict[str, Any], body: bytes) -> Answer | None:
    """The answer to a batch, or None for the full path."""
    return _answer(environ, body, batch_of)


def _single(data: Any) -> Batch:
    return Batch([question_of(data)], ALL, single=True)


def _answer(
    environ: dict[str, Any], body: bytes, read: Callable[[Any], Batch], key: KeyFacts | None = None
) -> Answer | None:
    """`key` is the caller, if it is known already: looking for it notes a use."""
    data = plain(body)
    if data is None:
        return None
    try:
        batch = read(data)
    except Invalid:
        return None
    key = key or _caller(environ)
    if key is None:
        return None
    return _answered(key, batch) or left(environ)


def _answered(key: KeyFacts, batch: Batch) -> Answer | None:
    """The answer to a batch of this key's; None for the full path, questions about itself among them."""
    questions = [item for item in batch.items if type(item) is Question]
    subjects = {question.subject for question in questions}
    if (KEY, key.public_id) in subjects:
        return None
    organization = key.project.organization
    generation, answers = cache.generation, cache.answers(organization.public_id, key.project.public_id)
    if answers is not None and batch.semantic is ALL and not batch.single:
        found = _each_answered(key, batch, answers, generation)
        return None if found is None else (OK, orjson.dumps({"evaluations": found}), [])
    with tenant_scope(organization.id):
        facts = cache.gathered(organization.public_id, subjects, {question.resource for question in questions})
        if facts is None:
            return None
        return OK, orjson.dumps(answer_batch(batch, caller=caller_of_key(key), facts=facts)), []


def _each_answered(key: KeyFacts, batch: Batch, answers: Answers, generation: int) -> list[dict[str, Any]] | None:
    """Each item's answer, those from memory that were given before; None when memory must not be used."""
    found: list[Any] = [answers.get(names_of(item)) for item in batch.items]
    rest = [place for place, answered in enumerate(found) if answered is None]
    if not rest:
        return found
    organization = key.project.organization
    items = [batch.items[place] for place in rest]
    questions = [item for item in items if type(item) is Question]
    with tenant_scope(organization.id):
        facts = cache.gathered(
            organization.public_id,
            {question.subject for question in questions},
            {question.resource for question in questions},
        )
        if facts is None:
            return None
        given = answers_of(items, caller=caller_of_key(key), facts=facts)
    maker = installed_maker()
    for place, item, told in zip(rest, items, given, strict=True):
        found[place] = told
        if type(item) is Question and maker is not None and is_lasting(item, told, facts, maker):
            cache.remember(answers, names_of(item), told, generation)
    return found


def names_of(item: Question | Fault) -> tuple[Name, str, Name] | None:
    """Under what the answer to a question with nothing but names is remembered; None for every other item."""
    if type(item) is Question and item.attributes is NO_ATTRIBUTES:
        return item.subject, item.action, item.resource
    return None


def _caller(environ: dict[str, Any]) -> KeyFacts | None:
    """The key that asks; None also for a request id of a spelling that only the full path echoes."""
    request_id = environ.get("HTTP_X_REQUEST_ID")
    if request_id is not None and not REQUEST_ID.match(request_id):
        return None
    return calling_key(environ, EVALUATE, time.time())


def bare(body: bytes) -> Question | None:
    """The question of a short body with its five names and nothing else. None for every other body."""
    # Were there more fields, or were one there twice, there would be more marks. Short: then every name is, too.
    if len(body) > LONGEST_TEXT or body.count(b'"') != MARKS_OF_A_QUESTION or b"\\" in body:
        return None
    try:
        data = orjson.loads(body)
        subject, resource, action = data["subject"], data["resource"], data["action"]["name"]
        who, where = (subject["type"], subject["id"]), (resource["type"], resource["id"])
    except (ValueError, TypeError, KeyError):
        return None
    if type(who[0]) is type(who[1]) is type(action) is type(where[0]) is type(where[1]) is str:
        return Question(who, action, where, NO_ATTRIBUTES)
    return None


def plain(body: bytes) -> dict[str, Any] | None:
    """The object in a body without escapes, repeated names and deep nesting. None for every other body."""
    if b"\\" in body:
        return None
    try:
        data = orjson.loads(body)
        if body.count(b"{") + body.count(b"[") > CERTAINLY_SHALLOW:
            require_shallow(data)
        # Written again it has as many quotation marks, unless a name came twice, which orjson accepts.
        same = type(data) is dict and orjson.dumps(data).count(b'"') == body.count(b'"')
    except ValueError:
        return None
    return data if same else None


def caller_of_key(key: KeyFacts) -> Caller:
    """A key that may ask about others. What it is beside that, only questions about itself would ask for."""
    kept = _callers.get(key.public_id)
    if kept is not None and kept[0] is key:
        return kept[1]
    project = key.project
    principal = KeyPrincipal(
        id=key.public_id, organization_id=project.organization.id, project_id=project.id, permissions=HELD
    )
    caller = program_caller((KEY, key.public_id), principal)
    if len(_callers) >= MOST_CALLERS:
        _callers.clear()
    _callers[key.public_id] = key, caller
    return caller
