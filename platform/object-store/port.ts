/** Blobs by key. A key begins with the tenant: `tenants/<tenantId>/recordings/<callId>.wav`. */
import type { TenantId } from "@earshot/proto/ids.ts";
import type { Component } from "../lifecycle/component.ts";

export type ObjectInfo = { readonly key: string; readonly bytes: number; readonly modifiedAtMs: number; readonly sha256: string };

/** Inclusive byte range, as in HTTP. */
export type ByteRange = { readonly start: number; readonly end: number };

export interface ObjectStore extends Component {
  /** Stores the whole object or nothing; replaces an older one. */
  put(tenant: TenantId, name: string, content: AsyncIterable<Uint8Array> | Uint8Array): Promise<ObjectInfo>;
  /** @throws EarshotError not_found; invalid_request for a range outside the object */
  get(tenant: TenantId, name: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>;
  /** undefined where there is none. */
  stat(tenant: TenantId, name: string): Promise<ObjectInfo | undefined>;
  /** No error where there is none. */
  delete(tenant: TenantId, name: string): Promise<void>;
  list(tenant: TenantId, prefix: string): AsyncIterable<ObjectInfo>;
}
