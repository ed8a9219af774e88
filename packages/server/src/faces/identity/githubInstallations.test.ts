/** For whom installations of the GitHub App are used, as operators and an organization's admins see it. */
import type { RefusalReason } from '@corral/protocol'
import { createTRPCClient, httpLink } from '@trpc/client'
import { afterAll, expect, test } from 'vitest'
import type { AppRouter } from '../cloud-agent/router.ts'
import { bearer, testFace } from '../cloud-agent/testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())

const clientOf = (token: string) =>
  createTRPCClient<AppRouter>({ links: [httpLink({ url: `${face.url}/trpc`, headers: bearer(token) })] })
const operator = clientOf(face.operator.apiKey)
const reasonOf = (call: Promise<unknown>): Promise<RefusalReason | 'allowed'> =>
  call.then(
    () => 'allowed',
    (error) => error.data.reason,
  )

test('an operator links an installation to an organization and to a user, once each, and unlinks it', async () => {
  const { userId } = await face.newUser()
  const toOrganization = { installationId: 41, organizationId: face.organizationId }
  expect(await operator.linkGithubInstallation.mutate(toOrganization)).toMatchObject({
    ...toOrganization,
    userId: null,
  })
  expect(await operator.linkGithubInstallation.mutate({ installationId: 41, user: userId })).toMatchObject({ userId })
  expect(await reasonOf(operator.linkGithubInstallation.mutate(toOrganization))).toBe('already_exists')
  expect((await operator.listGithubInstallations.query({})).installations).toHaveLength(2)

  expect(await operator.unlinkGithubInstallation.mutate(toOrganization)).toEqual({ success: true })
  expect(await operator.unlinkGithubInstallation.mutate(toOrganization)).toEqual({ success: true })
  expect((await operator.listGithubInstallations.query({})).installations).toMatchObject([{ userId }])
  const { entries } = await operator.listAudit.query({ limit: 3 })
  expect(entries.map(({ action, subject }) => [action, subject])).toEqual([
    ['github_installation.unlinked', '41'],
    ['github_installation.linked', '41'],
    ['github_installation.linked', '41'],
  ])
})

test('nobody else links one, whatever they own; an admin sees what is linked to the organization', async () => {
  const owner = await face.newUser()
  const { organizationId } = await operator.createOrganization.mutate({
    ...{ name: 'Theirs', slug: 'theirs', owner: owner.userId },
  })
  const call = clientOf(owner.apiKey)
  expect(await reasonOf(call.linkGithubInstallation.mutate({ installationId: 42, organizationId }))).toBe(
    'operator_required',
  )
  expect(await reasonOf(call.linkGithubInstallation.mutate({ installationId: 42, user: owner.userId }))).toBe(
    'operator_required',
  )
  await operator.linkGithubInstallation.mutate({ installationId: 42, organizationId })
  expect(await reasonOf(call.unlinkGithubInstallation.mutate({ installationId: 42, organizationId }))).toBe(
    'operator_required',
  )
  expect(await call.listGithubInstallations.query({ organizationId })).toMatchObject({
    installations: [{ installationId: 42, organizationId }],
  })
  expect(await reasonOf(call.listGithubInstallations.query({ organizationId: face.organizationId }))).toBe(
    'organization_not_found',
  )
  expect(await reasonOf(call.listGithubInstallations.query({}))).toBe('operator_required')
})

test('a link is for one that is there, and for one only', async () => {
  const link = (input: object) => reasonOf(operator.linkGithubInstallation.mutate({ installationId: 43, ...input }))
  expect(await link({ organizationId: 'none' })).toBe('organization_not_found')
  expect(await link({ user: 'nobody@example.com' })).toBe('user_not_found')
  expect(await link({})).toBe('invalid_input')
  expect(await link({ user: face.operator.userId, organizationId: face.organizationId })).toBe('invalid_input')
  expect(await link({ installationId: 0, user: face.operator.userId })).toBe('invalid_input')
})
