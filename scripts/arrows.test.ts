import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const repository = join(import.meta.dirname, '..')
const server = 'packages/server/src'

let copy: string
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'corral-arrows-'))
  for (const file of ['biome.json', 'biome.arrows.jsonc', '.gitignore'])
    cpSync(join(repository, file), join(copy, file))
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

/** What lint says about a file of these lines at this place of the house. */
function lint(path: string, source: string): Promise<string> {
  mkdirSync(dirname(join(copy, path)), { recursive: true })
  writeFileSync(join(copy, path), source)
  const args = ['lint', '--error-on-warnings', path]
  return new Promise((resolve) => {
    execFile(join(repository, 'node_modules/.bin/biome'), args, { cwd: copy }, (error, stdout, stderr) =>
      resolve(error ? `${stdout}${stderr}` : 'clean'),
    )
  })
}

test.each([
  ['an import', `${server}/log/append.ts`, "import { f } from '../sessions/sessions.ts'\nf()\n"],
  ['an import from deeper down', `${server}/log/a/b/append.ts`, "import { f } from '../../../faces/face.ts'\nf()\n"],
  ['a type', `${server}/database/rows.ts`, "import type { T } from '../log/types.ts'\nexport type U = T\n"],
  ['a side effect', `${server}/sandboxes/fleet.ts`, "import '../sessions/sessions.ts'\n"],
  ['a re-export', `${server}/host/users.ts`, "export { f } from '../database/connect.ts'\n"],
  ['a dynamic import', `${server}/gateway/main.ts`, "export const f = await import('../faces/face.ts')\n"],
  ['another package', 'packages/transcript/src/reduce.ts', "import { f } from '@corral/client'\nf()\n"],
  ['the disk', 'packages/protocol/src/ids.ts', "import { readFile } from 'node:fs/promises'\nawait readFile('')\n"],
  ['code of the server', 'packages/client/src/corral.ts', "import { start } from '@corral/server'\nstart()\n"],
])('lint fails on %s against the arrows', async (_, path, source) => {
  expect(await lint(path, source)).toContain('lint/style/noRestrictedImports')
})

test.each([
  [`${server}/sessions/create.ts`, "import { f } from '../log/log.ts'\nf()\n"],
  [`${server}/sessions/create.test.ts`, "import { f } from '../faces/face.ts'\nf()\n"],
  ['packages/transcript/src/views.ts', "import { f } from '@corral/protocol'\nf()\n"],
  ['packages/client/src/types.ts', "import type { AppRouter } from '@corral/server'\nexport type A = AppRouter\n"],
])('lint lets %s import along them', async (path, source) => {
  expect(await lint(path, source)).toBe('clean')
})

test('every package and every folder of the server has one entry', () => {
  const foldersIn = (path: string) =>
    readdirSync(join(repository, path), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${path}/${entry.name}`)
  const packages = foldersIn('packages')
    .map((path) => `${path}/src`)
    .filter((path) => path !== server && existsSync(join(repository, path)))
  const ofServer = foldersIn(server).filter((path) => path !== `${server}/testing`)

  const arrows = readFileSync(join(repository, 'biome.arrows.jsonc'), 'utf8')
  const entries = [...packages, ...ofServer].map((path) => [
    path,
    arrows.split(`"includes": ["${path}/**"]`).length - 1,
  ])
  expect(entries.filter(([, count]) => count !== 1)).toEqual([])
})
