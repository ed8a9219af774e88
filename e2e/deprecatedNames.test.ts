/**
 * The deprecated streams with a real agent and a real client of tRPC; and a session whose configuration is changed before
 * it begins, read back by its setup commands and its agent.
 */
import { join } from 'node:path'
import type { AppRouter } from '@corral/server'
import { createTRPCClient, httpSubscriptionLink } from '@trpc/client'
import { EventSource } from 'eventsource'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { eventually } from './harness/eventually.ts'
import { apiKey, type Installation, startInstallation } from './harness/installation.ts'
import { git, makeRepository } from './harness/repositories.ts'
import { bash, play, say, write } from './harness/script.ts'
import { follow } from './harness/viewer.ts'

let corral: Installation
let repository: string

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
})
afterAll(() => corral?.end())

const flatEventSchema = z.looseObject({ streamEventType: z.string(), sessionId: z.string(), timestamp: z.string() })
/** With an id of its own, each is wrapped as tRPC's `tracked` does it. */
const seenSchema = z.object({ data: flatEventSchema })
type FlatEvent = z.infer<typeof flatEventSchema>
type Seen = { events: FlatEvent[]; error: { data?: unknown } | null }

function stream(input: object): Promise<Seen> {
  const authorized: typeof fetch = (url, init) =>
    fetch(url, { ...init, headers: { ...init?.headers, authorization: `Bearer ${apiKey}` } })
  const client = createTRPCClient<AppRouter>({
    links: [
      httpSubscriptionLink({
        url: `${corral.url}/trpc`,
        EventSource,
        eventSourceOptions: async () => ({ fetch: authorized }),
      }),
    ],
  })
  return new Promise((resolve) => {
    const events: FlatEvent[] = []
    client.initiateSessionStream.subscribe(
      { mode: 'code', model: 'scripted/demo', gitUrl: repository, prompt: 'Hello', ...input },
      {
        onData: (seen) => void events.push(seenSchema.parse(seen).data),
        onError: (error) => resolve({ events, error }),
        onComplete: () => resolve({ events, error: null }),
      },
    )
  })
}

test('one call begins a session, shows its preparation and its work, and ends after the push', async () => {
  const prompt = play(say('I take a note.'), write('notes.md', 'hello\n'), say('Noted.'))
  const { events, error } = await stream({ prompt, autoCommit: true })
  expect(error).toBe(null)
  const [{ sessionId }] = [events[0] ?? expect.fail('nothing came')]
  for (const event of events) {
    expect(event).toMatchObject({ sessionId, timestamp: expect.stringMatching(/^\d{4}-.*Z$/) })
    expect(event).not.toHaveProperty('data')
  }
  const types = events.map(({ streamEventType }) => streamEventType)
  for (const type of ['queued', 'status', 'started', 'kilocode', 'complete', 'finalization'])
    expect(types).toContain(type)
  expect(types.filter((type) => type === 'complete')).toHaveLength(1)
  expect(types.slice(types.indexOf('complete') + 1)).toContain('finalization')
  expect(events.find((event) => event.step === 'clone')).toMatchObject({ streamEventType: 'status' })
  expect(events.find((event) => event.streamEventType === 'complete')).toMatchObject({ exitCode: 0, metadata: {} })
  const said = events.map((event) => JSON.stringify(event.payload ?? null)).join('\n')
  expect(said).toContain('Noted.')
  expect(await git(repository, 'show', `session/${sessionId}:notes.md`)).toBe('hello')
})

test('a setup command that fails is the last frame, with its HTTP status and the session', async () => {
  const { events, error } = await stream({ setupCommands: ['exit 7'] })
  const last = events.at(-1)
  expect(last).toMatchObject({ streamEventType: 'error', reason: 'setup_command_failed' })
  expect(error).toMatchObject({
    data: { httpStatus: 422, reason: 'setup_command_failed', cloudAgentSessionId: last?.sessionId },
  })
})

test('what is changed before a session begins is what its setup commands and its agent see', async () => {
  const { cloudAgentSessionId } = await corral.backEnd.call.prepareSession.mutate({
    prompt: play(bash('echo "the agent sees $COLOR and $SHAPE"; cat made.txt'), say('Seen.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    envVars: { COLOR: 'red', SHAPE: 'round' },
    setupCommands: ['echo "made with $COLOR" >> made.txt'],
  })
  await eventually('a workspace that is ready', 40_000, async () => {
    const { workspace } = await corral.corral.call.getSession.query({ cloudAgentSessionId })
    return workspace.state === 'ready' || null
  })
  const changed = await corral.backEnd.call.updateSession.mutate({
    cloudAgentSessionId,
    envVars: { COLOR: 'blue' },
    setupCommands: ['echo "made anew with $COLOR" | tee made.txt'],
    expectedVersion: 1,
  })
  expect(changed).toEqual({ success: true, version: 2 })
  const viewer = follow(corral.corral, cloudAgentSessionId)
  const { executionId } = await corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId })
  expect((await viewer.ended(executionId, 90_000)).streamEventType).toBe('complete')
  viewer.close()
  const shown = viewer.events.map(({ data }) => JSON.stringify(data)).join('\n')
  expect(shown).toContain('made anew with blue')
  expect(shown).toContain('the agent sees blue and \\nmade anew with blue')
  await expect(corral.backEnd.call.updateSession.mutate({ cloudAgentSessionId, envVars: {} })).rejects.toMatchObject({
    httpStatus: 409,
    reason: 'already_initiated',
  })
})
