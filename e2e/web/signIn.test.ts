/** The page as its first operator has it: from the link that the server printed to a key that works. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCorral } from '@corral/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seriousIssues, unreachedByKeyboard } from '../harness/accessibility.ts'
import {
  addPerson,
  narrow,
  noBrowser,
  password,
  startBrowser,
  startInstallationWithPage,
  type TestBrowser,
  wide,
} from '../harness/browser.ts'
import type { Installation } from '../harness/installation.ts'

describe.skipIf(noBrowser)(`the page${noBrowser ? ` (${noBrowser})` : ''}`, () => {
  let installation: Installation
  let browser: TestBrowser
  beforeAll(async () => {
    installation = await startInstallationWithPage()
    browser = await startBrowser(installation.url)
  })
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]()
    await installation?.end()
  })

  const operator = { email: 'grace@example.com', password }

  test('the first link makes the operator, once; then one signs in, and is where one wanted to be', async () => {
    const log = await readFile(join(installation.folder, 'server.log'), 'utf8')
    const link = /^sign in on the page: (\S+)$/m.exec(log)?.[1] ?? 'the server printed no link'
    await using open = await browser.open()
    const { page } = open

    const answer = await page.goto(link)
    expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'; script-src 'self'")
    await page.getByLabel('Name').fill('Grace Hopper')
    await page.getByLabel('E-mail').fill(operator.email)
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByLabel('Password again').fill('another one')
    await page.getByRole('button', { name: 'Start' }).click()
    await page.getByText('The two passwords are not the same.').waitFor()
    await page.getByLabel('Password again').fill(password)
    await page.getByRole('button', { name: 'Start' }).click()
    await page.getByRole('heading', { name: 'Sessions', level: 1 }).waitFor()

    await page.getByRole('button', { name: 'Signed in as Grace Hopper' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to Corral' }).waitFor()
    await page.goto(link)
    await page.getByText('That link has been used.').waitFor()

    open.expectTrouble(/status of 401/)
    await page.goto('/settings/keys')
    await page.getByLabel('E-mail').fill(operator.email)
    await page.getByLabel('Password').fill('not this one at all')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Invalid email or password').waitFor()
    await page.getByLabel('Password').fill(password)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'API keys' }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/settings/keys')
  })

  test('a key is shown once and works until it is revoked', async () => {
    await using open = await browser.open({ as: operator })
    const { page } = open
    await page.goto('/settings/keys')
    await page.getByRole('button', { name: 'New key' }).click()
    await page.getByLabel('Name').fill('laptop')
    await page.getByRole('button', { name: 'Make key' }).click()
    const shown = page.getByText(/^corral_[\w-]{40,}$/)
    const apiKey = (await shown.textContent()) ?? ''
    const corral = createCorral({ url: installation.url, apiKey })
    expect((await corral.call.listSessions.query({})).sessions).toEqual([])
    await page.getByRole('button', { name: 'I have kept it' }).click()
    expect(await shown.count()).toBe(0)

    const row = page.getByRole('listitem').filter({ hasText: 'laptop' })
    await row.getByRole('button', { name: 'Revoke' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
    await row.waitFor({ state: 'detached' })
    await expect(corral.call.listSessions.query({})).rejects.toMatchObject({ reason: 'unauthorized' })
  })

  test('members are added, changed and removed; a sign-in that has ended leads back to signing in', async () => {
    const { userId, email } = await addPerson(installation, 'Ada')
    const { call } = installation.corral
    const roles = async () =>
      (await call.listMembers.query({ organizationId: 'corral' })).members
        .filter((member) => member.userId === userId)
        .map(({ role }) => role)
    await using open = await browser.open({ as: operator })
    const { page } = open
    await page.goto('/settings/organizations')
    await page.getByRole('link', { name: 'Corral', exact: true }).click()
    await page.getByRole('button', { name: 'Add member' }).click()
    await page.getByLabel('E-mail').fill(email)
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByLabel('Role of Ada').selectOption('admin')
    await expect.poll(roles).toEqual(['admin'])
    const row = page.getByRole('listitem').filter({ hasText: email })
    await row.getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await row.waitFor({ state: 'detached' })
    expect(await roles()).toEqual([])

    open.expectTrouble(/status of 401/)
    await open.context.clearCookies()
    await page.getByRole('link', { name: 'Audit log' }).click()
    await page.getByRole('heading', { name: 'Sign in to Corral' }).waitFor()
    expect(page.url()).toContain(`next=${encodeURIComponent('/settings/audit')}`)
  })

  const addresses = [
    ...['/', '/new', '/usage', '/nowhere'],
    ...['', '/keys', '/organizations', '/organizations/corral', '/users', '/audit'].map((path) => `/settings${path}`),
  ]

  test.each([
    ['wide, light', { viewport: wide, dark: false }],
    ['narrow, dark', { viewport: narrow, dark: true }],
  ])('no page has a serious issue of accessibility, and none is wider than the screen: %s', async (_, look) => {
    await using open = await browser.open({ ...look, as: operator })
    const { page } = open
    open.expectTrouble(/status of 404.*\/nowhere/)
    for (const address of addresses) {
      await page.goto(address)
      await page.getByRole('heading').first().waitFor()
      await page.locator('main [role=status][aria-label=Loading]').waitFor({ state: 'detached' })
      expect(await seriousIssues(page), address).toEqual([])
      const [scrolls, fits] = await page.evaluate(() => [document.body.scrollWidth, window.innerWidth])
      expect(scrolls, `${address} is as wide as the screen`).toBeLessThanOrEqual(fits ?? 0)
    }
  })

  test('the keyboard alone reaches everything, sees where it is, opens the help and leads on', async () => {
    await using open = await browser.open({ as: operator })
    const { page } = open
    await page.goto('/settings/keys')
    await page.getByRole('button', { name: 'New key' }).waitFor()
    expect(await unreachedByKeyboard(page)).toEqual([])
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('g')
    await page.keyboard.press('s')
    await page.getByRole('heading', { name: 'Sessions', level: 1 }).waitFor()
    const focused = () => page.evaluate(() => document.activeElement?.id)
    await expect.poll(focused).toBe('page')
    await page.reload()
    await page.getByRole('heading', { name: 'Sessions', level: 1 }).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await expect.poll(focused).toBe('page')
  })
})
