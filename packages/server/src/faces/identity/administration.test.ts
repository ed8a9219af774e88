/** Users, organizations, members and keys, as their administrators see them; and what the audit log keeps of it. */
import type { AuditEntry, RefusalReason, Scope } from '@corral/protocol'
import { createTRPCClient, httpLink } from '@trpc/client'
import { afterAll, describe, expect, test } from 'vitest'
import { storedScopes } from '../../identity/scopes.ts'
import { signedToken } from '../../identity/testIdentity.ts'
import type { AppRouter } from '../cloud-agent/router.ts'
import { bearer, expectRefusal, preparation, testFace } from '../cloud-agent/testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { pool } = face.database

const clientOf = (token: string) =>
  createTRPCClient<AppRouter>({ links: [httpLink({ url: `${face.url}/trpc`, headers: bearer(token) })] })
const operator = clientOf(face.operator.apiKey)
let made = 0

/** Somebody with a key that may do all that they may. */
async function newPerson() {
  const { userId, apiKey } = await face.newUser()
  return { userId, apiKey, call: clientOf(apiKey) }
}

async function newOrganization(owner: { userId: string }) {
  const slug = `org-${++made}`
  return (await operator.createOrganization.mutate({ name: slug, slug, owner: owner.userId })).organizationId
}

const reasonOf = (call: Promise<unknown>): Promise<RefusalReason | 'allowed'> =>
  call.then(
    () => 'allowed',
    (error) => error.data.reason,
  )

const newestEntry = async (): Promise<AuditEntry | undefined> =>
  (await operator.listAudit.query({ limit: 1 })).entries[0]

describe('a key', () => {
  test('is shown once, works, and tells what it may do and who made it', async () => {
    const { userId, call } = await newPerson()
    const created = await call.createApiKey.mutate({ name: 'CI', expiresInSeconds: 3600 })
    expect(created).toMatchObject({ userId, name: 'CI', scopes: ['sessions:read', 'sessions:write'], botId: null })
    expect(created.expiresAt).toBeGreaterThan(Date.now() + 3_500_000)
    const { key, ...view } = created
    expect(key.startsWith(view.start)).toBe(true)
    expect((await call.listApiKeys.query({})).keys.at(-1)).toEqual(view)
    expect((await clientOf(key).listSessions.query({})).sessions).toEqual([])
    expect(await newestEntry()).toMatchObject({ action: 'key.created', userId, subject: view.keyId })
  })

  test('is in no table and no entry: its hash is', async () => {
    const { call } = await newPerson()
    const { key } = await call.createApiKey.mutate({ name: 'secret' })
    const { rows } = await pool.query(
      'select apikey::text as row from apikey union all select audit_log::text from audit_log',
    )
    expect(rows.length).toBeGreaterThan(2)
    expect(JSON.stringify(rows)).not.toContain(key.slice(12))
  })

  test('is gone when it was revoked, and at its end', async () => {
    const { call, userId } = await newPerson()
    const [revoked, ended] = [
      await call.createApiKey.mutate({ name: 'a' }),
      await call.createApiKey.mutate({ name: 'b' }),
    ]
    await call.revokeApiKey.mutate({ keyId: revoked.keyId })
    expect(await reasonOf(call.revokeApiKey.mutate({ keyId: revoked.keyId }))).toBe('key_not_found')
    expect((await call.listApiKeys.query({})).keys.map(({ keyId }) => keyId)).not.toContain(revoked.keyId)
    await pool.query('update apikey set expires_at = now() where id = $1', [ended.keyId])
    for (const { key } of [revoked, ended])
      expectRefusal(await face.query('listSessions', {}, bearer(key)), 'unauthorized')
    expect(await newestEntry()).toMatchObject({ action: 'key.revoked', userId, subject: revoked.keyId })
  })

  test('of another cannot be told from none, and stays', async () => {
    const [one, other] = [await newPerson(), await newPerson()]
    const { keyId, key } = await one.call.createApiKey.mutate({ name: 'mine' })
    const revoke = (id: string) => face.mutate('revokeApiKey', { keyId: id }, bearer(other.apiKey))
    const none = await revoke('no-such-key')
    expectRefusal(none, 'key_not_found')
    expect(await revoke(keyId)).toEqual(none)
    expect((await clientOf(key).listSessions.query({})).sessions).toEqual([])
    expect((await other.call.listApiKeys.query({})).keys.map((view) => view.keyId)).not.toContain(keyId)
  })

  test('makes none that may do more than itself', async () => {
    const { userId } = await newPerson()
    const { id, key } = await face.auth.api.createApiKey({ body: { userId } })
    await pool.query('update apikey set permissions = $2 where id = $1', [id, storedScopes(['admin', 'sessions:read'])])
    const make = (scopes: Scope[]) => reasonOf(clientOf(key).createApiKey.mutate({ name: 'more', scopes }))
    expect(await make(['sessions:write'])).toBe('insufficient_scope')
    expect(await make(['sessions:read', 'sessions:write'])).toBe('insufficient_scope')
    expect(await make(['sessions:read', 'admin'])).toBe('allowed')
  })

  test('of a bot acts as that bot, and administers nothing', async () => {
    const { userId, call } = await newPerson()
    expect(await reasonOf(call.createApiKey.mutate({ name: 'bot', botId: 'reviewer', scopes: ['admin'] }))).toBe(
      'invalid_input',
    )
    const { key } = await call.createApiKey.mutate({ name: 'bot', botId: 'reviewer' })
    await clientOf(key).start.mutate(preparation)
    const { rows } = await pool.query('select bot_id from session where user_id = $1', [userId])
    expect(rows).toEqual([{ bot_id: 'reviewer' }])
    const token = await signedToken(userId, { claims: { botId: 'reviewer' } })
    for (const bot of [key, token])
      expect(await reasonOf(clientOf(bot).listApiKeys.query({}))).toBe('insufficient_scope')
  })

  test('for somebody else is made by operators alone', async () => {
    const [one, other] = [await newPerson(), await newPerson()]
    for (const user of [other.userId, 'nobody']) {
      expect(await reasonOf(one.call.createApiKey.mutate({ name: 'theirs', user }))).toBe('operator_required')
      expect(await reasonOf(one.call.listApiKeys.query({ user }))).toBe('operator_required')
    }
    const { key } = await operator.createApiKey.mutate({ name: 'for you', user: other.userId })
    const { cloudAgentSessionId } = await clientOf(key).start.mutate(preparation)
    expect((await other.call.getSession.query({ cloudAgentSessionId })).userId).toBe(other.userId)
    expect(await reasonOf(operator.createApiKey.mutate({ name: 'x', user: 'nobody' }))).toBe('user_not_found')
  })
})

describe('a user', () => {
  test('is made by an operator, and found by e-mail address', async () => {
    const view = await operator.createUser.mutate({ name: 'Ada', email: 'Ada@Example.com' })
    expect(view).toMatchObject({ name: 'Ada', email: 'ada@example.com' })
    expect((await operator.listUsers.query({})).users).toContainEqual(view)
    const { userId } = await operator.createApiKey.mutate({ name: 'first', user: 'ADA@example.com' })
    expect(userId).toBe(view.userId)
    expect(await reasonOf(operator.createUser.mutate({ name: 'Ada', email: 'ada@example.com' }))).toBe('already_exists')
  })

  test('is neither made nor listed by anybody else', async () => {
    const { call } = await newPerson()
    expect(await reasonOf(call.createUser.mutate({ name: 'Eve', email: 'eve@example.com' }))).toBe('operator_required')
    expect(await reasonOf(call.listUsers.query({}))).toBe('operator_required')
    expect(await reasonOf(call.createOrganization.mutate({ name: 'Evil', slug: 'evil' }))).toBe('operator_required')
    expect(await reasonOf(call.listAudit.query({}))).toBe('operator_required')
  })
})

describe('a user who is removed', () => {
  test('is gone with keys, memberships and sessions, and what they did stays told', async () => {
    const [owner, person] = [await newPerson(), await newPerson()]
    const organizationId = await newOrganization(owner)
    await owner.call.addMember.mutate({ organizationId, user: person.userId, role: 'member' })
    await person.call.start.mutate(preparation)
    await person.call.start.mutate({ ...preparation, kilocodeOrganizationId: organizationId })
    await owner.call.removeMember.mutate({ organizationId, user: person.userId })
    await person.call.createApiKey.mutate({ name: 'mine' })
    expect(await reasonOf(owner.call.removeUser.mutate({ user: person.userId }))).toBe('operator_required')

    await operator.removeUser.mutate({ user: person.userId })
    expectRefusal(await face.query('listSessions', {}, bearer(person.apiKey)), 'unauthorized')
    expectRefusal(await face.query('listSessions', {}, bearer(await signedToken(person.userId))), 'unauthorized')
    const { rows: left } = await pool.query(
      `select (select count(*) from apikey where reference_id = $1) as keys,
              (select count(*) from session where user_id = $1 and state <> 'deleted') as sessions,
              (select count(*) from execution join session on session.id = session_id
               where user_id = $1 and execution.state <> 'interrupted') as executions,
              (select count(*) from audit_log where user_id = $1) as deeds`,
      [person.userId],
    )
    expect(left).toEqual([{ keys: 0, sessions: 0, executions: 0, deeds: 1 }])
    const { entries } = await operator.listAudit.query({ limit: 3 })
    expect(entries.map(({ action, userId }) => [action, userId])).toEqual([
      ['user.removed', face.operator.userId],
      ['session.deleted', face.operator.userId],
      ['session.deleted', face.operator.userId],
    ])
    expect(await reasonOf(operator.removeUser.mutate({ user: person.userId }))).toBe('user_not_found')
  })

  test('is not the last owner of an organization, nor oneself, nor the operator whom every start looks for', async () => {
    const [owner, second] = [await newPerson(), await newPerson()]
    const organizationId = await newOrganization(owner)
    expect(await reasonOf(operator.removeUser.mutate({ user: owner.userId }))).toBe('last_owner')
    expect(await reasonOf(operator.removeUser.mutate({ user: face.operator.userId }))).toBe('invalid_input')
    await operator.addMember.mutate({ organizationId: 'corral', user: second.userId, role: 'admin' })
    expect(await reasonOf(second.call.removeUser.mutate({ user: face.operator.userId }))).toBe('invalid_input')
    await owner.call.addMember.mutate({ organizationId, user: second.userId, role: 'owner' })
    expect(await reasonOf(operator.removeUser.mutate({ user: owner.userId }))).toBe('allowed')
  })
})

describe('an organization', () => {
  test('is seen by its members, each with their role', async () => {
    const [owner, member, stranger] = [await newPerson(), await newPerson(), await newPerson()]
    const organizationId = await newOrganization(owner)
    await owner.call.addMember.mutate({ organizationId, user: member.userId, role: 'member' })
    const roles = async ({ call }: typeof owner) =>
      (await call.listOrganizations.query({})).organizations.filter((one) => one.organizationId === organizationId)
    expect(await roles(owner)).toMatchObject([{ role: 'owner' }])
    expect(await roles(member)).toMatchObject([{ role: 'member' }])
    expect(await roles(stranger)).toEqual([])
    const { members } = await member.call.listMembers.query({ organizationId })
    expect(members.map(({ userId, role }) => [userId, role])).toEqual([
      [owner.userId, 'owner'],
      [member.userId, 'member'],
    ])
    expect((await member.call.start.mutate({ ...preparation, kilocodeOrganizationId: organizationId })).status).toBe(
      'queued',
    )
  })

  test('is changed by those whose role allows it, and by no one else', async () => {
    const [owner, admin, member, other] = [await newPerson(), await newPerson(), await newPerson(), await newPerson()]
    const organizationId = await newOrganization(owner)
    const add = (by: typeof owner, user: string, role: 'member' | 'admin' | 'owner') =>
      reasonOf(by.call.addMember.mutate({ organizationId, user, role }))
    const set = (by: typeof owner, user: string, role: 'member' | 'admin' | 'owner') =>
      reasonOf(by.call.setMemberRole.mutate({ organizationId, user, role }))
    const remove = (by: typeof owner, user: string) => reasonOf(by.call.removeMember.mutate({ organizationId, user }))

    expect(await add(owner, admin.userId, 'admin')).toBe('allowed')
    expect(await add(admin, member.userId, 'member')).toBe('allowed')
    expect(await add(admin, member.userId, 'member')).toBe('already_exists')
    for (const user of [other.userId, 'nobody']) {
      expect(await add(member, user, 'member')).toBe('role_required')
      expect(await set(member, user, 'admin')).toBe('role_required')
      expect(await remove(member, user)).toBe('role_required')
      for (const change of [add(other, user, 'member'), set(other, user, 'admin'), remove(other, user)])
        expect(await change).toBe('organization_not_found')
    }
    expect(await add(admin, 'nobody', 'member')).toBe('user_not_found')
    expect(await set(member, member.userId, 'admin')).toBe('role_required')
    expect(await add(admin, other.userId, 'owner')).toBe('role_required')
    expect(await set(admin, admin.userId, 'owner')).toBe('role_required')
    expect(await set(admin, owner.userId, 'member')).toBe('role_required')
    expect(await remove(admin, owner.userId)).toBe('role_required')
    expect(await set(admin, other.userId, 'member')).toBe('member_not_found')
    expect(await remove(admin, other.userId)).toBe('member_not_found')
    expect(await set(admin, member.userId, 'admin')).toBe('allowed')
  })

  test('keeps an owner, also when two leave at once', async () => {
    const [one, two] = [await newPerson(), await newPerson()]
    const organizationId = await newOrganization(one)
    const leave = ({ call, userId }: typeof one) => reasonOf(call.removeMember.mutate({ organizationId, user: userId }))
    expect(await leave(one)).toBe('last_owner')
    expect(await reasonOf(one.call.setMemberRole.mutate({ organizationId, user: one.userId, role: 'admin' }))).toBe(
      'last_owner',
    )
    await one.call.addMember.mutate({ organizationId, user: two.userId, role: 'owner' })
    expect((await Promise.all([leave(one), leave(two)])).sort()).toEqual(['allowed', 'last_owner'])
  })

  test('is left by who wants to, and that takes its sessions along', async () => {
    const [owner, member] = [await newPerson(), await newPerson()]
    const organizationId = await newOrganization(owner)
    await owner.call.addMember.mutate({ organizationId, user: member.userId, role: 'member' })
    const { cloudAgentSessionId } = await member.call.start.mutate({
      ...preparation,
      kilocodeOrganizationId: organizationId,
    })
    await member.call.removeMember.mutate({ organizationId, user: member.userId })
    expect(await reasonOf(member.call.getSession.query({ cloudAgentSessionId }))).toBe('session_not_found')
    expect(await newestEntry()).toMatchObject({
      action: 'member.removed',
      userId: member.userId,
      subject: member.userId,
      organizationId,
      details: { role: 'member' },
    })
  })
})

describe('the audit log', () => {
  test('tells who did what to which thing, when, by what and from where', async () => {
    const owner = await newPerson()
    const organizationId = await newOrganization(owner)
    const { keyId, key } = await owner.call.createApiKey.mutate({ name: 'mine', scopes: ['admin', 'sessions:write'] })
    const { userId } = await newPerson()
    const since = Date.now()
    const by = clientOf(key)
    await by.addMember.mutate({ organizationId, user: userId, role: 'member' })
    await by.setMemberRole.mutate({ organizationId, user: userId, role: 'admin' })
    await by.setMemberRole.mutate({ organizationId, user: userId, role: 'admin' })
    const { cloudAgentSessionId } = await by.start.mutate({ ...preparation, kilocodeOrganizationId: organizationId })
    await by.deleteSession.mutate({ cloudAgentSessionId })
    await by.deleteSession.mutate({ cloudAgentSessionId })
    const { entries } = await owner.call.listAudit.query({ organizationId })
    const common = {
      userId: owner.userId,
      botId: null,
      credential: `key:${keyId}`,
      address: '127.0.0.1',
      organizationId,
    }
    expect(entries.slice(0, -1)).toEqual(
      [
        { ...common, action: 'session.deleted', subject: cloudAgentSessionId, details: {} },
        { ...common, action: 'member.role_changed', subject: userId, details: { from: 'member', to: 'admin' } },
        { ...common, action: 'member.added', subject: userId, details: { role: 'member' } },
      ].map((entry) => ({ ...entry, id: expect.any(Number), at: expect.any(Number) })),
    )
    expect(entries.at(-1)).toMatchObject({ action: 'organization.created', userId: face.operator.userId })
    expect(entries[0]?.at).toBeGreaterThan(since - 5_000)
  })

  test('is for admins of the organization, page by page', async () => {
    const [owner, member] = [await newPerson(), await newPerson()]
    const organizationId = await newOrganization(owner)
    await owner.call.addMember.mutate({ organizationId, user: member.userId, role: 'member' })
    expect(await reasonOf(member.call.listAudit.query({ organizationId }))).toBe('role_required')
    const first = await owner.call.listAudit.query({ organizationId, limit: 1 })
    const second = await owner.call.listAudit.query({ organizationId, limit: 1, cursor: first.nextCursor ?? undefined })
    expect([...first.entries, ...second.entries].map(({ action }) => action)).toEqual([
      'member.added',
      'organization.created',
    ])
    expect(second.nextCursor).toBeNull()
    expect(await reasonOf(owner.call.listAudit.query({ organizationId, cursor: 'x' }))).toBe('invalid_input')
  })

  test('has no entry for what was refused', async () => {
    const before = await newestEntry()
    const { call } = await newPerson()
    await reasonOf(call.createUser.mutate({ name: 'Eve', email: 'eve@example.com' }))
    await reasonOf(call.revokeApiKey.mutate({ keyId: 'none' }))
    await reasonOf(operator.createUser.mutate({ name: 'Ada', email: 'operator@corral.localhost' }))
    expect(await newestEntry()).toEqual(before)
  })
})
