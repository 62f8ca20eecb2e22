// Builds what the console serves under /assets, without the network:
//
//     node build.mjs OUT_DIR AREAS_JSON
//
// AREAS_JSON is written by infra/geography/extract.py. OUT_DIR gets the files by content hash, each also compressed, `areas.json` for the
// server and `manifest.json`, which maps names to files. The same sources give the same bytes.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import * as sass from "sass";

const here = path.dirname(fileURLToPath(import.meta.url));
const [out, areasPath] = process.argv.slice(2);
if (!out || !areasPath) {
  console.error("usage: node build.mjs OUT_DIR AREAS_JSON");
  process.exit(2);
}

const modules = path.join(here, "node_modules");
const target = ["chrome109", "firefox115", "safari15.6"];

async function styles() {
  const sheet = sass.compile(path.join(here, "app.scss"), { loadPaths: [modules], quietDeps: true, silenceDeprecations: ["import"] });
  const { code } = await esbuild.transform(sheet.css, { loader: "css", minify: true, target });
  if (/https?:|@font-face|@import/.test(code.replaceAll(/http:\/\/www\.w3\.org\/[\w/]*|http:%2F%2Fwww\.w3\.org[\w%]*/g, "")))
    throw new Error("app.css asks for something from the network");
  return code;
}

async function script() {
  const built = await esbuild.build({
    entryPoints: [path.join(here, "app.js")], bundle: true, minify: true, write: false, format: "iife", target, metafile: true,
    legalComments: "none", charset: "utf8", absWorkingDir: here,
  });
  const packages = Object.entries(Object.values(built.metafile.outputs)[0].inputs)
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([file]) => file.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]);
  return { code: built.outputFiles[0].text, packages: new Set(packages.filter(Boolean)) };
}

// The licences of what is bundled ask to be passed on with it.
async function licences(packages) {
  const texts = [];
  for (const name of [...packages].sort()) {
    const folder = path.join(modules, name);
    const { version, license, author } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? await readFile(path.join(folder, file), "utf8") : `${license} licence, ${author?.name ?? author ?? "its authors"}`;
    texts.push(`${name} ${version}\n\n${text.trim()}\n`);
  }
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

const { areas, outlines } = JSON.parse(await readFile(areasPath, "utf8"));
if (!Array.isArray(areas) || outlines?.type !== "FeatureCollection") throw new Error(`${areasPath} holds no areas or no outlines`);

const { code, packages } = await script();
const files = {
  "app.css": await styles(),
  "app.js": code,
  "favicon.svg": await readFile(path.join(here, "favicon.svg"), "utf8"),
  "licences.txt": await licences(packages.add("nhsuk-frontend")),
  "outlines.json": JSON.stringify(outlines),
};

// Files of an earlier build go, and nothing else that the directory may hold.
await mkdir(out, { recursive: true });
for (const entry of await readdir(out))
  if (/^(app|favicon|licences|outlines)\.[0-9a-f]{12}\.\w+(\.gz)?$/.test(entry)) await rm(path.join(out, entry));
const manifest = {};
for (const [name, text] of Object.entries(files)) {
  const [stem, extension] = name.split(".");
  manifest[name] = `${stem}.${createHash("sha256").update(text).digest("hex").slice(0, 12)}.${extension}`;
  const small = gzipSync(text, { level: 9 });
  await writeFile(path.join(out, manifest[name]), text);
  await writeFile(path.join(out, `${manifest[name]}.gz`), small);
  console.log(`${manifest[name].padEnd(28)} ${String(Buffer.byteLength(text)).padStart(8)} bytes, ${String(small.length).padStart(7)} compressed`);
}
await writeFile(path.join(out, "areas.json"), JSON.stringify({ areas }));
await writeFile(path.join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
