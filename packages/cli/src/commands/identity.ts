/** The commands about who may do what: keys, org, users, audit. */
import { text as textOf } from 'node:stream/consumers'
import {
  type ApiKeyView,
  type AuditEntry,
  type OrganizationRole,
  organizationRoleSchema,
  organizationRoles,
  type Scope,
  scopeSchema,
  scopes,
} from '@corral/protocol'
import { type Command, InvalidArgumentError } from 'commander'
import { connect } from '../connection.ts'
import { output } from '../show/output.ts'
import { oneLine, safeJson } from '../show/safeText.ts'
import { createTerminal } from '../terminal.ts'

export function addIdentityCommands(program: Command, env: NodeJS.ProcessEnv): void {
  const calls = async () => (await connect(env)).corral.call

  const show = (value: unknown, text: () => string) =>
    output(createTerminal({ json: program.opts<{ json?: boolean }>().json === true }), value, text)

  const keys = program.command('keys').description('API keys')
  keys
    .command('create')
    .description('make a key, and show it this once')
    .argument('<name>')
    .option('--scope <scope...>', `what it may do: ${scopes.join(', ')}`, scopesOf, undefined)
    .option('--expires <days>', 'how long it works', daysOf)
    .option('--bot <name>', 'the bot that acts with it')
    .option('--user <id-or-email>', 'whose it is (operators)')
    .action(async (name: string, options: { scope?: Scope[]; expires?: number; bot?: string; user?: string }) => {
      const made = await (await calls()).createApiKey.mutate({
        name,
        ...(options.scope && { scopes: options.scope }),
        ...(options.expires && { expiresInSeconds: options.expires }),
        ...(options.bot && { botId: options.bot }),
        ...(options.user && { user: options.user }),
      })
      show(made, () => `${made.key}\n`)
    })
  keys
    .command('list', { isDefault: true })
    .description('your keys')
    .option('--user <id-or-email>', 'somebody else’s (operators)')
    .action(async ({ user }: { user?: string }) => {
      const { keys: all } = await (await calls()).listApiKeys.query({ ...(user && { user }) })
      show(all, () => all.map(keyLine).join('') || 'No keys yet.\n')
    })
  keys
    .command('revoke')
    .description('end a key, and every stream that was opened with it')
    .argument('<id>')
    .action(async (keyId: string) => {
      show(await (await calls()).revokeApiKey.mutate({ keyId }), () => 'Revoked.\n')
    })

  const org = program.command('org').description('organizations and their members')
  org
    .command('create')
    .description('make an organization (operators)')
    .argument('<slug>')
    .option('--name <name>', 'its name for people; the slug unless given')
    .option('--owner <id-or-email>', 'its first owner; you unless given')
    .action(async (slug: string, { name = slug, owner }: { name?: string; owner?: string }) => {
      const made = await (await calls()).createOrganization.mutate({ slug, name, ...(owner && { owner }) })
      show(made, () => `${made.organizationId}\n`)
    })
  org
    .command('list', { isDefault: true })
    .description('your organizations')
    .action(async () => {
      const { organizations } = await (await calls()).listOrganizations.query({})
      show(organizations, () =>
        organizations
          .map(({ organizationId, slug, role }) => line([organizationId, 36], [role ?? '–', 6], [oneLine(slug), 0]))
          .join(''),
      )
    })
  org
    .command('members')
    .description('who is in it')
    .argument('<organization>', 'its id')
    .action(async (organizationId: string) => {
      const { members } = await (await calls()).listMembers.query({ organizationId })
      show(members, () =>
        members.map(({ userId, role, email }) => line([userId, 36], [role, 6], [oneLine(email), 0])).join(''),
      )
    })
  org
    .command('add')
    .description('make somebody a member')
    .argument('<organization>', 'its id')
    .argument('<user>', 'id or e-mail address')
    .option('--role <role>', organizationRoles.join(', '), roleOf, 'member')
    .action(async (organizationId: string, user: string, { role }: { role: OrganizationRole }) => {
      show(await (await calls()).addMember.mutate({ organizationId, user, role }), () => 'Added.\n')
    })
  org
    .command('role')
    .description('change the role of a member')
    .argument('<organization>', 'its id')
    .argument('<user>', 'id or e-mail address')
    .argument('<role>', organizationRoles.join(', '), roleOf)
    .action(async (organizationId: string, user: string, role: OrganizationRole) => {
      show(await (await calls()).setMemberRole.mutate({ organizationId, user, role }), () => 'Changed.\n')
    })
  org
    .command('remove')
    .description('end a membership, and every stream that rests on it')
    .argument('<organization>', 'its id')
    .argument('<user>', 'id or e-mail address')
    .action(async (organizationId: string, user: string) => {
      show(await (await calls()).removeMember.mutate({ organizationId, user }), () => 'Removed.\n')
    })

  const users = program.command('users').description('the users of this installation (operators)')
  users
    .command('create')
    .description('make a user')
    .argument('<email>')
    .option('--name <name>', 'their name; the address unless given')
    .option('--password-stdin', 'read a password for the page from the standard input')
    .action(async (email: string, { name = email, passwordStdin }: { name?: string; passwordStdin?: boolean }) => {
      const password = passwordStdin ? (await textOf(process.stdin)).replace(/\r?\n$/, '') : undefined
      const made = await (await calls()).createUser.mutate({ email, name, ...(password !== undefined && { password }) })
      show(made, () => `${made.userId}\n`)
    })
  users
    .command('remove')
    .description('remove a user with their keys, memberships and sessions')
    .argument('<user>', 'id or e-mail address')
    .action(async (user: string) => {
      show(await (await calls()).removeUser.mutate({ user }), () => 'Removed.\n')
    })
  users
    .command('list', { isDefault: true })
    .description('all users')
    .action(async () => {
      const { users: all } = await (await calls()).listUsers.query({})
      show(all, () =>
        all.map(({ userId, email, name }) => line([userId, 36], [oneLine(email), 0], [oneLine(name), 0])).join(''),
      )
    })

  program
    .command('audit')
    .description('who did what, newest first (of an organization: its admins; all: operators)')
    .option('--org <id>', 'of this organization')
    .option('--limit <n>', 'how many, at most 100', '50')
    .action(async ({ org: organizationId, limit }: { org?: string; limit: string }) => {
      const input = { limit: Number(limit), ...(organizationId && { organizationId }) }
      const { entries } = await (await calls()).listAudit.query(input)
      show(entries, () => entries.map(auditLine).join('') || 'Nothing yet.\n')
    })
}

/** commander gives one value at a time, with those before it. */
function scopesOf(value: string, before: Scope[] | undefined): Scope[] {
  const scope = scopeSchema.safeParse(value)
  if (!scope.success) throw new InvalidArgumentError(`A scope is one of ${scopes.join(', ')}.`)
  return [...(before ?? []), scope.data]
}

function roleOf(value: string): OrganizationRole {
  const role = organizationRoleSchema.safeParse(value)
  if (!role.success) throw new InvalidArgumentError(`A role is one of ${organizationRoles.join(', ')}.`)
  return role.data
}

/** In seconds. */
function daysOf(value: string): number {
  const days = Number(value)
  if (!(days > 0)) throw new InvalidArgumentError('Give a number of days above 0.')
  return Math.round(days * 24 * 60 * 60)
}

const line = (...columns: [text: string, width: number][]) =>
  `${columns
    .map(([text, width]) => text.padEnd(width))
    .join('  ')
    .trimEnd()}\n`

const date = (ms: number) => new Date(ms).toISOString()

function keyLine({ keyId, start, name, scopes: may, botId, expiresAt }: ApiKeyView): string {
  const end = expiresAt === null ? 'until revoked' : `until ${date(expiresAt).slice(0, 10)}`
  const bot = botId === null ? '' : `bot ${botId}`
  return line([keyId, 36], [`${oneLine(start)}…`, 12], [end, 16], [may.join(','), 28], [oneLine(name), 0], [bot, 0])
}

function auditLine({ at, action, userId, botId, subject, address, details }: AuditEntry): string {
  const who = botId === null ? userId : `${userId} (bot ${botId})`
  const what = Object.entries(details).map(([name, value]) => `${name}=${safeJson(value)}`)
  return line([date(at), 24], [action, 20], [who, 0], [subject, 0], [address ?? '', 0], [oneLine(what.join(' ')), 0])
}
