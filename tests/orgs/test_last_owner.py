"""Two people at once, over two real connections: one owner is always left."""

import threading
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from config.kernel.errors import LastOwner, TenantryError
from config.kernel.permissions import Role
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Membership, User
from orgs.services import members
from tests.cast import Cast

Act = Callable[[Cast, User, User], None]


def remove(cast: Cast, actor: User, other: User) -> None:
    members.remove_member(actor=cast.principal(actor), user_id=other.id)


def demote(cast: Cast, actor: User, other: User) -> None:
    members.change_role(actor=cast.principal(actor), user_id=other.id, role=Role.VIEWER)


def leave(cast: Cast, actor: User, other: User) -> None:
    members.leave(actor=cast.principal(actor))


def step_down(cast: Cast, actor: User, other: User) -> None:
    members.change_role(actor=cast.principal(actor), user_id=actor.id, role=Role.ADMIN)


def past_the_service(cast: Cast, actor: User, other: User) -> None:
    """What a careless view or a person at the database might do: only the trigger is left to stop it."""
    with transaction.atomic():
        Membership.objects.of_user(other.id).delete()


def owners(cast: Cast) -> int:
    with tenant_scope(cast.acme.id):
        return Membership.objects.owners().count()


def make_owner(cast: Cast, user: User) -> None:
    with tenant_scope(cast.acme.id):
        Membership.objects.of_user(user.id).update(role=Role.OWNER)


@pytest.mark.parametrize("act", [remove, demote, leave, step_down, past_the_service], ids=lambda act: act.__name__)
@pytest.mark.parametrize("attempt", range(3))
def test_of_two_owners_at_the_same_instant_one_is_left(committed_cast: Cast, act: Act, attempt: int):
    cast = committed_cast
    make_owner(cast, cast.admin)
    barrier = threading.Barrier(2)
    refused: list[Exception] = []

    def run(actor: User, other: User) -> None:
        try:
            with tenant_scope(cast.acme.id):
                connection.ensure_connection()
                barrier.wait(timeout=10)
                act(cast, actor, other)
        except (TenantryError, IntegrityError) as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in ((cast.owner, cast.admin), (cast.admin, cast.owner))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert owners(cast) == 1
    assert len(refused) == 1


def test_the_second_waits_for_the_first_and_then_sees_what_it_did(committed_cast: Cast):
    """Not by luck: the first holds its transaction open while the second begins."""
    cast = committed_cast
    make_owner(cast, cast.admin)
    outcome: list[Exception | None] = []

    def second() -> None:
        try:
            with tenant_scope(cast.acme.id):
                leave(cast, cast.admin, cast.owner)
            outcome.append(None)
        except TenantryError as error:
            outcome.append(error)
        finally:
            connection.close()

    with tenant_scope(cast.acme.id), transaction.atomic():
        past_the_service(cast, cast.admin, cast.owner)
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive(), "the second did not wait"
    thread.join(timeout=10)
    assert [type(error) for error in outcome] == [LastOwner]
    assert owners(cast) == 1


def test_the_trigger_refuses_the_last_owner_whatever_the_code_above_does(cast: Cast):
    with tenant_scope(cast.acme.id):
        for change in (
            lambda: Membership.objects.owners().delete(),
            lambda: Membership.objects.owners().update(role=Role.ADMIN),
            lambda: Membership.objects.all().delete_all(),
        ):
            with pytest.raises(IntegrityError, match="keeps its last owner"), transaction.atomic():
                change()
        assert Membership.objects.count() == 4


def test_a_sole_owner_can_neither_leave_nor_step_down_nor_be_removed(cast: Cast):
    with tenant_scope(cast.acme.id):
        for act in (leave, step_down):
            with pytest.raises(LastOwner):
                act(cast, cast.owner, cast.owner)
        with pytest.raises(TenantryError):
            remove(cast, cast.admin, cast.owner)
        assert Membership.objects.owners().get().user == cast.owner


def test_ownership_is_handed_over_in_one_step(cast: Cast):
    with tenant_scope(cast.acme.id):
        members.transfer_ownership(actor=cast.principal(cast.owner), to_user_id=cast.viewer.id, own_role=Role.DEVELOPER)
        assert Membership.objects.owners().get().user == cast.viewer
        assert Membership.objects.of_user(cast.owner.id).get().role == Role.DEVELOPER
