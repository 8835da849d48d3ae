// Verifies the proof that stands in the page of an event: leaf, path, root, and Ed25519 lines where the browser can (85-log.md, S-49).
//
// It reads nothing but its own page and sends nothing. The page, this script and the keys come from the log: whoever does not
// trust the log checks the downloaded proof offline, with pinned keys. Not here: ML-DSA-44, policies, quorums.
"use strict";

const utf8 = new TextEncoder();

/** Bytes of standard base64 with padding; throws on anything else. */
function unbase64(text) {
  const binary = atob(text);
  if (btoa(binary) !== text) throw new Error("base64 in another spelling");
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function equal(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

const leafHash = (leaf) => sha256(concat(Uint8Array.of(0), leaf));
const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

/** A decimal in its one spelling. */
function decimal(text) {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(text)) throw new Error(`${text} is no decimal`);
  return BigInt(text);
}

/** Reads c2sp.org/tlog-proof@v1 with a leaf, and the checkpoint in it. */
function parse(text) {
  const end = text.indexOf("\n\n");
  const lines = text.slice(0, end).split("\n");
  if (end < 0 || lines[0] !== "c2sp.org/tlog-proof@v1") throw new Error("this is no tlog-proof");
  if (!lines[1]?.startsWith("extra ") || !lines[2]?.startsWith("index ")) throw new Error("the proof has no leaf or no index");
  const hashes = lines.slice(3).map(unbase64);
  if (hashes.some((hash) => hash.length !== 32)) throw new Error("a hash of the path is not 32 bytes long");
  const note = text.slice(end + 2);
  const cut = note.indexOf("\n\n");
  if (cut < 0) throw new Error("the checkpoint has no signature");
  const body = note.slice(0, cut + 1);
  const [origin, size, root] = body.split("\n");
  return {
    leaf: unbase64(lines[1].slice(6)),
    index: decimal(lines[2].slice(6)),
    hashes,
    body,
    origin,
    size: decimal(size),
    root: unbase64(root),
    signatures: note.slice(cut + 2).split("\n").filter((line) => line !== ""),
  };
}

/** The root that a path leads to (RFC 9162, 2.1.3.2); throws when the path does not fit the tree. */
async function rootOf(proof) {
  if (proof.index >= proof.size) throw new Error(`index ${proof.index} is outside a tree of size ${proof.size}`);
  let [at, last] = [proof.index, proof.size - 1n];
  let root = await leafHash(proof.leaf);
  for (const hash of proof.hashes) {
    if (last === 0n) throw new Error("the path is too long");
    if (at % 2n === 1n || at === last) {
      root = await nodeHash(hash, root);
      while (at % 2n === 0n && at !== 0n) [at, last] = [at / 2n, last / 2n];
    } else {
      root = await nodeHash(root, hash);
    }
    [at, last] = [at / 2n, last / 2n];
  }
  if (last !== 0n) throw new Error("the path is too short");
  return root;
}

/** Name, kind and public key of a vkey. */
function parseKey(text) {
  const [name, id, ...rest] = text.split("+");
  const bytes = unbase64(rest.join("+"));
  return { name, id, kind: bytes[0], key: bytes.slice(1) };
}

/** Whether a line is a valid Ed25519 signature (0x01) or cosignature (0x04) of this key over the checkpoint. */
async function signedBy(proof, line, known) {
  const [dash, name, signature] = line.split(" ");
  if (dash !== "\u2014" || name !== known.name) return null;
  const bytes = unbase64(signature);
  if (hex(bytes.slice(0, 4)) !== known.id) return null;
  let message = utf8.encode(proof.body);
  let rest = bytes.slice(4);
  if (known.kind === 4) {
    const time = new DataView(rest.buffer, rest.byteOffset, 8).getBigUint64(0);
    message = utf8.encode(`cosignature/v1\ntime ${time}\n${proof.body}`);
    rest = rest.slice(8);
  }
  const key = await crypto.subtle.importKey("raw", known.key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, key, rest, message);
}

/** Names of signers whose Ed25519 line verifies; `null` where the browser has no Ed25519. Throws on a line that does not. */
async function signers(proof, keys) {
  const names = [];
  for (const known of keys) {
    for (const line of proof.signatures) {
      let valid;
      try {
        valid = await signedBy(proof, line, known);
      } catch (error) {
        if (error instanceof DOMException && error.name === "NotSupportedError") return null;
        throw error;
      }
      if (valid === false) throw new Error(`the signature of ${known.name} does not verify`);
      if (valid) names.push(known.name);
    }
  }
  return names;
}

/** The bytes that DSSE signs. */
function pae(type, payload) {
  return concat(utf8.encode(`DSSEv1 ${utf8.encode(type).length} ${type} ${payload.length} `), payload);
}

const element = (id) => document.getElementById(id);

function show(tone, word, text, points) {
  const box = element("verified");
  const add = (name, className, content) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.textContent = content;
    return made;
  };
  const list = document.createElement("ul");
  for (const [kind, point] of points) list.append(add("li", kind, point));
  box.className = `verdict ${tone}`;
  box.replaceChildren(add("p", "word", word), add("p", "", text), ...(points.length ? [list] : []));
}

async function verify() {
  const proof = parse(element("proof").textContent);
  const root = await rootOf(proof);
  if (!equal(root, proof.root)) throw new Error("the path does not lead to the root of the checkpoint");
  const shown = decimal(document.location.pathname.split("/").pop());
  if (shown !== proof.index) throw new Error(`the proof is of entry ${proof.index}, this page is of entry ${shown}`);
  const points = [["yes", `Its leaf and ${proof.hashes.length} hashes of the path lead to the root over ${proof.size} entries.`]];

  const payload = element("payload");
  if (payload) {
    const envelope = JSON.parse(new TextDecoder().decode(proof.leaf));
    const bytes = unbase64(envelope.payload);
    if (!equal(bytes, utf8.encode(payload.textContent))) throw new Error("the statement on this page is not the one in the leaf");
    const id = hex(await sha256(pae(envelope.payloadType, bytes)));
    if (id !== element("event-id").textContent) throw new Error("the event id on this page is not that of the leaf");
    points.push(["yes", "The statement as it was signed and the event id are those of the leaf."]);
  }

  const keys = Array.from(element("keys").children, (item) => parseKey(item.textContent));
  const names = await signers(proof, keys);
  if (names === null) {
    points.push(["not", "Not checked: any signature. This browser has no Ed25519."]);
  } else if (names.length === 0) {
    points.push(["not", "Not checked: any signature. The page names no Ed25519 key that signed."]);
  } else {
    points.push(["yes", `Ed25519 lines of ${names.join(", ")} verify, by the keys that this page names.`]);
    points.push(["not", "Not checked: ML-DSA-44, the issuer\u2019s signature, your policy."]);
  }
  points.push(["not", "Not checked: that the page says what the statement says, and this script itself. Both come from the log; the proof, checked offline, needs neither."]);
  show("good", "Verified in this browser", `Entry ${proof.index} is in the tree of the checkpoint of ${proof.origin}.`, points);
}

if (!globalThis.crypto?.subtle) {
  show("wait", "Not verified", "This browser offers no WebCrypto here: it does so over HTTPS and on this machine only. Check the downloaded proof offline.", []);
} else {
  verify().catch((error) => show("bad", "Does not verify", `${error.message}. Keep the downloaded proof: it is evidence.`, []));
}
