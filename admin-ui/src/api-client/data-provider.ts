/** react-admin's data provider over `/api/v1/<resource>`: lists answer `{data, total}`, queries are page, perPage, sort, order, filters. */
import type { DataProvider, RaRecord } from "react-admin";
import { ApiFailure, request } from "./request.ts";

interface ListAnswer {
  data: RaRecord[];
  total: number;
}

const at = (resource: string, id?: unknown) => `/${resource}${id === undefined ? "" : `/${encodeURIComponent(String(id))}`}`;

/** The API takes the fields of the form, never the id it gave itself. */
function input(data: Record<string, unknown>): Record<string, unknown> {
  const { id: _id, ...rest } = data;
  return rest;
}

const unsupported = (): never => {
  throw new ApiFailure(0, "unsupported", "This list cannot be asked that way.", "Open the list again.");
};

export const dataProvider = {
  async getList(resource, { pagination, sort, filter, signal }) {
    return request<ListAnswer>(at(resource), {
      query: {
        page: pagination?.page,
        perPage: pagination?.perPage,
        sort: sort?.field === "id" ? undefined : sort?.field,
        order: sort?.field === "id" ? undefined : sort?.order.toLowerCase(),
        ...filter,
      },
      signal,
    });
  },
  async getOne(resource, { id, signal }) {
    return { data: await request(at(resource, id), { signal }) };
  },
  async getMany(resource, { ids, signal }) {
    return { data: await Promise.all(ids.map((id) => request<RaRecord>(at(resource, id), { signal }))) };
  },
  getManyReference: async () => unsupported(),
  async create(resource, { data }) {
    return { data: await request(at(resource), { method: "POST", body: input(data) }) };
  },
  async update(resource, { id, data }) {
    const answer = await request<RaRecord | undefined>(at(resource, id), { method: "PUT", body: input(data) });
    return { data: answer ?? { ...data, id } };
  },
  updateMany: async () => unsupported(),
  async delete(resource, { id }) {
    await request(at(resource, id), { method: "DELETE" });
    return { data: { id } };
  },
  async deleteMany(resource, { ids }) {
    for (const id of ids) await request(at(resource, id), { method: "DELETE" });
    return { data: ids };
  },
} as DataProvider;
