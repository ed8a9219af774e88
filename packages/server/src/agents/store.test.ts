import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AgentCatalog } from './catalog.ts'
import { choosePlatformPackage } from './platformPackage.ts'
import { createAgentStore } from './store.ts'

const run = promisify(execFile)

/** No agents, but published just like them (a package, and one native program per platform), and 20 times smaller. */
const catalog = {
  esbuild: {
    npmPackage: 'esbuild',
    defaultVersion: '0.28.2',
    command: 'esbuild',
    kind: 'opencode',
    wire: 'openai-chat',
  },
  mislabeled: { npmPackage: 'esbuild', defaultVersion: '0.28.2', command: 'missing', kind: 'acp', wire: 'anthropic' },
} as const satisfies AgentCatalog

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'corral-agents-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('an installed agent is found, listed, and runs from another place', async () => {
  const store = createAgentStore({ folder, catalog })
  expect(await store.find('esbuild')).toBeUndefined()
  expect(await store.list()).toEqual([])

  const agent = await store.install('esbuild')
  expect(agent).toMatchObject({ name: 'esbuild', version: '0.28.2', kind: 'opencode', wire: 'openai-chat' })
  expect(await store.find('esbuild@0.28.2')).toEqual(agent)
  expect(await store.list()).toEqual([agent])

  const elsewhere = join(folder, 'elsewhere')
  await rename(agent.folder, elsewhere)
  const { stdout } = await run(join(elsewhere, agent.bin), ['--version'])
  expect(stdout).toBe('0.28.2\n')
})

test('an agent can be read and run by every user, whatever the umask', async () => {
  const before = process.umask(0o077)
  try {
    const agent = await createAgentStore({ folder, catalog }).install('esbuild')
    const modes = await Promise.all(['.', 'agent.json', agent.bin].map((path) => stat(join(agent.folder, path))))
    expect(modes.map(({ mode }) => mode & 0o055)).toEqual([0o055, 0o044, 0o055])
  } finally {
    process.umask(before)
  }
})

test('two installs at once end with one agent and nothing else', async () => {
  const [one, other] = [createAgentStore({ folder, catalog }), createAgentStore({ folder, catalog })]
  const agents = await Promise.all([one.install('esbuild'), other.install('esbuild')])
  expect(agents[0]).toEqual(agents[1])
  expect(await readdir(folder)).toEqual(['esbuild@0.28.2'])
})

test('an install that fails leaves nothing behind and says what to do', async () => {
  const store = createAgentStore({ folder, catalog })
  await expect(store.install('esbuild@0.0.999')).rejects.toThrow('npm install esbuild@0.0.999')
  await expect(store.install('mislabeled')).rejects.toThrow('does not answer 0.28.2')
  expect(await readdir(folder)).toEqual([])
})

test('what a killed install left is removed after an hour, and never taken for an agent', async () => {
  const store = createAgentStore({ folder, catalog })
  const abandoned = join(folder, '.installing-abandoned')
  const atWork = join(folder, '.installing-at-work')
  for (const path of [abandoned, atWork]) {
    await mkdir(path)
    await writeFile(join(path, 'agent.json'), '{}')
  }
  const twoHoursAgo = new Date(Date.now() - 2 * 60 * 60_000)
  await utimes(abandoned, twoHoursAgo, twoHoursAgo)

  expect(await store.list()).toEqual([])
  await store.install('esbuild')
  expect(await readdir(folder)).toEqual(['.installing-at-work', 'esbuild@0.28.2'])
})

test('a removed agent is gone at once, and can be installed again', async () => {
  const store = createAgentStore({ folder, catalog })
  const agent = await store.install('esbuild')
  expect(await store.remove(agent)).toBe(true)
  expect(await store.list()).toEqual([])
  expect(await readdir(folder)).toEqual([])
  expect(await store.remove(agent)).toBe(false)
})

test('of several versions the newest is listed last', async () => {
  const store = createAgentStore({ folder, catalog })
  const versions = ['1.10.0', '1.9.0', '1.10.0-rc.2', '1.10.0-rc.10', '0.100.0']
  for (const version of versions) {
    await mkdir(join(folder, `a@${version}`))
    const record = { name: 'a', version, kind: 'acp', wire: 'anthropic', bin: 'a' }
    await writeFile(join(folder, `a@${version}`, 'agent.json'), JSON.stringify(record))
  }
  expect((await store.list()).map(({ version }) => version)).toEqual([
    ...['0.100.0', '1.9.0', '1.10.0-rc.2', '1.10.0-rc.10', '1.10.0'],
  ])
})

test('a reference that is no name or exact version is refused before anything is done', async () => {
  const store = createAgentStore({ folder, catalog })
  await expect(store.install('esbuild@latest')).rejects.toThrow('names no agent')
  await expect(store.install('../esbuild')).rejects.toThrow('names no agent')
  await expect(store.install('toString')).rejects.toThrow('names no agent')
  await expect(store.install('emacs')).rejects.toThrow('Known agents: esbuild, mislabeled')
  expect(await readdir(folder)).toEqual([])
})

test('of two builds, the one for this processor is kept', () => {
  const both = ['opencode-linux-x64', 'opencode-linux-x64-baseline']
  expect(choosePlatformPackage(both, true)).toBe('opencode-linux-x64')
  expect(choosePlatformPackage(both, false)).toBe('opencode-linux-x64-baseline')
  expect(choosePlatformPackage(['opencode-linux-arm64'], false)).toBe('opencode-linux-arm64')
  expect(choosePlatformPackage([], true)).toBeUndefined()
})
