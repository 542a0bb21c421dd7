/** What tenants told us about their speech: the newest settings win. */
import type { PayloadOf } from "@earshot/proto/event.ts";

export type Hints = { readonly language: string; readonly vocabulary: readonly string[] };

const none: Hints = { language: "", vocabulary: [] };
const mostTenants = 100_000;

export class TenantHints {
  readonly #hints = new Map<string, Hints & { readonly version: number }>();

  update(tenantId: string, settings: PayloadOf<"tenantSettings">): void {
    const known = this.#hints.get(tenantId);
    if (known !== undefined && known.version > settings.version) return;
    if (known === undefined && this.#hints.size >= mostTenants) return;
    this.#hints.set(tenantId, { language: settings.language, vocabulary: settings.vocabulary, version: settings.version });
  }

  of(tenantId: string): Hints {
    return this.#hints.get(tenantId) ?? none;
  }
}
