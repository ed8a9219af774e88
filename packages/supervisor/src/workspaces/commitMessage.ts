/**
 * What a commit says: a message by the session's model about what is staged, else the plain one that came with the
 * command. A model that does not answer, or answers with no message, delays a commit by its time limit and no more.
 */
import type { FinalizeParams } from '@corral/protocol'
import type { GatewayCalls } from '../doors/gatewayCalls.ts'
import { errorText } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import type { Git } from './git.ts'
import { askModel } from './modelAnswer.ts'

const maxDiffCharacters = 12_000
const maxTitleCharacters = 72
const maxBodyCharacters = 2_000

const instructions = [
  'You write the message of a git commit. You are shown what was asked for, and the change that came of it.',
  `Answer with the message alone: a title of at most ${maxTitleCharacters} characters, in the imperative; and only where`,
  'the change needs it, an empty line and a short text that says why. No quotes, no code fence, no trailers.',
].join(' ')

export async function writeCommitMessage(options: {
  git: Git
  params: Pick<FinalizeParams, 'session' | 'commitMessage' | 'message' | 'timeouts'>
  call: GatewayCalls
  signal: AbortSignal
  log: Log
}): Promise<string> {
  const { git, params, call, signal, log } = options
  const { message, commitMessage: plain, timeouts } = params
  if (!message) return plain
  const bounds = { timeoutMs: timeouts.stepMs, signal }
  const [summary, diff] = await Promise.all([
    git(['diff', '--cached', '--stat'], bounds),
    git(['diff', '--cached', '--no-ext-diff', '--no-textconv', '--no-color'], {
      ...bounds,
      maxBytes: 4 * maxDiffCharacters,
    }),
  ])
  const text = [
    message.task,
    `The files:\n${summary.stdout.slice(0, maxDiffCharacters)}`,
    `The change:\n${diff.stdout.slice(0, maxDiffCharacters)}`,
  ].join('\n\n')
  try {
    const question = { instructions, text }
    const answer = await askModel(call, { model: message.model, question, timeoutMs: timeouts.messageMs, signal })
    return (answer !== null && readMessage(answer)) || plain
  } catch (error) {
    signal.throwIfAborted()
    log('warn', 'no model wrote a commit message', { session: params.session, error: errorText(error) })
    return plain
  }
}

/** Models wrap what they were asked for; null when nothing is left. */
export function readMessage(answer: string): string | null {
  const lines = answer
    .replace(/<think>[\s\S]*?<\/think>/g, '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f]/g, ' ')
    .split('\n')
    .filter((line) => !/^\s*```/.test(line) && !/^\s*Corral-Execution:/i.test(line))
    .map((line) => line.trimEnd())
  const first = lines.findIndex((line) => line.trim() !== '')
  if (first === -1) return null
  const title = lines[first]
    ?.trim()
    .replace(/^(commit message|message|title|subject):\s*/i, '')
    .replace(/^(["'`*]+)(.*)\1$/, '$2')
    .trim()
  if (!title) return null
  const body = lines
    .slice(first + 1)
    .join('\n')
    .trim()
    .slice(0, maxBodyCharacters)
  const short = title.length <= maxTitleCharacters ? title : `${title.slice(0, maxTitleCharacters - 1)}…`
  return body === '' ? short : `${short}\n\n${body}`
}
