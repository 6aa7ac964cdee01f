// The AWS SDK for JavaScript, at the base path: bodies that are streamed, uploads in parts, and presigned URLs used by
// fetch.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { Checks } from "./checks.mjs";

const MIB = 1 << 20;
const Bucket = "bucket-of-js";
const { S3_ENDPOINT, S3_BASE_PATH = "", S3_ACCESS_KEY, S3_SECRET_KEY, S3_OPEN = "0" } = process.env;
const keysAreChecked = S3_OPEN === "0";
// Each kind of x-amz-content-sha256 that was sent; hashes count as one.
const payloadKinds = new Set();

function clientWith(accessKeyId, secretAccessKey, options = {}) {
  const client = new S3Client({
    endpoint: S3_ENDPOINT + S3_BASE_PATH,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
    ...options,
  });
  const note = (next) => (call) => {
    const kind = call.request.headers["x-amz-content-sha256"] ?? "none";
    payloadKinds.add(/^[0-9a-f]{64}$/.test(kind) ? "hash" : kind);
    return next(call);
  };
  client.middlewareStack.add(note, { step: "finalizeRequest", priority: "low" });
  return client;
}

const s3 = clientWith(S3_ACCESS_KEY, S3_SECRET_KEY);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const noise = (length) => Buffer.alloc(length, createHash("sha512").update(`weir ${length}`).digest());

async function body(Key) {
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return answer.Body.transformToByteArray();
}

async function keys() {
  const answer = await s3.send(new ListObjectsV2Command({ Bucket }));
  return (answer.Contents ?? []).map((found) => found.Key);
}

async function expectRefusal(client, code) {
  await assert.rejects(client.send(new PutObjectCommand({ Bucket, Key: "refused", Body: "x" })), { name: code });
}

async function expectError(answer, status, code) {
  const text = await answer.text();
  assert.equal(answer.status, status, text);
  assert.equal(/<Code>(\w+)<\/Code>/.exec(text)?.[1], code, text);
}

function* pieces(bytes, length) {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function bodies(checks) {
  await checks.check("put and get a text", async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: "text", Body: "Hello World!" }));
    assert.equal(Buffer.from(await body("text")).toString(), "Hello World!");
  });
  await checks.check("put a stream, with its checksum in a trailer", async () => {
    const data = noise(3 * MIB + 1);
    const Body = Readable.from(pieces(data, 10_000), { objectMode: false });
    await s3.send(new PutObjectCommand({ Bucket, Key: "stream", Body, ContentLength: data.length }));
    assert.equal(sha256(await body("stream")), sha256(data));
    assert.ok(payloadKinds.has("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), [...payloadKinds].join());
  });
  await checks.check("upload a stream of no known length in parts", async () => {
    const data = noise(17 * MIB + 3);
    const Body = Readable.from(pieces(data, 100_000), { objectMode: false });
    const upload = new Upload({ client: s3, params: { Bucket, Key: "parts", Body }, queueSize: 3 });
    const { ETag } = await upload.done();
    assert.match(ETag, /-4"$/);
    assert.equal(sha256(await body("parts")), sha256(data));
  });
}

// Since 3.729 the SDK signs the checksum of no body at all into the URL of a PUT.
async function presignedPut(checks, what, client, Key) {
  await checks.check(`presigned PUT ${what}`, async () => {
    const url = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key }), { expiresIn: 600 });
    const answer = await fetch(url, { method: "PUT", body: "by a URL" });
    assert.equal(answer.status, 200, await answer.text());
    assert.equal(Buffer.from(await body(Key)).toString(), "by a URL");
  });
}

async function presigned(checks) {
  await presignedPut(checks, "as the SDK makes it", s3, "put-1");
  const plain = clientWith(S3_ACCESS_KEY, S3_SECRET_KEY, { requestChecksumCalculation: "WHEN_REQUIRED" });
  await presignedPut(checks, "without a checksum", plain, "put-2");
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "text" }), { expiresIn: 600 });
  await checks.check("presigned GET", async () => {
    const answer = await fetch(url);
    assert.deepEqual([answer.status, await answer.text()], [200, "Hello World!"]);
  });
  if (!keysAreChecked) return;
  await checks.check("presigned URLs that were changed", async () => {
    await expectError(await fetch(url.replace("/text?", "/stream?")), 403, "SignatureDoesNotMatch");
    await expectError(await fetch(url.replace("Expires=600", "Expires=601")), 403, "SignatureDoesNotMatch");
    await expectError(await fetch(url, { method: "DELETE" }), 403, "SignatureDoesNotMatch");
    assert.ok((await keys()).includes("text"));
  });
}

async function refusals(checks) {
  await checks.check("a wrong secret key is refused with SignatureDoesNotMatch", () =>
    expectRefusal(clientWith(S3_ACCESS_KEY, "of-another-key-and-as-long-as-any-other."), "SignatureDoesNotMatch"),
  );
  await checks.check("an unknown access key is refused with InvalidAccessKeyId", () =>
    expectRefusal(clientWith("NOBODYHASTHISKEY0000", S3_SECRET_KEY), "InvalidAccessKeyId"),
  );
  await checks.check("nothing that was refused is there", async () => assert.ok(!(await keys()).includes("refused")));
}

const checks = new Checks("js");
await checks.check("make bucket", () => s3.send(new CreateBucketCommand({ Bucket })));
await bodies(checks);
await presigned(checks);
if (keysAreChecked) await refusals(checks);
await checks.check("delete all objects, and the bucket", async () => {
  const Objects = (await keys()).map((Key) => ({ Key }));
  const answer = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  assert.equal(answer.Deleted.length, Objects.length);
  await s3.send(new DeleteBucketCommand({ Bucket }));
});
checks.done();
