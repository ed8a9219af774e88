/**
 * Tools that take all that they can get, one after the other in one session. Each is ended with a reason in the log; the
 * agent and its conversation live on; and the next message is the proof that the session works.
 */
import { join } from 'node:path'
import type { Envelope, ExecutionId, LimitReason, MessageResult, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { bash, play, say } from '../harness/script.ts'
import { follow, type Viewer } from '../harness/viewer.ts'

const limits = { memoryMiB: 1_280, processes: 300, diskMiB: 200 }

export function bombs(more: { cgroups: boolean }): void {
  let corral: Installation
  let session: SessionId
  let viewer: Viewer

  beforeAll(async () => {
    corral = await startInstallation({ config: { sandboxLimits: { ...limits, ...more } } })
    const gitUrl = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
    const ack = await corral.corral.call.start.mutate({
      ...{ prompt: play(say('Hello.')), mode: 'code', model: 'scripted/demo', gitUrl },
    })
    session = ack.cloudAgentSessionId
    viewer = follow(corral.corral, session)
    expect(await resultOf(ack.executionId)).toMatchObject({ status: 'completed' })
  })
  afterAll(async () => {
    viewer?.close()
    await corral?.end()
  })

  async function resultOf(executionId: ExecutionId): Promise<MessageResult> {
    await viewer.ended(executionId)
    return corral.corral.call.getMessageResult.query({ cloudAgentSessionId: session, executionId })
  }

  async function send(...steps: string[]) {
    const prompt = play(...steps)
    const { executionId } = await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt })
    return { executionId, result: await resultOf(executionId) }
  }

  const of = (executionId: ExecutionId): Envelope[] =>
    viewer.events.filter((event) => event.executionId === executionId)

  const told = (executionId: ExecutionId, reason: LimitReason) =>
    viewer.until(`${reason} in the log`, (event) => event.executionId === executionId && reasonOf(event) === reason)

  /** The agent has not been started again: it is the one of the first message. */
  async function expectSameAgent(): Promise<void> {
    const { executionId, result } = await send(bash('echo "all is $((40 + 2))"'), say('Fine.'))
    expect(result).toMatchObject({ status: 'completed', assistant: { text: 'Fine.' } })
    expect(JSON.stringify(of(executionId))).toContain('all is 42')
    expect(of(executionId).filter((event) => stepOf(event) === 'agent_start')).toEqual([])
  }

  test('a memory bomb: its shell lives to tell of it, and the log says why', async () => {
    const { executionId, result } = await send(
      bash('tail -n 1 < /dev/zero; echo "tail ended with $?"'),
      say('Went on.'),
    )
    expect(result).toMatchObject({ status: 'completed', assistant: { text: 'Went on.' } })
    await told(executionId, 'out_of_memory')
    expect(JSON.stringify(of(executionId))).toContain('tail ended with 137')
    await expectSameAgent()
  })

  test('a fork bomb: all of it is ended, and the log says why', async () => {
    const { executionId, result } = await send(bash('f() { f | f & }; f; sleep 60'), say('Went on.'))
    expect(result).toMatchObject({ status: 'completed', assistant: { text: 'Went on.' } })
    await told(executionId, 'too_many_processes')
    await expectSameAgent()
  })

  test('a disk bomb: whoever writes is ended, the log says why, and a message that deletes makes room', async () => {
    const fills = 'for i in $(seq 40); do head -c 50M /dev/urandom > "fill$i"; done'
    const { executionId, result } = await send(bash(fills), say('Went on.'))
    expect(result).toMatchObject({ status: 'completed', assistant: { text: 'Went on.' } })
    await told(executionId, 'disk_full')
    expect((await send(bash('ls fill40'), say('Looked.'))).result).toMatchObject({ status: 'completed' })
    await send(bash('rm fill*'), say('Deleted.'))
    const again = await send(bash('head -c 40M /dev/urandom > fill && echo "there is room"'), say('Written.'))
    expect(again.result).toMatchObject({ status: 'completed' })
    expect(JSON.stringify(of(again.executionId))).toContain('there is room\\n')
    await expectSameAgent()
  })
}

const reasonOf = (event: Envelope) => (event.streamEventType === 'status' ? event.data.reason : undefined)
const stepOf = (event: Envelope) => (event.streamEventType === 'status' ? event.data.step : undefined)
