/**
 * Where a turn's words stand in the page. Words have no elements of their own: two hours of talk would be twenty thousand of them. They
 * are found by their letters, and marked through the browser's highlights (CSS Custom Highlight API), which leave the page as it is.
 */
import type { Segment } from "@earshot/proto/api/calls.ts";

/** The text nodes of a turn's words in order, each with the place of its first letter. */
function* lettersOf(line: Element): Generator<[node: Text, from: number]> {
  const text = line.querySelector(".turn-text");
  if (text === null) return;
  const walk = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  let from = 0;
  while (walk.nextNode() !== null) {
    const node = walk.currentNode as Text;
    yield [node, from];
    from += node.length;
  }
}

/** The place of a word's first letter in the turn's text: words stand with one space between them. */
const letterOf = (segment: Segment, word: number) => segment.words.slice(0, word).reduce((sum, { text }) => sum + text.length + 1, 0);

/** The letters of one word of a turn, `line` being the turn's element; null when it is not drawn. */
export function wordRange(line: Element, segment: Segment, word: number): Range | null {
  const text = segment.words[word]?.text;
  if (text === undefined) return null;
  const start = letterOf(segment, word);
  for (const [node, from] of lettersOf(line)) {
    if (start >= from + node.length) continue;
    const range = document.createRange();
    range.setStart(node, start - from);
    range.setEnd(node, Math.min(node.length, start - from + text.length));
    return range;
  }
  return null;
}

/** Which word of a turn is under a point of the window; -1 for none. */
export function wordUnder(line: Element, segment: Segment, x: number, y: number): number {
  const caret = document.caretPositionFromPoint?.(x, y);
  const spot = caret ?? asCaret(document.caretRangeFromPoint?.(x, y));
  if (spot === null) return -1;
  for (const [node, from] of lettersOf(line)) {
    if (node !== spot.offsetNode) continue;
    let end = -1;
    const word = segment.words.findIndex(({ text }) => {
      end += text.length + 1;
      return from + spot.offset <= end;
    });
    // The nearest letter is meant also by a point beside or below the text.
    const boxes = wordRange(line, segment, word)?.getClientRects() ?? [];
    return [...boxes].some((box) => x >= box.left - 2 && x <= box.right + 2 && y >= box.top && y <= box.bottom) ? word : -1;
  }
  return -1;
}

/** Browsers before `caretPositionFromPoint` answer the same by a range. */
const asCaret = (range: Range | null | undefined) => (range ? { offsetNode: range.startContainer, offset: range.startOffset } : null);

/** Marks words under a name that the style sheet knows (`::highlight(name)`), instead of what was marked before. */
export function markWords(name: string, ranges: readonly Range[]): void {
  if (!("highlights" in CSS)) return;
  if (ranges.length === 0) CSS.highlights.delete(name);
  else CSS.highlights.set(name, new Highlight(...ranges));
}
