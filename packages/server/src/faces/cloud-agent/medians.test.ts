/**
 * What is another's takes as long as what never was: medians of a thousand calls by turns, within 20 %. One
 * way for each sequence of SQL that the ways of `everyWay.ts` send, since `authorization.test.ts` shows that the two
 * sequences of one way are the same.
 */
import { newAgentSessionId, newSessionId } from '@corral/protocol'
import { afterAll, expect, test } from 'vitest'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import { statementsOf } from '../../testing/statements.ts'
import { everyWay, type Names, noParts, type Way } from './everyWay.ts'
import { type Answer, bearer, preparation, testFace } from './testFace.ts'

/** Of each of the two: a thousand by turns. */
const calls = 500
const tolerance = 0.2

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const stranger = await face.newUser()
const headers = { ...bearer(stranger.apiKey), 'x-internal-api-key': internalApiSecret }

const { text } = await face.mutate('start', preparation, bearer(face.operator.apiKey))
const theirs: Names = {
  sessionId: `agent_${/agent_([0-9a-f-]{36})/.exec(text)?.[1]}`,
  kiloSessionId: `ses_${/ses_(\w+)/.exec(text)?.[1]}`,
  ...noParts(),
  executionId: `exec_${/exec_(\w+)/.exec(text)?.[1]}`,
  organizationId: face.organizationId,
}
const never: Names = {
  sessionId: newSessionId(),
  kiloSessionId: newAgentSessionId(),
  ...noParts(),
  organizationId: 'never',
}

const bySequence = new Map<string, Way>()
for (const way of everyWay(face, (name) => face.procedures[name]?.type === 'mutation')) {
  if (way.about === 'caller') continue
  const { statements } = await statementsOf(() => way.call(headers, theirs))
  bySequence.set(statements.join('; '), way)
}

async function timed(call: () => Promise<Answer>): Promise<number> {
  const since = performance.now()
  await call()
  return performance.now() - since
}

const medianOf = (figures: number[]) => figures.sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN

/** A machine that is busy with something else is so by chance; a difference that tells something is there each time. */
const patience = { timeout: 120_000, retry: 2 }

test.each([...bySequence.values()])('$name', patience, async (way) => {
  const foreign: number[] = []
  const absent: number[] = []
  const ask = {
    foreign: async () => foreign.push(await timed(() => way.call(headers, theirs))),
    absent: async () => absent.push(await timed(() => way.call(headers, never))),
  }
  for (let i = 0; i < 100; i++) await way.call(headers, i % 2 === 0 ? theirs : never)
  for (let i = 0; i < calls; i++) {
    // Each goes first as often as the other.
    if (i % 2 === 0) {
      await ask.foreign()
      await ask.absent()
    } else {
      await ask.absent()
      await ask.foreign()
    }
  }
  const ratio = medianOf(foreign) / medianOf(absent)
  expect(Math.abs(ratio - 1), `${way.name}: ${ratio.toFixed(3)}`).toBeLessThan(tolerance)
})
