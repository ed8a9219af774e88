/**
 * Pictures of the page as it is, for the documentation and to look at: `npm run screenshots [-- --only settings --to DIR]`.
 * Each is taken of a server of its own with the same people in it, wide and narrow, light and dark.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createCorral } from '@corral/client'
import { demoPrompt, demoRepository } from '@corral/scripted-model'
import type { Page } from 'playwright-core'
import { addPerson, narrow, password, startBrowser, startInstallationWithPage, wide } from '../e2e/harness/browser.ts'
import { eventually } from '../e2e/harness/eventually.ts'
import type { Installation } from '../e2e/harness/installation.ts'
import { makeRepository } from '../e2e/harness/repositories.ts'

const workMs = 180_000

type Picture = {
  name: string
  path: string
  /** Nobody is signed in. */
  outside?: boolean
  /** To the state that is shown. */
  act?(page: Page): Promise<void>
}

const pictures: Picture[] = [
  { name: 'sign-in', path: '/sign-in', outside: true },
  { name: 'sessions', path: '/' },
  {
    name: 'session',
    path: '/',
    act: async (page) => {
      await page
        .getByRole('link', { name: /The test fails/ })
        .first()
        .click()
      await page.getByLabel('Message to the agent').waitFor()
    },
  },
  { name: 'new-session', path: '/new' },
  { name: 'usage', path: '/usage' },
  { name: 'settings-profile', path: '/settings' },
  { name: 'settings-keys', path: '/settings/keys' },
  {
    name: 'settings-new-key',
    path: '/settings/keys',
    act: (page) => page.getByRole('button', { name: 'New key' }).click(),
  },
  { name: 'settings-organizations', path: '/settings/organizations' },
  { name: 'settings-members', path: '/settings/organizations/corral' },
  { name: 'settings-users', path: '/settings/users' },
  { name: 'settings-audit', path: '/settings/audit' },
  { name: 'help', path: '/', act: (page) => page.keyboard.press('?') },
  { name: 'menu', path: '/', act: (page) => page.getByRole('button', { name: /^Signed in as/ }).click() },
  { name: 'not-found', path: '/nowhere' },
]

const looks = [
  { name: 'wide-light', viewport: wide, dark: false },
  { name: 'wide-dark', viewport: wide, dark: true },
  { name: 'narrow-light', viewport: narrow, dark: false },
  { name: 'narrow-dark', viewport: narrow, dark: true },
]

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    to: { type: 'string', default: fileURLToPath(new URL('../docs/pictures', import.meta.url)) },
  },
})
await mkdir(values.to, { recursive: true })
const installation = await startInstallationWithPage()
try {
  const as = await people(installation)
  await using browser = await startBrowser(installation.url)
  for (const { name: look, ...options } of looks) {
    for (const { name, path, outside, act } of pictures.filter((picture) => picture.name.includes(values.only))) {
      await using open = await browser.open({ ...options, ...(outside ? {} : { as }) })
      open.expectTrouble(/status of 404.*\/nowhere/)
      await open.page.goto(path)
      await open.page.getByRole('heading').first().waitFor()
      await open.page.locator('[role=status][aria-label=Loading]').first().waitFor({ state: 'detached' })
      await act?.(open.page)
      await open.page.screenshot({ path: join(values.to, `${name}-${look}.png`) })
      console.log(`${name}-${look}`)
    }
  }
} finally {
  await installation.end()
}

/** A small team; answers who looks at it. */
async function people(at: Installation): Promise<{ email: string; password: string }> {
  const { call } = at.corral
  const ada = await addPerson(at, 'Ada')
  const grace = await addPerson(at, 'Grace')
  await addPerson(at, 'Linus')
  await work(at, ada.userId)
  for (const { userId } of [ada, grace])
    await call.addMember.mutate({ organizationId: 'corral', user: userId, role: 'admin' })
  await call.createOrganization.mutate({ name: 'Difference Engines', slug: 'engines', owner: ada.userId })
  await call.createApiKey.mutate({ name: 'CI', user: ada.userId, expiresInSeconds: 7_776_000 })
  await call.createApiKey.mutate({ name: 'reviewer', user: ada.userId, botId: 'reviewer' })
  return { email: ada.email, password }
}

/** What an agent did for them: the demo's story, to its end. */
async function work(at: Installation, user: string): Promise<void> {
  const { key } = await at.corral.call.createApiKey.mutate({ name: 'laptop', user })
  const { call } = createCorral({ url: at.url, apiKey: key })
  const gitUrl = await makeRepository(join(at.repositories, 'sum.git'), demoRepository)
  const ack = await call.start.mutate({
    prompt: demoPrompt,
    mode: 'code',
    model: 'scripted/demo',
    gitUrl,
    autoCommit: true,
  })
  await eventually('the end of the work', workMs, async () => {
    const { status } = await call.getMessageResult.query({
      cloudAgentSessionId: ack.cloudAgentSessionId,
      executionId: ack.executionId,
      waitMs: 5_000,
    })
    return status === 'completed' || null
  })
}
