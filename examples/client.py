"""Imports a workbook over GraphQL, from upload to launch; needs nothing but Python.

FINVIEW_TOKEN=fv_… python examples/client.py FILE PORTFOLIO_ID BUCKET_ID [http://127.0.0.1:8000]
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import Request, urlopen

IMPORT = """id number state failure { message }
  sectionCounts { ready needsCleansing faulty } matchCounts { new matched review }"""


class Finview:
    """A server and a token."""

    def __init__(self, base: str, token: str) -> None:
        self.base, self.auth = base, {"Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        """Send one request and return the body of the answer."""
        request = Request(urljoin(self.base, path), body, self.auth, method=method)
        request.add_header("Content-Type", kind)
        with urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def ask(self, query: str, **variables: Any) -> Any:
        """Run an operation and return its data; anything that went wrong ends the program."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        answer = json.loads(self.send("POST", "/graphql", body, "application/json"))
        if "errors" in answer:
            sys.exit(answer["errors"][0]["message"])
        for payload in answer["data"].values():
            if payload.get("errors"):
                sys.exit(payload["errors"][0]["message"])
        return answer["data"]

    def step(self, mutation: str, kind: str, **given: Any) -> Any:
        """Run one mutation of an import."""
        query = f"mutation($input: {kind}!) {{ {mutation}(input: $input) {{ import {{ {IMPORT} }} errors {{ message }} }} }}"
        return self.ask(query, input=given)[mutation]["import"]

    def wait(self, found: Any) -> Any:
        """Wait until an import needs somebody again."""
        while found["state"] in ("READING", "MATCHING"):
            time.sleep(0.3)
            query = f"query($id: ID!) {{ import(id: $id) {{ {IMPORT} }} }}"
            found = self.ask(query, id=found["id"])["import"]
        if found["state"] == "FAILED":
            sys.exit(found["failure"]["message"])
        return found


def run(api: Finview, file: Path, portfolio: str, bucket: str) -> None:
    """Walk one file through every step."""
    content = file.read_bytes()
    query = "mutation($input: UploadCreateInput!) { uploadCreate(input: $input) { upload { id url } errors { message } } }"
    announced = {"filename": file.name, "sizeBytes": len(content)}
    announced["sha256"] = hashlib.sha256(content).hexdigest()
    upload = api.ask(query, input=announced)["uploadCreate"]["upload"]
    api.send("PUT", upload["url"], content, "application/octet-stream")
    where = {"portfolioId": portfolio, "debtorKind": "CONSUMER", "phoneCountry": "DE"}
    found = api.wait(api.step("importCreate", "ImportCreateInput", uploadId=upload["id"], **where))
    if found["state"] == "MAPPING":  # some column was not clear: accept what is proposed
        found = api.wait(api.step("importMap", "ImportMapInput", importId=found["id"], columns=[]))
    print(found["number"], found["sectionCounts"])
    found = api.wait(api.step("importReviewComplete", "ImportIdInput", importId=found["id"]))
    print(found["state"], found["matchCounts"])
    api.step("importLinkBucket", "ImportLinkBucketInput", importId=found["id"], bucketId=bucket)
    print(api.step("importLaunch", "ImportIdInput", importId=found["id"])["state"])


if __name__ == "__main__":
    file, portfolio, bucket, *rest = sys.argv[1:]
    base = rest[0] if rest else "http://127.0.0.1:8000"
    run(Finview(base, os.environ["FINVIEW_TOKEN"]), Path(file), portfolio, bucket)
