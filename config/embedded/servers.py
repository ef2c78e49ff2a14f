"""Both servers of a home, provisioned, with the environment that finds them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from config.embedded import processes, running
from config.embedded.credentials import Credentials
from config.embedded.errors import EmbeddedError, ServerStartError
from config.embedded.home import Home
from config.embedded.postgres import Postgres
from config.embedded.valkey import Valkey
from config.provision import APP_ROLE, DATABASE, OWNER_ROLE, provision


class Servers:
    """PostgreSQL unless DATABASE_URL is set, Valkey unless REDIS_URL is set.

    Use it while holding `home.lock()`.  Once `interrupted()` turns true, a start is given up.
    """

    def __init__(
        self,
        home: Home,
        *,
        test: bool = False,
        given: Mapping[str, str] = os.environ,
        interrupted: processes.Asked = lambda: False,
    ) -> None:
        self.home = home
        self._test = test
        self.credentials = Credentials.of(home.secrets)
        self._postgres: Postgres | None = None
        if not given.get("DATABASE_URL"):
            self._postgres = Postgres(
                home, password=self.credentials.postgres_superuser, test=test, interrupted=interrupted
            )
        self._valkey: Valkey | None = None
        if not given.get("REDIS_URL"):
            self._valkey = Valkey(home, password=self.credentials.valkey, test=test, interrupted=interrupted)

    def start(self) -> dict[str, str]:
        """Start what is needed and tell how to reach it.

        The answer has DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL of the servers started here, and the
        settings of development: TENANTRY_DEBUG, TENANTRY_SECRET_KEY and TENANTRY_ENCRYPTION_KEYS.
        Raises an EmbeddedError; then nothing is left running.
        """
        environment = {
            "TENANTRY_DEBUG": "true",
            "TENANTRY_SECRET_KEY": self.credentials.secret_key,
            "TENANTRY_ENCRYPTION_KEYS": self.credentials.encryption_key,
        }
        try:
            if self._postgres is not None:
                self._start_postgres(self._postgres)
                app, owner = self.credentials.postgres_app, self.credentials.postgres_owner
                provision(
                    self._postgres.superuser_url,
                    app_password=app,
                    owner_password=owner,
                    development=True,
                    test=self._test,
                )
                url = self._postgres.url
                environment["DATABASE_URL"] = url(user=APP_ROLE, password=app, database=DATABASE)
                environment["DATABASE_OWNER_URL"] = url(user=OWNER_ROLE, password=owner, database=DATABASE)
            if self._valkey is not None:
                self._valkey.start()
                environment["REDIS_URL"] = self._valkey.url
        except BaseException:
            self.stop()
            raise
        return environment

    def _start_postgres(self, postgres: Postgres) -> None:
        try:
            postgres.start()
        except ServerStartError:
            if not self._test:
                raise
            # Test data is written without fsync: a power cut may leave it beyond repair, and nobody needs it.
            folder, _ = self.home.server_folder()
            shutil.rmtree(folder / "postgres", ignore_errors=True)
            postgres.start()

    @property
    def superuser_url(self) -> str:
        """The superuser's connection to the running PostgreSQL."""
        if self._postgres is None:
            raise EmbeddedError("PostgreSQL is not one of ours: DATABASE_URL was given.")
        return self._postgres.superuser_url

    def publish(self, environment: Mapping[str, str]) -> None:
        """Let other terminals find the servers under `environment` (see `running_environment`)."""
        servers = [server.child.record for server in (self._postgres, self._valkey) if server is not None]
        running.publish(self.home.path, environment, servers)

    def children(self) -> list[processes.Child]:
        """The running server processes."""
        return [server.child for server in (self._postgres, self._valkey) if server is not None]

    def stop(self, hurried: processes.Asked = lambda: False) -> None:
        """Stop Valkey, then PostgreSQL."""
        running.withdraw(self.home.path)
        for server in (self._valkey, self._postgres):
            if server is not None:
                server.stop(hurried)
