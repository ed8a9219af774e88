/** The commands about callbacks: what was delivered, sending it again, and the keys that receivers verify with. */
import type { CallbackKey, CallbackView, DeliveryState } from '@corral/protocol'
import { type Command, Option } from 'commander'
import { connect } from '../connection.ts'
import { output } from '../show/output.ts'
import { safeText } from '../show/safeText.ts'
import { createTerminal } from '../terminal.ts'
import { sessionOf } from './sessionArgument.ts'

const states = ['waiting', 'pending', 'delivered', 'dead'] satisfies DeliveryState[]
const inOrganization = ({ org }: { org?: string }) => (org === undefined ? {} : { kilocodeOrganizationId: org })

export function addCallbackCommands(program: Command, env: NodeJS.ProcessEnv): void {
  const terminal = () => createTerminal({ json: program.opts<{ json?: boolean }>().json === true })
  const callbacks = program.command('callbacks').description('who is told how executions end, and whether they heard')

  callbacks
    .command('list')
    .description('the callbacks of a session, newest first')
    .argument('<id>', 'the session, agent_…')
    .addOption(new Option('--state <state>', 'only those').choices(states))
    .action(async (id: string, { state }: { state?: DeliveryState }) => {
      const { corral } = await connect(env)
      const asked = { cloudAgentSessionId: sessionOf(id), limit: 100, ...(state && { state }) }
      const found: CallbackView[] = []
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page = await corral.call.listCallbacks.query({ ...asked, ...(cursor && { cursor }) })
        found.push(...page.callbacks)
        cursor = page.nextCursor
      }
      output(terminal(), found, () => found.map(callbackLine).join('') || 'No callbacks.\n')
    })

  callbacks
    .command('redeliver')
    .description('send a callback again, with the same content and the same id')
    .argument('<id>', 'the session, agent_…')
    .argument('<delivery>', 'the callback, dlv_…')
    .action(async (id: string, deliveryId: string) => {
      const { corral } = await connect(env)
      const view = await corral.call.redeliverCallback.mutate({ cloudAgentSessionId: sessionOf(id), deliveryId })
      output(terminal(), view, () => callbackLine(view))
    })

  callbacks
    .command('keys')
    .description('what your callbacks are signed with, the current key first')
    .option('--org <organization>', 'those of an organization that you administer')
    .action(async (options: { org?: string }) => {
      const { corral } = await connect(env)
      const { keys } = await corral.call.getCallbackKeys.query(inOrganization(options))
      output(terminal(), keys, () => keys.map(keyLine).join(''))
    })

  callbacks
    .command('rotate-key')
    .description('sign with a new key; the one before signs on for a day')
    .option('--org <organization>', 'that of an organization that you administer')
    .action(async (options: { org?: string }) => {
      const { corral } = await connect(env)
      const { keys } = await corral.call.rotateCallbackKey.mutate(inOrganization(options))
      output(terminal(), keys, () => keys.map(keyLine).join(''))
    })
}

function callbackLine({ deliveryId, executionId, state, attempts }: CallbackView): string {
  const last = attempts.at(-1)
  const said = last ? `${last.status ?? last.error} at ${new Date(last.at).toISOString()}` : 'not sent yet'
  const tries = `${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'}`
  return safeText(`${deliveryId}  ${state.padEnd(9)}  ${executionId}  ${tries}, ${said}\n`)
}

function keyLine({ keyId, secret, expiresAt }: CallbackKey): string {
  const until = expiresAt === undefined ? 'current' : `signs until ${new Date(expiresAt).toISOString()}`
  return safeText(`${keyId}  ${secret}  ${until}\n`)
}
