"""Who and what the demo has."""

from dataclasses import dataclass

from config.kernel.permissions import Permission, Role
from orgs.models import Organization

OWNER, ADMIN, DEVELOPER, VIEWER = Role.OWNER, Role.ADMIN, Role.DEVELOPER, Role.VIEWER


@dataclass(frozen=True)
class Person:
    """Somebody of the demo. `ip` and `browser` are what their events tell."""

    email: str
    name: str
    ip: str = "203.0.113.10"
    browser: str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass(frozen=True)
class World:
    """One organization of the demo. The projects are (slug, name), the last of them archived."""

    slug: str
    name: str
    plan: str
    people: dict[Role, Person]
    projects: list[tuple[str, str]]
    custom_role: tuple[str, str, list[Permission]]
    specialist: Person
    invited: dict[str, str]


@dataclass(frozen=True)
class Product:
    """One that acts in the organizations as a service account, in all of each or in its first project."""

    name: str
    description: str
    permissions: list[Permission]
    in_one_project: bool = False


GUEST = Person("robin.okafor@audits.example", "Robin Okafor", "198.51.100.77")
STAFF = Person("staff@tenantry.example", "Sam Whitlock")

# The first is the one whose secret is in the file.
PRODUCTS = [
    Product(
        "Gateway",
        "Verifies keys and asks for decisions in front of the products",
        [
            Permission.ACCESS_EVALUATE,
            Permission.ENV_READ,
            Permission.KEYS_VERIFY,
            Permission.USAGE_TRACK,
            Permission.VIEW_ORG,
        ],
    ),
    Product(
        "Reports",
        "Draws up monthly reports of usage",
        [Permission.VIEW_ORG, Permission.VIEW_USAGE],
        in_one_project=True,
    ),
]

WORLDS = [
    World(
        slug="acme-robotics",
        name="Acme Robotics",
        plan=Organization.Plan.PRO,
        people={
            OWNER: Person("olivia.hart@acme.example", "Olivia Hart", "203.0.113.21"),
            ADMIN: Person("anton.berg@acme.example", "Anton Berg", "203.0.113.22"),
            DEVELOPER: Person("dana.silva@acme.example", "Dana Silva", "203.0.113.23"),
            VIEWER: Person("victor.lang@acme.example", "Victor Lang", "203.0.113.24"),
        },
        projects=[("fleet-control", "Fleet Control"), ("arm-studio", "Arm Studio"), ("pilot-2024", "Pilot 2024")],
        custom_role=(
            "Key custodian",
            "Looks after keys and reads the log; changes nothing else",
            [Permission.MANAGE_KEYS, Permission.VIEW_AUDIT, Permission.VIEW_ORG, Permission.VIEW_USAGE],
        ),
        specialist=Person("keiko.mori@acme.example", "Keiko Mori", "203.0.113.25"),
        invited={
            "pending": "priya.raman@acme.example",
            "expired": "elias.novak@acme.example",
            "revoked": "tessa.young@rival.example",
        },
    ),
    World(
        slug="globex-logistics",
        name="Globex Logistics",
        plan=Organization.Plan.FREE,
        people={
            OWNER: Person("hank.moreno@globex.example", "Hank Moreno", "198.51.100.31"),
            ADMIN: Person("amara.diallo@globex.example", "Amara Diallo", "198.51.100.32"),
            DEVELOPER: Person("lukas.weber@globex.example", "Lukas Weber", "198.51.100.33"),
            VIEWER: Person("mina.park@globex.example", "Mina Park", "198.51.100.34"),
        },
        projects=[("route-planner", "Route Planner"), ("dock-scanner", "Dock Scanner"), ("old-portal", "Old Portal")],
        custom_role=(
            "Auditor",
            "Reads everything, changes nothing",
            [Permission.VIEW_AUDIT, Permission.VIEW_ORG, Permission.VIEW_USAGE],
        ),
        specialist=Person("jonas.frey@globex.example", "Jonas Frey", "198.51.100.35"),
        invited={
            "pending": "sofia.lund@globex.example",
            "expired": "omar.haddad@globex.example",
            "revoked": "temp.driver@globex.example",
        },
    ),
]
