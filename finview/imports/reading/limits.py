"""What a file may cost, and the refusal the reading child answers with; imports nothing heavy."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from finview.settings import Settings

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one reading, each with its unit in the name."""

    upload_bytes_max: int = 100 * MIB
    zip_entries_max: int = 2_000
    inflated_bytes_max: int = 1024 * MIB
    part_bytes_suspicious: int = 50 * MIB
    part_ratio_max: int = 100
    rows_max: int = 1_000_000
    columns_max: int = 500
    cell_chars_max: int = 32_767
    memory_bytes_max: int = 1024 * MIB
    cpu_s_max: int = 600
    silence_s_max: float = 60
    chunk_rows: int = 1_000

    @classmethod
    def of(cls, settings: "Settings") -> Self:
        """Return the limits an installation has set."""
        return cls(
            upload_bytes_max=settings.upload_bytes_max,
            inflated_bytes_max=settings.workbook_inflated_bytes_max,
            rows_max=settings.workbook_rows_max,
            columns_max=settings.workbook_columns_max,
            memory_bytes_max=settings.reader_memory_bytes_max,
            cpu_s_max=settings.reader_cpu_s_max,
            silence_s_max=settings.reader_silence_s_max,
            chunk_rows=min(settings.import_chunk_rows, 1_000),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the limits as they are sent to the child."""
        return asdict(self)


class Refused(Exception):
    """The file is not read; `reason` is a fine code."""

    def __init__(self, reason: str, **params: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.params = params
