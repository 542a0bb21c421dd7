/** Dashboards and alert rules speak of metrics that exist, in PromQL that parses, and every alert has a runbook. */
import { globSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { parser } from "@prometheus-io/lezer-promql";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { settingsDocument } from "../settings.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, "utf8");

type Rule = { alert: string; expr: string; labels: { severity: string }; annotations: { summary: string; runbook: string } };
const rules = (parse(read("deploy/observability/alerts.yaml")) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

type Dashboard = { uid: string; panels: { title: string; targets: { expr: string }[] }[] };
const dashboards = globSync("deploy/observability/*.dashboard.json", { cwd: root }).map((path) => JSON.parse(read(path)) as Dashboard);

const expressions: [string, string][] = [
  ...rules.map(({ alert, expr }): [string, string] => [alert, expr]),
  ...dashboards.flatMap(({ uid, panels }) =>
    panels.flatMap(({ title, targets }) => targets.map(({ expr }): [string, string] => [`${uid}: ${title}`, expr])),
  ),
];

/** Names that services register: the first argument of counter, gauge and histogram, wherever they are called. */
function registeredMetrics(): Set<string> {
  const names = new Set(["up"]);
  for (const path of globSync("{platform,sip-gateway,media-pipeline,analytics,deploy}/**/*.ts", {
    cwd: root,
    exclude: (name) => name.includes("node_modules") || name.endsWith(".test.ts"),
  })) {
    for (const [, kind, name] of read(path).matchAll(/\b(counter|gauge|histogram)\(\s*"(earshot_[a-z0-9_]+)"/g)) {
      names.add(name!);
      if (kind === "histogram") for (const part of ["bucket", "sum", "count"]) names.add(`${name}_${part}`);
    }
  }
  for (const { name } of createMetrics({ defaults: true }).registry.getMetricsAsArray()) names.add(name);
  return names;
}

/** Metric names in an expression. @throws where it is not PromQL */
function metricsOf(expr: string): string[] {
  const names: string[] = [];
  parser
    .configure({ top: "PromQL" })
    .parse(expr)
    .iterate({
      enter(node) {
        if (node.type.isError) throw new Error(`not PromQL at ${node.from}: ${expr}`);
        if (node.name === "VectorSelector") names.push(/^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(expr.slice(node.from, node.to))?.[0] ?? "");
      },
    });
  return names;
}

describe("alert rules and dashboards", () => {
  const known = registeredMetrics();
  it.each(expressions)("%s reads metrics that exist", (_, expr) => {
    const names = metricsOf(expr);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });

  it("a wrong name and a wrong expression are seen", () => {
    expect(metricsOf("sum(rate(earshot_no_such_total[5m]))").filter((name) => !known.has(name))).toEqual(["earshot_no_such_total"]);
    expect(() => metricsOf("sum(rate(earshot_no_such_total[5m])")).toThrow("not PromQL");
  });

  it("alerts have names of their own, a severity, and a runbook each; every runbook belongs to an alert", () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { labels } of rules) expect(["critical", "warning", "info"]).toContain(labels.severity);
    const used = [...new Set(rules.map(({ annotations }) => annotations.runbook))].sort();
    expect(readdirSync(`${root}deploy/docs/runbooks`).sort()).toEqual(used);
  });

  it("runbooks name settings that exist", () => {
    const settings = new Set(settingsDocument().match(/EARSHOT_[A-Z0-9_]+/g));
    for (const path of globSync("deploy/docs/runbooks/*.md", { cwd: root }))
      for (const name of read(path).match(/EARSHOT_[A-Z0-9_]+/g) ?? []) expect(settings, `${path} names ${name}`).toContain(name);
  });
});
