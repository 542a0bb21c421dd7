/** Puts text on the clipboard. False where the browser does not let us: without HTTPS, only `localhost` has a clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
