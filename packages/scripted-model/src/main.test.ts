import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'

test('the process tells its address by file and line, and ends cleanly on SIGTERM with a stream held', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-scripted-model-'))
  const file = join(folder, 'url')
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--port', '0', '--url-file', file])
  const ended = once(child, 'exit')
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  try {
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual(['url']), { timeout: 20_000 })
    const url = (await readFile(file, 'utf8')).trim()
    await vi.waitFor(() => expect(output).toBe(`listening on ${url}\n`))
    const body = JSON.stringify({
      model: 'demo',
      stream: true,
      messages: [{ role: 'user', content: 'play: say "a" | hang' }],
    })
    const held = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body })
    expect(held.status).toBe(200)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    await expect(held.text()).rejects.toThrow()
  } finally {
    child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  }
}, 30_000)
