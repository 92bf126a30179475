"""What the settings of the built-in node types have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DAYS_MAX = 730
HOURS_MAX = 24 * 30


class Form(BaseModel):
    """The settings of one node: what is not known is refused, so that no typing error is lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


PortName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""How the settings of a node may name its ports."""
