/**
 * The prompt language: what stands behind `play:` in a prompt, as steps. README.md has the same table for people.
 * A step that cannot be read is an error with a sentence, never skipped: a test must not pass on a scenario that
 * was not played.
 */
import { ScenarioError, type Token, tokenize } from './tokens.ts'

export type Call =
  | { kind: 'bash'; command: string }
  | { kind: 'read'; path: string }
  | { kind: 'write'; path: string; content: string }
  | { kind: 'edit'; path: string; before: string; after: string }
  | { kind: 'ask'; question: string; options: string[] }
  | { kind: 'task'; description: string; prompt: string }
  | { kind: 'tool'; name: string; arguments: unknown }

export type Step =
  | { verb: 'say'; text: string; paceMs: number }
  | { verb: 'think'; text: string; paceMs: number }
  | { verb: 'flood'; bytes: number }
  /** Says what the last tool gave, in pieces of so many characters. */
  | { verb: 'repeat'; characters: number; paceMs: number }
  | { verb: 'gate'; name: string }
  | { verb: 'hang' }
  | { verb: 'disconnect' }
  /** `times` is how many attempts at this very request fail before one gets past this step. */
  | { verb: 'fail'; status: number; times: number; message: string }
  /** `also` puts the call into the same turn as the call before it: parallel tool calls. */
  | { verb: 'call'; call: Call; also: boolean }

export type Scenario = { kind: 'none' } | { kind: 'steps'; steps: Step[] } | { kind: 'invalid'; error: string }

const opening = /^[ \t]*play:/m

export const findScenario = (prompt: string): Scenario => {
  const found = opening.exec(prompt)
  if (!found) return { kind: 'none' }
  try {
    return { kind: 'steps', steps: parseSteps(prompt.slice(found.index + found[0].length)) }
  } catch (error) {
    if (error instanceof ScenarioError) return { kind: 'invalid', error: error.message }
    throw error
  }
}

const parseSteps = (source: string): Step[] => {
  const steps: Step[] = []
  let current: Token[] = []
  for (const token of [...tokenize(source.trimStart()), { kind: 'separator' } satisfies Token]) {
    if (token.kind !== 'separator') current.push(token)
    else if (current.length > 0) {
      steps.push(parseStep(current))
      current = []
    }
  }
  if (steps.length === 0) throw new ScenarioError('there is no step behind "play:"')
  refuseLateThinking(steps)
  return steps
}

const parseStep = (tokens: Token[]): Step => {
  const words = readArguments(tokens)
  const also = words.keyword('also')
  const verb = words.word('a verb')
  const read = verbs[verb]
  if (!read) throw new ScenarioError(`there is no verb "${verb}"; the verbs are ${Object.keys(verbs).join(', ')}`)
  const step = read(words)
  words.end(verb)
  if (!also) return step
  if (step.verb !== 'call') throw new ScenarioError(`"also" stands before a tool call, not before "${verb}"`)
  return { ...step, also }
}

type Arguments = ReturnType<typeof readArguments>

const verbs: Record<string, (words: Arguments) => Step> = {
  say: (words) => ({ verb: 'say', text: words.text('the text to say'), paceMs: paceMs(words) }),
  think: (words) => ({ verb: 'think', text: words.text('the thought'), paceMs: paceMs(words) }),
  flood: (words) => ({
    verb: 'flood',
    bytes: measure(words.word('a size, as 2MB'), { B: 1, KB: 1024, MB: 1024 ** 2 }),
  }),
  repeat: (words) => {
    const characters = wholeNumber(words.word('how many characters at a time'))
    if (characters < 1) throw new ScenarioError('"repeat" needs at least one character at a time')
    return { verb: 'repeat', characters, paceMs: paceMs(words) }
  },
  gate: (words) => ({ verb: 'gate', name: words.word('a name') }),
  hang: () => ({ verb: 'hang' }),
  disconnect: () => ({ verb: 'disconnect' }),
  fail: (words) => {
    const status = wholeNumber(words.word('a status, as 429'))
    if (status < 400 || status > 599)
      throw new ScenarioError(`"fail ${status}": a failure has a status from 400 to 599`)
    const times = words.keyword('times') ? wholeNumber(words.word('a number behind "times"')) : Number.POSITIVE_INFINITY
    return { verb: 'fail', status, times, message: words.optionalText() ?? `The scripted model fails with ${status}.` }
  },
  bash: (words) => call({ kind: 'bash', command: words.text('a command') }),
  read: (words) => call({ kind: 'read', path: words.text('a path') }),
  write: (words) => call({ kind: 'write', path: words.text('a path'), content: words.text('the content') }),
  edit: (words) =>
    call({
      kind: 'edit',
      path: words.text('a path'),
      before: words.text('the old text'),
      after: words.text('the new text'),
    }),
  ask: (words) => {
    const question = words.text('a question')
    const options = [...words.remainingTexts()]
    return call({ kind: 'ask', question, options: options.length > 0 ? options : ['Yes', 'No'] })
  },
  task: (words) => {
    const description = words.text('a description')
    const source = words.block('the steps of the sub-agent in braces')
    parseSteps(source)
    return call({ kind: 'task', description, prompt: `play: ${source.trim()}` })
  },
  tool: (words) =>
    call({
      kind: 'tool',
      name: words.text('the name of a tool'),
      arguments: json(words.block('its arguments in braces')),
    }),
}

const call = (named: Call): Step => ({ verb: 'call', call: named, also: false })

const paceMs = (words: Arguments): number =>
  words.keyword('pace') ? measure(words.word('a duration, as 50ms'), { ms: 1, s: 1000 }) : 0

const measure = (written: string, units: Record<string, number>): number => {
  const [, digits, unit] = /^(\d+)([a-zA-Z]+)$/.exec(written) ?? []
  const factor = unit === undefined ? undefined : units[unit]
  if (factor === undefined)
    throw new ScenarioError(`"${written}" is no number with one of the units ${Object.keys(units).join(', ')}`)
  return Number(digits) * factor
}

const wholeNumber = (written: string): number => {
  if (!/^\d+$/.test(written)) throw new ScenarioError(`"${written}" is no whole number`)
  return Number(written)
}

const json = (source: string): unknown => {
  try {
    return JSON.parse(`{${source}}`)
  } catch (cause) {
    throw new ScenarioError(`the arguments {${source}} are no JSON`, { cause })
  }
}

/** The wires carry a turn's thinking before its text, so a scenario must not promise another order. */
const refuseLateThinking = (steps: Step[]): void => {
  for (const { steps: turn } of splitTurns(steps)) {
    const spoken = turn.findIndex((step) => ['say', 'flood', 'repeat', 'call'].includes(step.verb))
    if (spoken >= 0 && turn.slice(spoken).some((step) => step.verb === 'think'))
      throw new ScenarioError('"think" must come before what is said or called in the same turn')
  }
}

/** Steps by turn of the model. A turn ends with its calls; `firstCall` is how many calls were made before it. */
export const splitTurns = (steps: Step[]): { firstCall: number; steps: Step[] }[] => {
  const turns: { firstCall: number; steps: Step[] }[] = []
  let current: Step[] = []
  let calls = 0
  let firstCall = 0
  for (const [index, step] of steps.entries()) {
    current.push(step)
    if (step.verb !== 'call') continue
    calls++
    const following = steps.slice(index + 1).find((later) => later.verb === 'call')
    if (following?.also) continue
    turns.push({ firstCall, steps: current })
    firstCall = calls
    current = []
  }
  if (current.length > 0) turns.push({ firstCall, steps: current })
  return turns
}

const readArguments = (tokens: Token[]) => {
  let next = 0
  const take = (kinds: Token['kind'][], what: string): string => {
    const token = tokens[next]
    if (!token || token.kind === 'separator' || !kinds.includes(token.kind))
      throw new ScenarioError(`the step "${describe(tokens)}" needs ${what}`)
    next++
    return token.value
  }
  const nextIs = (kind: Token['kind']): boolean => tokens[next]?.kind === kind
  return {
    word: (what: string) => take(['word'], what),
    text: (what: string) => take(['text', 'word'], what),
    block: (what: string) => take(['block'], what),
    optionalText: (): string | undefined => (nextIs('text') ? take(['text'], 'a text') : undefined),
    *remainingTexts(): Generator<string> {
      while (nextIs('text')) yield take(['text'], 'a text')
    },
    keyword: (keyword: string): boolean => {
      const token = tokens[next]
      const there = token?.kind === 'word' && token.value === keyword
      if (there) next++
      return there
    },
    end: (verb: string): void => {
      if (next < tokens.length)
        throw new ScenarioError(
          `"${describe(tokens.slice(next))}" is too much for "${verb}"; quote texts, and part steps with | or a line break`,
        )
    },
  }
}

const describe = (tokens: Token[]): string =>
  tokens
    .map((token) => {
      if (token.kind === 'separator') return '|'
      if (token.kind === 'text') return JSON.stringify(token.value)
      return token.kind === 'block' ? '{…}' : token.value
    })
    .join(' ')
