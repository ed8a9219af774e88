/**
 * The lock of a data folder: its owner listens on a socket in `<run folder>/owner/`, so the lock ends with the process.
 *
 * Taking over from a dead owner must not remove the socket of somebody who was quicker. Hence no socket's name is ever
 * used twice, and it becomes visible only together with its folder: an acquirer listens in a folder of its own and
 * renames that to `owner`, which the kernel allows only while `owner` is missing or empty. So exactly one wins, a
 * socket that once was dead stays dead, and removing it by its name can hit nobody else.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { hasCode } from './systemError.ts'

const ownerSchema = z.object({ pid: z.number(), startedAt: z.string(), url: z.string().optional() })

/** Who owns a data folder. `startedAt` is an ISO time; `url` is there once the server serves. */
export type Owner = z.infer<typeof ownerSchema>

/** `silent`: the process is alive but does not say who it is, e.g. because it is stopped or overloaded. */
export type OwnerState = { state: 'none' } | { state: 'known'; owner: Owner } | { state: 'silent' }

/** The lock is given back by `release` or by the end of the process. `announce` replaces what others are told. */
export type Ownership =
  | { ok: true; announce(owner: Owner): void; release(): Promise<void> }
  | { ok: false; owner: Owner | null }

const answerTimeoutMs = 1_000
/** Each round either ends or removes what a dead owner left; only a crash of the owner in between gives another one. */
const maxRounds = 100

export async function acquireOwnership(runFolder: string, owner: Owner): Promise<Ownership> {
  const id = randomBytes(4).toString('hex')
  const ownFolder = join(runFolder, `owner.${id}`)
  let told = owner
  await mkdir(ownFolder, { mode: 0o700 })
  const server = createServer((socket) => {
    // Someone who probes must neither end the owner by going away nor keep it by staying.
    socket.on('error', () => socket.destroy()).unref()
    socket.end(`${JSON.stringify(told)}\n`)
  })
  try {
    server.listen(join(ownFolder, id))
    await once(server, 'listening')
    server.unref()
    for (let round = 0; round < maxRounds; round++) {
      if (await takeName(ownFolder, join(runFolder, 'owner'))) {
        return {
          ok: true,
          announce: (announced) => {
            told = announced
          },
          release: async () => {
            await rm(join(runFolder, 'owner', id), { force: true })
            server.close()
          },
        }
      }
      const current = await probeOwner(runFolder)
      if (current.state !== 'none') {
        server.close()
        await rm(ownFolder, { recursive: true, force: true })
        return { ok: false, owner: current.state === 'known' ? current.owner : null }
      }
    }
    throw new Error(
      `The lock in ${runFolder} changed hands ${maxRounds} times while this process asked for it. Try again.`,
    )
  } catch (error) {
    server.close()
    await rm(ownFolder, { recursive: true, force: true })
    throw error
  }
}

/** Asks who owns the data folder of this run folder. Takes nothing; only sweeps sockets of dead owners away. */
export async function probeOwner(runFolder: string): Promise<OwnerState> {
  const folder = join(runFolder, 'owner')
  for (const name of await namesIn(folder)) {
    const answer = await ask(join(folder, name))
    if (answer.state !== 'none') return answer
    await rm(join(folder, name), { force: true })
  }
  return { state: 'none' }
}

async function takeName(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false
    throw error
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

async function ask(path: string): Promise<OwnerState> {
  const socket = connect({ path, signal: AbortSignal.timeout(answerTimeoutMs) })
  try {
    const owner = ownerSchema.safeParse(JSON.parse(await text(socket)))
    return owner.success ? { state: 'known', owner: owner.data } : { state: 'silent' }
  } catch (error) {
    // Only these two say that nobody listens; all else (a full queue, no answer, half an answer) comes from the living.
    return hasCode(error, 'ECONNREFUSED', 'ENOENT') ? { state: 'none' } : { state: 'silent' }
  } finally {
    socket.destroy()
  }
}
