/**
 * One turn of the model: what aimock is to answer, with marks in it, and the holds that the marks stand for. Holds
 * before anything is said are the turn's opening and take place before the first byte.
 */
import type { FixtureBlock, FixtureResponse } from '@copilotkit/aimock'
import type { Conversation } from './conversation.ts'
import { mark, withoutMarks } from './marks.ts'
import { type Step, splitTurns } from './scenario.ts'
import { ScenarioError } from './tokens.ts'
import { callTool, type WireCall } from './toolbox.ts'

export type Hold =
  /** Only ends an event here, so that a text arrives in pieces. */
  | { kind: 'cut' }
  | { kind: 'wait'; durationMs: number }
  | { kind: 'gate'; name: string }
  | { kind: 'hang' }
  | { kind: 'disconnect' }
  | { kind: 'fail'; status: number; message: string }

export type Turn = { opening: Hold[]; holds: Hold[]; response: FixtureResponse }

export type TurnRequest = {
  steps: Step[]
  conversation: Conversation
  streamed: boolean
  /** How many attempts at this very request have failed before. */
  failedAttempts: number
}

export const composeTurn = ({ steps, conversation, streamed, failedAttempts }: TurnRequest): Turn => {
  const opening: Hold[] = []
  const holds: Hold[] = []
  const blocks: FixtureBlock[] = []
  let thought = ''
  /** Marks behind a tool call stand in front of the next output: the arguments themselves have to stay JSON. */
  let marksAhead = ''
  const begun = () => thought !== '' || blocks.length > 0
  const takeMarks = (): string => {
    const marks = marksAhead
    marksAhead = ''
    return marks
  }

  const holdHere = (hold: Hold): void => {
    if (!begun()) {
      opening.push(hold)
      return
    }
    holds.push(hold)
    const last = blocks.at(-1)
    if (last?.type === 'text') last.text += mark
    else if (last) marksAhead += mark
    else thought += mark
  }
  const think = (pieces: string[], between: Hold): void => {
    for (const piece of pieces) {
      if (thought !== '') holdHere(between)
      thought += piece
    }
  }
  const speak = (pieces: string[], between: Hold): void => {
    for (const piece of pieces) {
      const last = blocks.at(-1)
      if (last?.type === 'text') {
        holdHere(between)
        last.text += piece
      } else blocks.push({ type: 'text', text: takeMarks() + piece })
    }
  }

  for (const step of stepsOfTurn(steps, conversation.toolResults.length)) {
    switch (step.verb) {
      case 'say':
        speak(words(step.text), pace(step.paceMs))
        break
      case 'think':
        think(words(step.text), pace(step.paceMs))
        break
      case 'flood':
        speak(floodOf(step.bytes), { kind: 'cut' })
        break
      case 'repeat':
        speak(pieces(conversation.toolResults.at(-1) ?? '', step.characters), pace(step.paceMs))
        break
      case 'call':
        blocks.push({ type: 'toolCall', ...withMarks(callTool(step.call, conversation), takeMarks()) })
        break
      case 'fail':
        if (failedAttempts >= step.times) break
        if (!begun() || !streamed)
          return { opening: [...opening, ...holds], holds: [], response: failure(step.status, step.message) }
        holdHere({ kind: 'fail', status: step.status, message: step.message })
        break
      default:
        holdHere(holdOf(step))
    }
  }
  return { opening, holds, response: answer({ blocks, thought, promptLength: conversation.promptLength }) }
}

/** A request that no scenario can be played for: refused as a provider refuses a bad request, so nobody retries. */
export const refuseTurn = (reason: string): Turn => ({
  opening: [],
  holds: [],
  response: failure(400, `The scenario cannot be played: ${reason}.`),
})

const stepsOfTurn = (steps: Step[], toolResults: number): Step[] =>
  splitTurns(steps).find(({ firstCall }) => firstCall >= toolResults)?.steps ?? [
    { verb: 'say', text: 'Done.', paceMs: 0 },
  ]

const holdOf = (step: Extract<Step, { verb: 'gate' | 'hang' | 'disconnect' }>): Hold =>
  step.verb === 'gate' ? { kind: 'gate', name: step.name } : { kind: step.verb }

const pace = (paceMs: number): Hold => (paceMs > 0 ? { kind: 'wait', durationMs: paceMs } : { kind: 'cut' })

const words = (text: string): string[] => text.match(/\s*\S+(?:\s+$)?/g) ?? [text]

const pieces = (text: string, characters: number): string[] =>
  Array.from({ length: Math.ceil(text.length / characters) }, (_, i) =>
    text.slice(i * characters, (i + 1) * characters),
  )

/** The marks stand in the name of the first argument, so that the arguments are JSON with them as without. */
const withMarks = (call: WireCall, marks: string): WireCall => {
  if (marks !== '' && !call.arguments.startsWith('{"'))
    throw new ScenarioError(
      `nothing can be held between parallel calls in front of "${call.name}", which has no arguments`,
    )
  return { ...call, arguments: call.arguments.replace(/^\{"/, `{"${marks}`) }
}

/** A text of numbered lines, so that a lost or doubled piece is seen, in pieces of 16 lines (1 KiB). */
const floodOf = (bytes: number): string[] => {
  const line = (number: number) => `${String(number).padStart(8, '0')} ${'.'.repeat(54)}\n`
  return Array.from({ length: Math.ceil(bytes / 1024) }, (_, piece) =>
    Array.from({ length: 16 }, (_, index) => line(piece * 16 + index))
      .join('')
      .slice(0, bytes - piece * 1024),
  )
}

const failure = (status: number, message: string): FixtureResponse => ({
  status,
  error: { message, type: errorTypes[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error') },
})

const errorTypes: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

type Answer = { blocks: FixtureBlock[]; thought: string; promptLength: number }

const answer = ({ blocks, thought, promptLength }: Answer): FixtureResponse => {
  const text = blocks.map((block) => (block.type === 'text' ? block.text : block.arguments)).join('')
  const figures = {
    reasoning: thought === '' ? undefined : thought,
    usage: usage(promptLength, withoutMarks(thought + text).length),
  }
  return blocks.some((block) => block.type === 'toolCall') ? { blocks, ...figures } : { content: text, ...figures }
}

/**
 * Four characters count as a token, up to a cap: at true figures a flood would fill the model's context window, and
 * agents begin to compact their history then. Each wire reads the names that it knows.
 */
const usage = (promptLength: number, answerLength: number) => {
  const input = Math.min(Math.ceil(promptLength / 4), 32_000)
  const output = Math.min(Math.ceil(answerLength / 4), 4_000)
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    input_tokens: input,
    output_tokens: output,
  }
}
