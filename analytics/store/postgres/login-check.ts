/** What the role that the application signs in as may do. One that row-level security does not bind is refused. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Client } from "pg";
import { applicationEnv, ownerEnv } from "./sign-in.ts";

export type Login = {
  login: string;
  /** It, or a role that it may become, is a superuser or bypasses row-level security. */
  superuser: boolean;
  bypasses: boolean;
  /** May become earshot_lookup, which finds people of every tenant. */
  looks_up: boolean;
  is_application: boolean;
  /** It owns our schema, or may make it. */
  may_migrate: boolean;
  /** Somebody has begun to migrate this database. */
  has_schema: boolean;
};
type Table = { name: string; owned: boolean; enabled: boolean; forced: boolean };

const loginQuery = `
  select session_user::text as login,
    coalesce(bool_or(rolsuper), false) as superuser,
    coalesce(bool_or(rolbypassrls), false) as bypasses,
    coalesce(bool_or(rolname = 'earshot_lookup'), false) as looks_up,
    coalesce(bool_or(rolname = 'earshot_app'), false) as is_application,
    coalesce((select pg_has_role(session_user, nspowner, 'MEMBER') from pg_namespace where nspname = 'earshot'),
      has_database_privilege(session_user, current_database(), 'CREATE')) as may_migrate,
    exists (select from pg_namespace where nspname = 'earshot') as has_schema
  from pg_roles where pg_has_role(session_user, oid, 'MEMBER')`;

const tablesQuery = `
  select relname as name, pg_has_role(session_user, relowner, 'MEMBER') as owned, relrowsecurity as enabled, relforcerowsecurity as forced
  from pg_class join pg_namespace n on n.oid = relnamespace
  where nspname = 'earshot' and relkind in ('r', 'p') and relname <> 'migrations' order by relname`;

/**
 * Before anything is made in the database.
 * @throws EarshotError forbidden for a superuser and whoever bypasses row-level security
 */
export async function checkStrength(client: Client): Promise<Login> {
  const { rows } = await client.query<Login>(loginQuery);
  const login = rows[0]!;
  const why = login.superuser
    ? "is a superuser, or may become one"
    : login.bypasses
      ? "bypasses row-level security, or may become a role that does"
      : "";
  if (why !== "")
    throw tooStrong(
      `The role "${login.login}" that the application signs in as ${why}: tenants would not be kept apart.`,
      `Create a plain role (CREATE ROLE earshot LOGIN PASSWORD '...'), name it in ${applicationEnv}, and this one, for migrations alone, in ${ownerEnv}.`,
    );
  return login;
}

/**
 * Once everything is migrated.
 * @param separate another role owns the tables, by its own URL
 * @returns whether the application signs in as the owner of its tables
 * @throws EarshotError forbidden where row-level security does not hold for it
 */
export async function checkLogin(client: Client, separate: boolean): Promise<{ ownsTables: boolean }> {
  const application = await checkStrength(client);
  const { login, looks_up } = application;
  const { rows: tables } = await client.query<Table>(tablesQuery);
  const open = tables.filter(({ enabled, forced, owned }) => !enabled || (owned && !forced)).map(({ name }) => `earshot.${name}`);
  if (open.length > 0)
    throw new EarshotError(
      "forbidden",
      "database_tables_open",
      `Row-level security does not bind the role "${login}" on ${open.join(", ")}.`,
      {
        remedy: "As their owner: ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; for each of them.",
        details: { tables: open },
      },
    );
  const ownsTables = tables.some(({ owned }) => owned);
  if (ownsTables && separate)
    throw tooStrong(
      `The role "${login}" that the application signs in as owns its tables, or may become their owner.`,
      `Name another role in ${applicationEnv}, take this one out of the owner's group, or leave ${ownerEnv} out.`,
    );
  if (!ownsTables && looks_up)
    throw tooStrong(
      `The role "${login}" that the application signs in as may read every tenant's people.`,
      `REVOKE earshot_lookup FROM "${login}";`,
    );
  checkMember(application);
  return { ownsTables };
}

/** @throws EarshotError forbidden where the application's policies are not this role's */
export function checkMember({ login, is_application }: Login): void {
  if (is_application) return;
  throw new EarshotError(
    "forbidden",
    "database_role_not_member",
    `The role "${login}" that the application signs in as is no member of earshot_app.`,
    { remedy: `As the owner: GRANT earshot_app TO "${login}"; or set ${ownerEnv}, by which Earshot does that itself.` },
  );
}

const tooStrong = (message: string, remedy: string): EarshotError =>
  new EarshotError("forbidden", "database_role_too_strong", message, { remedy });
