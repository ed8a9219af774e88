/** Where files of a prompt lie for the agent, and what becomes of hostile names and of a server that is away. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PromptFile } from '@corral/protocol'
import { describe, expect, onTestFinished, test } from 'vitest'
import { StoreRefused } from '../../checkpoints/store.ts'
import { createFolder } from '../../testing/folder.ts'
import { filePartsOf, safeName } from './files.ts'

test.each([
  ['plan.md', 'plan.md'],
  ['../../.ssh/authorized_keys', 'authorized_keys'],
  ['C:\\Users\\me\\a b.txt', 'a_b.txt'],
  ['.bashrc', 'bashrc'],
  ['-rf', 'rf'],
  ['a\0b\n$(x)`y`.txt', 'a_b_x_y_.txt'],
  ['Grüße 日本.txt', 'Grüße_日本.txt'],
  ['..', 'file'],
  ['', 'file'],
  [`${'x'.repeat(300)}.txt`, `${'x'.repeat(96)}.txt`],
])('%j becomes %j', (given, safe) => {
  expect(safeName(given)).toBe(safe)
})

describe('files of a prompt', () => {
  const { signal } = new AbortController()
  const attached = (filename: string, sha256 = 'a'.repeat(64)): PromptFile => ({
    ...{ kind: 'attachment', sha256, bytes: 4, filename, mime: 'text/plain' },
  })
  function place() {
    const { path: root, remove } = createFolder()
    onTestFinished(remove)
    const [home, workspacePath] = [join(root, 'home'), join(root, 'workspace')]
    mkdirSync(home)
    mkdirSync(workspacePath)
    return { home, workspacePath, messageId: 'msg_1' }
  }

  test('are fetched, each into a folder of its own, again with each attempt', async () => {
    const params = { ...place(), files: [attached('x.txt'), attached('../x.txt', 'b'.repeat(64))] }
    const fetch = async ({ hash }: { hash: string }, path: string) =>
      writeFileSync(path, hash.slice(0, 4), { flag: 'wx' })
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const parts = await filePartsOf(params, fetch, signal)
      expect(parts).toMatchObject([{ type: 'file', mime: 'text/plain', filename: 'x.txt' }, { filename: 'x.txt' }])
      expect(parts.map(({ url }) => readFileSync(fileURLToPath(url), 'utf8'))).toEqual(['aaaa', 'bbbb'])
      expect(parts.every(({ url }) => fileURLToPath(url).startsWith(params.home))).toBe(true)
    }
  })

  test('wait for a server that is away, and fail with what it refuses', async () => {
    const params = { ...place(), files: [attached('x.txt')] }
    let tries = 0
    await filePartsOf(
      params,
      async (_, path) => {
        tries += 1
        if (tries === 1) throw new Error('ECONNREFUSED')
        writeFileSync(path, 'here')
      },
      signal,
    )
    expect(tries).toBe(2)
    const refused = filePartsOf(params, () => Promise.reject(new StoreRefused('the question for a blob', 404)), signal)
    await expect(refused).rejects.toMatchObject({ reason: 'agent_unavailable' })
  })

  test('of the workspace are named where they lie, and nothing outside of it', async () => {
    const params = place()
    writeFileSync(join(params.workspacePath, 'a door.ts'), '')
    symlinkSync(params.home, join(params.workspacePath, 'out'))
    writeFileSync(join(params.home, 'secret'), '')
    const named = (path: string): PromptFile[] => [{ kind: 'workspace', path, mime: 'text/plain' }]
    const never = () => Promise.reject(new Error('nothing is fetched'))
    const [part] = await filePartsOf({ ...params, files: named('a door.ts') }, never, signal)
    expect(part && fileURLToPath(part.url)).toBe(join(params.workspacePath, 'a door.ts'))
    for (const path of ['gone.ts', 'out/secret', '../home/secret']) {
      await expect(filePartsOf({ ...params, files: named(path) }, never, signal), path).rejects.toMatchObject({
        reason: 'invalid_configuration',
      })
    }
  })
})
