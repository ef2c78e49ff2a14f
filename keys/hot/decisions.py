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
    if key is None or question.subject == (KEY, key.public_id):
        return None
    organization_id = key.project.organization.id
    facts = cache.kept(organization_id, question.subject, question.resource)
    if facts is None:
        return _answer(environ, body, _single)
    maker = installed_maker()
    if maker is None:
        return None
    if getattr(maker, "is_pure", False):
        found = answer(question, caller=caller_of_key(key), facts=facts, maker=maker)
    else:
        with tenant_scope(organization_id):
            found = answer(question, caller=caller_of_key(key), facts=facts, maker=maker)
    return OK, orjson.dumps(found), []


def evaluate_batch(environ: dict[str, Any], body: bytes) -> Answer | None:
    """The answer to a batch, or None for the full path."""
    return _answer(environ, body, batch_of)


def _single(data: Any) -> Batch:
    return Batch([question_of(data)], ALL, single=True)


def _answer(environ: dict[str, Any], body: bytes, read: Callable[[Any], Batch]) -> Answer | None:
    data = plain(body)
    if data is None:
        return None
    try:
        batch = read(data)
    except Invalid:
        return None
    key = _caller(environ)
    if key is None:
        return None
    questions = [item for item in batch.items if type(item) is Question]
    subjects = {question.subject for question in questions}
    if (KEY, key.public_id) in subjects:
        return None
    organization_id = key.project.organization.id
    with tenant_scope(organization_id):
        facts = cache.gathered(organization_id, subjects, {question.resource for question in questions})
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
    """The question of a body with its five names and nothing else. None for every other body."""
    try:
        data = orjson.loads(body)
        subject, action, resource = data["subject"], data["action"], data["resource"]
        names = subject["type"], subject["id"], action["name"], resource["type"], resource["id"]
    except (ValueError, TypeError, KeyError):
        return None
    for name in names:
        if type(name) is not str or len(name) > LONGEST_TEXT:
            return None
    # Were there more fields, or were one there twice, there would be more marks.
    if body.count(b'"') != MARKS_OF_A_QUESTION or b"\\" in body:
        return None
    return Question(names[:2], names[2], names[3:], NO_ATTRIBUTES)


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
