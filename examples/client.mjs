// Imports a workbook over GraphQL, from upload to launch; needs Node 18 or newer and no packages.
//
//   FINVIEW_TOKEN=fv_… node examples/client.mjs FILE PORTFOLIO_ID BUCKET_ID [http://127.0.0.1:8000]

import { readFile } from "node:fs/promises";
import { basename } from "node:path";

const [file, portfolioId, bucketId, base = "http://127.0.0.1:8000"] = process.argv.slice(2);
const authorization = `Bearer ${process.env.FINVIEW_TOKEN}`;
const IMPORT = `id number state failure { message }
  sectionCounts { ready needsCleansing faulty } matchCounts { new matched review }`;

async function ask(query, variables) {
  const answer = await fetch(new URL("/graphql", base), {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw new Error(errors[0].message);
  for (const payload of Object.values(data)) {
    if (payload?.errors?.length) throw new Error(payload.errors[0].message);
  }
  return data;
}

async function step(mutation, kind, input) {
  const query = `mutation($input: ${kind}!) {
    ${mutation}(input: $input) { import { ${IMPORT} } errors { message } } }`;
  return (await ask(query, { input }))[mutation].import;
}

async function wait(found) {
  while (["READING", "MATCHING"].includes(found.state)) {
    await new Promise((done) => setTimeout(done, 300));
    const query = `query($id: ID!) { import(id: $id) { ${IMPORT} } }`;
    found = (await ask(query, { id: found.id })).import;
  }
  if (found.state === "FAILED") throw new Error(found.failure.message);
  return found;
}

const content = await readFile(file);
const { uploadCreate } = await ask(
  `mutation($input: UploadCreateInput!) {
    uploadCreate(input: $input) { upload { id url } errors { message } } }`,
  { input: { filename: basename(file), sizeBytes: content.length } },
);
await fetch(new URL(uploadCreate.upload.url, base), {
  method: "PUT",
  headers: { authorization, "content-type": "application/octet-stream" },
  body: content,
});
let found = await wait(await step("importCreate", "ImportCreateInput", {
  uploadId: uploadCreate.upload.id, portfolioId, debtorKind: "CONSUMER", phoneCountry: "DE",
}));
const importId = found.id;
if (found.state === "MAPPING") {
  // some column was not clear: accept what is proposed
  found = await wait(await step("importMap", "ImportMapInput", { importId, columns: [] }));
}
console.log(found.number, found.sectionCounts);
found = await wait(await step("importReviewComplete", "ImportIdInput", { importId }));
console.log(found.state, found.matchCounts);
await step("importLinkBucket", "ImportLinkBucketInput", { importId, bucketId });
console.log((await step("importLaunch", "ImportIdInput", { importId })).state);
