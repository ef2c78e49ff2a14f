"""Requests and answers of the AuthZEN Authorization API 1.0, as plain JSON data.

Fields that are not known are ignored, as the standard asks of a server (section 4): only what is missing or of the
wrong type is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from config.kernel.errors import Invalid

MOST_EVALUATIONS = 1000
LONGEST_TEXT = 500
DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000

Name = tuple[str, str]
Attributes = Mapping[str, Mapping[str, Any]]
NO_ATTRIBUTES: Attributes = {}


class Semantic(StrEnum):
    """How a batch is worked off (section 7.1.2.1)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


@dataclass(slots=True)
class Question:
    """May this subject do this with that resource? Both are named by their type and id.

    `attributes` are the `properties` of `subject`, `action` and `resource` and the whole `context`, as far as sent.
    """

    subject: Name
    action: str
    resource: Name
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Fault:
    """An item of a batch that cannot be read: it is denied, the others are not touched (section 7.2.1)."""

    sentence: str

    def answer(self) -> dict[str, Any]:
        """As an answer."""
        return {"decision": False, "context": {"error": {"status": 400, "message": self.sentence}}}


@dataclass(frozen=True, slots=True)
class Batch:
    """Several questions in order. `single` says that the request named none of its own, and is answered as one."""

    items: list[Question | Fault]
    semantic: Semantic
    single: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Who, what or which action: the field that is searched is empty in `question`."""

    question: Question
    token: str
    limit: int | None


def question_of(data: Any) -> Question:
    """A single evaluation. Raises Invalid."""
    return _question(_object(data, "body"), {})


def batch_of(data: Any) -> Batch:
    """A batch, with the defaults of its top level. Raises Invalid for what is wrong of the whole."""
    body = _object(data, "body")
    semantic = _semantic(body)
    items = body.get("evaluations")
    if items is None or items == []:
        return Batch([_question(body, {})], semantic, single=True)
    if not isinstance(items, list):
        raise Invalid.field("evaluations", "Send evaluations as a list of objects.")
    if len(items) > MOST_EVALUATIONS:
        raise Invalid.field("evaluations", f"Send at most {MOST_EVALUATIONS} evaluations at once.")
    for name in ("subject", "action", "resource", "context"):
        if body.get(name) is not None:
            _object(body[name], name)
    return Batch([_item(item, body) for item in items], semantic)


def subject_search_of(data: Any) -> Search:
    """A search for subjects. Raises Invalid."""
    return _search(data, lambda body: {**body, "subject": {**_part(body, {}, "subject"), "id": ""}})


def resource_search_of(data: Any) -> Search:
    """A search for resources. Raises Invalid."""
    return _search(data, lambda body: {**body, "resource": {**_part(body, {}, "resource"), "id": ""}})


def action_search_of(data: Any) -> Search:
    """A search for actions. Raises Invalid."""
    return _search(data, lambda body: {**body, "action": {"name": ""}})


def _search(data: Any, without_what_is_searched: Callable[[dict[str, Any]], dict[str, Any]]) -> Search:
    body = _object(data, "body")
    page = _object(body["page"], "page") if "page" in body else {}
    token = page.get("token", "")
    if not isinstance(token, str):
        raise Invalid.field("page", "Send page.token as next_token of the answer before.")
    limit = page.get("limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise Invalid.field("page", "Send page.limit as a whole number, not below 0.")
    question = _question(without_what_is_searched(body), {})
    return Search(question, token, None if limit is None else min(limit, LARGEST_LIMIT))


def _semantic(body: dict[str, Any]) -> Semantic:
    options = body.get("options", {})
    wanted = _object(options, "options").get("evaluations_semantic", Semantic.EXECUTE_ALL)
    try:
        return Semantic(wanted)
    except ValueError:
        raise Invalid.field("options", f"Choose evaluations_semantic from {', '.join(Semantic)}.") from None


def _item(item: Any, defaults: dict[str, Any]) -> Question | Fault:
    try:
        return _question(_object(item, "evaluations"), defaults)
    except Invalid as error:
        return Fault(error.detail)


def _question(body: dict[str, Any], defaults: dict[str, Any]) -> Question:
    subject, subject_type, subject_id = _named(body, defaults, "subject")
    action = _part(body, defaults, "action")
    name = action.get("name")
    if name is None and defaults:
        name = _given(defaults.get("action"), "name")
    if type(name) is not str or len(name) > LONGEST_TEXT:
        raise _unreadable("action", "name")
    resource, resource_type, resource_id = _named(body, defaults, "resource")
    attributes = NO_ATTRIBUTES
    if "context" in body or "context" in defaults or any("properties" in part for part in (subject, action, resource)):
        attributes = _attributes(body, defaults, subject, action, resource)
    return Question((subject_type, subject_id), name, (resource_type, resource_id), attributes)


def _named(body: dict[str, Any], defaults: dict[str, Any], part: str) -> tuple[dict[str, Any], str, str]:
    """A subject or a resource, its type and its id. What of these an item leaves out, the default says."""
    given = _part(body, defaults, part)
    kind, name = given.get("type"), given.get("id")
    if defaults:
        kind = _given(defaults.get(part), "type") if kind is None else kind
        name = _given(defaults.get(part), "id") if name is None else name
    if type(kind) is not str or len(kind) > LONGEST_TEXT:
        raise _unreadable(part, "type")
    if type(name) is not str or len(name) > LONGEST_TEXT:
        raise _unreadable(part, "id")
    return given, kind, name


def _part(body: dict[str, Any], defaults: dict[str, Any], name: str) -> dict[str, Any]:
    part = body.get(name)
    if part is None and defaults:
        part = defaults.get(name)
    if type(part) is not dict:
        raise Invalid.field(name, f"Send {name} as an object.")
    return part


def _given(part: dict[str, Any] | None, name: str) -> Any:
    return None if part is None else part.get(name)


def _attributes(body: dict[str, Any], defaults: dict[str, Any], *parts: dict[str, Any]) -> Attributes:
    found: dict[str, Mapping[str, Any]] = {}
    for name, part in zip(("subject", "action", "resource"), parts, strict=True):
        if part.get("properties") is not None:
            found[name] = _object(part["properties"], f"{name}.properties")
    context = body.get("context")
    context = defaults.get("context") if context is None else context
    if context is not None:
        found["context"] = _object(context, "context")
    return found


def _unreadable(part: str, name: str) -> Invalid:
    return Invalid.field(part, f"Send {part}.{name} as a string of up to {LONGEST_TEXT} characters.")


def _object(value: Any, name: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise Invalid.field(name, "Send a JSON object." if name == "body" else f"Send {name} as an object.")
    return value
