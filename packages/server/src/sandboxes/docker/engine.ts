// The Docker engine, spoken to over its Unix socket. Invariants: every call is bounded; what the engine refuses or is not
// there to answer becomes a sentence for people.
import Docker from 'dockerode'
import { hasCode } from '../../host/systemError.ts'
import { SandboxError } from '../driver.ts'

const callTimeoutMs = 20_000
const defaultSocket = '/var/run/docker.sock'

/**
 * @param host `DOCKER_HOST`: a Unix socket. Another machine's engine could not bind this one's sockets into a sandbox.
 */
export function dockerEngine(host: string | null): Docker {
  const socketPath = host === null ? defaultSocket : socketOf(host)
  return new Docker({ socketPath, version: 'v1.41', timeout: callTimeoutMs })
}

function socketOf(host: string): string {
  if (host.startsWith('unix://')) return host.slice('unix://'.length)
  throw new SandboxError(
    'not_supported',
    `DOCKER_HOST is "${host}", but sandboxes need a Docker engine on this machine, spoken to over a Unix socket.`,
    { remedy: `Set DOCKER_HOST to unix://${defaultSocket}, or leave it out.` },
  )
}

/** The HTTP status of the engine's refusal; null when `error` is none. */
export function refusedWith(error: unknown): number | null {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : null
}

/** For a status that says that there is nothing to do any more. */
export async function unlessRefused<T>(call: Promise<T>, ...statuses: number[]): Promise<T | null> {
  try {
    return await call
  } catch (error) {
    const status = refusedWith(error)
    if (status !== null && statuses.includes(status)) return null
    throw error
  }
}

export const engineIsAway = (error: unknown): boolean =>
  hasCode(error, 'ENOENT', 'ECONNREFUSED', 'EACCES', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE')
