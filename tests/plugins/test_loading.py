"""Discovery and load: a broken plugin is named and takes nothing else down."""

from textwrap import dedent

import pytest

from finview.communications import builtin as communications
from finview.matching import builtin as matching
from finview.plugins.discovery import Status
from finview.plugins.errors import PluginError
from finview.plugins.manager import Plugins

GOOD = """
    from finview.plugins.contracts.matcher import Matcher, Score
    from finview.plugins.hookspecs import hookimpl

    class M(Matcher):
        name = "good"
        title = "A matcher"

        def score(self, batch):
            return [Score(percent=50) for _ in batch.pairs]

    @hookimpl
    def finview_matchers():
        return [M]
"""


def test_builtins_come_through_the_same_hooks(bare):
    plugins = Plugins.load(bare, builtins=[matching, communications])
    assert "standard" in plugins.providers("matcher")
    assert "system" in plugins.providers("email")
    assert {p.distribution for p in plugins.plugins} >= {"finview"}


def test_a_separate_distribution_is_found(load, info_of):
    found = info_of(load(), "finview-match-exact")
    assert (found.status, found.version, found.hooks) == (
        Status.LOADED,
        "0.1.0",
        ("finview_matchers",),
    )
    assert [p.name for p in found.providers] == ["exact"]
    assert "shared_contacts" in found.providers[0].settings_schema()["properties"]


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("raise RuntimeError('no licence')", "no licence"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("import no_such_module_anywhere", "no_such_module_anywhere"),
        (GOOD.replace("finview_matchers", "finview_machers"), "finview_machers"),
        (GOOD.replace("finview_matchers()", "finview_matchers(colour)"), "colour"),
        (GOOD.replace("def score", "def scores"), "score"),
        (GOOD.replace('name = "good"', "name = 'Not good'"), "name"),
        (GOOD.replace("return [M]", "return [str]"), "Matcher"),
        (GOOD.replace("return [M]", "return 7"), "int"),
        (GOOD.replace("return [M]", "raise SystemExit"), "SystemExit"),
        (GOOD.replace('title = "A matcher"', "Settings = dict"), "title"),
    ],
)
def test_a_broken_plugin_is_named_and_others_load(install, load, info_of, code, named):
    install("acme-bad", dedent(code))
    install("acme-good", GOOD)
    plugins = load()
    bad = info_of(plugins, "acme-bad")
    assert bad.status is Status.BROKEN
    assert named in (bad.error or "")
    assert info_of(plugins, "acme-good").status is Status.LOADED
    assert "good" in plugins.providers("matcher")


def test_strict_mode_stops_the_start(install, load):
    install("acme-bad", "raise RuntimeError('no licence')")
    with pytest.raises(RuntimeError, match="no licence"):
        load(plugins_strict=True)


def test_strict_mode_finds_a_misspelt_hook(install, load):
    install("acme-bad", GOOD.replace("finview_matchers", "finview_machers"))
    with pytest.raises(PluginError) as caught:
        load(plugins_strict=True)
    assert "finview_machers" in caught.value.message("de")


def test_one_hook_that_raises_leaves_the_other_hooks(install, load, info_of):
    second = (
        '\n    @hookimpl\n    def finview_email_senders():\n        raise ValueError("later")\n'
    )
    install("acme-half", GOOD + second)
    plugins = load()
    assert info_of(plugins, "acme-half").status is Status.BROKEN
    assert "good" in plugins.providers("matcher")


def test_a_plugin_for_another_version_is_incompatible(install, load, info_of):
    install("acme-old", "raise AssertionError('never imported')", requires="finview>=7,<8")
    found = info_of(load(), "acme-old")
    assert found.status is Status.INCOMPATIBLE
    assert found.error == "acme-old needs finview <8,>=7; this is 0.1.0."


def test_a_disabled_plugin_is_not_imported(install, load, info_of):
    install("acme-off", "raise AssertionError('never imported')")
    found = info_of(load(plugins_disabled="other, Acme_Off"), "acme-off")
    assert found.status is Status.DISABLED


def test_two_providers_of_one_name_stop_the_start_and_are_both_named(install, load):
    install("acme-one", GOOD)
    install("acme-two", GOOD)
    with pytest.raises(PluginError) as caught:
        load()
    assert "acme-one and acme-two both bring a matcher" in caught.value.message("en")
    assert "acme-one und acme-two" in caught.value.message("de")


def test_an_endless_hook_is_cut(install, load, info_of):
    endless = GOOD.replace("return [M]", "import itertools; return itertools.repeat(M)")
    install("acme-endless", endless)
    with pytest.raises(PluginError):
        load()
