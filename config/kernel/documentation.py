"""The pages of docs/ that the program itself knows best, as Markdown."""

import ast
import json
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from django.apps import apps
from django.conf import settings

from config.kernel import errors
from config.kernel.access import Access, AccessKind
from config.kernel.api.schema import document
from config.kernel.errors import TenantryError
from config.kernel.events import declared_by_noun
from config.kernel.permissions import (
    DESCRIPTIONS,
    KEY_PERMISSIONS,
    KEY_PRESETS,
    PERSONAL_PERMISSIONS,
    ROLE_PERMISSIONS,
    Permission,
    Role,
)
from config.kernel.routes import Route, all_routes

NOTICE = "<!-- Written by `manage.py generate_docs`; change what it is drawn from instead. -->"
STAFF_SITE = "/admin/"
REST_PREFIXES = ("/api/", "/access/", "/.well-known/")

WHO = {
    AccessKind.PUBLIC: "everybody",
    AccessKind.SIGNED_IN: "whoever is signed in",
    AccessKind.ORGANIZATION: "members, keys and agents of the organization, service accounts with its grant",
    AccessKind.PROJECT: "members of the organization, keys and agents of the project, service accounts with its grant",
    AccessKind.STAFF: "staff with a second factor",
    AccessKind.SERVICE: "secret keys and agents, service accounts with a grant",
    AccessKind.PUBLISHABLE: "publishable keys, from a browser",
    AccessKind.CALLER: "whoever has a credential, in one organization",
}


def pages() -> dict[str, str]:
    """Each generated file of docs/ with its text."""
    drawn: dict[str, Callable[[], str]] = {
        "access.md": access_page,
        "permissions.md": permissions_page,
        "events.md": events_page,
        "errors.md": errors_page,
        "settings.md": settings_page,
        "openapi.json": lambda: json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n",
    }
    return {name: draw() for name, draw in drawn.items()}


def page(title: str, introduction: str, *blocks: str) -> str:
    """A page of Markdown."""
    return "\n\n".join([f"# {title}", NOTICE, introduction, *blocks]) + "\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# -- access ----------------------------------------------------------------------------------------------------------
def access_page() -> str:
    """Every route and method with who may."""
    routes = [route for route in all_routes() if not route.path.startswith(STAFF_SITE)]
    rest = [route for route in routes if route.path.startswith(REST_PREFIXES)]
    rest_paths = {route.path for route in rest}
    dashboard = [route for route in routes if route.path not in rest_paths]
    head = ["Route", "Method", "Who", "Permission"]
    return page(
        "Access",
        "Who may reach what. Every route declares its access; one that declares none stops the program at start. "
        "What the caller may not know of is answered like what does not exist.",
        "## REST",
        table(head, list(_access_rows(rest))),
        "## Dashboard, sign-in and health",
        table(head, list(_access_rows(dashboard))),
        "## Staff",
        f"Everything below `{STAFF_SITE}` is for {WHO[AccessKind.STAFF]}, given in the same session.",
    )


def _access_rows(routes: list[Route]) -> Iterator[list[str]]:
    for route in sorted(routes, key=attrgetter("path")):
        for method, access in sorted(route.methods().items()):
            permission = f"`{access.permission}`" if access.permission else ""
            yield [f"`{route.path}`", "every" if method == "*" else method, _who(access), permission]


def _who(access: Access) -> str:
    programs = access.kind == AccessKind.PUBLISHABLE and access.permission is not None
    also = (", also while it is being deleted" if access.while_inactive else "") + (", secret keys" if programs else "")
    across = " (without X-Organization-Id for all of its grants at once)" if access.across else ""
    return WHO[access.kind] + also + across


# -- permissions -----------------------------------------------------------------------------------------------------
def permissions_page() -> str:
    """The role matrix and the presets of keys."""
    roles = [role for role in Role if role in ROLE_PERMISSIONS]
    people = [
        [f"`{permission}`", DESCRIPTIONS[permission], *(_mark(permission in ROLE_PERMISSIONS[role]) for role in roles)]
        for permission in Permission
        if permission in PERSONAL_PERMISSIONS
    ]
    presets = sorted(KEY_PRESETS)
    keys = [
        [f"`{permission}`", DESCRIPTIONS[permission], *(_mark(permission in KEY_PRESETS[name]) for name in presets)]
        for permission in Permission
        if permission in KEY_PERMISSIONS
    ]
    return page(
        "Roles and permissions",
        "One vocabulary for people and programs. A custom role is any set of the permissions of people that its "
        "creator has; in one project a member may hold another role than in the organization.",
        "## People",
        table(["Permission", "What it allows", *(role.value for role in roles)], people),
        "## Secret keys",
        "A secret key acts inside its own project. It has the permissions of a preset, or any of these; publishable "
        "keys have none. An organization can grant any of them to a service account, everywhere or in one project.",
        table(["Permission", "What it allows", *presets], keys),
    )


def _mark(held: bool) -> str:  # noqa: FBT001 - there is nothing else to pass
    return "x" if held else ""


# -- events ----------------------------------------------------------------------------------------------------------
def events_page() -> str:
    """The catalogue of events."""
    blocks = []
    for subject, declared in declared_by_noun():
        rows = [
            [
                f"`{event.name}`",
                event.description,
                "; ".join(f"`{name}` ({field.all_words}): {field.meaning}" for name, field in event.data.items()),
            ]
            for event in declared
        ]
        blocks += [f"## {subject.replace('_', ' ').capitalize()}", table(["Event", "What happened", "Data"], rows)]
    return page(
        "Events",
        "What the audit log records, with actor, target, result, address and request id. A refused attempt is the "
        "same event with the result `refused`. Each field of the data is never missing unless it is called optional; "
        "`openapi.json` has them as schemas.",
        *blocks,
    )


# -- errors ----------------------------------------------------------------------------------------------------------
def errors_page() -> str:
    """The errors that answers carry: those of the family, and those that got their code where they are raised."""
    found: dict[tuple[int, str, str], list[str]] = {}
    for error in _family():
        code = "" if error is errors.AuthFailure else error.code
        found[error.status, code, error.title] = [_first_sentence(error)]
    for error, code, sentence in raised_codes():
        sentences = found.setdefault((error.status, code, error.title), [])
        if sentence not in sentences:
            sentences.append(sentence)
    rows = [
        [f"`{code}`" if code else "none", str(status), title, " / ".join(sentences)]
        for (status, code, title), sentences in sorted(found.items())
    ]
    return page(
        "Errors",
        "Every error is a problem detail (RFC 9457) with a stable `code`; `detail` says what to do next, in words that "
        "may change. A 401 is the exception: one body for every cause, without a code, so that nobody can find out "
        "which credentials exist.",
        table(["Code", "Status", "Title", "When"], rows),
    )


def _family() -> list[type[TenantryError]]:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, TenantryError)]
    return [error for error in classes if error is not TenantryError]


def _first_sentence(error: type[TenantryError]) -> str:
    return " ".join((error.__doc__ or "").split("\n\n", maxsplit=1)[0].split())


def raised_codes() -> Iterator[tuple[type[TenantryError], str, str]]:
    """The error, code and sentence of every `SomeError("…", code="…")` in our sources."""
    base = Path(settings.BASE_DIR)
    names = sorted({config.name.split(".")[0] for config in apps.get_app_configs()})
    for source in [file for name in names for file in sorted((base / name).rglob("*.py"))]:
        for function in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                yield from _codes_in(function)


def _codes_in(function: ast.FunctionDef) -> Iterator[tuple[type[TenantryError], str, str]]:
    texts = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        error = _errors_by_name().get(node.func.id)
        codes = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        if error is None or not codes or not isinstance(codes[0], ast.Constant):
            continue
        sentence = node.args[0] if node.args else None
        if isinstance(sentence, ast.Name):
            sentence = texts.get(sentence.id)
        yield error, str(codes[0].value), _text(sentence) or _first_sentence(error)


def _errors_by_name() -> dict[str, type[TenantryError]]:
    """Every error of ours, those that apps derive included."""
    found: dict[str, type[TenantryError]] = {}
    waiting: list[type[TenantryError]] = [TenantryError]
    while waiting:
        error = waiting.pop()
        found[error.__name__] = error
        waiting += error.__subclasses__()
    return found


def _text(node: ast.expr | None) -> str:
    """A text of the source; what is filled in when it runs stands as an ellipsis."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ""


# -- settings --------------------------------------------------------------------------------------------------------
def settings_page() -> str:
    """Every environment variable."""
    blocks = []
    for section, declared in groupby(settings.TENANTRY_ENVIRONMENT, key=attrgetter("section")):
        rows = [[f"`{one.name}`", one.kind, one.default, one.meaning] for one in declared]
        blocks += [f"## {section}", table(["Variable", "Type", "Default", "Meaning"], rows)]
    return page(
        "Settings",
        "All of them are environment variables. What is missing or unsafe stops the program at start, in one list. "
        "`make run` also reads `PORT` (8000), where it listens.",
        *blocks,
    )
