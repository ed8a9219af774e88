/**
 * The server dies between any two writes of the engine, at each point in turn, while one viewer watches: around the
 * delivery of a prompt, its outcome, finalization, Stop, and the start and the end of a sandbox. Whatever was asked happens once.
 */
import { existsSync } from 'node:fs'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { gate, play, say, write } from '../harness/script.ts'
import { answered, type Begun, callsOf, checkoutOf, pushed, startConversation } from './conversation.ts'
import { lookInside } from './inside.ts'
import { answerOf, commitsOf, expectAgentsOwn, expectKept } from './kept.ts'

let corral: Installation
let conversation: Begun
/** How each execution ended so far. */
const ends: Record<ExecutionId, string> = {}
const finished: ExecutionId[] = []
/** Sessions that were started beside the one that everything is said in. */
const others: SessionId[] = []

const both = (name: string) => [`${name}:1`, `${name}:2`]
const ofTurn = ['queued', 'session.execute', 'accepted', 'started', 'outcome', 'session.finalize', 'finalized'].flatMap(
  both,
)
const ofStop = ['interrupted', 'session.interrupt', 'stopped'].flatMap(both)
const ofStart = ['sandbox.start', 'session.prepare', 'prepared'].flatMap(both)
const ofEnd = both('sandbox.stop')
/**
 * The server that repairs what the one before left is the one that will die at the next point. So points of a turn take
 * turns with others: those are not passed by the repair.
 */
const points = ofTurn.flatMap((point, i) => [point, [...ofStop, ...ofStart, ...ofEnd][i] ?? point])

const boundMs = 20_000
const armed = (point = ''): Record<string, string> => ({ CORRAL_TEST_KILL: point })

beforeAll(async () => {
  corral = await startInstallation()
  conversation = await startConversation(corral, 'points', play(write('0.md', '0\n'), say('Ready.')))
  const { first } = conversation
  await conversation.ended(first)
  await pushed(conversation, first)
  ends[first] = 'completed'
  finished.push(first)
  await corral.kill()
  await corral.start(armed(points[0]))
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

/** The server dies of what was asked, and the next one is there, which will die at the next point. */
async function survive<T>(point: string, ask: () => Promise<T>): Promise<T> {
  const answer = answered(ask)
  await corral.died()
  await corral.start(armed(points[points.indexOf(point) + 1]))
  return answer
}

async function turn(point: string): Promise<void> {
  const { session } = conversation
  const prompt = play(write(`${point}.md`, `${point}\n`), say(`Through ${point}.`))
  const { executionId } = await survive(point, () =>
    corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt, clientId: point }),
  )
  ends[executionId] = 'completed'
  finished.push(executionId)
  expect((await conversation.ended(executionId, boundMs)).streamEventType).toBe('complete')
  await pushed(conversation, executionId)
  expect(answerOf(conversation, executionId)).toBe(`Through ${point}.`)
  expect(await callsOf(conversation, `Through ${point}.`), 'two calls of the model, one commit').toHaveLength(2)
  expect(await commitsOf(conversation)).toEqual(finished)
}

async function stop(point: string): Promise<void> {
  const { session } = conversation
  const execution = await conversation.send(play(say('To be stopped.'), gate(point), say('Never.')))
  await conversation.atGate(point)
  ends[execution] = 'interrupted'
  await survive(point, () => corral.corral.call.interruptSession.mutate({ cloudAgentSessionId: session }))
  expect((await conversation.ended(execution, boundMs)).streamEventType).toBe('interrupted')
}

async function start(point: string): Promise<void> {
  const { cloudAgentSessionId } = await survive(point, () =>
    corral.backEnd.call.prepareSession.mutate({
      prompt: play(say('Never asked.')),
      mode: 'code',
      model: 'scripted/demo',
      gitUrl: conversation.repository,
      clientId: point,
    }),
  )
  others.push(cloudAgentSessionId)
  await eventually('a workspace that is ready', boundMs, async () => {
    const { workspace } = await corral.corral.call.getSession.query({ cloudAgentSessionId })
    return workspace.state === 'ready' || null
  })
}

/** Deletes one of those that were started. */
async function end(point: string): Promise<void> {
  const cloudAgentSessionId = others.pop() ?? expect.fail('no session is left')
  const folder = await checkoutOf({ corral, session: cloudAgentSessionId })
  const init = await conversation.records.sandboxInit(cloudAgentSessionId)
  await survive(point, () => corral.corral.call.deleteSession.mutate({ cloudAgentSessionId }))
  await eventually('nothing of it to be left', boundMs, async () => {
    const processes = await lookInside(init)
    return (!existsSync(folder) && processes.supervisor === null) || null
  })
}

test.for(points)('the server dies at %s', async (point) => {
  if (ofTurn.includes(point)) await turn(point)
  else if (ofStop.includes(point)) await stop(point)
  else if (ofStart.includes(point)) await start(point)
  else await end(point)
})

test('after all of them nothing is lost or doubled', async () => {
  await expectKept(conversation, ends)
  await expectAgentsOwn(conversation)
})
