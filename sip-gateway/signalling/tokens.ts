/** Lists in SIP header values. */

/** Splits a header value at commas that stand outside quotes and angle brackets. */
export function splitList(value: string): string[] {
  if (!value.includes(",")) return [value];
  const items: string[] = [];
  let from = 0;
  let quoted = false;
  let angle = false;
  for (let i = 0; i < value.length; i++) {
    const char = value[i];
    if (quoted) {
      if (char === "\\") i++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "<") angle = true;
    else if (char === ">") angle = false;
    else if (char === "," && !angle) {
      items.push(value.slice(from, i).trim());
      from = i + 1;
    }
  }
  items.push(value.slice(from).trim());
  return items.filter((item) => item !== "");
}
