/**
 * How the server and the next gateway speak with this one: health, and the request to drain, on a socket of its own
 * that no sandbox reaches.
 */
import { createServer, type Server } from 'node:http'
import { Client } from 'undici'
import { z } from 'zod'
import { hasCode } from '../host/systemError.ts'
import { answerJson } from './answers.ts'

const healthSchema = z.object({
  pid: z.number(),
  version: z.string(),
  startedAt: z.string(),
  /** Draining: another has taken over, or was asked to; calls that run go on and the process then ends. */
  state: z.enum(['serving', 'draining']),
  /** The door that sandboxes see leads here. */
  ownsDoor: z.boolean(),
  /** Calls that run now. */
  activeCalls: z.number(),
  /** Those that have ended since it was started. */
  calls: z.array(z.object({ kind: z.string(), outcome: z.string(), count: z.number() })).default([]),
})
export type GatewayHealth = z.infer<typeof healthSchema>

export function createControlServer(deps: { health(): Promise<GatewayHealth>; drain(): void }): Server {
  return createServer(async (request, response) => {
    const asked = `${request.method} ${request.url}`
    if (asked === 'POST /drain') deps.drain()
    else if (asked !== 'GET /health')
      return answerJson(response, 404, { error: 'There is GET /health and POST /drain.' })
    try {
      answerJson(response, 200, await deps.health())
    } catch (error) {
      answerJson(response, 500, { error: String(error) })
    }
  })
}

/** What the gateway at this control socket says of itself; null when none listens there. */
export function gatewayHealth(controlSocket: string): Promise<GatewayHealth | null> {
  return ask(controlSocket, 'GET', '/health')
}

/** Asks it to end once the calls that run have ended; null when none listens there. */
export function drainGateway(controlSocket: string): Promise<GatewayHealth | null> {
  return ask(controlSocket, 'POST', '/drain')
}

const answerMs = 2_000

async function ask(socketPath: string, method: 'GET' | 'POST', path: string): Promise<GatewayHealth | null> {
  const client = new Client('http://gateway', { socketPath, headersTimeout: answerMs, bodyTimeout: answerMs })
  try {
    const { body } = await client.request({ method, path })
    return healthSchema.parse(await body.json())
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ECONNREFUSED')) return null
    throw error
  } finally {
    await client.destroy()
  }
}
