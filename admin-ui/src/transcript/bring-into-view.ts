/** Scrolls a line of the transcript into the middle of what is seen, and marks it for a moment. */
export function bringIntoView(line: HTMLElement): void {
  const away = () => {
    const { top, bottom } = line.getBoundingClientRect();
    return Math.max(0, -bottom, top - window.innerHeight);
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  // A long way would be a blur of words; and what lies between has not its true height before it has been seen.
  const jump = calm || away() > window.innerHeight;
  line.scrollIntoView({ block: "center", behavior: jump ? "auto" : "smooth" });
  line.classList.remove("shown");
  void line.offsetWidth;
  line.classList.add("shown");
  if (!jump) return;
  let looks = 3;
  const settle = () => {
    looks -= 1;
    line.scrollIntoView({ block: "center" });
    if (looks > 0) requestAnimationFrame(settle);
  };
  requestAnimationFrame(settle);
}
