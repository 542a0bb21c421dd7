/** The few lines that `npm start` prints once everything serves. */

export type BannerFacts = {
  version: string;
  /** undefined: all of them in one process. */
  role: string | undefined;
  addresses: Readonly<Record<string, string>>;
  adapters: Readonly<Record<string, string>>;
  /** undefined: this process recognises nothing. */
  speech: { engine: string; usable: boolean; reason: string; remedy: string } | undefined;
  dataDirectory: string;
  /** Of admin@localhost, on the very first start. */
  oneTimePassword: string | undefined;
  secondsToReady: number;
};

export function banner(facts: BannerFacts): string {
  const list = (entries: Readonly<Record<string, string>>): string[] => {
    const width = Math.max(...Object.keys(entries).map((name) => name.length));
    return Object.entries(entries).map(([name, value]) => `    ${name.padEnd(width)}  ${value}`);
  };
  return [
    "",
    `  Earshot ${facts.version}${facts.role === undefined ? "" : `, ${facts.role},`} is ready (${facts.secondsToReady.toFixed(1)} s)`,
    ...list(facts.addresses),
    "",
    "  Adapters",
    ...list(facts.adapters),
    "",
    ...(facts.speech === undefined
      ? []
      : [
          `  Speech  ${facts.speech.engine}: ${facts.speech.reason.replaceAll("; ", "\n          ")}`,
          ...(facts.speech.remedy === "" ? [] : [`          ${facts.speech.remedy}`]),
        ]),
    `  Data    ${facts.dataDirectory}`,
    ...(facts.oneTimePassword === undefined
      ? []
      : [
          "",
          `  First start: sign in as admin@localhost with the one-time password  ${facts.oneTimePassword}`,
          "  It is shown only now; you choose your own when you sign in.",
        ]),
    "",
    facts.role === undefined || facts.role === "sip-gateway"
      ? "  Ctrl-C lets live calls finish and stops."
      : "  Ctrl-C hands over what is in hand and stops.",
    "",
  ].join("\n");
}
