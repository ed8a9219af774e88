/**
 * Two people who answer what the agent of one session asks, at times both at once and not the same. Invariant: `answered`
 * has what the server said it took, also when that was said only to a repetition.
 */
import { CorralCallError } from '@corral/client'
import type { SessionId } from '@corral/protocol'
import type { Installation } from '../harness/installation.ts'
import type { Random } from './dice.ts'
import { patiently } from './patience.ts'

export type Answered = { ask: string; answer: string }

export function createAnswering(corral: Installation, session: SessionId, random: Random) {
  const answered: Answered[] = []
  const name = { cloudAgentSessionId: session }

  async function give(ask: string, answer: string): Promise<void> {
    try {
      await patiently(() => corral.corral.call.answerQuestion.mutate({ ...name, questionId: ask, answers: [[answer]] }))
      answered.push({ ask, answer })
    } catch (error) {
      // Somebody else was first, or its turn is over.
      const isLate = error instanceof CorralCallError && lateReasons.has(error.reason)
      if (!isLate) throw error
    }
  }

  return {
    answered,
    /** What is open now; some of it is left for later. */
    async answerAll(): Promise<void> {
      const { asks } = await patiently(() => corral.corral.call.listAsks.query({ ...name, state: 'open' }))
      for (const { id } of asks) {
        if (random.chance(0.6)) continue
        const answers = random.chance(0.3) ? ['Red', 'Blue'] : [random.pick(['Red', 'Blue'])]
        await Promise.all(answers.map((answer) => give(id, answer)))
      }
    },
  }
}

const lateReasons = new Set<string>(['already_answered', 'question_not_found', 'session_not_found'])
