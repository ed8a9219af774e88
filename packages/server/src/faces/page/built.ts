/**
 * Where the built page lies: in a folder that is named by the content of everything it is made of, so that a server
 * serves the page of its own sources or none. Set-up builds it (`scripts/setup/page.ts`).
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../../..', import.meta.url))

/** The package of the page, those whose code is in it, and the versions of all others. */
const madeOf = ['packages/web', 'packages/client', 'packages/protocol', 'packages/transcript', 'package-lock.json']

export type BuiltPage = { folder: string; isBuilt: boolean }

/** `folder` holds the builds of all versions. */
export async function builtPage({ folder: builds }: { folder: string }): Promise<BuiltPage> {
  const folder = join(builds, await hashOfSources())
  return { folder, isBuilt: existsSync(join(folder, 'index.html')) }
}

async function hashOfSources(): Promise<string> {
  const files = (await Promise.all(madeOf.map((path) => filesIn(join(repository, path))))).flat().sort()
  const hash = createHash('sha256')
  const contents = await Promise.all(files.map((file) => readFile(file)))
  for (const [i, file] of files.entries()) {
    hash.update(`${relative(repository, file)}\0${contents[i]?.length}\0`).update(contents[i] ?? '')
  }
  return hash.digest('hex').slice(0, 16)
}

async function filesIn(path: string): Promise<string[]> {
  if (!path.endsWith('.json')) {
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules') && !isOfTests(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
  }
  return [path]
}

const isOfTests = (name: string) => /^test|\.test\.tsx?$/.test(name)
