/** A plot of a few lines as SVG, both axes from zero. */

export type LinePlot = {
  readonly title: string;
  readonly xTitle: string;
  readonly lines: readonly { readonly name: string; readonly points: readonly { readonly x: number; readonly y: number }[] }[];
};

const width = 640;
const height = 360;
const left = 48;
const right = 110;
const top = 36;
const bottom = 44;
const colours = ["#1b6ca8", "#c2571a", "#2e7d4f", "#7b3fa0", "#666666"];

/** The next of 1, 2, 5, 10, 20 and so on that makes at most six steps. */
function stepFor(most: number): number {
  for (let scale = 1e-3; ; scale *= 10) for (const step of [1, 2, 5]) if (most / (step * scale) <= 6) return step * scale;
}

export function linePlot({ title, xTitle, lines }: LinePlot): string {
  const points = lines.flatMap((line) => line.points);
  const axis = (values: readonly number[]) => {
    const step = stepFor(Math.max(...values));
    const marks = Math.ceil(Math.max(...values) / step);
    return { end: marks * step, marks: Array.from({ length: marks + 1 }, (_, i) => Number((i * step).toPrecision(6))) };
  };
  const xAxis = axis(points.map(({ x }) => x));
  const yAxis = axis(points.map(({ y }) => y));
  const xOf = (x: number): number => Math.round(left + (x / xAxis.end) * (width - left - right));
  const yOf = (y: number): number => Math.round(height - bottom - (y / yAxis.end) * (height - top - bottom));
  const text = (x: number, y: number, anchor: string, content: string | number, colour = "#333"): string =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${colour}">${content}</text>`;
  const rule = (x1: number, y1: number, x2: number, y2: number): string => `<path d="M${x1} ${y1}L${x2} ${y2}" stroke="#ddd"/>`;
  const parts = [
    ...yAxis.marks.flatMap((y) => [rule(left, yOf(y), width - right, yOf(y)), text(left - 6, yOf(y) + 4, "end", y)]),
    ...xAxis.marks.flatMap((x) => [rule(xOf(x), top, xOf(x), height - bottom), text(xOf(x), height - bottom + 16, "middle", x)]),
    text(left, 20, "start", title),
    text((left + width - right) / 2, height - 8, "middle", xTitle),
    ...lines.flatMap(({ name, points: own }, i) => {
      const colour = colours[i % colours.length]!;
      const last = own.at(-1)!;
      return [
        `<polyline points="${own.map(({ x, y }) => `${xOf(x)},${yOf(y)}`).join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...own.map(({ x, y }) => `<circle cx="${xOf(x)}" cy="${yOf(y)}" r="3" fill="${colour}"/>`),
        text(xOf(last.x) + 8, yOf(last.y) + 4, "start", name, colour),
      ];
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>${title}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join("\n")}
</svg>
`;
}
