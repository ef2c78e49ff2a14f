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
from keys.decisions.evaluating import answer, answer_batch, installed_maker
from keys.decisions.facts import SubjectType
from keys.decisions.wire import LONGEST_TEXT, NO_ATTRIBUTES, Batch, Question, Semantic, batch_of, question_of
from keys.facts import KeyFacts
from keys.hot.callers import calling_key
from keys.hot.decision_facts import cache

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
    caller = caller_of_key(key)
    if question.subject == caller.name:
        return None
    facts = cache.kept(key.project.organization.public_id, question.subject, question.resource)
    maker = installed_maker()
    # Whatever may ask the database does so in the organization's scope, on the way that batches take.
    if facts is None or maker is None or not getattr(maker, "is_pure", False):
        return _answer(environ, body, _single, key)
    return OK, orjson.dumps(answer(question, caller=caller, facts=facts, maker=maker)), []


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
    questions = [item for item in batch.items if type(item) is Question]
    subjects = {question.subject for question in questions}
    if (KEY, key.public_id) in subjects:
        return None
    organization = key.project.organization
    with tenant_scope(organization.id):
        facts = cache.gathered(organization.public_id, subjects, {question.resource for question in questions})
        if facts is None:
            return None
        found = answer_batch(batch, caller=caller_of_key(key), facts=facts)
    return OK, orjson.dumps(found), []


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
