/**
 * How supervisors bring and fetch checkpoints: plain HTTP on the door of their link, streamed, so that the size of a
 * blob is nothing to the server's memory. Who asks is told by the link's token, which the caller has looked at; what is
 * not that sandbox's looks exactly like what is not there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { blobHashSchema, checkpointLimits, checkpointSchema, type SessionId, sessionIdSchema } from '@corral/protocol'
import type { Blobs } from './blobs.ts'
import type { Checkpoints, SandboxLife } from './checkpoints.ts'

export type CheckpointDoor = (life: SandboxLife, request: IncomingMessage, response: ServerResponse) => Promise<void>

export function createCheckpointDoor(deps: { blobs: Blobs; checkpoints: Checkpoints }): CheckpointDoor {
  const { blobs, checkpoints } = deps

  async function writeBlob(session: SessionId, hash: string, request: IncomingMessage): Promise<number> {
    const bytes = Number(request.headers['content-length'] ?? Number.NaN)
    if (!Number.isSafeInteger(bytes)) return 411
    if (bytes < 1 || bytes > checkpointLimits.blobBytes) return 413
    const end = await blobs.write(session, hash, request, bytes)
    return { kept: 204, other_content: 422, too_large: 413, no_room: 507 }[end]
  }

  async function record(life: SandboxLife, session: SessionId, request: IncomingMessage): Promise<number> {
    const text = await readText(request, checkpointLimits.descriptionBytes)
    if (text === null) return 413
    const content = checkpointSchema.safeParse(parseJson(text))
    if (!content.success) return 422
    const end = await checkpoints.record(life, session, content.data)
    return { recorded: 204, incomplete: 409, not_yours: 404 }[end]
  }

  return async function serve(life, request, response) {
    /** The rest of what is sent is read, or the answer would not arrive. */
    const answer = (status: number) => {
      response.writeHead(status).end()
      if (!request.complete) request.resume()
    }
    const asked = parsePath(request.url ?? '')
    if (!asked || !(await checkpoints.has(life, asked.session))) return answer(404)
    const { session, hash } = asked
    if (hash === null) return answer(request.method === 'PUT' ? await record(life, session, request) : 405)
    if (request.method === 'PUT') return answer(await writeBlob(session, hash, request))
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405)
    const bytes = await blobs.bytesOf(session, hash)
    if (bytes === null) return answer(404)
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
    if (request.method === 'HEAD') return void response.end()
    await pipeline(blobs.read(session, hash), response)
  }
}

function parsePath(path: string): { session: SessionId; hash: string | null } | null {
  const [, session, hash] = /^\/checkpoints\/([^/]+)(?:\/blobs\/([^/]+))?$/.exec(path) ?? []
  const id = sessionIdSchema.safeParse(session)
  const name = hash === undefined ? null : blobHashSchema.safeParse(hash)
  if (!id.success || name?.success === false) return null
  return { session: id.data, hash: name?.data ?? null }
}

/** Null: longer than that. */
async function readText(source: AsyncIterable<Buffer>, mostBytes: number): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.length
    if (bytes > mostBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
