import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Checkpoint, checkpointPaths, MiB, newSessionId, type SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { sandbox, session } from '../database/schema.ts'
import { testLinks } from '../testing/supervisor.ts'

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
const commit = '1'.repeat(40)

const checkpointOf = (hash: string, bytes: number, history: Checkpoint['history'] = null): Checkpoint => ({
  complete: true,
  workspace: {
    bundle: { hash, bytes },
    ...{ base: null, branch: 'main', head: null, branches: [], stash: null, files: commit, index: null },
  },
  history,
})

describe('checkpoints on the door', async () => {
  const world = await testLinks()
  afterAll(() => world[Symbol.asyncDispose]())

  async function ask(
    token: string,
    method: string,
    path: string,
    body: string | Buffer | Readable = '',
    headers: Record<string, string | number> = {},
  ): Promise<{ status: number; bytes: number; hash: string }> {
    const length =
      typeof body === 'string' || Buffer.isBuffer(body) ? { 'content-length': Buffer.byteLength(body) } : {}
    const request = httpRequest({
      socketPath: world.path,
      ...{ method, path, headers: { authorization: `Bearer ${token}`, ...length, ...headers } },
    })
    const answered = once(request, 'response')
    await pipeline(body instanceof Readable ? body : Readable.from([body]), request)
    const [response] = await answered
    const digest = createHash('sha256')
    let bytes = 0
    for await (const chunk of response) {
      bytes += chunk.length
      digest.update(chunk)
    }
    return { status: response.statusCode, bytes, hash: digest.digest('hex') }
  }
  const status = async (...args: Parameters<typeof ask>) => (await ask(...args)).status

  async function put(token: string, id: SessionId, content: string | Buffer, checkpoint?: Checkpoint) {
    const hash = sha256(content)
    const blob = await status(token, 'PUT', checkpointPaths.blob(id, hash), content)
    if (blob !== 204) return blob
    const told = JSON.stringify(checkpoint ?? checkpointOf(hash, Buffer.byteLength(content)))
    return status(token, 'PUT', checkpointPaths.checkpoint(id), told)
  }

  test('a blob comes back byte for byte, and the next checkpoint takes the place of the last', async () => {
    const { token, session: id } = await world.addSandbox()
    const content = randomBytes(300_000)
    expect(await put(token, id, content)).toBe(204)
    const got = await ask(token, 'GET', checkpointPaths.blob(id, sha256(content)))
    expect(got).toEqual({ status: 200, bytes: content.length, hash: sha256(content) })
    expect(await world.checkpoints.of(id)).toEqual(checkpointOf(sha256(content), content.length))

    expect(await put(token, id, 'the next')).toBe(204)
    expect(await status(token, 'HEAD', checkpointPaths.blob(id, sha256(content)))).toBe(404)
    expect(await status(token, 'HEAD', checkpointPaths.blob(id, sha256('the next')))).toBe(200)
  })

  test('who has no token of a living boot gets nothing, and what is another one’s is not there', async () => {
    const mine = await world.addSandbox()
    const other = await world.addSandbox()
    expect(await put(other.token, other.session, 'theirs')).toBe(204)
    const theirs = checkpointPaths.blob(other.session, sha256('theirs'))
    expect(await status('wrong', 'GET', theirs)).toBe(401)
    for (const path of [theirs, checkpointPaths.blob(newSessionId(), sha256('theirs'))]) {
      for (const method of ['GET', 'HEAD', 'PUT']) expect(await status(mine.token, method, path, 'x')).toBe(404)
    }
    expect(await status(mine.token, 'PUT', checkpointPaths.checkpoint(other.session), '{}')).toBe(404)

    await world.database.orm.update(sandbox).set({ state: 'stopped' }).where(eq(sandbox.id, other.id))
    expect(await status(other.token, 'GET', theirs)).toBe(401)
  })

  test('nothing but a session and a hash makes a path', async () => {
    const { token, session: id } = await world.addSandbox()
    const paths = [
      `/checkpoints/${id}/blobs/..%2f..%2fcli.json`,
      `/checkpoints/${id}/blobs/../../cli.json`,
      `/checkpoints/../${id}`,
      `/checkpoints/${id}/blobs/${'A'.repeat(64)}`,
      `/checkpoints/${id}/blobs/${sha256('x')}/..`,
      '/link',
      '/',
    ]
    for (const path of paths) expect(await status(token, 'PUT', path, 'x')).toBe(404)
  })

  test('bytes that are not what they are said to be leave nothing behind', async () => {
    const { token, session: id } = await world.addSandbox()
    const path = checkpointPaths.blob(id, sha256('what it says'))
    const before = await world.keptFiles()
    expect(await status(token, 'PUT', path, 'something else')).toBe(422)
    expect(await status(token, 'PUT', path, '')).toBe(413)
    expect(await status(token, 'PUT', path, Readable.from(['x']), { 'transfer-encoding': 'chunked' })).toBe(411)
    const cut = httpRequest({
      socketPath: world.path,
      ...{ method: 'PUT', path, headers: { authorization: `Bearer ${token}`, 'content-length': 100 } },
    }).on('error', () => {})
    cut.write('half of ')
    await vi.waitFor(async () => expect(await world.keptFiles()).not.toEqual(before), 5_000)
    cut.destroy()
    await vi.waitFor(async () => expect(await world.keptFiles()).toEqual(before), 5_000)
  })

  test('a checkpoint that names what is not there, or is none, changes nothing', async () => {
    const { token, session: id } = await world.addSandbox()
    await put(token, id, 'kept')
    const missing = { hash: sha256('never sent'), bytes: 10 }
    const incomplete = checkpointOf(sha256('kept'), 4, { agent: 'opencode', database: missing })
    expect(await put(token, id, 'kept', incomplete)).toBe(409)
    for (const text of ['', '{', '{}', JSON.stringify({ ...checkpointOf(sha256('kept'), 4), more: 1 })]) {
      expect(await status(token, 'PUT', checkpointPaths.checkpoint(id), text)).toBe(422)
    }
    expect(await status(token, 'PUT', checkpointPaths.checkpoint(id), ' '.repeat(300_000))).toBe(413)
    expect(await world.checkpoints.of(id)).toEqual(checkpointOf(sha256('kept'), 4))
  })

  test('a session that was deleted gets nothing any more, and nothing of it is left', async () => {
    const { token, session: id } = await world.addSandbox()
    await put(token, id, 'to be removed')
    await world.database.orm.update(session).set({ state: 'deleted' }).where(eq(session.id, id))
    await world.checkpoints.remove(id)
    expect(await put(token, id, 'late')).toBe(404)
    expect((await world.keptFiles()).filter((name) => name.startsWith(id.slice('agent_'.length)))).toEqual([])
    expect(await world.checkpoints.of(id)).toBeNull()
  })

  test('200 MB pass through a server whose memory does not grow, and past the limit of a session none', async () => {
    const { token, session: id } = await world.addSandbox()
    const piece = randomBytes(MiB / 16)
    const pieces = 200 * 16
    const bytes = pieces * piece.length
    const digest = createHash('sha256')
    for (let i = 0; i < pieces; i++) digest.update(piece)
    const path = checkpointPaths.blob(id, digest.digest('hex'))
    const large = () =>
      Readable.from(
        (function* () {
          for (let i = 0; i < pieces; i++) yield piece
        })(),
      )
    const before = process.memoryUsage().rss
    let most = 0
    const watching = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss)
    }, 20)
    expect(await status(token, 'PUT', path, large(), { 'content-length': bytes })).toBe(204)
    expect(await ask(token, 'GET', path)).toMatchObject({ status: 200, bytes })
    clearInterval(watching)
    // Sender, server and receiver are this one process, and each of them would need 200 to hold it.
    expect((most - before) / MiB).toBeLessThan(120)
    const more = randomBytes(2 * MiB)
    expect(await status(token, 'PUT', checkpointPaths.blob(id, sha256(more)), more)).toBe(413)
  })
})
