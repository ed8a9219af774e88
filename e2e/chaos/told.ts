/** Who is told how executions end. Every request is verified before it counts, as of when it came. */
import { type Received, type Receiver, verifiedAsItCame } from '../../packages/server/src/callbacks/testReceiver.ts'
import type { Installation } from '../harness/installation.ts'
import type { SessionEvidence } from './judged.ts'

export type Told = { of(executions: readonly string[]): Promise<SessionEvidence['told']> }

export function createTold(receiver: Receiver, corral: Installation): Told {
  /** All sessions have one owner, so that there is one key. */
  let secret: Promise<string> | null = null
  return {
    async of(executions) {
      secret ??= secretOf(corral)
      const key = await secret
      return receiver.received
        .map((request) => ofRequest(request, key))
        .filter(({ executionId }) => executions.includes(executionId))
    },
  }
}

async function secretOf(corral: Installation): Promise<string> {
  const { code, stdout, stderr } = await corral.command(['--json', 'callbacks', 'keys'])
  if (code !== 0) throw new Error(`corral callbacks keys failed: ${stderr}`)
  const [{ secret }] = JSON.parse(stdout)
  return secret
}

function ofRequest(request: Received, secret: string): SessionEvidence['told'][number] {
  const said = verifiedAsItCame(request, secret)
  return {
    key: String(request.headers['webhook-id']),
    executionId: said.idempotencyKey,
    status: String(said.status),
    body: request.body,
  }
}
