"""An import told step by step through the API, for tests: upload, review, link, launch, revert."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finview.testing.client import Client
from finview.testing.factories import Agency

ROW = """
  rowNumber section
  values { field raw value source }
  issues { code field section message suggestion }
  match { outcome decidedBy debtor { id name }
          candidates { percent guards debtor { id name } evidence { field level points } } }
  case { id number }
"""
CASE = """
  id number status customerCaseNumber debtor { id name }
  invoices { number amount { amount currency } }
  balance { principal { amount } costs { amount } interest { amount } open { amount currency } }
  runs { kind state node }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One import of an agency; every step is a request, and the work it orders is done at once."""

    agency: Agency
    client: Client
    id: str

    @classmethod
    def begin(
        cls,
        agency: Agency,
        path: Path,
        *,
        kind: str = "CONSUMER",
        invoices: Sequence[Path] = (),
        client: Client | None = None,
        **values: Any,
    ) -> "Story":
        """Upload a file and create its import; reading has not begun."""
        client = client or agency.client
        given = {
            "uploadId": client.upload(path),
            "portfolioId": agency.portfolio,
            "debtorKind": kind,
            "phoneCountry": "DE",
            **values,
        }
        if invoices:
            given["invoiceUploadIds"] = [client.upload(one) for one in invoices]
        made = client.do("importCreate", "import { id }", **given)
        return cls(agency=agency, client=client, id=made["id"])

    @classmethod
    def reviewed(cls, agency: Agency, path: Path, **values: Any) -> "Story":
        """Upload a file and go on to its review."""
        return cls.begin(agency, path, **values).read()

    @classmethod
    def created(cls, agency: Agency, path: Path, **values: Any) -> "Story":
        """Upload a file and go on until its records exist."""
        return cls.reviewed(agency, path, **values).complete()

    @classmethod
    def linked(cls, agency: Agency, path: Path, **values: Any) -> "Story":
        """Upload a file and go on until it is linked to the agency's bucket."""
        return cls.created(agency, path, **values).link()

    def speaking(self, client: Client) -> "Story":
        """Return the same story told by another client."""
        return replace(self, client=client)

    def read(self) -> "Story":
        """Let the file be read, and confirm the mapping where the import asks for it."""
        self.client.drain()
        if self.state == "MAPPING":
            self.map()
        return self

    def map(self, columns: Sequence[Mapping[str, Any]] = (), **values: Any) -> "Story":
        """Confirm the mapping, with changes."""
        return self.do("importMap", columns=[dict(c) for c in columns], **values)

    def amend(self, row: int, **values: str | None) -> "Story":
        """Set values of one row."""
        given = [{"field": field, "value": value} for field, value in values.items()]
        return self.do("importRowAmend", answer="row { id }", rowNumber=row, values=given)

    def fix(self, kind: str, **values: Any) -> "Story":
        """Fix many rows at once."""
        return self.do("importRowsFix", kind=kind, **{"where": {}, **values})

    def complete(self) -> "Story":
        """End the review: matching, records."""
        return self.do("importReviewComplete")

    def decide(self, row: int, decision: str, debtor: str | None = None) -> "Story":
        """Decide one doubtful match."""
        one = {"rowNumber": row, "decision": decision, "debtorId": debtor}
        return self.do("importMatchDecide", decisions=[one])

    def link(self, bucket: str | None = None) -> "Story":
        """Link to a bucket; without one to the agency's."""
        return self.do("importLinkBucket", bucketId=bucket or self.agency.bucket)

    def launch(self) -> "Story":
        """Launch the workflows, and let everything run that is due."""
        return self.do("importLaunch")

    def revert(self) -> "Story":
        """Revert, confirmed."""
        return self.do("importRevert", confirm=True)

    def do(self, mutation: str, *, answer: str = "import { id }", **values: Any) -> "Story":
        """Run a mutation of this import and the work it ordered; any error fails the test."""
        self.client.do(mutation, answer, importId=self.id, **values)
        self.client.drain()
        return self

    def errors(self, mutation: str, *, answer: str = "import { id }", **values: Any) -> Any:
        """Run a mutation that must fail and return its user errors."""
        return self.client.attempt(mutation, answer, importId=self.id, **values)["errors"]

    def see(self, selection: str) -> Any:
        """Return fields of the import."""
        query = f"query($id: ID!) {{ import(id: $id) {{ {selection} }} }}"
        return self.client.ask(query, id=self.id)["import"]

    @property
    def state(self) -> str:
        """Return where the import stands."""
        return str(self.see("state")["state"])

    @property
    def sections(self) -> dict[str, int]:
        """Return the counts of the sections."""
        counts: dict[str, int] = self.see(
            "sectionCounts { total ready needsCleansing faulty skipped }"
        )["sectionCounts"]
        return counts

    @property
    def matches(self) -> tuple[int, int, int]:
        """Return how many debtors of the file are new, matched and to be decided."""
        counts = self.see("matchCounts { new matched review }")["matchCounts"]
        return counts["new"], counts["matched"], counts["review"]

    def rows(self, **where: Any) -> dict[int, dict[str, Any]]:
        """Return rows by their number: values by field, issues as they come."""
        query = (
            "query($id: ID!, $where: ImportRowWhere) { import(id: $id) "
            f"{{ rows(first: 50, where: $where) {{ nodes {{ {ROW} }} }} }} }}"
        )
        found = self.client.ask(query, id=self.id, where=where or None)["import"]["rows"]["nodes"]
        return {
            row["rowNumber"]: {**row, "values": {v["field"]: v for v in row["values"]}}
            for row in found
        }

    def issues(self, row: int) -> set[str]:
        """Return the codes of a row's issues that keep it out of READY."""
        found = self.rows()[row]["issues"]
        return {issue["code"] for issue in found if issue["section"] != "READY"}

    def cases(self, selection: str = CASE) -> list[dict[str, Any]]:
        """Return the import's cases, oldest first."""
        found: list[dict[str, Any]] = self.see(f"cases(first: 20) {{ nodes {{ {selection} }} }}")[
            "cases"
        ]["nodes"]
        return found
