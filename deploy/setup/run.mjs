// The door of every npm script: makes the machine ready once (workspace packages, Node 24), then runs the command on that Node.
// Plain JavaScript for Node 20: it runs before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const bin = join(root, "node_modules", ".bin");
const node = join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const commands = {
  start: { script: "deploy/main.ts" },
  cluster: { script: "deploy/cluster/main.ts" },
  demo: { script: "deploy/demo-pbx/demo.ts" },
  recogniser: { script: "deploy/recogniser-server/main.ts" },
  seed: { script: "analytics/seed/seed.ts" },
  bench: { script: "bench/run.ts" },
  test: { tool: "vitest/vitest.mjs", first: ["run"] },
  calls: { script: "deploy/calls/main.ts" },
  "dead-letters": { script: "deploy/dead-letters/main.ts" },
  backup: { script: "deploy/backup/backup.ts" },
  restore: { script: "deploy/backup/restore.ts" },
  check: { script: "deploy/setup/check.ts" },
  proto: { script: "deploy/setup/generate-proto.ts" },
};

const [name = "", ...rest] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
if (command === undefined) {
  console.error(`No such command: ${name || "(none)"}. There are: ${Object.keys(commands).join(", ")}.`);
  process.exit(2);
}

install();
// V8's young generation would grow to 128 MiB as soon as calls flow, whatever their number; a quarter of it costs no more CPU.
const flags = JSON.parse(readFileSync(join(root, "deploy/setup/node-flags.json"), "utf8"));
const args =
  command.script === undefined
    ? ["--disable-warning=ExperimentalWarning", join(root, "node_modules", command.tool), ...command.first, ...rest]
    : [...flags, join(root, command.script), ...rest];
const child = spawn(node, args, {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` },
});
// Ctrl-C reaches the child through the terminal too; a second copy must not end this parent before the child has drained.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
// A signal for npm alone reaches the shells between npm and this process at best: losing one of them counts as the signal.
const above = ancestorsUpToNpm();
const watch = setInterval(() => {
  if (above.every(isAlive)) return;
  clearInterval(watch);
  child.kill("SIGTERM");
}, 500);
watch.unref();
child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));

/** Installs the workspace when the lock file is not the one installed last; says what it does, because it takes a minute. */
function install() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "pnpm-lock.yaml")))
    .digest("hex");
  const mark = join(root, "node_modules", ".earshot-installed");
  if (existsSync(mark) && readFileSync(mark, "utf8") === lock && existsSync(node)) return;
  const pnpm = manifest.packageManager;
  console.log(`Setting up Earshot: installing packages with ${pnpm} (about a minute, once) ...`);
  const env = {
    ...process.env,
    // Their install steps fetch GPU builds that are not needed.
    ONNXRUNTIME_NODE_INSTALL: "skip",
    ONNXRUNTIME_NODE_INSTALL_CUDA: "skip",
    CI: "true",
  };
  const done = spawnSync("npx", ["--yes", pnpm, "install", "--frozen-lockfile", "--reporter=append-only"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env,
    encoding: "utf8",
    shell: process.platform === "win32",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (done.status !== 0) {
    console.error(`${done.stdout ?? ""}\n${done.stderr ?? ""}`);
    console.error(
      "Packages could not be installed. Is the npm registry reachable from here? Nothing was started; run the command again once it is.",
    );
    process.exit(1);
  }
  if (!existsSync(node)) {
    console.error("Node 24 did not arrive with the packages (npm package 'node'). Delete node_modules and run the command again.");
    process.exit(1);
  }
  mkdirSync(dirname(mark), { recursive: true });
  writeFileSync(mark, lock);
  console.log("Installed.");
}

/** The processes from this one's parent up to npm, where npm started it and /proc tells; otherwise none. */
function ancestorsUpToNpm() {
  const found = [];
  let pid = process.ppid;
  try {
    while (pid > 1 && found.length < 5) {
      found.push(pid);
      if (readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("npm")) return found;
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      pid = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    }
  } catch {
    // No /proc here.
  }
  return [];
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
