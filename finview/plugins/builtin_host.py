"""Which host a provider gets: our own providers also see the installation's settings."""

from finview.plugins.contracts.host import Host
from finview.plugins.discovery import OUR_OWN, ProviderInfo
from finview.settings import Settings


class CoreHost(Host):
    """The host of what ships inside finview; plugins never see the installation's settings."""

    def __init__(self, provider: str, settings: Settings) -> None:
        super().__init__(provider)
        self.installation = settings


def host_for(found: ProviderInfo, settings: Settings) -> Host:
    """Return the host of a new instance of this provider."""
    if found.distribution == OUR_OWN:
        return CoreHost(found.name, settings)
    return Host(
        found.name,
        trusted=settings.trusted_hosts,
        loopback=settings.env == "development",
    )
