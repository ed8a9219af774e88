/** For tests: one conversation with a real agent, the scripted model behind the real door, and what became of its turns. */
import { join } from 'node:path'
import { type ExecuteParams, newAgentSessionId } from '@corral/protocol'
import { scriptedModelControl, startScriptedModel } from '@corral/scripted-model'
import { expect } from 'vitest'
import { agentMark, processesWith } from '../host/processes.ts'
import { type Bench, createBench } from './bench.ts'
import { executeParams, prepareParams } from './commands.ts'
import { startGateway } from './gateway.ts'
import type { InstalledAgent } from './installedAgent.ts'
import type { Received } from './linkServer.ts'
import { createRepository } from './repository.ts'

/** An agent's start may take its minute, and is tried once more. */
export const boundMs = 150_000

/** A prepared workspace, the model, and turns of one conversation. */
export async function createConversation(agent: ExecuteParams['agent'], options: { gateway?: 'later' } = {}) {
  const bench = await createBench()
  const model = await startScriptedModel()
  const gateways: { close(): void }[] = []
  const openGateway = async () => void gateways.push(await startGateway(join(bench.root, 'gateway.sock'), model.port))
  if (options.gateway !== 'later') await openGateway()
  createRepository(join(bench.root, 'app.git'))
  const agentSessionId = newAgentSessionId()
  const of = (params: ExecuteParams) =>
    bench.server.events.filter(({ executionId }) => executionId === params.executionId)
  return {
    bench,
    control: scriptedModelControl(model.url),
    agentSessionId,
    of,
    openGateway,
    async prepare() {
      await bench.server.call('session.prepare', prepareParams(bench))
      await bench.server.event('prepared')
    },
    async ask(text: string, change: Partial<ExecuteParams> = {}): Promise<ExecuteParams> {
      const params = executeParams(bench, agent, text, { agentSessionId, ...change })
      await bench.server.call('session.execute', params)
      return params
    },
    end: (params: ExecuteParams): Promise<Received> =>
      bench.server.until(() => of(params).find(({ type }) => type === 'outcome' || type === 'stopped'), boundMs),
    async [Symbol.asyncDispose]() {
      await bench[Symbol.asyncDispose]()
      for (const gateway of gateways) gateway.close()
      await model.close()
    },
  }
}

export const kilocode = (events: Received[], type: string) =>
  events.flatMap(({ type: outer, data }) => (outer === 'kilocode' && data.type === type ? [data.properties] : []))

export const textOf = (events: Received[]): string[] =>
  kilocode(events, 'message.part.updated').flatMap((properties) => {
    const { part } = Object(properties)
    return part.type === 'text' && part.time?.end ? [part.text] : []
  })

export async function killAgent(bench: Bench): Promise<void> {
  const [leader] = processesWith(agentMark(bench.session))
  expect(leader).toBeDefined()
  if (leader) process.kill(leader.pid, 'SIGKILL')
}

export const skip = (found: InstalledAgent) => ('missing' in found ? found.missing : false)
export const agentOf = (found: InstalledAgent): ExecuteParams['agent'] => {
  if ('missing' in found) throw new Error(found.missing)
  return found.agent
}
