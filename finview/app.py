"""The composition root: settings, database, plugins and every room's jobs; knows everyone."""

from types import ModuleType

from finview.accounts import models as _accounts  # noqa: F401  # tables register on import
from finview.cases import agreements as _agreements  # noqa: F401  # ticks register on import
from finview.cases import law
from finview.cases import nightly as _nightly  # noqa: F401  # jobs register on import
from finview.cases.packs import builtin as law_packs
from finview.communications import builtin as email_senders
from finview.communications import call_jobs as _call_jobs  # noqa: F401  # jobs register on import
from finview.communications import call_stop as _call_stop  # noqa: F401  # jobs register on import
from finview.communications import completion as _completion  # noqa: F401  # jobs register on import
from finview.communications import folders
from finview.communications import invitations as _invitations  # noqa: F401  # jobs register on import
from finview.communications import linked as _linked  # noqa: F401  # jobs register on import
from finview.communications import password_links as _password_links  # noqa: F401  # jobs register on import
from finview.communications import send as _send  # noqa: F401  # jobs register on import
from finview.communications import task_list as call_centres
from finview.communications import wake as _wake  # noqa: F401  # jobs register on import
from finview.db import audit_chain as _audit_chain  # noqa: F401  # ticks register on import
from finview.db.migrations import upgrade
from finview.db.runtime import Services
from finview.enrichment import replan as _replan  # noqa: F401  # jobs register on import
from finview.enrichment import run as _trace  # noqa: F401  # jobs and ticks register on import
from finview.imports import bank as _bank  # noqa: F401  # jobs register on import
from finview.imports import builtin as import_readers
from finview.imports import clientbook as _clientbook  # noqa: F401  # jobs register on import
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
from finview.workflows.replan import catch_up
from finview.workflows.shipped import install

BUILTINS: tuple[ModuleType, ...] = (
    matchers,
    import_readers,
    email_senders,
    folders,
    call_centres,
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
    """Publish the shipped workflows in a database that has its tables, and start what lacks a run."""
    with services.db.unit() as session:
        install(session, services.get(Plugins))
        catch_up(session)
