/**
 * Sessions on the page, before a real browser: one is started by the form, with a secret that leaves the page encrypted;
 * it is seen live in another tab; beside its conversation there is what it changed, took, used and reached. Names of
 * files are hostile.
 */
import { join } from 'node:path'
import type { Page, Request } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seriousIssues } from '../harness/accessibility.ts'
import {
  addPerson,
  narrow,
  noBrowser,
  type OpenPage,
  password,
  startBrowser,
  startInstallationWithPage,
  type TestBrowser,
  wide,
} from '../harness/browser.ts'
import type { Installation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { bash, gate, play, say } from '../harness/script.ts'

const patienceMs = 60_000
const secret = 'Zt4-canary-of-the-form-6021'
const hostileName = '<img src=x onerror=alert(1)> \u202egpj.exe'

describe.skipIf(noBrowser)('sessions on the page', () => {
  let corral: Installation
  let browser: TestBrowser
  let opened: OpenPage
  let page: Page
  let list: OpenPage
  let repository: string
  let as: { email: string; password: string }
  const requests: Request[] = []

  beforeAll(async () => {
    corral = await startInstallationWithPage()
    browser = await startBrowser(corral.url)
    repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
    as = { email: (await addPerson(corral, 'Ada')).email, password }
    opened = await browser.open({ as })
    list = await browser.open({ as })
    page = opened.page
    page.on('request', (request) => requests.push(request))
  })
  afterAll(async () => {
    await list?.[Symbol.asyncDispose]()
    await opened?.[Symbol.asyncDispose]()
    await browser?.[Symbol.asyncDispose]()
    await corral?.end()
  })

  const line = () =>
    list.page
      .getByRole('main')
      .getByRole('listitem')
      .filter({ has: list.page.getByRole('link') })
  const tab = (name: string) => page.getByRole('tab', { name })
  const shows = (text: string | RegExp) => page.getByText(text).last().waitFor({ timeout: patienceMs })

  test('without any the list says how one begins', async () => {
    await list.page.goto('/')
    await list.page.getByRole('heading', { name: 'No sessions yet' }).waitFor()
  })

  test('what is wrong in the form stands at its field, and nothing is sent', async () => {
    await page.goto('/new')
    await page.getByRole('button', { name: 'Start the session' }).click()
    await shows('Choose a repository.')
    await page.getByText('Environment').click()
    await page.getByRole('button', { name: 'Add a variable' }).click()
    await page.getByLabel('Name of variable 1').fill('HOME')
    await page.getByRole('button', { name: 'Start the session' }).click()
    await shows('HOME is reserved.')
    expect(await page.getByLabel('Repository', { exact: true }).getAttribute('aria-invalid')).toBe('true')
    expect(requests.filter((request) => request.url().includes('/trpc/start'))).toEqual([])
  })

  test('a session is started by the form, once, with a secret that leaves the page encrypted', async () => {
    const steps = [
      say('I begin.'),
      gate('seen'),
      `write ${JSON.stringify(hostileName)} "x\\n"`,
      bash('printf %s "$FORM_SECRET" | sha256sum > digest.txt; curl -sm 5 https://example.com; true'),
      say('I am done.'),
    ]
    await page.getByLabel('What should the agent do?').fill(play(...steps))
    await page.getByLabel('Repository', { exact: true }).fill(repository)
    await page.getByLabel('Name of variable 1').fill('CI')
    await page.getByLabel('Value of variable 1').fill('1')
    await page.getByRole('button', { name: 'Add a secret' }).click()
    await page.getByLabel('Name of secret 1').fill('FORM_SECRET')
    await page.getByLabel('Value of secret 1').fill(secret)
    // A draft is kept, and secrets are not.
    await expect.poll(() => kept(page)).toContain('FORM_SECRET')
    expect(await kept(page)).not.toContain(secret)

    await page.getByRole('button', { name: 'Start the session' }).dblclick()
    await page.waitForURL(/\/cloud\/chat\?sessionId=agent_/)
    const starts = requests.filter((request) => request.url().includes('/trpc/start'))
    expect(starts).toHaveLength(1)
    expect(starts[0]?.postData()).toContain('rsa-aes-256-gcm')
    expect(requests.some((request) => `${request.url()} ${request.postData()}`.includes(secret))).toBe(false)
    expect(await kept(page)).not.toContain(secret)
  })

  test('it is in the list of another tab, live', async () => {
    await line().getByText('Running').waitFor({ timeout: patienceMs })
    expect(await line().count()).toBe(1)
    await shows('I begin.')
    await (await corral.model()).release('seen')
    await shows('I am done.')
    await line().getByText('Idle').waitFor({ timeout: patienceMs })
    await line()
      .getByText(/session\/agent_/)
      .waitFor()
  })

  test('the list is moved through, searched and opened by keyboard; a title is changed everywhere', async () => {
    const { page: there } = list
    await there.keyboard.press('/')
    await there.keyboard.type('no such thing')
    await there.getByRole('heading', { name: 'No session fits' }).waitFor()
    await there.keyboard.press('Escape')
    await there.keyboard.press('j')
    await expect.poll(() => there.evaluate(() => document.activeElement?.tagName)).toBe('A')
    await there.getByRole('button', { name: /^Actions for/ }).click()
    await there.getByRole('menuitem', { name: 'Rename…' }).click()
    await there.getByLabel('Title').fill('A title of mine')
    await there.getByRole('button', { name: 'Rename' }).click()
    await there.getByRole('link', { name: 'A title of mine' }).waitFor()
    await there.keyboard.press('j')
    await there.keyboard.press('Enter')
    await there.waitForURL(/\/cloud\/chat/)
    await there.goBack()
  })

  test('the changes are there file by file; a name does nothing and hides nothing', async () => {
    await tab('Changes').click()
    await shows('digest.txt')
    await shows('<img src=x onerror=alert(1)> ⟨U+202E⟩gpj.exe')
    expect(await page.locator('img[src="x"]').count()).toBe(0)
    const file = page.getByRole('tabpanel').getByRole('button', { name: /digest\.txt/ })
    await file.click()
    await expect.poll(() => file.getAttribute('aria-expanded')).toBe('false')
  })

  test('timing, usage, network and details', async () => {
    await tab('Timing').click()
    await shows('Agent works')
    await tab('Usage').click()
    await shows('Tokens in')
    await tab('Network').click()
    await shows('example.com')
    await shows('Not on the session’s list')
    await tab('Details').click()
    await shows('1 variable, 1 secret')
    await shows(/^session\/agent_/)
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Export' }).click(),
    ])
    expect(download.suggestedFilename()).toMatch(/^ses_\w+\.json$/)
  })

  test('what was used is on its page, by day, model and session', async () => {
    await page.goto('/usage')
    await page.getByRole('heading', { name: 'By day' }).waitFor()
    await page.getByRole('link', { name: 'A title of mine' }).waitFor()
    await page.getByText('As a table').click()
    await page.getByRole('columnheader', { name: 'Tokens in' }).waitFor()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'CSV' }).click(),
    ])
    expect(download.suggestedFilename()).toMatch(/^corral-usage-.*\.csv$/)
  })

  test.each([
    ['wide and light', wide, false],
    ['narrow and dark', narrow, true],
  ] as const)('axe finds nothing serious: %s', async (_, viewport, dark) => {
    await using open = await browser.open({ as, viewport, dark })
    for (const [path, sign] of [
      ['/', 'A title of mine'],
      ['/new', 'Environment'],
      ['/usage', 'By day'],
    ] as const) {
      await open.page.goto(path)
      await open.page.getByText(sign).first().waitFor()
      expect(await seriousIssues(open.page), path).toEqual([])
    }
  })

  test('each view of the panel is accessible, too', async () => {
    await page.goto('/')
    await page.getByRole('link', { name: 'A title of mine' }).click()
    for (const name of ['Changes', 'Timing', 'Usage', 'Network', 'Details']) {
      await tab(name).click()
      await expect.poll(() => page.getByRole('tabpanel').textContent()).not.toBe('')
      expect(await seriousIssues(page), name).toEqual([])
    }
  })

  test('deleted from its panel it is gone from the list of the other tab', async () => {
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.waitForURL(`${corral.url}/`)
    await list.page.getByRole('heading', { name: 'No sessions yet' }).waitFor({ timeout: patienceMs })
  })
})

/** Everything that the browser keeps for the page. */
const kept = (page: Page): Promise<string> =>
  page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
