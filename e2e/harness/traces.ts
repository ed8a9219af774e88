/** Where a text is found that should be nowhere: the rows of every table, the bytes of every file, every command line. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { processesOf } from './processes.ts'

/** Name of the secret and the place in which it was found. */
export type Trace = string

export type Canaries = Record<string, string>

/** As it is, and as programs write it in base64 (at any offset), in hex (as PostgreSQL writes bytes) and in URLs. */
function formsOf(value: string): string[] {
  const shifted = ['', 'x', 'xx'].map((before) =>
    Buffer.from(before + value)
      .toString('base64')
      .slice(4, -4),
  )
  return [value, ...shifted, Buffer.from(value).toString('hex'), encodeURIComponent(value)]
}

export function tracesIn(text: string, canaries: Canaries, place: string): Trace[] {
  return Object.entries(canaries)
    .filter(([, value]) => formsOf(value).some((form) => text.includes(form)))
    .map(([name]) => `${name} in ${place}`)
}

/** Every column of every row of every schema, as text. */
export async function tracesInDatabase(home: string, canaries: Canaries): Promise<Trace[]> {
  const { databaseUrl } = JSON.parse(await readFile(join(home, 'gateway', 'config.json'), 'utf8'))
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    // What follows looks at the files: let everything be in them.
    await client.query('checkpoint')
    const tables = await client.query<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^pg_toast'`,
    )
    const traces: Trace[] = []
    for (const { name } of tables.rows) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`)
      traces.push(...rows.flatMap(({ row }) => tracesIn(row, canaries, `table ${name}`)))
    }
    return [...new Set(traces)]
  } finally {
    await client.end()
  }
}

/** Every file below a folder, but what `skip` says, by its path below it. */
export async function tracesInFiles(
  folder: string,
  canaries: Canaries,
  skip: (path: string) => boolean = () => false,
): Promise<Trace[]> {
  const traces: Trace[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const shown = path.slice(folder.length + 1)
    if (!entry.isFile() || skip(shown)) continue
    traces.push(...tracesIn((await readIfThere(path)).toString('latin1'), canaries, shown))
  }
  return traces
}

/** Arguments of every process of the machine; the environment of those of the installation that are in no sandbox. */
export async function tracesInProcesses(folder: string, canaries: Canaries): Promise<Trace[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  const lines = await Promise.all(
    pids.map(async (pid) =>
      tracesIn((await readIfThere(`/proc/${pid}/cmdline`)).toString(), canaries, `arguments of ${pid}`),
    ),
  )
  const outside = (await processesOf(folder)).filter(({ commandLine }) => /\b(up|gateway|postgres)\b/.test(commandLine))
  const environments = await Promise.all(
    outside.map(async ({ pid, commandLine }) =>
      tracesIn((await readIfThere(`/proc/${pid}/environ`)).toString(), canaries, `environment of ${commandLine}`),
    ),
  )
  return [...lines, ...environments].flat()
}

/** Empty for what has gone meanwhile. */
async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return Buffer.alloc(0)
    throw error
  }
}
