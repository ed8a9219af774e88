/**
 * A terminal from a program and from a real browser into a real sandbox: bytes both ways, across a lost server; on the
 * page, what programs write is text and nothing else, and the content security policy stays as strict as it is.
 */
import { join } from 'node:path'
import { type Corral, type CorralTerminal, createCorral, type TerminalItem } from '@corral/client'
import type { SessionId } from '@corral/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addPerson, noBrowser, password, startBrowser, startInstallationWithPage } from '../harness/browser.ts'
import { eventually } from '../harness/eventually.ts'
import { type Installation, internalKey } from '../harness/installation.ts'
import { startAtTerminal } from '../harness/pseudoTerminal.ts'
import { makeRepository } from '../harness/repositories.ts'

const startMs = 90_000

let corral: Installation
/** Who has the one session of this file. */
let person: { email: string; apiKey: string; corral: Corral }
let session: SessionId
beforeAll(async () => {
  corral = await startInstallationWithPage()
  const gitUrl = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  const { email } = await addPerson(corral, 'Ada')
  const apiKey = await keyOf(email)
  person = { email, apiKey, corral: createCorral({ url: corral.url, apiKey, internalKey }) }
  ;({ cloudAgentSessionId: session } = await person.corral.call.prepareSession.mutate({
    ...{ prompt: 'Say hello', mode: 'code', model: 'scripted/demo', gitUrl },
  }))
}, startMs)
afterAll(() => corral?.end())

/** As somebody makes it who is signed in. */
async function keyOf(email: string): Promise<string> {
  const post = (path: string, body: object, cookie = '') =>
    fetch(corral.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: corral.url, cookie },
      body: JSON.stringify(body),
    })
  const signedIn = await post('/api/auth/sign-in/email', { email, password })
  const cookie = signedIn.headers
    .getSetCookie()
    .map((set) => set.split(';')[0])
    .join('; ')
  const made = await post('/trpc/createApiKey', { name: 'a key' }, cookie)
  return (await made.json()).result.data.key
}

/** Reads on its own, and keeps what came. */
function read(terminal: CorralTerminal) {
  const items: TerminalItem[] = []
  let text = ''
  async function all(): Promise<void> {
    for await (const item of terminal.output()) {
      items.push(item)
      if (item.kind === 'attached') text = ''
      if (item.kind === 'output') text += Buffer.from(item.bytes).toString()
    }
  }
  const over = all()
  const until = (wanted: RegExp) => eventually(`${wanted}`, 20_000, () => (wanted.test(text) ? true : null))
  return { items, over, until }
}

test('a program has one in the session’s workspace, also after the server was killed', async () => {
  const terminal = await eventually('a workspace that is ready', startMs, () =>
    person.corral.terminal(session, { size: { cols: 100, rows: 30 } }).catch(() => null),
  )
  const { items, over, until } = read(terminal)
  await until(/\$ /)
  terminal.write('cat README.md; stty size\n')
  await until(/An app\.\s+30 100/)
  terminal.write('git ls-remote --heads origin | wc -l; echo "$?-done"\n')
  await until(/1\s+0-done/)
  await corral.kill()
  await corral.start()
  await eventually('a terminal that takes words again', 30_000, () => (terminal.write('') ? true : null))
  terminal.write('exit 3\n')
  await over
  expect(items.at(-1)).toEqual({ kind: 'ended', reason: 'exited', exitCode: 3 })
  expect(items.filter(({ kind }) => kind === 'attached').length).toBeGreaterThan(1)
}, 180_000)

test('a person has one by the command line, leaves it, and finds it again', async (test) => {
  const at = (...args: string[]) =>
    startAtTerminal(corral, ['terminal', session, ...args], { CORRAL_API_KEY: person.apiKey })
  const first = at()
  if (!first) return test.skip('this machine has no program "script"')
  const until = (terminal: typeof first, wanted: RegExp) =>
    eventually(`${wanted}`, 20_000, () => (wanted.test(terminal.shown()) ? true : null))
  await until(first, /\$ /)
  first.type('echo "kept-$((6 * 7))"\r')
  await until(first, /kept-42/)
  first.type('\u001d')
  expect(await first.ended).toBe(0)
  const { terminals } = await person.corral.call.listTerminals.query({ sessionId: session })
  const second = at(terminals[0]?.ptyId ?? '') ?? first
  await until(second, /kept-42/)
  second.type('exit 5\r')
  expect(await second.ended).toBe(5)
}, 90_000)

describe.skipIf(noBrowser)('on the page', () => {
  test('it is typed into, and nothing that programs write leaves the screen', async () => {
    await using browser = await startBrowser(corral.url)
    await using open = await browser.open({ as: { email: person.email, password } })
    const { page, context } = open
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.goto(`/cloud/chat?sessionId=${session}`)
    await page.getByRole('tab', { name: 'Terminal' }).click()
    await page.getByRole('button', { name: 'Open a terminal' }).click()
    const rows = page.locator('.xterm-rows')
    await rows.getByText('$').first().waitFor()
    await page.keyboard.type('echo "answer: $((6 * 7))"')
    await page.keyboard.press('Enter')
    await rows.getByText('answer: 42').waitFor()

    // A link of another scheme, the clipboard, the title, a color: only the color is to be seen.
    await page.evaluate(() => navigator.clipboard.writeText('mine'))
    const escapes = [
      String.raw`\033]8;;https://example.com/\033\\link\033]8;;\033\\`,
      String.raw`\033]52;c;c3RvbGVu\007`,
      String.raw`\033]0;stolen\007`,
      String.raw`\033[38;2;1;200;3mgreen\033[0m`,
    ]
    await page.keyboard.type(`clear; printf '${escapes.join('')} shown\\n'`)
    await page.keyboard.press('Enter')
    const green = rows.locator('span', { hasText: /^green$/ }).first()
    await green.waitFor()
    expect(await green.evaluate((element) => getComputedStyle(element).color)).toBe('rgb(1, 200, 3)')
    await rows.getByText('link').first().click({ force: true })
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('mine')
    expect(await page.title()).not.toContain('stolen')
    expect(context.pages()).toHaveLength(1)

    // Escape is the terminal's; with Shift the keyboard gets out, and a screen reader has the text.
    await page.keyboard.press('Escape')
    await page.keyboard.press('Shift+Escape')
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe('End')
    await page.getByLabel('Screen reader').check()
    await page.locator('.xterm-accessibility').getByText('green').first().waitFor({ state: 'attached' })

    // It is found again, and ended.
    await page.reload()
    await page.getByRole('tab', { name: 'Terminal' }).click()
    await rows.getByText('shown').first().waitFor()
    await page.getByRole('button', { name: 'End' }).click()
    await page.getByText('The terminal was closed.').waitFor()
  }, 180_000)
})
