"""The products behind the demo, which its organizations granted something."""

import hmac
from datetime import timedelta

from config.kernel.permissions import Role
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from keys.demo.building import acting, principal
from keys.demo.world import PRODUCTS, Product, World
from keys.services.service_accounts import create_service_account, rotate_service_account_secret
from keys.services.service_grants import create_grant
from orgs.encryption import unseal
from orgs.models import Organization, ServiceAccount, ServiceAccountSecret, ServiceGrant, User
from projects.models import Project


def ensure_products(worlds: list[World], known: dict[str, str]) -> dict[str, str]:
    """Every product with its grants. The entry of the file for the first of them is `known` while that works."""
    issued = [ensure_account(product) for product in PRODUCTS]
    for world in worlds:
        for product, (account, _) in zip(PRODUCTS, issued, strict=True):
            ensure_grant(product, account, world)
    account, entry = issued[0]
    return entry or (known if works(account, known) else renewed(account))


def ensure_account(product: Product) -> tuple[ServiceAccount, dict[str, str] | None]:
    """The product's account, and when it was made this moment its keyid and secret."""
    account = ServiceAccount.objects.filter(name=product.name).first()
    if account is not None:
        return account, None
    account, secret, plaintext = create_service_account(
        actor=SYSTEM, name=product.name, description=product.description
    )
    return account, {"key_id": secret.key_id, "secret": plaintext}


def renewed(account: ServiceAccount) -> dict[str, str]:
    """A new secret in place of those that nobody has."""
    secret, plaintext = rotate_service_account_secret(actor=SYSTEM, account_id=account.id, overlap=timedelta(0))
    return {"key_id": secret.key_id, "secret": plaintext}


def works(account: ServiceAccount, known: dict[str, str]) -> bool:
    """Whether the account's signatures with what the file knows are accepted."""
    secret = ServiceAccountSecret.objects.usable().by_key_id(known.get("key_id", ""))
    if secret is None or secret.account_id != account.id:
        return False
    return hmac.compare_digest(unseal(secret, "sealed").encode(), known.get("secret", "").encode())


def ensure_grant(product: Product, account: ServiceAccount, world: World) -> None:
    """The product's grant by the world's admin, unless there ever was one: what people changed is left as it is."""
    organization = Organization.objects.by_reference(world.slug)
    admin = User.objects.by_email(world.people[Role.ADMIN].email)
    if organization is None or admin is None or not account.is_active or not organization.is_active:
        return
    with tenant_scope(organization.id), acting(world.people[Role.ADMIN]):
        if ServiceGrant.objects.of_account(account.id).exists():
            return
        project = Project.objects.active().order_by("id").first() if product.in_one_project else None
        create_grant(
            actor=principal(admin),
            account_id=account.id,
            permissions=[permission.value for permission in product.permissions],
            project_id=project.id if project else None,
        )
