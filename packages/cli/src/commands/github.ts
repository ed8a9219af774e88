/** The commands about installations of the GitHub App: for whom they are used. */
import type { GithubInstallationView } from '@corral/protocol'
import { type Command, InvalidArgumentError } from 'commander'
import { CliError } from '../cliError.ts'
import { connect } from '../connection.ts'
import { safeJson } from '../show/safeText.ts'
import { createTerminal } from '../terminal.ts'

type OwnerOptions = { organization?: string; user?: string }

export function addGithubCommands(program: Command, env: NodeJS.ProcessEnv): void {
  const calls = async () => (await connect(env)).corral.call

  function output(value: unknown, text: () => string): void {
    const terminal = createTerminal({ json: program.opts<{ json?: boolean }>().json === true })
    terminal.result(terminal.json ? `${safeJson(value, 2)}\n` : text())
  }

  const github = program.command('github').description('installations of the GitHub App, and for whom they are used')
  github
    .command('link')
    .description('use an installation for an organization, or for a user’s personal sessions (operators)')
    .argument('<installation>', 'its number, as in the address of its settings', installationId)
    .option('--organization <id>', 'for the sessions of this organization')
    .option('--user <id-or-email>', 'for the personal sessions of this user')
    .action(async (id: number, options: OwnerOptions) => {
      const linked = await (await calls()).linkGithubInstallation.mutate({ installationId: id, ...ownerOf(options) })
      output(linked, () => installationLine(linked))
    })
  github
    .command('unlink')
    .description('use it no longer, from the next git call on (operators)')
    .argument('<installation>', 'its number', installationId)
    .option('--organization <id>', 'for which organization')
    .option('--user <id-or-email>', 'for which user')
    .action(async (id: number, options: OwnerOptions) => {
      const done = await (await calls()).unlinkGithubInstallation.mutate({ installationId: id, ...ownerOf(options) })
      output(done, () => 'Unlinked.\n')
    })
  github
    .command('ls', { isDefault: true })
    .description('what is linked')
    .option('--organization <id>', 'to this organization (its admins)')
    .action(async ({ organization }: OwnerOptions) => {
      const { installations } = await (await calls()).listGithubInstallations.query({
        ...(organization !== undefined && { organizationId: organization }),
      })
      output(installations, () => installations.map(installationLine).join('') || 'Nothing is linked.\n')
    })
}

function ownerOf({ organization, user }: OwnerOptions) {
  if ((organization === undefined) === (user === undefined)) {
    throw new CliError(
      'For whom is not clear.',
      'either an organization or a user is needed',
      'add --organization <id> or --user <id-or-email>',
    )
  }
  return organization === undefined ? { user } : { organizationId: organization }
}

function installationId(text: string): number {
  if (/^[1-9]\d{0,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('it is a number')
}

const installationLine = ({ installationId: id, organizationId, userId }: GithubInstallationView): string =>
  `${String(id).padEnd(12)} ${organizationId === null ? `user ${userId}` : `organization ${organizationId}`}\n`
