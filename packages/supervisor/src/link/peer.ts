/**
 * JSON-RPC 2.0 over whatever carries text: matches answers to requests, and hands requests and notifications to
 * `handle`. Invariants: every request is settled, by its answer, its bound or `close`; a frame that is not
 * JSON-RPC is reported and nothing else happens.
 */
import { type Frame, frameSchema } from '@corral/protocol'

export class RpcError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.name = 'RpcError'
    this.code = code
  }
}

export const rpcCodes = { methodNotFound: -32601, invalidParams: -32602, internal: -32603 } as const

export type Peer = {
  request(method: string, params: unknown, timeoutMs: number): Promise<unknown>
  notify(method: string, params: unknown): void
  receive(text: string): void
  close(why: string): void
}

export function createPeer(options: {
  send(text: string): void
  /** Answers a request; throws `RpcError` to refuse it. Of a notification the answer is dropped. */
  handle(method: string, params: unknown): unknown
  malformed(why: string): void
  /** `handle` threw something that is no refusal. */
  failed(method: string, error: unknown): void
}): Peer {
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  let nextId = 1
  const send = (frame: Frame) => options.send(JSON.stringify(frame))

  async function answer(id: string | number | undefined, method: string, params: unknown): Promise<void> {
    const reply = (frame: { result: unknown } | { error: { code: number; message: string } }) => {
      if (id !== undefined) send({ jsonrpc: '2.0', id, ...frame })
    }
    try {
      reply({ result: (await options.handle(method, params)) ?? null })
    } catch (error) {
      if (error instanceof RpcError) return reply({ error: { code: error.code, message: error.message } })
      options.failed(method, error)
      reply({ error: { code: rpcCodes.internal, message: 'The supervisor failed to do this; see its log.' } })
    }
  }

  return {
    request(method, params, timeoutMs) {
      const id = nextId++
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(id)
          reject(new Error(`No answer to ${method} within ${timeoutMs} ms.`))
        }, timeoutMs)
        const settle = () => {
          clearTimeout(timer)
          waiting.delete(id)
        }
        waiting.set(id, {
          resolve(result) {
            settle()
            resolve(result)
          },
          reject(error) {
            settle()
            reject(error)
          },
        })
        send({ jsonrpc: '2.0', id, method, params })
      })
    },
    notify: (method, params) => send({ jsonrpc: '2.0', method, params }),
    receive(text) {
      const frame = parse(text)
      if (!frame) return options.malformed('not a JSON-RPC 2.0 frame')
      if ('method' in frame) {
        void answer('id' in frame ? frame.id : undefined, frame.method, frame.params)
        return
      }
      const request = typeof frame.id === 'number' ? waiting.get(frame.id) : undefined
      if ('error' in frame) request?.reject(new RpcError(frame.error.code, frame.error.message))
      else request?.resolve(frame.result)
    },
    close(why) {
      for (const request of [...waiting.values()]) request.reject(new Error(why))
    },
  }
}

function parse(text: string): Frame | undefined {
  try {
    return frameSchema.safeParse(JSON.parse(text)).data
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
