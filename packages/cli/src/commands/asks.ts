/** The commands about asks: what an agent waits for, and the answer to it. */
import { type AskView, permissionReplies, type Question, questionRequestSchema } from '@corral/protocol'
import type { Command } from 'commander'
import { CliError } from '../cliError.ts'
import { connect } from '../connection.ts'
import { askSummary, questionLine } from '../show/asks.ts'
import { output } from '../show/output.ts'
import { oneLine } from '../show/safeText.ts'
import { createTerminal } from '../terminal.ts'
import { sessionOf } from './sessionArgument.ts'

type AnswerOptions = { reject?: boolean; message?: string }

export function addAskCommands(program: Command, env: NodeJS.ProcessEnv): void {
  const terminal = () => createTerminal({ json: program.opts<{ json?: boolean }>().json === true })

  program
    .command('asks')
    .description('the questions and permissions that a session waits for')
    .argument('<id>', 'the session, agent_…')
    .option('--all', 'those that are closed, too')
    .action(async (given: string, options: { all?: boolean }) => {
      const { corral } = await connect(env)
      const input = { cloudAgentSessionId: sessionOf(given) }
      const { asks } = await corral.call.listAsks.query(options.all ? input : { ...input, state: 'open' })
      output(terminal(), asks, () => asks.map(askLine).join('') || 'Nothing is asked.\n')
    })

  program
    .command('answer')
    .description('answer a question or a permission of an agent')
    .argument('<id>', 'the session, agent_…')
    .argument('<ask>', 'as "corral asks" shows it')
    .argument('[answers...]', 'once, always or reject; for a question its labels or words, for several one each')
    .option('--reject', 'go on without an answer')
    .option('--message <text>', 'with a permission: why, or what to do instead')
    .action(async (given: string, askId: string, words: string[], options: AnswerOptions) => {
      const { corral } = await connect(env)
      const cloudAgentSessionId = sessionOf(given)
      const { asks } = await corral.call.listAsks.query({ cloudAgentSessionId })
      const ask = asks.find(({ id }) => id === askId)
      if (!ask) throw noSuchAsk(askId, given)
      const named = { cloudAgentSessionId, questionId: askId }
      const result =
        ask.kind === 'permission'
          ? await corral.call.answerPermission.mutate({
              cloudAgentSessionId,
              permissionId: askId,
              ...permissionAnswer(words, options),
            })
          : options.reject
            ? await corral.call.rejectQuestion.mutate(named)
            : await corral.call.answerQuestion.mutate({ ...named, answers: questionAnswers(ask, words) })
      output(terminal(), result, () => 'Answered.\n')
    })
}

function permissionAnswer(words: string[], { reject, message }: AnswerOptions) {
  const reply = permissionReplies.find((known) => known === (reject ? 'reject' : words[0]))
  if (!reply || words.length > (reject ? 0 : 1)) {
    throw new CliError(
      'That is no answer to a permission.',
      `it is one of ${permissionReplies.join(', ')}`,
      'say "once" to allow it this time',
    )
  }
  return { reply, ...(message !== undefined && { message }) }
}

function questionAnswers({ request }: AskView, words: string[]): string[][] {
  const { questions } = questionRequestSchema.parse(request)
  const [only] = questions
  if (questions.length === 1 && only) return [words.flatMap((word) => answerOf(only, word))]
  return questions.map((question, i) => answerOf(question, words[i] ?? ''))
}

function answerOf(question: Question, word: string): string[] {
  const line = questionLine(question, word)
  if ('answer' in line) return line.answer
  const labels = question.options.map(({ label }) => oneLine(label, 80)).join(', ')
  throw new CliError(`"${oneLine(word, 80)}" is no answer to it.`, `it takes one of ${labels}`, 'choose one of these')
}

const noSuchAsk = (askId: string, session: string) =>
  new CliError(
    `There is no ask "${oneLine(askId, 80)}" in this session.`,
    'an ask is que_… or per_… and belongs to one session',
    `see what is open with "corral asks ${oneLine(session, 80)}"`,
  )

function askLine(ask: AskView): string {
  const state = ask.state === 'open' ? '' : `  ${ask.state}`
  return `${oneLine(ask.id, 60)}  ${ask.kind}${state}  ${askSummary(ask)}\n`
}
