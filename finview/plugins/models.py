"""The table of the plugins room: which provider serves which scope, with which settings."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from finview.db.base import Base, Id, Json, UtcDateTime


class PluginBinding(Base):
    """One provider bound to a slot at a scope; `enabled` false is an explicit "none"."""

    __tablename__ = "plugin_binding"
    __table_args__ = (
        # NULLs would dodge the constraint, so the system's scope has id 0.
        UniqueConstraint(
            "scope_kind", "scope_id", "slot", "position", name="uq_plugin_binding_place"
        ),
    )

    id: Mapped[Id]
    scope_kind: Mapped[str] = mapped_column(String(20))
    scope_id: Mapped[int] = mapped_column(BigInteger)
    slot: Mapped[str] = mapped_column(String(40))
    position: Mapped[int] = mapped_column(BigInteger, default=0)
    provider: Mapped[str] = mapped_column(String(64))
    settings: Mapped[dict[str, Any]] = mapped_column(Json)
    settings_version: Mapped[int] = mapped_column(BigInteger, default=1)
    secrets: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    # Raised at every save: processes that keep an instance compare it.
    version: Mapped[int] = mapped_column(BigInteger, default=1)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_by: Mapped[int | None] = mapped_column(BigInteger)
