// Bundle the editor into the package: hashed names, a manifest that tells them, the notices of what is inside.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "src", "cnrs_graph", "static");

const made = await build({
  absWorkingDir: here,
  // The pictures are a file of their own, fetched when one is asked for.
  entryPoints: { editor: "src/main.js", pictures: "src/pictures.js", style: "src/page.css" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome100", "firefox102", "safari16.4"],
  loader: { ".shadow.css": "text" },
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
});

/** The packages that the bundle is made of, by their folders. */
function packages() {
  const paths = Object.keys(made.metafile.inputs);
  const folders = paths.map((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]).filter(Boolean);
  return [...new Set(folders)].sort();
}

/** Name, version, licence and notice of a package; one without a notice must not be shipped. */
function notice(folder) {
  const facts = JSON.parse(readFileSync(join(here, folder, "package.json"), "utf8"));
  const file = readdirSync(join(here, folder)).find((name) => /^(licen[cs]e|copying)/i.test(name));
  if (!file) throw new Error(`${facts.name} has no licence file; it cannot be bundled`);
  const text = readFileSync(join(here, folder, file), "utf8").trim();
  return `${facts.name} ${facts.version} (${facts.license})\n\n${text}\n`;
}

const bundled = packages();
if (bundled.length === 0) throw new Error("no package is in the bundle; look at the paths in build.mjs");
const notices = bundled.map(notice).join(`\n${"-".repeat(80)}\n\n`);
const output = (name) => Buffer.from(made.outputFiles.find((file) => file.path.endsWith(`/${name}`)).contents);
const contents = {
  script: ["js", output("editor.js")],
  pictures: ["js", output("pictures.js")],
  style: ["css", output("style.css")],
  licences: ["txt", Buffer.from(notices)],
};

mkdirSync(out, { recursive: true });
const manifest = {};
for (const [role, [extension, body]] of Object.entries(contents)) {
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 12);
  manifest[role] = `editor-${role}.${hash}.${extension}`;
  writeFileSync(join(out, manifest[role]), body);
}
// Written after the files it names, and before those of earlier bundles go.
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
const current = new Set([...Object.values(manifest), "manifest.json"]);
for (const name of readdirSync(out)) if (!current.has(name)) rmSync(join(out, name));
const size = (body) => `${Math.round(body.length / 1000)} kB, ${Math.round(gzipSync(body).length / 1000)} kB compressed`;
console.log(`editor: ${size(contents.script[1])}; pictures: ${size(contents.pictures[1])}; ${bundled.length} packages`);
