"""PostgreSQL and Valkey from their wheels, started and stopped for `make run` and `make test`.

Nothing here imports Django or an app, so `manage.py` may ask for the running servers before settings are
read.  The servers themselves live in `config.embedded.servers`.
"""

from config.embedded.home import Home, home_folder
from config.embedded.running import running_environment

__all__ = ["Home", "home_folder", "running_environment"]
