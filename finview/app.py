"""The composition root: settings, database, plugins and every room's jobs; knows everyone."""

from types import ModuleType

from finview.accounts import models as _accounts  # noqa: F401  # tables register on import
from finview.cases import agreements as _agreements  # noqa: F401  # ticks register on import
from finview.cases import law
from finview.cases.packs import builtin as law_packs
from finview.communications import builtin as email_senders
from finview.communications import completion as _completion  # noqa: F401  # jobs register on import
from finview.communications import invitations as _invitations  # noqa: F401  # jobs register on import
from finview.communications import linked as _linked  # noqa: F401  # jobs register on import
from finview.communications import outreach as _outreach  # noqa: F401  # jobs register on import
from finview.communications import password_links as _password_links  # noqa: F401  # jobs register on import
from finview.db import audit_chain as _audit_chain  # noqa: F401  # ticks register on import
from finview.db.migrations import upgrade
from finview.db.runtime import Services
from finview.imports import builtin as import_readers
from finview.imports import matching as _match  # noqa: F401  # jobs register on import
from finview.imports import read as _read  # noqa: F401
from finview.imports import stage as _stage  # noqa: F401
from finview.matching import builtin as matchers
from finview.plugins.manager import Plugins
from finview.settings import Settings
from finview.workflows import advance as _advance  # noqa: F401  # jobs register on import
from finview.workflows import launch as _launch  # noqa: F401
from finview.workflows import nodes as workflow_nodes
from finview.workflows import timers as _timers  # noqa: F401
from finview.workflows.shipped import install

BUILTINS: tuple[ModuleType, ...] = (
    matchers,
    import_readers,
    email_senders,
    workflow_nodes,
    law_packs,
)


def open_services(settings: Settings, *, role: str = "finview") -> Services:
    """Open everything a process works with; nothing is migrated and no job runs yet."""
    services = Services.open(settings, role=role)
    plugins = Plugins.load(settings, builtins=list(BUILTINS))
    services.put(plugins)
    law.install(services.db, plugins)
    return services


def migrate(services: Services) -> None:
    """Bring the database to the current revision; the shipped workflows are published once."""
    upgrade(services.db)
    prepare(services)


def prepare(services: Services) -> None:
    """Publish the shipped workflows in a database that has its tables."""
    with services.db.unit() as session:
        install(session, services.get(Plugins))
