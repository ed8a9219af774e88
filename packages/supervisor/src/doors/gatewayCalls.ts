/** Calls of our own to the gateway, with the session's token: JSON in, JSON out, each bounded in time. */
export type GatewayCall = {
  method: 'GET' | 'POST'
  /** From the door's root on. */
  path: string
  body?: unknown
  timeoutMs: number
  signal: AbortSignal
}

export type GatewayAnswer = { status: number /** Null when it is no JSON. */; body: unknown }

/** Throws when there is no answer in time. */
export type GatewayCalls = (call: GatewayCall) => Promise<GatewayAnswer>

export function createGatewayCalls({ origin, token }: { origin: string; token: string }): GatewayCalls {
  return async ({ method, path, body, timeoutMs, signal }) => {
    const answer = await fetch(origin + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    return { status: answer.status, body: readJson(await answer.text()) }
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
