/**
 * The way of checkpoints to the server and back: plain HTTP on the door of the link. Invariants: a file goes and comes in
 * pieces, never through memory as a whole; what has come is what was asked for, byte by byte, or nothing has come.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { attachmentPath, type Blob, type Checkpoint, checkpointPaths, type SessionId } from '@corral/protocol'

export type CheckpointStore = {
  /** Stores a file, unless the server has it. */
  put(session: SessionId, blob: Blob, path: string): Promise<void>
  /** Puts a blob into a file that is not there yet. */
  get(session: SessionId, blob: Blob, path: string, signal: AbortSignal): Promise<void>
  record(session: SessionId, checkpoint: Checkpoint): Promise<void>
  /** Puts a file of a prompt into a file that is not there yet. */
  attachment(session: SessionId, file: Blob, path: string, signal: AbortSignal): Promise<void>
  /** Puts the conversation that a session has from elsewhere into a file that is not there yet. */
  history(session: SessionId, path: string, signal: AbortSignal): Promise<void>
}

/** The server has answered, and trying again would not change that. */
export class StoreRefused extends Error {
  readonly status: number
  constructor(what: string, status: number) {
    super(`The server answered ${status} to ${what}.`)
    this.name = 'StoreRefused'
    this.status = status
  }
}

/** Between two pieces. */
const silenceMs = 30_000

export function createCheckpointStore(options: { door: string; token: string }): CheckpointStore {
  const { door, token } = options

  function begin(method: string, path: string, bytes?: number, signal?: AbortSignal): ClientRequest {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(bytes === undefined ? {} : { 'content-length': bytes }),
    }
    const common = { method, path, headers, timeout: silenceMs, ...(signal ? { signal } : {}) }
    const request = door.startsWith('/')
      ? httpRequest({ ...common, socketPath: door })
      : httpsRequest(new URL(path, door.replace(/^wss:/, 'https:')), common)
    request.on('timeout', () => request.destroy(new Error('the server does not go on')))
    return request
  }

  async function answerTo(request: ClientRequest): Promise<IncomingMessage> {
    const [response] = await once(request, 'response')
    return response
  }

  async function send(what: string, path: string, bytes: number, body: NodeJS.ReadableStream | string): Promise<void> {
    const request = begin('PUT', path, bytes)
    const answered = answerTo(request)
    const sent = typeof body === 'string' ? Promise.resolve(void request.end(body)) : pipeline(body, request)
    const [response] = await Promise.all([answered, sent])
    response.resume()
    if (response.statusCode !== 204) throw new StoreRefused(what, response.statusCode ?? 0)
  }

  async function fetchBlob(place: string, { hash, bytes }: Blob, path: string, signal: AbortSignal): Promise<void> {
    const request = begin('GET', place, undefined, signal)
    request.end()
    const response = await answerTo(request)
    if (response.statusCode !== 200) {
      response.resume()
      throw new StoreRefused('the question for a blob', response.statusCode ?? 0)
    }
    const digest = createHash('sha256')
    let left = bytes
    const counted = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        left -= chunk.length
        if (left < 0) throw new StoreRefused('the question for a blob with too much', 200)
        digest.update(chunk)
        yield chunk
      }
    }
    try {
      await pipeline(response, counted, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
      if (left !== 0 || digest.digest('hex') !== hash)
        throw new StoreRefused('the question for a blob with another one', 200)
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    }
  }

  return {
    async put(session, { hash, bytes }, path) {
      const place = checkpointPaths.blob(session, hash)
      const known = begin('HEAD', place)
      known.end()
      const { statusCode } = (await answerTo(known)).resume()
      if (statusCode !== 200) await send('a blob', place, bytes, createReadStream(path))
    },

    get: (session, blob, path, signal) => fetchBlob(checkpointPaths.blob(session, blob.hash), blob, path, signal),
    attachment: (session, file, path, signal) => fetchBlob(attachmentPath(session, file.hash), file, path, signal),

    async history(session, path, signal) {
      const request = begin('GET', checkpointPaths.history(session), undefined, signal)
      request.end()
      const response = await answerTo(request)
      if (response.statusCode !== 200) {
        response.resume()
        throw new StoreRefused('the question for a history', response.statusCode ?? 0)
      }
      await pipeline(response, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
    },

    async record(session, checkpoint) {
      const text = JSON.stringify(checkpoint)
      await send('a checkpoint', checkpointPaths.checkpoint(session), Buffer.byteLength(text), text)
    },
  }
}

/** A file as a blob. */
export async function blobOf(path: string): Promise<Blob> {
  const digest = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path)) {
    bytes += chunk.length
    digest.update(chunk)
  }
  return { hash: digest.digest('hex'), bytes }
}
