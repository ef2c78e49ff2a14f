"""Every page, as everybody who sees it, in both colours and at both widths: axe, console, origin, width."""

from dataclasses import dataclass

import pytest

from config.kernel.routes import Route
from tests.browser import addresses
from tests.browser.addresses import INVITATION_TOKEN, Persona
from tests.browser.conftest import NewContext
from tests.browser.inspection import Inspector
from tests.cast import Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGES = addresses.pages()
# Whom a page is shown to: the public ones to strangers, the others to owners with and without things in their lists.
WALK = [("stranger" if addresses.is_public(route) else "owner", route) for route in PAGES]
WALK += [("newcomer", route) for route in PAGES if addresses.is_for_newcomers(route)]
WALK += [
    ("owner", route) for route in PAGES if route.name in ("orgs:invitation", "account_logout", "account_confirm_email")
]


@dataclass
class World:
    """The people of this module, each with their open browser."""

    cast: Cast
    personas: dict[str, Persona]
    inspectors: dict[str, Inspector]


@pytest.fixture(scope="module")
def world(committed: None, new_context: NewContext, address: str) -> World:
    cast = make_cast()
    personas = {"owner": addresses.full(cast), "newcomer": addresses.empty()}
    inspectors = {name: Inspector(new_context(persona.user).new_page(), address) for name, persona in personas.items()}
    inspectors["stranger"] = Inspector(new_context().new_page(), address)
    personas["stranger"] = personas["owner"]
    return World(cast, personas, inspectors)


@pytest.mark.parametrize(("who", "route"), WALK, ids=[f"{who} {route.path}" for who, route in WALK])
def test_a_page_is_sound(world: World, who: str, route: Route):
    inspector = world.inspectors[who]
    answer = inspector.open(addresses.path_of(route, world.personas[who].samples))
    assert answer.status == 200
    if who != "stranger":
        assert "no-store" in answer.headers["cache-control"]
    assert inspector.faults(thoroughly=who == "owner" and not addresses.is_form(route)) == []


def test_every_page_is_walked():
    assert len(PAGES) > 50
    assert {route.name for route in PAGES} == {route.name for _, route in WALK}
    assert "orgs:settings" in {route.name for _, route in WALK}


@pytest.mark.parametrize(
    ("path", "status"), [("/orgs/globex/", 404), ("/nowhere/", 404), ("/broken/", 500), ("/invitations/gone/", 404)]
)
def test_a_problem_is_told_on_a_sound_page(world: World, path: str, status: int):
    inspector = world.inspectors["owner"]
    assert inspector.open(path).status == status
    assert inspector.faults() == []


def test_a_missing_permission_is_told_on_a_sound_page(world: World, new_context: NewContext, address: str):
    inspector = Inspector(new_context(world.cast.viewer).new_page(), address)
    assert inspector.open("/orgs/acme/invitations/").status == 403
    assert inspector.faults() == []


def test_a_form_from_elsewhere_is_refused_on_a_sound_page(world: World, new_context: NewContext, address: str):
    inspector = Inspector(new_context(world.cast.viewer).new_page(), address)
    inspector.open("/orgs/new/")
    inspector.page.evaluate("document.querySelectorAll('[name=csrfmiddlewaretoken]').forEach(each => each.value = 'x')")
    inspector.page.get_by_label("Name", exact=True).fill("Forged")
    inspector.page.get_by_role("button", name="Create organization").click()
    inspector.page.get_by_role("heading", level=1).wait_for()
    assert inspector.faults() == []


def test_answers_of_forms_are_sound_pages(world: World):
    inspector = world.inspectors["owner"]
    page = inspector.page
    for path, button in (("/orgs/new/", "Create organization"), ("/orgs/acme/invitations/new/", "Send the invitation")):
        inspector.open(path)
        page.locator("main form button.button-primary").click()
        page.locator("[aria-invalid=true]").first.wait_for()
        assert inspector.faults() == [], button
    inspector.open("/orgs/acme/invitations/bulk/")
    page.locator("main textarea").fill("one@acme.example\nolivia@acme.example\nnot an address")
    page.locator("main form button.button-primary").click()
    page.wait_for_url("**/invitations/bulk/result/")
    assert inspector.faults() == []


def test_the_keyboard_reaches_what_an_open_menu_offers(world: World):
    inspector = world.inspectors["owner"]
    inspector.open("/orgs/acme/members/")
    for label in ("Theme", "Your account"):
        inspector.page.locator(f"summary[aria-label='{label}']").click()
        assert inspector.faults() == []
    assert INVITATION_TOKEN not in inspector.page.content()


def test_the_opened_rest_reference_is_sound(world: World):
    inspector = world.inspectors["stranger"]
    inspector.open("/api/docs")
    # Some of each kind: axe takes half a minute for all of them.
    inspector.page.evaluate(
        "document.querySelectorAll('main details').forEach((details, number) => details.open = number % 12 === 0)"
    )
    assert inspector.faults(thoroughly=False) == []


def test_what_is_wrong_is_found(world: World):
    """The inspector itself: each kind of fault, put into a page on purpose."""
    inspector = world.inspectors["newcomer"]
    wrong = {
        "image-alt": "main.innerHTML += '<img src=\"/static/tenantry/logo.svg\">'",
        "color-contrast": "main.innerHTML += '<p class=\"faded\">Hard to read</p>';"
        "main.lastChild.style.color = 'light-dark(#ddd, #333)'",
        "target-size": 'main.innerHTML += \'<p><a href="/">x</a><a href="/">y</a></p>\';'
        "for (const link of main.lastChild.children) link.style.display = 'inline-block'",
        "wider than the window": "main.firstElementChild.style.width = '3000px'",
        "CSP": "document.head.append(Object.assign(document.createElement('script'), {textContent: '1'}))",
        "connect-src": "fetch('http://127.0.0.1:9/').catch(() => 0)",
        "script: ": "setTimeout(() => { throw Error('broken') })",
    }
    for fault, script in wrong.items():
        inspector.open("/profile/")
        inspector.page.evaluate(f"() => {{ const main = document.querySelector('main'); {script} }}")
        inspector.page.wait_for_timeout(50)
        found = inspector.faults(thoroughly=False)
        assert any(fault in each for each in found), (fault, found)
    inspector.open("/profile/")
    assert inspector.faults() == []
