"""Bindings: the nearest scope decides, nothing steps in silently, secrets are never readable."""

from types import ModuleType
from typing import Any

import pytest
from pydantic import Field, SecretStr
from sqlalchemy import text

from finview.db.cascade import SYSTEM, ScopeRef
from finview.db.jobs import enqueue
from finview.errors import NotFound, PluginMisconfigured
from finview.plugins import bindings, guard
from finview.plugins.config import Vault
from finview.plugins.contracts.email import Accepted, EmailSender
from finview.plugins.contracts.enricher import Enricher
from finview.plugins.contracts.matcher import MatchBatch, Party
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.errors import Misconfigured
from finview.plugins.hookspecs import hookimpl
from finview.plugins.manager import Plugins
from finview.settings import Settings

UNIT, CUSTOMER, BUCKET = (
    ScopeRef("BUSINESS_UNIT", 1),
    ScopeRef("CUSTOMER", 2),
    ScopeRef("BUCKET", 3),
)
CHAIN = [BUCKET, CUSTOMER, UNIT, SYSTEM]
TOKEN = "planted-token-4711"


class AcmeSettings(NoSettings):
    """Settings with a secret inside a list."""

    url: str = Field("https://acme.example", pattern="^https://")
    key: SecretStr
    accounts: tuple["Account", ...] = ()


class Account(NoSettings):
    """A nested secret."""

    user: str
    password: SecretStr


class Acme(EmailSender[AcmeSettings]):
    """Answers with its settings, so that tests see which ones are in use."""

    name = "acme"
    title = "Acme"
    Settings = AcmeSettings

    def send(self, emails: Any) -> Any:
        return [Accepted(reference=self.settings.url) for _ in emails]

    def check(self) -> None:
        if self.settings.key.get_secret_value() == "old-token":
            raise Misconfigured(f"the key {self.settings.key.get_secret_value()} has expired")


class System(EmailSender[NoSettings]):
    """The default."""

    name = "system"
    title = "System"

    def send(self, emails: Any) -> Any:
        return [Accepted() for _ in emails]


class Tracer(Enricher[AcmeSettings]):
    """Of a slot that takes a list of providers."""

    name = "acme"
    title = "Acme"
    Settings = AcmeSettings

    def quote(self, requests: Any) -> Any:
        raise NotImplementedError

    def trace(self, requests: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def acme() -> ModuleType:
    """A plugin module as one would be imported."""

    @hookimpl
    def finview_email_senders() -> list[type[EmailSender[Any]]]:
        return [Acme, System]

    @hookimpl
    def finview_enrichers() -> list[type[Enricher[Any]]]:
        return [Tracer]

    module = ModuleType("acme_plugin")
    module.finview_enrichers = finview_enrichers  # type: ignore[attr-defined] # made here
    module.finview_email_senders = finview_email_senders  # type: ignore[attr-defined] # made here
    return module


@pytest.fixture
def plugins(settings: Settings, acme: ModuleType) -> Plugins:
    return Plugins.load(settings, builtins=[acme])


@pytest.fixture
def bind(database, plugins):
    def bound(
        scope: ScopeRef,
        provider: str = "acme",
        settings: Any = None,
        slot: str = "email",
        **more: Any,
    ) -> Any:
        given = {"key": TOKEN} if settings is None and provider == "acme" else settings or {}
        with database.unit() as session:
            return bindings.bind(session, plugins, scope, slot, provider, given, by=None, **more)

    return bound


@pytest.fixture
def resolve(database, plugins):
    def found(chain: list[ScopeRef] = CHAIN) -> bindings.Bound | None:
        with database.reading() as session:
            return bindings.resolve(session, plugins, chain, "email")

    return found


def at(number: int) -> dict[str, Any]:
    return {"key": TOKEN, "url": f"https://{number}.example"}


def test_nothing_bound_is_the_default_of_the_slot(resolve):
    assert (resolve().name, resolve().binding_id) == ("system", None)


@pytest.mark.both_databases
def test_the_nearest_scope_wins(dialect, bind, resolve):
    for number, scope in enumerate([SYSTEM, UNIT, CUSTOMER, BUCKET]):
        bind(scope, settings=at(number))
        assert resolve().provider.settings.url == f"https://{number}.example"
        assert resolve().scope == scope
    assert resolve([CUSTOMER, UNIT]).provider.settings.url == "https://2.example"
    assert resolve([]).provider.settings.url == "https://0.example"


def test_disabled_is_an_explicit_none(bind, resolve):
    bind(SYSTEM)
    bind(CUSTOMER, enabled=False)
    assert resolve() is None
    assert resolve([UNIT]).name == "acme"


def test_unbinding_lets_the_next_scope_serve(bind, resolve, database):
    bind(CUSTOMER)
    with database.unit() as session:
        assert bindings.unbind(session, CUSTOMER, "email", by=None)
        assert not bindings.unbind(session, CUSTOMER, "email", by=None)
    assert resolve().name == "system"


def test_an_ordered_list_is_taken_whole_from_the_nearest_scope(bind, plugins, database):
    bind(SYSTEM, settings=at(9), slot="enricher")
    bind(CUSTOMER, settings=at(2), slot="enricher", position=1)
    bind(CUSTOMER, settings=at(1), slot="enricher", position=0)
    with database.reading() as session:
        found = bindings.resolve_all(session, plugins, CHAIN, "enricher")
        placed = [bindings.resolve_place(session, plugins, CHAIN, "enricher", n) for n in range(3)]
    wanted = ["https://1.example", "https://2.example"]
    assert [b.provider.settings.url for b in found] == wanted
    assert [b.provider.settings.url for b in placed] == [*wanted, wanted[-1]]


@pytest.mark.parametrize(("slot", "position"), [("email", 1), ("enricher", -1), ("enricher", 100)])
def test_a_position_needs_a_slot_that_is_a_list(bind, slot, position):
    with pytest.raises(PluginMisconfigured) as refused:
        bind(CUSTOMER, slot=slot, position=position)
    assert refused.value.params["reason"] == "SLOT_POSITION"


def test_the_instance_is_kept_until_the_settings_change(bind, resolve):
    bind(CUSTOMER, settings=at(1))
    first = resolve().provider
    assert resolve().provider is first
    bind(CUSTOMER, settings=at(2))
    assert resolve().provider.settings.url == "https://2.example"


def test_another_process_sees_the_change_on_use(bind, settings, database, acme):
    bind(CUSTOMER, settings=at(1))
    other = Plugins.load(settings, builtins=[acme])
    with database.reading() as session:
        before = bindings.resolve(session, other, CHAIN, "email")
    bind(CUSTOMER, settings=at(2))
    with database.reading() as session:
        after = bindings.resolve(session, other, CHAIN, "email")
    assert before.provider.settings.url != after.provider.settings.url


def test_a_bound_provider_that_is_gone_never_falls_back(bind, settings, database):
    bind(CUSTOMER)
    empty = Plugins.load(settings)
    with database.reading() as session:
        with pytest.raises(Misconfigured) as caught:
            bindings.resolve(session, empty, CHAIN, "email")
        (view,) = bindings.unusable(session, empty)
    assert caught.value.park_key == f"binding:{view.id}"
    assert "nicht installiert" in caught.value.why.message("de")
    assert view.status is bindings.BindingStatus.NEEDS_ATTENTION


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"key": TOKEN, "url": "http://acme.example"}, ("settings", "url")),
        ({"key": TOKEN, "colour": "red"}, ("settings", "colour")),
        ({}, ("settings", "key")),
        ({"key": "***"}, ("settings", "key")),
        ({"key": {"$env": "FINVIEW_SECRET_KEY"}}, ("settings", "key")),
        ({"key": {"$env": "FINVIEW_PLUGIN_UNSET"}}, ("settings", "key")),
        ({"key": {"$file": "../secret.key"}}, ("settings", "key")),
        ({"key": TOKEN, "url": "https://" + "x" * 70_000}, ("settings",)),
        ({"key": TOKEN, "accounts": [{"user": "u"}]}, ("settings", "accounts", "0", "password")),
    ],
)
def test_settings_that_can_not_work_are_refused_with_their_path(bind, given, path):
    with pytest.raises(PluginMisconfigured) as caught:
        bind(CUSTOMER, settings=given)
    assert caught.value.path == path
    assert TOKEN not in caught.value.message("en") + caught.value.message("de")


def test_check_runs_before_anything_is_saved(bind, resolve):
    with pytest.raises(PluginMisconfigured) as caught:
        bind(CUSTOMER, settings={"key": "old-token"})
    assert "the key *** has expired" in caught.value.message("de")
    assert resolve().name == "system"


@pytest.mark.parametrize(("slot", "provider"), [("email", "nobody"), ("teleport", "acme")])
def test_unknown_slots_and_providers_are_not_found(database, plugins, slot, provider):
    with database.unit() as session, pytest.raises(NotFound):
        bindings.bind(session, plugins, SYSTEM, slot, provider, {}, by=None)


@pytest.mark.both_databases
def test_secrets_are_nowhere_to_be_read(dialect, bind, resolve, database, plugins):
    view = bind(CUSTOMER, settings={"key": TOKEN, "accounts": [{"user": "u", "password": TOKEN}]})
    assert view.settings == {"key": "***", "accounts": [{"user": "u", "password": "***"}]}
    with database.reading() as session:
        rows = session.execute(text("SELECT * FROM plugin_binding")).all()
        audited = session.execute(text("SELECT data FROM audit_event")).all()
        assert bindings.bindings(session, plugins, [CUSTOMER])[0].settings == view.settings
    assert TOKEN not in repr(rows) + repr(audited) + repr(resolve())
    settings = resolve().provider.settings
    assert settings.key.get_secret_value() == TOKEN
    assert settings.accounts[0].password.get_secret_value() == TOKEN


def test_three_stars_keep_the_saved_secret(bind, resolve):
    bind(CUSTOMER)
    bind(CUSTOMER, settings={"key": "***", "url": "https://new.example"})
    found = resolve().provider.settings
    assert (found.key.get_secret_value(), found.url) == (TOKEN, "https://new.example")


def test_a_reference_is_kept_and_read_at_use(bind, resolve, monkeypatch, settings):
    monkeypatch.setenv("FINVIEW_PLUGIN_KEY", TOKEN)
    view = bind(CUSTOMER, settings={"key": {"$env": "FINVIEW_PLUGIN_KEY"}})
    assert view.settings == {"key": {"$env": "FINVIEW_PLUGIN_KEY"}}
    assert resolve().provider.settings.key.get_secret_value() == TOKEN
    folder = settings.data_dir / "secrets"
    folder.mkdir()
    (folder / "acme").write_text("from-a-file\n")
    bind(CUSTOMER, settings={"key": {"$file": "acme"}})
    assert resolve().provider.settings.key.get_secret_value() == "from-a-file"


def test_a_changed_secret_key_parks_and_rekey_repairs(bind, database, settings, acme):
    bind(CUSTOMER)
    new = Settings(data_dir=settings.data_dir, secret_key=SecretStr("n" * 40))
    moved = Plugins.load(new, builtins=[acme])
    with database.reading() as session, pytest.raises(Misconfigured) as caught:
        bindings.resolve(session, moved, CHAIN, "email")
    assert "FINVIEW_SECRET_KEY" in caught.value.why.message("de")
    with database.unit() as session:
        assert bindings.rekey(session, Vault(settings.key), moved.vault) == 1
    with database.reading() as session:
        found = bindings.resolve(session, moved, CHAIN, "email")
    assert found.provider.settings.key.get_secret_value() == TOKEN


def test_a_good_binding_frees_the_jobs_that_waited_for_it(bind, database, plugins):
    view = bind(CUSTOMER)
    with database.unit() as session:
        job_id = enqueue(session, "acme.send", {})
        park = "UPDATE job SET state = 'PARKED', park_key = :key WHERE id = :id"
        session.execute(text(park), {"key": f"binding:{view.id}", "id": job_id})
    with database.reading() as session:
        (seen,) = bindings.unusable(session, plugins)
        assert seen.waiting_jobs == 1
    bind(CUSTOMER, settings=at(1))
    with database.reading() as session:
        assert bindings.unusable(session, plugins) == []
        assert session.scalar(text("SELECT state FROM job")) == "READY"


def test_misconfigured_in_a_call_names_the_binding(bind, resolve, monkeypatch):
    bind(CUSTOMER)
    found = resolve()

    def send(self: Any, emails: Any) -> Any:
        raise Misconfigured("account closed")

    monkeypatch.setattr(Acme, "send", send)
    with pytest.raises(Misconfigured) as caught:
        found.call("send", ["x"])
    assert caught.value.park_key == f"binding:{found.binding_id}"


def test_settings_of_an_older_version_are_upgraded_on_use(bind, resolve, monkeypatch):
    bind(CUSTOMER, settings=at(1))
    monkeypatch.setattr(Acme, "settings_version", 2)
    upgrade = classmethod(lambda cls, old, version: {**old, "url": f"https://v{version}.example"})
    monkeypatch.setattr(Acme, "upgrade", upgrade)
    assert resolve().provider.settings.url == "https://v1.example"


def test_a_matcher_of_a_separate_distribution_serves_when_bound(database, settings):
    plugins = Plugins.load(settings)
    with database.unit() as session:
        bindings.bind(session, plugins, CUSTOMER, "matcher", "exact", {}, by=None)
    with database.reading() as session:
        found = bindings.resolve(session, plugins, CHAIN, "matcher")
    anna = Party(kind="person", given="anna", family="berg", emails=("a@example.org",))
    one = MatchBatch(incoming=[anna], existing=[anna], pairs=[(0, 0)], population=1, frequencies={})
    assert found.call("score", one)[0].percent == 90
    assert guard.line_of(found.provider).distribution == "finview-match-exact"


def test_slots_chosen_otherwise_can_not_be_bound(database, settings):
    from finview.imports import builtin

    plugins = Plugins.load(settings, builtins=[builtin])
    with database.unit() as session, pytest.raises(PluginMisconfigured) as caught:
        bindings.bind(session, plugins, SYSTEM, "import_reader", "csv", {}, by=None)
    assert caught.value.path == ("slot",)


def test_health_tells_calls_failures_and_the_breaker_of_each_binding(bind, resolve, plugins):
    bind(CUSTOMER)
    bound = resolve()
    bound.call("send", ["x"])
    (health,) = plugins.health()
    assert (health.binding_id, health.name, health.breaker) == (bound.binding_id, "acme", "CLOSED")
    assert (health.calls, health.failures) == (1, 0)
